//! When to stop, and in which order: not ready but still answering for `grace`, then the listener closes and what is in
//! flight gets `drain`, then the end. SIGTERM and SIGINT mean the same; the second one ends it at once.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::readiness::{Readiness, Stage};

/// How long each part of a stop may take.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Not ready, still listening: the time for load balancers to notice.
    pub grace: Duration,
    /// Not listening, still answering.
    pub drain: Duration,
}

/// The process's two signals to stop.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both signals over from their defaults.
    ///
    /// # Errors
    /// When the system doesn't let the process listen to signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of them and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Goes through a stop: `leave` is what the listener needs before it closes, in its own time; `close` ends it and waits for
/// what is in flight.
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
