//! The families of metrics that have a child for each aggregate or upstream: names, help texts, labels and buckets. Knows
//! nothing of when they count.

use prometheus::{
    CounterVec, Error, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts,
    Registry, core::Collector,
};

use super::{
    AggregateMetrics, DURATIONS, OUTCOMES, OVERHEADS, REQUEST_DURATION,
    attempts::{STATUSES, Told, UpstreamMetrics, result},
};
use crate::fanout::{FailureKind, Mode, Refusal};

/// Registers a metric and hands it back.
pub(super) fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Registers metrics that differ in labels.
struct Family<'a> {
    registry: &'a Registry,
    labels: &'a [&'a str],
}

impl Family<'_> {
    fn counters(&self, name: &str, help: &str) -> Result<IntCounterVec, Error> {
        let vec = IntCounterVec::new(Opts::new(name, help), self.labels)?;
        add(self.registry, vec)
    }

    fn seconds(&self, name: &str, help: &str) -> Result<CounterVec, Error> {
        let vec = CounterVec::new(Opts::new(name, help), self.labels)?;
        add(self.registry, vec)
    }

    fn gauges(&self, name: &str, help: &str) -> Result<IntGaugeVec, Error> {
        let vec = IntGaugeVec::new(Opts::new(name, help), self.labels)?;
        add(self.registry, vec)
    }

    fn histograms(&self, name: &str, help: &str, buckets: &[f64]) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        add(self.registry, HistogramVec::new(options, self.labels)?)
    }
}

/// Registers what is counted by aggregate.
pub(super) fn aggregates(
    registry: &Registry,
    names: &[&str],
) -> Result<Vec<AggregateMetrics>, Error> {
    let by = |labels| Family { registry, labels };
    let requests = by(&["aggregate", "mode", "outcome"]).counters(
        "gather_requests_total",
        "Aggregates answered, by what came of them.",
    )?;
    let duration = by(&["aggregate", "mode"]).histograms(
        REQUEST_DURATION,
        "From an aggregate's request to its composed answer.",
        &DURATIONS,
    )?;
    let family = by(&["aggregate"]);
    let sequential = family.seconds(
        "gather_sequential_seconds_total",
        "The sum of the calls' times: what they cost one after another.",
    )?;
    let saved = family.seconds(
        "gather_concurrent_saved_seconds_total",
        "How much of the calls' times concurrent mode saved.",
    )?;
    let overhead = family.histograms(
        "gather_overhead_seconds",
        "A request's time less the time during which a call was under way.",
        &OVERHEADS,
    )?;
    let shed = family.counters(
        "gather_shed_total",
        "Requests refused because too many were in flight or the memory was taken; nothing was sent upstream.",
    )?;
    let resolve = |name: &&str| AggregateMetrics {
        name: (*name).to_owned(),
        exemplars: Default::default(),
        requests: Mode::ALL.map(|mode| {
            OUTCOMES.map(|outcome| requests.with_label_values(&[name, mode.as_str(), outcome]))
        }),
        duration: Mode::ALL.map(|mode| duration.with_label_values(&[name, mode.as_str()])),
        sequential: sequential.with_label_values(&[name]),
        saved: saved.with_label_values(&[name]),
        overhead: overhead.with_label_values(&[name]),
        shed: shed.with_label_values(&[name]),
    };
    Ok(names.iter().map(resolve).collect())
}

/// Registers what is counted by upstream.
pub(super) fn upstreams(
    registry: &Registry,
    names: &[&str],
) -> Result<Vec<UpstreamMetrics>, Error> {
    let by = |labels| Family { registry, labels };
    let attempts = by(&["upstream", "result"]).counters(
        "gather_attempts_total",
        "Attempts, by `ok` or their failure; that of a status by its class.",
    )?;
    let refused = by(&["upstream", "reason"]).counters(
        "gather_extra_attempts_refused_total",
        "Retries and hedges that were due and not sent, by what kept them back.",
    )?;
    let family = by(&["upstream"]);
    let duration = family.histograms(
        "gather_attempt_duration_seconds",
        "From an attempt's start to the last byte of its answer; cancelled ones left out.",
        &DURATIONS,
    )?;
    let in_flight = family.gauges("gather_attempts_in_flight", "Attempts under way now.")?;
    let timeout = add(
        registry,
        GaugeVec::new(
            Opts::new(
                "gather_attempt_timeout_seconds",
                "How long an attempt may take, by the configuration.",
            ),
            family.labels,
        )?,
    )?;
    let opened = family.counters(
        "gather_connections_opened_total",
        "Connections opened to the upstream.",
    )?;
    let resent = family.counters(
        "gather_resent_total",
        "Requests sent again because the upstream had closed the pooled connection.",
    )?;
    let retries = family.counters("gather_retries_total", "Attempts after a failed one.")?;
    let hedges = family.counters("gather_hedges_total", "Attempts beside a slow one.")?;
    let circuit = family.gauges(
        "gather_circuit_state",
        "The upstream's circuit breaker: 0 closed, 1 half-open, 2 open.",
    )?;
    let resolve = |name: &&str| UpstreamMetrics {
        name: (*name).to_owned(),
        retries: retries.with_label_values(&[name]),
        hedges: hedges.with_label_values(&[name]),
        refused: Refusal::ALL.map(|reason| refused.with_label_values(&[name, reason.as_str()])),
        told: Told::nothing(),
        circuit: circuit.with_label_values(&[name]),
        in_flight: in_flight.with_label_values(&[name]),
        timeout: timeout.with_label_values(&[name]),
        duration: duration.with_label_values(&[name]),
        ok: attempts.with_label_values(&[name, "ok"]),
        failed: FailureKind::ALL.map(|kind| attempts.with_label_values(&[name, result(kind)])),
        statuses: STATUSES.map(|class| attempts.with_label_values(&[name, class])),
        opened: opened.with_label_values(&[name]),
        resent: resent.with_label_values(&[name]),
    };
    Ok(names.iter().map(resolve).collect())
}
