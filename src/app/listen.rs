//! A listener, its workers, and the sockets of its clients. It must not know what the routes answer.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    rc::Rc,
    sync::Arc,
};

use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactory as _, fn_factory, fn_service};
use actix_web::{
    App,
    dev::AppConfig,
    middleware::from_fn,
    rt::net::TcpStream,
    web::{Data, ServiceConfig},
};
use socket2::SockRef;

use crate::{
    api::{self, Shared},
    config,
    edge::{Edge, HalfClose, Patience},
    port::{self, Sharing},
    telemetry::Clients,
};

/// The bytes of an answer that the kernel takes before it can send them. By default it takes megabytes for a client
/// that doesn't read, and then stays silent until most of them are sent.
const UNSENT: u32 = 128 * 1024;

/// The least of it: less would cost a system call for every few packets.
const LEAST_UNSENT: u32 = 16 * 1024;

/// A listener whose workers have started.
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    pub(super) server: Server,
}

/// Binds the address that `key` configures.
pub(super) fn bind(
    address: SocketAddr,
    sharing: Sharing,
    key: &str,
) -> anyhow::Result<TcpListener> {
    port::open(address, sharing).map_err(|error| {
        if let Some(libc::EMFILE | libc::ENFILE) = error.raw_os_error() {
            let raise = config::RAISE;
            return anyhow::anyhow!("can't listen on {address} ({error}); raise the limit ({raise})");
        }
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "something else listens there: stop it, have both processes set `server.reuse_port` to take over from it, \
                 or choose another"
            },
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose another",
            io::ErrorKind::AddrNotAvailable => "this host has no such address: choose another",
            _ => "choose another",
        };
        anyhow::anyhow!("can't listen on {address} ({error}); {hint} `{key}`")
    })
}

/// The most that a listener has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Threads.
    pub(super) workers: NonZeroUsize,
    /// Connections, over all of them.
    pub(super) connections: NonZeroUsize,
}

/// Returns the bytes that the kernel takes for each client that doesn't read. They are fewer if all clients together
/// would take more memory than there is.
fn unsent(memory: u64, connections: NonZeroUsize) -> u32 {
    let each = memory / connections.get() as u64;
    u32::try_from(each)
        .unwrap_or(UNSENT)
        .clamp(LEAST_UNSENT, UNSENT)
}

/// Sets what only latency and memory depend on: a socket that refuses still works.
fn tune(tcp: &TcpStream, unsent: u32) {
    let _ = tcp.set_nodelay(true);
    let _ = SockRef::from(tcp).set_tcp_notsent_lowat(unsent);
}

/// Starts the workers behind one listener; `routes` is called on each of them. `clients` counts its connections.
pub(super) fn listen<R, C>(
    listener: TcpListener,
    settings: &config::Server,
    bounds: Bounds,
    shared: Shared,
    clients: Option<Clients>,
    routes: R,
) -> anyhow::Result<Listening>
where
    R: Fn() -> C + Clone + Send + 'static,
    C: FnOnce(&mut ServiceConfig) + 'static,
{
    let address = listener.local_addr()?;
    let patience = Patience {
        head: settings.header_timeout,
        write: settings.write_timeout,
        idle: settings.keep_alive,
        tells_idle: settings.tells_keep_alive(),
        fields: settings.max_headers.get(),
    };
    let half_close = match settings.half_close {
        true => HalfClose::Waits,
        false => HalfClose::Leaves,
    };
    let workers = bounds.workers.get();
    let unsent = unsent(settings.memory, bounds.connections);
    let connections = bounds.connections.get().div_ceil(workers);
    // A whole number of seconds, and beyond `drain`: the exact bound is the stop's own.
    let shutdown_timeout = settings.drain.as_secs() + 2;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections)
        .shutdown_timeout(shutdown_timeout)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder
        .listen("gather", listener, move || {
            let app = App::new()
                .app_data(Data::new(shared.clone()))
                .configure(routes())
                .wrap(from_fn(api::guard));
            let app = Rc::new(app.into_factory());
            let (metrics, stopping) = (Arc::clone(&shared.metrics), stopping.clone());
            let clients = clients.clone();
            fn_factory(move || {
                let (app, metrics) = (Rc::clone(&app), Arc::clone(&metrics));
                let (stopping, clients) = (stopping.clone(), clients.clone());
                async move {
                    let service = app.new_service(AppConfig::default()).await?;
                    let edge = Rc::new(Edge::new(service, patience, half_close, metrics, stopping));
                    Ok::<_, ()>(fn_service(move |tcp: TcpStream| {
                        tune(&tcp, unsent);
                        let connected = clients.as_ref().map(Clients::connected);
                        let edge = Rc::clone(&edge);
                        // The server's task would hold the connection's state twice.
                        Box::pin(async move {
                            let _connected = connected;
                            edge.serve(tcp).await
                        })
                    }))
                }
            })
        })?
        .run();
    Ok(Listening { address, server })
}
