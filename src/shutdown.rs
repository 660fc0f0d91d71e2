//! The signals and the order of a stop. For `grace` the process is not ready but still answers. Then the listener
//! closes, and requests in flight get `drain`. Then the process ends. SIGTERM, SIGINT and SIGQUIT mean the same, and
//! the second one ends the process at once. It must not know what is served.

use std::{
    future::{Future, poll_fn},
    io,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::readiness::{Readiness, Stage};

/// The time that each part of a stop may take.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Not ready, still listening: the time for load balancers to notice.
    pub grace: Duration,
    /// Not listening, still answering.
    pub drain: Duration,
}

/// The process's signals to stop, and those that must not end it.
#[derive(Debug)]
pub struct Signals {
    stopping: Vec<Named>,
    ignored: Vec<Named>,
}

type Named = (&'static str, Signal);

impl Signals {
    /// Takes over the signals to stop. Other signals keep their defaults: a command ends with its terminal.
    ///
    /// # Errors
    /// Fails if the system doesn't let the process listen to signals.
    pub fn to_stop() -> io::Result<Self> {
        Ok(Self {
            stopping: listen(&[
                ("SIGTERM", SignalKind::terminate()),
                ("SIGINT", SignalKind::interrupt()),
                ("SIGQUIT", SignalKind::quit()),
            ])?,
            ignored: Vec::new(),
        })
    }

    /// Does the same for a service. It also ignores the other signals that scripts and log rotation send, which must
    /// not end it.
    ///
    /// # Errors
    /// Fails if the system doesn't let the process listen to signals.
    pub fn of_a_service() -> io::Result<Self> {
        Ok(Self {
            ignored: listen(&[
                ("SIGHUP", SignalKind::hangup()),
                ("SIGUSR1", SignalKind::user_defined1()),
                ("SIGUSR2", SignalKind::user_defined2()),
            ])?,
            ..Self::to_stop()?
        })
    }

    /// Waits for the next signal to stop and returns its name. Ignored signals are logged.
    pub async fn next(&mut self) -> &'static str {
        poll_fn(|cx| {
            for (name, signal) in &mut self.ignored {
                while signal.poll_recv(cx) == Poll::Ready(Some(())) {
                    tracing::warn!(
                        signal = *name,
                        "ignored: SIGTERM, SIGINT and SIGQUIT stop the gateway"
                    );
                }
            }
            let arrived =
                |(name, signal): &mut Named| signal.poll_recv(cx).is_ready().then_some(*name);
            match self.stopping.iter_mut().find_map(arrived) {
                Some(name) => Poll::Ready(name),
                None => Poll::Pending,
            }
        })
        .await
    }
}

fn listen(kinds: &[(&'static str, SignalKind)]) -> io::Result<Vec<Named>> {
    let named = kinds
        .iter()
        .map(|(name, kind)| signal(*kind).map(|signal| (*name, signal)));
    named.collect()
}

/// Runs a stop. `leave` prepares the listener for its close and takes its own time. `close` closes the listener and
/// waits for requests in flight.
pub async fn stop<F, C>(
    settings: Settings,
    readiness: &Arc<Readiness>,
    leave: impl Future<Output = ()>,
    close: F,
) where
    F: FnOnce() -> C,
    C: Future<Output = ()>,
{
    readiness.advance(Stage::Stopping);
    tokio::time::sleep(settings.grace).await;
    leave.await;
    tracing::info!(
        grace = ?settings.grace,
        drain = ?settings.drain,
        "`grace` is over: the listener closes, and requests in flight get `drain` to end"
    );
    // The server's own bound is `drain` in whole seconds; this one is exact.
    if tokio::time::timeout(settings.drain, close()).await.is_err() {
        tracing::warn!(drain = ?settings.drain, "requests in flight were cut off: `drain` was over");
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const SETTINGS: Settings = Settings {
        grace: Duration::from_secs(3),
        drain: Duration::from_secs(10),
    };

    #[tokio::test(start_paused = true)]
    async fn the_listener_stays_open_for_the_grace() {
        let readiness = Arc::new(Readiness::default());
        let began = Instant::now();
        let mut closed = None;
        let seen = Arc::clone(&readiness);
        stop(SETTINGS, &readiness, async {}, || {
            closed = Some((began.elapsed(), seen.stage()));
            async {}
        })
        .await;
        assert_eq!(closed, Some((Duration::from_secs(3), Stage::Stopping)));
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_flight_get_the_drain_and_no_more() {
        let readiness = Arc::new(Readiness::default());
        let began = Instant::now();
        stop(SETTINGS, &readiness, async {}, std::future::pending).await;
        assert_eq!(began.elapsed(), Duration::from_secs(13));
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_a_shared_port_takes_nothing_of_the_drain() {
        let readiness = Arc::new(Readiness::default());
        let began = Instant::now();
        let leave = async { tokio::time::sleep(Duration::from_secs(1)).await };
        stop(SETTINGS, &readiness, leave, std::future::pending).await;
        assert_eq!(began.elapsed(), Duration::from_secs(14));
    }
}
