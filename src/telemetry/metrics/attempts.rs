//! The metrics of one upstream: its attempts, how they end, and the ones that were refused. Knows nothing of requests.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::StatusCode;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge};
use tokio::time::Instant;

use crate::fanout::{Cause, Circuit, FailureKind, Refusal};

/// The classes of statuses that an attempt can fail with, as `result` names them. A 2xx fails where `success` is narrower.
pub(super) const STATUSES: [&str; 4] = ["status_2xx", "status_3xx", "status_4xx", "status_5xx"];

/// The time without a refusal after which the next one is told to the log.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct UpstreamMetrics {
    pub(super) name: String,
    pub(super) retries: IntCounter,
    pub(super) hedges: IntCounter,
    /// By reason, in the order of [`Refusal::ALL`].
    pub(super) refused: [IntCounter; Refusal::ALL.len()],
    pub(super) told: Told,
    pub(super) circuit: IntGauge,
    pub(super) in_flight: IntGauge,
    pub(super) timeout: Gauge,
    pub(super) duration: Histogram,
    pub(super) ok: IntCounter,
    /// By kind, in the order of [`FailureKind::ALL`]. That of a status is the last of `statuses`.
    pub(super) failed: [IntCounter; FailureKind::ALL.len()],
    /// In the order of [`STATUSES`].
    pub(super) statuses: [IntCounter; STATUSES.len()],
    pub(super) opened: IntCounter,
    pub(super) resent: IntCounter,
}

impl UpstreamMetrics {
    pub(super) fn circuit_changed(&self, circuit: Circuit) {
        self.circuit.set(match circuit {
            Circuit::Closed => 0,
            Circuit::HalfOpen => 1,
            Circuit::Open => 2,
        });
        let (upstream, circuit) = (self.name.as_str(), circuit.as_str());
        tracing::warn!(upstream, circuit, "the circuit breaker changed");
    }

    pub(super) fn started(&self, cause: Cause) {
        self.in_flight.inc();
        match cause {
            Cause::First => {}
            Cause::Retry => self.retries.inc(),
            Cause::Hedge => self.hedges.inc(),
        }
    }

    pub(super) fn finished(
        &self,
        elapsed: Duration,
        status: Option<StatusCode>,
        result: Result<(), FailureKind>,
    ) {
        self.in_flight.dec();
        match result {
            Ok(()) => self.ok.inc(),
            Err(kind) => self.failed(kind, status),
        }
        // How long the gateway took to lose interest says nothing of the upstream.
        if !matches!(result, Err(kind) if kind.is_given_up()) {
            self.duration.observe(elapsed.as_secs_f64());
        }
    }

    pub(super) fn failed(&self, kind: FailureKind, status: Option<StatusCode>) {
        match (kind, status) {
            (FailureKind::Status, Some(status)) => self.statuses[class(status)].inc(),
            (kind, _) => self.failed[kind as usize].inc(),
        }
    }

    /// Counts a retry or a hedge that was not sent.
    #[cold]
    pub(super) fn refused(&self, reason: Refusal) {
        self.refused[reason as usize].inc();
        // A change of the breaker is told anyway, and a deadline may be a client's own.
        let is_news = matches!(reason, Refusal::Budget | Refusal::Limit);
        if is_news && self.told.begins(Instant::now()) {
            let (upstream, reason) = (self.name.as_str(), reason.as_str());
            tracing::warn!(upstream, reason, "retries or hedges are refused");
        }
    }
}

/// Remembers when a refusal came last, so that the log is told when they begin and not of each.
#[derive(Debug)]
pub(super) struct Told {
    began: Instant,
    /// Milliseconds since `began`, from 1; 0 before the first.
    last: AtomicU64,
}

impl Told {
    /// Nothing is known yet.
    pub(super) fn nothing() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Notes a refusal, and returns whether it is the first one for a while.
    fn begins(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.began).as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX).max(1);
        let last = self.last.swap(now, Ordering::Relaxed);
        last == 0 || u128::from(now.saturating_sub(last)) >= QUIET.as_millis()
    }
}

/// The `result` of a failure whose status is not known.
pub(super) const fn result(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Status => STATUSES[STATUSES.len() - 1],
        kind => kind.as_str(),
    }
}

/// The place of a status among [`STATUSES`].
fn class(status: StatusCode) -> usize {
    match status.as_u16() {
        ..300 => 0,
        300..400 => 1,
        400..500 => 2,
        // RFC 9110, section 15: a status beyond 599 is taken for a failure of the server.
        500.. => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kinds_number_is_its_place_among_all() {
        for (place, kind) in FailureKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind}");
        }
        for (place, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_is_told_when_refusals_begin_and_not_of_each() {
        let told = Told::nothing();
        let after = |seconds| told.began + Duration::from_secs(seconds);
        assert!(told.begins(told.began), "the first one");
        for seconds in 0..600 {
            assert!(!told.begins(after(seconds)), "they go on: {seconds}");
        }
        assert!(!told.begins(after(658)), "no minute has passed");
        assert!(told.begins(after(718)), "they begin again");
    }

    #[test]
    fn each_status_has_its_class_and_what_is_beyond_599_is_a_failure_of_the_server() {
        let name = |status| STATUSES[class(StatusCode::from_u16(status).unwrap())];
        for (statuses, expected) in [
            ([200, 204, 299], "status_2xx"),
            ([300, 304, 399], "status_3xx"),
            ([400, 429, 499], "status_4xx"),
            ([500, 503, 599], "status_5xx"),
            ([600, 777, 999], "status_5xx"),
        ] {
            assert_eq!(statuses.map(name), [expected; 3]);
        }
    }
}
