//! The one place where the parts meet: a checked configuration becomes listeners, workers and a gateway in each of them.

mod console;
mod deployment;
mod surface;
mod watch;

use std::{
    cell::LazyCell,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
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
use anyhow::Context as _;
use http::{HeaderName, uri::Scheme};
use socket2::SockRef;
use tokio::{sync::oneshot, task::JoinError, time::timeout};

use crate::{
    api::{
        self, Deployment, Exposed, Gateway, ProblemKind, Shared,
        edge::{Edge, HalfClose, Patience},
    },
    config::{self, Config},
    fanout::{Aggregate, Call, Lane, Limit, Memory, UpstreamId},
    port::{self, HandOver, Sharing},
    readiness::{Readiness, Stage},
    shutdown,
    telemetry::{
        Metrics, Names,
        spans::{self, Spans, Target},
    },
    upstream::{self, Adapter, Prepared, Roots, Sessions, Unprepared},
};

pub use surface::openapi;
use watch::{Counting, Reach};

/// How much of an answer the kernel takes that it can't send yet, in bytes. By default it takes megabytes for a client that
/// doesn't read, and then says nothing for as long as it takes to send most of them.
const UNSENT: u32 = 128 * 1024;

/// The least of it: less would cost a system call for every few packets.
const LEAST_UNSENT: u32 = 16 * 1024;

/// The time that the connections of the operational listener get to end in order. Whoever scrapes or probes answers a close at
/// once.
const ADMIN_CLOSE: Duration = Duration::from_millis(250);

/// A gateway that listens and is about to run.
pub struct Application {
    public: Listening,
    admin: Option<Listening>,
    hand_over: Option<HandOver>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    spans: Option<Arc<Spans>>,
    stop: shutdown::Settings,
}

struct Listening {
    address: SocketAddr,
    server: Server,
}

impl Application {
    /// Binds the listeners and starts the workers. Needs an actix system or a local runtime around it.
    ///
    /// # Errors
    /// When an address can't be bound or an upstream's TLS settings can't be used.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let Config {
            server,
            admin,
            tracing,
            upstreams,
            aggregates,
            roots,
            warnings,
            ..
        } = config;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        // Read once, and only where anything relies on them.
        let roots = LazyCell::new(|| roots.unwrap_or_else(Roots::system));
        let memory = Memory::new(usize::try_from(server.memory).unwrap_or(usize::MAX));
        let metrics = Arc::new(metrics(&aggregates, &upstreams, &memory)?);
        let spans = spans(tracing, &roots, &upstreams, &metrics)?;
        let shared = Shared {
            metrics: Arc::clone(&metrics),
            spans: spans.clone(),
            readiness: Arc::default(),
            compression: server.compression,
            memory,
            document: openapi(&server, admin.is_none(), &aggregates, &upstreams),
        };
        let with_operations = admin.is_none();
        let console = server
            .console
            .then(|| console::console(&aggregates, &upstreams, with_operations))
            .transpose()?;
        let (roots, most) = (|| roots.clone(), server.max_in_flight);
        let blueprint = Blueprint::new(aggregates, upstreams, roots, most)?;
        let blueprint = Arc::new(blueprint.heeding(&server.deadline_headers));
        let workers = server.workers;

        // Both are bound before either serves, and the one that may be shared is last: nobody is let in by a process that
        // is about to give up. The operational routes are this process's own, so they are never shared.
        let admin = admin
            .map(|admin| bind(admin.listen, Sharing::Alone, "admin.listen"))
            .transpose()?;
        let sharing = match server.reuse_port {
            true => Sharing::Shared,
            false => Sharing::Alone,
        };
        let public = bind(server.listen, sharing, "server.listen")?;
        let hand_over = match sharing {
            Sharing::Shared => Some(HandOver::of(&public)?),
            Sharing::Alone => None,
        };
        let started = Arc::new(AtomicUsize::new(0));
        let for_workers = shared.clone();
        let public = listen(public, &server, workers, shared.clone(), move || {
            let gateway = blueprint.gateway(&for_workers);
            if started.fetch_add(1, Ordering::AcqRel) + 1 == workers.get() {
                for_workers.readiness.advance(Stage::Ready);
                for_workers.metrics.ready(true);
            }
            api::public(gateway, console.clone(), with_operations)
        })?;
        let admin = admin
            .map(|listener| {
                let one = NonZeroUsize::MIN;
                let uncompressed = Shared {
                    compression: false,
                    ..shared.clone()
                };
                listen(listener, &server, one, uncompressed, || api::admin)
            })
            .transpose()?;
        Ok(Self {
            public,
            admin,
            hand_over,
            readiness: shared.readiness,
            metrics,
            spans,
            stop: shutdown::Settings {
                grace: server.grace,
                drain: server.drain,
            },
        })
    }

    /// Where aggregates are served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.public.address
    }

    /// Where the operational routes are served: the admin listener, else the public one.
    #[must_use]
    pub fn operations_address(&self) -> SocketAddr {
        self.admin.as_ref().unwrap_or(&self.public).address
    }

    /// The address of the admin listener, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Serves until `stop` is ready, then goes through an orderly stop.
    ///
    /// # Errors
    /// When a listener ends by itself.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let public = self.public.server.handle();
        let admin = self.admin.as_ref().map(|admin| admin.server.handle());
        let serving = actix_web::rt::spawn(self.public.server);
        let operating = self.admin.map(|admin| actix_web::rt::spawn(admin.server));
        let operating = async {
            match operating {
                Some(operating) => operating.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = serving => return Err(ended_early(ended, "server.listen")),
            ended = operating => return Err(ended_early(ended, "admin.listen")),
            () = stop => {}
        }
        self.metrics.ready(false);
        let leave = async {
            if let Some(hand_over) = self.hand_over {
                hand_over.leave().await;
            }
        };
        shutdown::stop(self.stop, &self.readiness, leave, || public.stop(true)).await;
        if let Some(admin) = admin {
            // The end of the process closes what has not closed by then.
            let _ = timeout(ADMIN_CLOSE, admin.stop(true)).await;
        }
        if let Some(spans) = self.spans {
            stop_sending(spans).await;
        }
        Ok(())
    }
}

/// What records spans, if there is where to send them.
fn spans(
    tracing: config::Tracing,
    roots: &LazyCell<Roots, impl FnOnce() -> Roots>,
    upstreams: &[crate::upstream::Settings],
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Option<Arc<Spans>>> {
    let Some(endpoint) = tracing.otlp_endpoint else {
        return Ok(None);
    };
    let targets: Vec<_> = upstreams
        .iter()
        .map(|upstream| Target {
            name: &upstream.name,
            url: &upstream.url,
            port: upstream.port(),
            method: &upstream.method,
        })
        .collect();
    let secure = endpoint.scheme() == Some(&Scheme::HTTPS);
    let settings = spans::Settings {
        endpoint,
        sample: tracing.sample,
        roots: match secure {
            true => roots.certificates().to_vec(),
            false => Vec::new(),
        },
    };
    let spans = Spans::start(&settings, &targets, Arc::clone(metrics)).context("tracing")?;
    Ok(Some(Arc::new(spans)))
}

/// Everything that is counted, under the configured names.
fn metrics(
    aggregates: &[config::Aggregate],
    upstreams: &[upstream::Settings],
    memory: &Memory,
) -> anyhow::Result<Metrics> {
    let names: Vec<_> = aggregates
        .iter()
        .map(|aggregate| &*aggregate.name)
        .collect();
    let called: Vec<_> = upstreams.iter().map(|upstream| &*upstream.name).collect();
    let metrics = Metrics::new(&Names {
        aggregates: &names,
        upstreams: &called,
        problems: &ProblemKind::names(),
    })?;
    for (index, upstream) in upstreams.iter().enumerate() {
        metrics.allows(UpstreamId(index), upstream.timeout);
    }
    metrics.shows(memory.clone())?;
    Ok(metrics)
}

/// Sends the last spans, on a thread: a second signal has to be heard meanwhile. A process that can't start one sends them here.
async fn stop_sending(spans: Arc<Spans>) {
    let (tell, stopped) = oneshot::channel();
    let there = Arc::clone(&spans);
    let thread = thread::Builder::new().spawn(move || {
        there.stop();
        // Nobody listens after a second signal.
        let _ = tell.send(());
    });
    match thread {
        Ok(_) => drop(stopped.await),
        Err(_) => spans.stop(),
    }
}

/// A listener that ends before it is told to is a failure, whatever it says.
fn ended_early(ended: Result<io::Result<()>, JoinError>, key: &str) -> anyhow::Error {
    let cause = match ended {
        Ok(Ok(())) => anyhow::anyhow!("it ended by itself"),
        Ok(Err(error)) => error.into(),
        Err(error) => error.into(),
    };
    cause.context(format!("the listener of `{key}` failed"))
}

/// What every worker builds its gateway from.
struct Blueprint {
    aggregates: Vec<config::Aggregate>,
    upstreams: Vec<Prepared>,
    lanes: Vec<Arc<Lane>>,
    reach: Vec<Arc<Reach>>,
    in_flight: Arc<Limit>,
    deployment: Deployment,
    deadline_headers: Arc<[HeaderName]>,
}

impl Blueprint {
    fn new(
        aggregates: Vec<config::Aggregate>,
        upstreams: Vec<crate::upstream::Settings>,
        roots: impl FnOnce() -> Roots,
        max_in_flight: NonZeroUsize,
    ) -> anyhow::Result<Self> {
        let deployment = deployment::of(&aggregates, &upstreams);
        let sessions = Sessions::of(&upstreams, roots)?;
        let lanes = upstreams
            .iter()
            .map(|upstream| Arc::new(Lane::new(upstream.lane.clone())))
            .collect();
        let reach = upstreams
            .iter()
            .map(|upstream| Arc::new(Reach::of(&upstream.name)))
            .collect();
        let mut host_names = upstream::Names::default();
        let upstreams = upstreams
            .into_iter()
            .map(|settings| {
                let name = Arc::clone(&settings.name);
                let prepared = Prepared::new(settings, &sessions, &mut host_names);
                let prepared = prepared.map_err(|error| match error {
                    Unprepared::Tls(_) => {
                        anyhow::Error::new(error).context(format!("upstreams.{name}.tls"))
                    }
                    Unprepared::Threads(_) => error.into(),
                })?;
                Ok(prepared.passing(deployment.member()))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            aggregates,
            upstreams,
            lanes,
            reach,
            in_flight: Arc::new(Limit::new(max_in_flight)),
            deployment,
            deadline_headers: Arc::default(),
        })
    }

    /// The same, where callers say in these header fields for how many milliseconds they will wait.
    fn heeding(mut self, deadline_headers: &[HeaderName]) -> Self {
        self.deadline_headers = deadline_headers.into();
        self
    }

    /// A gateway for the calling thread, with pools of its own.
    fn gateway(
        &self,
        Shared {
            metrics, memory, ..
        }: &Shared,
    ) -> Rc<Gateway<Adapter>> {
        let adapters: Vec<_> = self
            .upstreams
            .iter()
            .enumerate()
            .map(|(index, prepared)| {
                let watch = Counting {
                    metrics: Arc::clone(metrics),
                    upstream: UpstreamId(index),
                    lane: Arc::clone(&self.lanes[index]),
                    reach: Arc::clone(&self.reach[index]),
                };
                Rc::new(Adapter::new(prepared, Rc::new(watch)))
            })
            .collect();
        let exposed = self
            .aggregates
            .iter()
            .map(|aggregate| self.expose(aggregate, &adapters))
            .collect();
        let in_flight = Arc::clone(&self.in_flight);
        let (memory, deployment) = (memory.clone(), self.deployment.clone());
        Gateway::new(exposed, Arc::clone(metrics), in_flight, memory, deployment)
    }

    fn expose(&self, aggregate: &config::Aggregate, adapters: &[Rc<Adapter>]) -> Exposed<Adapter> {
        let called: Vec<_> = aggregate
            .calls
            .iter()
            .map(|call| self.upstreams[call.upstream].settings())
            .collect();
        let calls = aggregate
            .calls
            .iter()
            .zip(&called)
            .map(|(call, settings)| Call {
                name: Arc::clone(&call.name),
                id: UpstreamId(call.upstream),
                upstream: Rc::clone(&adapters[call.upstream]),
                need: call.need,
                timeout: settings.timeout,
                lane: Arc::clone(&self.lanes[call.upstream]),
            })
            .collect();
        Exposed {
            compare: aggregate.compare,
            max_body: aggregate.max_body,
            forward_headers: surface::forward_headers(called.iter().copied()),
            forward_query: called
                .iter()
                .flat_map(|settings| settings.forward_query.iter().cloned())
                .collect(),
            deadline_headers: Arc::clone(&self.deadline_headers),
            aggregate: Aggregate {
                name: Arc::clone(&aggregate.name),
                calls,
                mode: aggregate.mode,
                concurrency: aggregate.concurrency,
                deadline: aggregate.deadline,
                completion: aggregate.completion,
                on_failure: aggregate.on_failure,
            },
        }
    }
}

fn bind(address: SocketAddr, sharing: Sharing, key: &str) -> anyhow::Result<TcpListener> {
    port::open(address, sharing).map_err(|error| {
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

/// The bytes that the kernel takes for each client that doesn't read: less where all of them would take more than there is.
fn unsent(settings: &config::Server) -> u32 {
    let each = settings.memory / settings.max_connections.get() as u64;
    u32::try_from(each)
        .unwrap_or(UNSENT)
        .clamp(LEAST_UNSENT, UNSENT)
}

/// Sets what only latency and memory depend on: a socket that refuses still works.
fn tune(tcp: &TcpStream, unsent: u32) {
    let _ = tcp.set_nodelay(true);
    let _ = SockRef::from(tcp).set_tcp_notsent_lowat(unsent);
}

/// Starts `workers` threads behind one listener; `routes` is called on each of them.
fn listen<R, C>(
    listener: TcpListener,
    settings: &config::Server,
    workers: NonZeroUsize,
    shared: Shared,
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
    let unsent = unsent(settings);
    let connections = settings.max_connections.get().div_ceil(workers.get());
    // A whole number of seconds, and beyond `drain`: the exact bound is the stop's own.
    let shutdown_timeout = settings.drain.as_secs() + 2;
    let builder = Server::build()
        .workers(workers.get())
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
            fn_factory(move || {
                let (app, metrics) = (Rc::clone(&app), Arc::clone(&metrics));
                let stopping = stopping.clone();
                async move {
                    let service = app.new_service(AppConfig::default()).await?;
                    let edge = Rc::new(Edge::new(service, patience, half_close, metrics, stopping));
                    Ok::<_, ()>(fn_service(move |tcp: TcpStream| {
                        tune(&tcp, unsent);
                        // The server's task would hold the connection's state twice.
                        Box::pin(Rc::clone(&edge).serve(tcp))
                    }))
                }
            })
        })?
        .run();
    Ok(Listening { address, server })
}
