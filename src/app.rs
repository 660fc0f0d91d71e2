//! The one place where the parts meet: a checked configuration becomes listeners, workers and a gateway in each of
//! them.

mod calls;
mod deployment;
mod endpoints;
mod generation;
mod listen;
mod reach;
mod targets;
mod upstreams;

use std::{
    cell::LazyCell,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use http::uri::Scheme;
use tokio::{sync::oneshot, task::JoinError, time::timeout};

use self::{
    generation::{Generation, ProcessBounds, ProcessView},
    listen::{Bounds, Listening, bind, listen},
};
use crate::{
    api::{self, ProblemKind, Routes, Shared},
    config::{self, Config, Descriptors, Process, TooFew},
    exchange::Memory,
    fanout::Limit,
    port::{HandOver, Sharing},
    readiness::{Readiness, Stage},
    shutdown,
    telemetry::{
        Metrics,
        spans::{self, Spans},
    },
    upstream::Roots,
};

pub use crate::openapi::Version as OpenApiVersion;
pub use generation::openapi;

/// The time that the connections of the operational listener get to end in order. Scrapers and probes answer a close
/// at once.
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

impl Application {
    /// Binds the listeners and starts the workers. Needs an actix system or a local runtime around it.
    ///
    /// # Errors Fails if there are too few file descriptors, an address can't be bound, or an upstream's TLS settings
    /// can't be used.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let shares = divide_descriptors(&config)?;
        let Process {
            server,
            admin,
            tracing,
            ..
        } = config.process;
        let mut services = config.services;
        // Read once, and only if anything relies on them.
        let roots = services.roots.take();
        let roots = LazyCell::new(|| roots.unwrap_or_else(Roots::system));
        let memory = Memory::new(usize::try_from(server.memory).unwrap_or(usize::MAX));
        let metrics = Arc::new(metrics(&memory)?);
        let spans = spans(tracing, &roots, &metrics)?;
        let view = ProcessView {
            server: &server,
            operations: admin.is_none(),
            metrics: &metrics,
            traced: spans.is_some(),
        };
        let generation = Arc::new(Generation::new(services, view, || roots.clone())?);
        let shared = Shared {
            metrics: Arc::clone(&metrics),
            spans: spans.clone(),
            readiness: Arc::default(),
            compression: server.compression,
            memory: memory.clone(),
        };
        let bounds = ProcessBounds {
            in_flight: Arc::new(Limit::new(shares.requests)),
            memory,
        };

        let bound = Bound::of(&server, admin.as_ref())?;
        let (started, workers) = (Arc::new(AtomicUsize::new(0)), shares.workers);
        let for_workers = shared.clone();
        let public = listen(
            bound.public,
            &server,
            Bounds {
                workers,
                connections: shares.clients,
            },
            shared.clone(),
            Some(metrics.register_clients(shares.clients)?),
            move || {
                let gateway = generation.gateway(bounds.clone());
                if started.fetch_add(1, Ordering::AcqRel) + 1 == workers.get() {
                    for_workers.readiness.advance(Stage::Ready);
                    for_workers.metrics.set_ready(true);
                }
                api::public(gateway)
            },
        )?;
        let listen_admin =
            |listener| listen_admin(listener, &server, shares.admin_connections, &shared);
        let admin = bound.admin.map(listen_admin).transpose()?;
        Ok(Self {
            public,
            admin,
            hand_over: bound.hand_over,
            readiness: shared.readiness,
            metrics,
            spans,
            stop: shutdown::Settings {
                grace: server.grace,
                drain: server.drain,
            },
        })
    }

    /// The address at which aggregates are served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.public.address
    }

    /// The address at which the operational routes are served: the admin listener's, else the public one's.
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
    /// Fails if a listener ends by itself.
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
        self.metrics.set_ready(false);
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

/// The sockets of both listeners, of which neither serves yet.
struct Bound {
    public: TcpListener,
    admin: Option<TcpListener>,
    hand_over: Option<HandOver>,
}

impl Bound {
    /// Binds both before either serves, and the one that may be shared last. So a process that is about to give up
    /// lets no client in. The operational routes are this process's own, so they are never shared.
    fn of(server: &config::Server, admin: Option<&config::Admin>) -> anyhow::Result<Self> {
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
        Ok(Self {
            public,
            admin,
            hand_over,
        })
    }
}

/// Serves the operational routes on a listener of their own, to so many clients.
fn listen_admin(
    listener: TcpListener,
    server: &config::Server,
    connections: NonZeroUsize,
    shared: &Shared,
) -> anyhow::Result<Listening> {
    let bounds = Bounds {
        workers: NonZeroUsize::MIN,
        connections,
    };
    let uncompressed = Shared {
        compression: false,
        ..shared.clone()
    };
    let routes = Routes::admin()?;
    listen(listener, server, bounds, uncompressed, None, move || {
        api::admin(routes.clone())
    })
}

/// Divides the file descriptors of this process, and logs the configuration's warnings. A warning about the shares is
/// not logged twice: if the limit could be raised, the configuration had it already when it was loaded.
fn divide_descriptors(config: &Config) -> Result<Descriptors, TooFew> {
    let shares = Descriptors::now(config)?;
    tracing::debug!(?shares, "file descriptors");
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let is_known = config.descriptors == Some(shares);
    if let Some(news) = shares.warning_line(config).filter(|_| !is_known) {
        tracing::warn!("{news}");
    }
    Ok(shares)
}

/// Starts the recorder of spans, if there is a place to send them to.
fn spans(
    tracing: config::Tracing,
    roots: &LazyCell<Roots, impl FnOnce() -> Roots>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Option<Arc<Spans>>> {
    let Some(endpoint) = tracing.otlp_endpoint else {
        return Ok(None);
    };
    let secure = endpoint.scheme() == Some(&Scheme::HTTPS);
    let settings = spans::Settings {
        endpoint,
        sample: tracing.sample,
        roots: match secure {
            true => roots.certificates().to_vec(),
            false => Vec::new(),
        },
    };
    let spans = Spans::start(&settings, Arc::clone(metrics)).context("tracing")?;
    Ok(Some(Arc::new(spans)))
}

/// Makes the metrics of the process.
fn metrics(memory: &Memory) -> anyhow::Result<Metrics> {
    let metrics = Metrics::new(&ProblemKind::names())?;
    metrics.register_memory(memory.clone())?;
    Ok(metrics)
}

/// Sends the last spans on a thread of their own, as a second signal has to be heard meanwhile. If no thread can be
/// started, sends them here.
async fn stop_sending(spans: Arc<Spans>) {
    let (tell, stopped) = oneshot::channel();
    let there = Arc::clone(&spans);
    let thread = thread::Builder::new().spawn(move || {
        there.stop();
        // After a second signal the receiver is gone.
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
