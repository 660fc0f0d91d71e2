//! The metrics that have a series for each upstream: their declaration, and the series of one upstream, which follow
//! the events of plans. It must not know requests.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Registry,
};
use tokio::time::Instant;

use super::{
    buckets::DURATIONS,
    families::{Labelled, Resolved},
    refusals::Refusals,
};
use crate::fanout::{Cause, Circuit, Event, FailureKind, Observer, Refusal, UpstreamId};

/// The kinds of failure that attempts are counted by. `omitted` is none of them, and the last of all kinds.
const FAILURES: [FailureKind; FailureKind::ALL.len() - 1] = match FailureKind::ALL.first_chunk() {
    Some(kinds) => *kinds,
    None => unreachable!(),
};

/// The target of these lines. People filter lines by it, so it stays when a file moves.
const TARGET: &str = "gather::telemetry::metrics::attempts";

/// A class of statuses that an attempt can fail with, as the label `result` names it.
#[derive(Debug, Clone, Copy)]
enum StatusClass {
    /// A status that fails only because `success` is narrower.
    Successful,
    Redirection,
    ClientError,
    ServerError,
}

impl StatusClass {
    const ALL: [Self; 4] = [
        Self::Successful,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "status_2xx",
            Self::Redirection => "status_3xx",
            Self::ClientError => "status_4xx",
            Self::ServerError => "status_5xx",
        }
    }
}

impl From<StatusCode> for StatusClass {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            ..300 => Self::Successful,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            // RFC 9110, section 15: a status beyond 599 means a failure of the server.
            500.. => Self::ServerError,
        }
    }
}

/// The metrics of one upstream. All generations that have it share them.
#[derive(Debug)]
pub struct UpstreamMetrics {
    name: String,
    retries: IntCounter,
    hedges: IntCounter,
    /// The counters of refused attempts, by reason.
    refused: [IntCounter; Refusal::ALL.len()],
    refusals: Refusals,
    circuit: IntGauge,
    in_flight: IntGauge,
    timeout: Gauge,
    duration: Histogram,
    ok: IntCounter,
    /// The counters of failures, by kind. That of a status is the last of `statuses`.
    failed: [IntCounter; FAILURES.len()],
    /// The counters of failures with a status, by class.
    statuses: [IntCounter; StatusClass::ALL.len()],
    opened: IntCounter,
    resent: IntCounter,
}

impl UpstreamMetrics {
    /// Counts a connection opened to the upstream.
    pub fn opened(&self) {
        self.opened.inc();
    }

    /// Counts a request sent again because its pooled connection had been closed.
    pub fn resent(&self) {
        self.resent.inc();
    }

    pub(super) fn set_attempt_timeout(&self, timeout: Duration) {
        self.timeout.set(timeout.as_secs_f64());
    }

    fn circuit_changed(&self, circuit: Circuit) {
        self.circuit.set(match circuit {
            Circuit::Closed => 0,
            Circuit::HalfOpen => 1,
            Circuit::Open => 2,
        });
        let (upstream, circuit) = (self.name.as_str(), circuit.as_str());
        tracing::warn!(target: TARGET, upstream, circuit, "the circuit breaker changed");
    }

    fn started(&self, cause: Cause) {
        self.in_flight.inc();
        match cause {
            Cause::First => {}
            Cause::Retry => self.retries.inc(),
            Cause::Hedge => self.hedges.inc(),
        }
    }

    fn finished(
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
        // The time until the gateway gave up says nothing of the upstream.
        if !matches!(result, Err(kind) if kind.is_given_up()) {
            self.duration.observe(elapsed.as_secs_f64());
        }
    }

    fn failed(&self, kind: FailureKind, status: Option<StatusCode>) {
        match (kind, status) {
            (FailureKind::Status, Some(status)) => {
                self.statuses[StatusClass::from(status) as usize].inc();
            }
            (kind, _) => {
                if let Some(failed) = self.failed.get(kind as usize) {
                    failed.inc();
                }
            }
        }
    }

    /// Counts a retry or a hedge that was not sent.
    #[cold]
    fn refused(&self, reason: Refusal) {
        self.refused[reason as usize].inc();
        // A change of the breaker is logged anyway, and a deadline may be a client's own.
        let is_news = matches!(reason, Refusal::Budget | Refusal::Limit);
        if is_news && self.refusals.note(Instant::now()) {
            let (upstream, reason) = (self.name.as_str(), reason.as_str());
            tracing::warn!(target: TARGET, upstream, reason, "retries or hedges are refused");
        }
    }
}

/// Counts a plan's attempts as they happen.
#[derive(Debug, Clone, Copy)]
pub struct PlanObserver<'a> {
    /// The metrics of the upstreams, in the order of their ids.
    pub(super) upstreams: &'a [Arc<UpstreamMetrics>],
}

impl PlanObserver<'_> {
    fn upstream(&self, id: UpstreamId) -> &UpstreamMetrics {
        &self.upstreams[id.0]
    }

    /// Counts an attempt that was refused.
    fn refused(&self, upstream: UpstreamId, kind: FailureKind, status: Option<StatusCode>) {
        let is_refusal = matches!(kind, FailureKind::Overload | FailureKind::CircuitOpen);
        if is_refusal && status.is_none() {
            self.upstream(upstream).failed(kind, None);
        }
    }
}

impl Observer for PlanObserver<'_> {
    fn observe(&self, event: &Event<'_>) {
        match *event {
            // An announced attempt may still be refused. It is counted when it is sent.
            Event::CallStarted { .. } | Event::Retry { .. } | Event::Hedge { .. } => {}
            Event::CircuitChanged { upstream, circuit } => {
                self.upstream(upstream).circuit_changed(circuit);
            }
            Event::AttemptStarted {
                upstream, cause, ..
            } => self.upstream(upstream).started(cause),
            Event::ExtraRefused {
                upstream, reason, ..
            } => self.upstream(upstream).refused(reason),
            Event::AttemptFinished {
                upstream,
                elapsed,
                status,
                result,
                ..
            } => self.upstream(upstream).finished(elapsed, status, result),
            // A refused attempt was never sent, but it must be counted. An answered one was counted already: there was
            // no memory for its body.
            Event::CallSettled {
                upstream, result, ..
            } => match (&result.result, result.each()) {
                (_, Some(each)) => {
                    for failure in &each.failures {
                        self.refused(upstream, failure.kind, failure.status);
                    }
                }
                (Err(failure), None) => self.refused(upstream, failure.kind, failure.status),
                (Ok(_), None) => {}
            },
        }
    }
}

#[derive(Debug)]
pub(super) struct UpstreamFamilies {
    attempts: IntCounterVec,
    refused: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGaugeVec,
    timeout: GaugeVec,
    opened: IntCounterVec,
    resent: IntCounterVec,
    retries: IntCounterVec,
    hedges: IntCounterVec,
    circuit: IntGaugeVec,
    resolved: Resolved<UpstreamMetrics>,
}

impl UpstreamFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let by = |labels| Labelled { registry, labels };
        let family = by(&["upstream"]);
        Ok(Self {
            attempts: by(&["upstream", "result"]).counters(
                "gather_attempts_total",
                "Attempts, by `ok` or the kind of failure; a failed status by its class.",
            )?,
            refused: by(&["upstream", "reason"]).counters(
                "gather_extra_attempts_refused_total",
                "Retries and hedges that were due and not sent, by the reason.",
            )?,
            duration: family.histograms(
                "gather_attempt_duration_seconds",
                "The time from an attempt's start to the last byte of its answer, without cancelled attempts.",
                &DURATIONS,
            )?,
            in_flight: family.gauges("gather_attempts_in_flight", "Attempts in flight now.")?,
            timeout: family.fractional_gauges(
                "gather_attempt_timeout_seconds",
                "The configured time limit of an attempt.",
            )?,
            opened: family.counters(
                "gather_connections_opened_total",
                "Connections opened to the upstream.",
            )?,
            resent: family.counters(
                "gather_resent_total",
                "Requests sent again because the upstream had closed the pooled connection.",
            )?,
            retries: family.counters("gather_retries_total", "Attempts after a failed one.")?,
            hedges: family.counters("gather_hedges_total", "Attempts beside a slow one.")?,
            circuit: family.gauges(
                "gather_circuit_state",
                "The upstream's circuit breaker: 0 closed, 1 half-open, 2 open.",
            )?,
            resolved: Resolved::default(),
        })
    }

    pub(super) fn resolve(&self, name: &str) -> Arc<UpstreamMetrics> {
        let attempts = |result| self.attempts.with_label_values(&[name, result]);
        self.resolved.get_or_make(name, || UpstreamMetrics {
            name: name.to_owned(),
            retries: self.retries.with_label_values(&[name]),
            hedges: self.hedges.with_label_values(&[name]),
            refused: Refusal::ALL.map(|reason| {
                let labels = [name, reason.as_str()];
                self.refused.with_label_values(&labels)
            }),
            refusals: Refusals::new(),
            circuit: self.circuit.with_label_values(&[name]),
            in_flight: self.in_flight.with_label_values(&[name]),
            timeout: self.timeout.with_label_values(&[name]),
            duration: self.duration.with_label_values(&[name]),
            ok: attempts("ok"),
            failed: FAILURES.map(|kind| attempts(result(kind))),
            statuses: StatusClass::ALL.map(|class| attempts(class.as_str())),
            opened: self.opened.with_label_values(&[name]),
            resent: self.resent.with_label_values(&[name]),
        })
    }
}

/// Returns the `result` of a failure whose status is not known.
const fn result(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Status => StatusClass::ServerError.as_str(),
        kind => kind.as_str(),
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
        for (place, class) in StatusClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place, "{class:?}");
        }
    }

    #[test]
    fn each_status_has_its_class_and_what_is_beyond_599_is_a_failure_of_the_server() {
        let name = |status| StatusClass::from(StatusCode::from_u16(status).unwrap()).as_str();
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
