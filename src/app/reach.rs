//! Observes the connections below an upstream's attempts: counts them, and logs when no connection can be made any
//! more, why, and when one can be made again. It must not know how connections are made.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    fanout::{Failure, Policy},
    telemetry::UpstreamMetrics,
    upstream::{ConnectionObserver, ResendBudget},
};

/// The target of these lines. People filter lines by it, so it stays when a file moves.
const TARGET: &str = "gather::app::watch";

/// The time in which one line about an upstream may be written, after the first [`BURST`]. Without it, one dead
/// address of two would make a line for each connection.
const DISTANCE: Duration = Duration::from_secs(10);

/// The lines about an upstream that may follow one another at once.
const BURST: u32 = 6;

/// Observes the connections of one upstream on one worker.
pub(super) struct UpstreamObserver {
    pub(super) metrics: Arc<UpstreamMetrics>,
    pub(super) policy: Arc<Policy>,
    /// Shared by all workers.
    pub(super) reach: Arc<Reach>,
    /// The reach of all upstreams together. It is lost when the gateway itself lacks something, such as descriptors.
    pub(super) gateway_reach: Arc<Reach>,
}

impl ConnectionObserver for UpstreamObserver {
    fn opened(&self) {
        self.metrics.opened();
        if self.reach.is_lost.load(Ordering::Relaxed) {
            self.reach.found(Instant::now());
        }
        if self.gateway_reach.is_lost.load(Ordering::Relaxed) {
            self.gateway_reach.found(Instant::now());
        }
    }

    fn unreachable(&self, failure: &Failure) {
        self.reach.lost(&failure.detail, Instant::now());
    }

    fn short(&self, failure: &Failure) {
        self.gateway_reach.lost(&failure.detail, Instant::now());
    }

    fn resent(&self) {
        self.metrics.resent();
    }
}

impl ResendBudget for UpstreamObserver {
    fn withdraw(&self) -> bool {
        self.policy.pays_for_another()
    }
}

/// The last report of the log on the connections to one upstream, or to all of them together.
#[derive(Debug)]
pub(super) struct Reach {
    /// `None` for all.
    upstream: Option<Arc<str>>,
    /// True if the last line said that there is no connection. It is read for each connection that is opened.
    is_lost: AtomicBool,
    /// Locked only while connections fail, and by the first that succeeds after that.
    reported: Mutex<Reported>,
}

#[derive(Debug, Default)]
struct Reported {
    reason: Option<String>,
    /// The time at which all lines that were written have been paid for, by [`DISTANCE`] each.
    paid: Option<Instant>,
}

impl Reported {
    /// Asks for another line, and pays for it.
    fn may_report(&mut self, now: Instant) -> bool {
        let paid = self.paid.map_or(now, |paid| paid.max(now));
        let is_allowed = paid.duration_since(now) <= DISTANCE * (BURST - 1);
        if is_allowed {
            self.paid = Some(paid + DISTANCE);
        }
        is_allowed
    }
}

impl Reach {
    /// Begins for one upstream, with nothing reported.
    pub(super) fn of(upstream: &Arc<str>) -> Self {
        Self::new(Some(Arc::clone(upstream)))
    }

    /// Begins for all upstreams together, with nothing reported.
    pub(super) fn of_all() -> Self {
        Self::new(None)
    }

    fn new(upstream: Option<Arc<str>>) -> Self {
        Self {
            upstream,
            is_lost: AtomicBool::new(false),
            reported: Mutex::default(),
        }
    }

    /// Logs the reason, unless it was logged last. Returns true if it did.
    fn lost(&self, reason: &str, now: Instant) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.reason.as_deref() == Some(reason) || !reported.may_report(now) {
            return false;
        }
        reported.reason = Some(reason.to_owned());
        self.is_lost.store(true, Ordering::Relaxed);
        drop(reported);
        match self.upstream.as_deref() {
            Some(upstream) => {
                tracing::warn!(target: TARGET, upstream, reason, "no connection to an upstream")
            }
            None => {
                tracing::warn!(target: TARGET, reason, "no connection can be opened to any upstream")
            }
        }
        true
    }

    /// Logs that there is a connection again. Returns true if it did.
    fn found(&self, now: Instant) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.reason.is_none() || !reported.may_report(now) {
            return false;
        }
        reported.reason = None;
        self.is_lost.store(false, Ordering::Relaxed);
        drop(reported);
        match self.upstream.as_deref() {
            Some(upstream) => {
                tracing::warn!(target: TARGET, upstream, "an upstream can be connected to again")
            }
            None => tracing::warn!(target: TARGET, "connections to upstreams can be opened again"),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reason_is_told_once_and_the_end_of_it_too() {
        let reach = Reach::of(&"users".into());
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        assert!(!reach.found(began), "nothing was lost");
        assert!(reach.lost("refused", began));
        assert!(!reach.lost("refused", after(60)));
        assert!(reach.lost("no such name", after(61)));
        assert!(reach.found(after(120)));
        assert!(!reach.found(after(180)));
        assert!(reach.lost("refused", after(240)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_comes_and_goes_makes_a_few_lines_and_then_one_every_ten_seconds() {
        let reach = Reach::of(&"users".into());
        let began = Instant::now();
        let mut lines = 0;
        for tenth in 0..1_000 {
            let now = began + Duration::from_millis(100) * tenth;
            let told = match tenth % 3 {
                0 => reach.found(now),
                1 => reach.lost("refused", now),
                _ => reach.lost("late", now),
            };
            lines += u32::from(told);
        }
        assert!((15..=16).contains(&lines), "{lines}");
    }
}
