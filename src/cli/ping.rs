//! `gather ping`: the dummy upstream on its own.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use anyhow::Context as _;
use clap::Args;
use tracing::level_filters::LevelFilter;

use super::{Done, block_on, serve};
use crate::{
    config::TooFew,
    ping,
    port::{self, Sharing},
    shutdown::Signals,
    telemetry::log,
};

/// The dummy upstream: GET /ping answers "pong" after a delay.
///
/// Each option but --listen and --workers can be given per request too, and a status:
/// /ping?delay=100ms&jitter=50ms&fail_rate=0.1&body_bytes=1024&status=503. Other parameters and paths are refused.
#[derive(Debug, Args)]
pub(super) struct Ping {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Time to wait before answering
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = ping::parse_delay)]
    delay: Duration,
    /// Largest difference from the delay, either way
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = ping::parse_delay)]
    jitter: Duration,
    /// The share of requests that get a 500, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = ping::parse_fail_rate)]
    fail_rate: f64,
    /// The size of the body, in bytes
    #[arg(long, value_name = "BYTES", value_parser = ping::parse_body_bytes)]
    body_bytes: Option<usize>,
    /// Threads that serve
    #[arg(long, value_name = "N", default_value = "1")]
    workers: NonZeroUsize,
}

impl Ping {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        log::start(log::Settings {
            format: log::Format::Text,
            level: LevelFilter::INFO,
        })?;
        serve::allow_many_sockets();
        let (what, instead) = match self.workers.get() {
            1 => ("1 worker".to_owned(), ""),
            workers => (format!("{workers} workers"), ", or use fewer --workers"),
        };
        TooFew::check((1, self.workers.get()), 1, what, instead)?;
        block_on(async {
            let stop = serve::on_signal(Signals::to_stop()?);
            let listener = port::open(self.listen, Sharing::Alone).with_context(|| {
                format!("can't listen on {}; choose another --listen", self.listen)
            })?;
            let address = listener.local_addr()?;
            let settings = ping::Settings {
                delay: self.delay,
                jitter: self.jitter,
                fail_rate: self.fail_rate,
                body_bytes: self.body_bytes,
            };
            let server = ping::serve(listener, settings, self.workers.get(), None)?;
            let handle = server.handle();
            let serving = actix_web::rt::spawn(server);
            tracing::info!(%address, delay = ?self.delay, "listening: GET /ping");
            stop.await;
            handle.stop(true).await;
            serving.await??;
            Ok(Done::Well)
        })
    }
}
