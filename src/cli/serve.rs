//! `gather serve`: the gateway.

use clap::Args;
use tokio::sync::oneshot;
use tracing::level_filters::LevelFilter;

use super::{
    Done, block_on,
    check::{self, Files},
};
use crate::{
    app::Application,
    config::{self, Config, Descriptors, Surroundings},
    shutdown::Signals,
    telemetry::log,
};

/// Runs the gateway until SIGTERM, SIGINT or SIGQUIT.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    files: Files,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        match self.files.load(Some(&Surroundings::of_this_process()))? {
            Ok(config) => {
                log::start(logging(config.process.log))?;
                allow_many_sockets();
                // This comes before the first thread, which would need descriptors.
                Descriptors::now(&config)?;
                block_on(serve(config))?;
                Ok(Done::Well)
            }
            Err(mistakes) => check::refuse(&mistakes),
        }
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let stop = on_signal(Signals::of_a_service()?);
    let files = config.files.join(", ");
    let application = Application::build(config)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %application.address(),
        admin = application.admin_address().map(tracing::field::display),
        files,
        "listening"
    );
    application.run_until_stopped(stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Completes at the first signal to stop. The second one ends the process at once.
pub(super) fn on_signal(mut signals: Signals) -> impl Future<Output = ()> {
    let (told, stop) = oneshot::channel();
    actix_web::rt::spawn(async move {
        let signal = signals.next().await;
        // If nobody waits any more, the process is about to end anyway.
        let _ = told.send(());
        tracing::info!(signal, "stopping; a second signal ends it at once");
        let signal = signals.next().await;
        tracing::warn!(signal, "ended before the stop was over");
        log::flush(super::LAST_LINES);
        std::process::exit(1);
    });
    async move {
        let _ = stop.await;
    }
}

/// Raises the soft limit of file descriptors to the hard one, as Go's programs do. A gateway needs one socket for each
/// client and one for each call. The soft limit is often 1024, because of programs that call `select`.
pub(super) fn allow_many_sockets() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

fn logging(log: config::Log) -> log::Settings {
    log::Settings {
        format: match log.format {
            config::LogFormat::Text => log::Format::Text,
            config::LogFormat::Json => log::Format::Json,
        },
        level: match log.level {
            config::LogLevel::Off => LevelFilter::OFF,
            config::LogLevel::Error => LevelFilter::ERROR,
            config::LogLevel::Warn => LevelFilter::WARN,
            config::LogLevel::Info => LevelFilter::INFO,
            config::LogLevel::Debug => LevelFilter::DEBUG,
            config::LogLevel::Trace => LevelFilter::TRACE,
        },
    }
}
