//! The metrics that have a series for each aggregate: their declaration, and the series of one aggregate. It must not
//! know upstreams.

use std::sync::Arc;

use prometheus::{
    Counter, CounterVec, Error, Histogram, HistogramVec, IntCounter, IntCounterVec, Registry,
    proto::{LabelPair, Metric},
};

use super::{
    buckets::{DURATIONS, OVERHEADS},
    families::{Labelled, Resolved},
};
use crate::{
    fanout::{Mode, Verdict},
    telemetry::exemplars::{Exemplar, Exemplars},
};

/// The family that has exemplars.
const REQUEST_DURATION: &str = "gather_request_duration_seconds";

/// The end of a request, as the label `outcome` names it.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The verdict was complete.
    Complete,
    /// The verdict was partial.
    Partial,
    /// The verdict was failed, or the handler panicked.
    Failed,
    /// The client went away.
    Cancelled,
    /// The answer has an upstream's status below 500, whatever the verdict. Only the client can act on it.
    Passed,
}

impl End {
    const ALL: [Self; 5] = [
        Self::Complete,
        Self::Partial,
        Self::Failed,
        Self::Cancelled,
        Self::Passed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Passed => "passed",
        }
    }
}

impl From<Verdict> for End {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Complete => Self::Complete,
            Verdict::Partial => Self::Partial,
            Verdict::Failed(_) => Self::Failed,
        }
    }
}

/// The metrics of one aggregate. All generations that have it share them.
#[derive(Debug)]
pub struct AggregateMetrics {
    /// The counters, by mode, then by [`End`].
    pub(super) requests: [[IntCounter; End::ALL.len()]; Mode::ALL.len()],
    /// The histograms, by mode.
    pub(super) duration: [Histogram; Mode::ALL.len()],
    /// The exemplars of `duration`, by mode.
    pub(super) exemplars: [Exemplars; Mode::ALL.len()],
    pub(super) sequential: Counter,
    pub(super) saved: Counter,
    pub(super) overhead: Histogram,
    shed: IntCounter,
}

impl AggregateMetrics {
    /// Counts a request that was refused because too many were in flight or the memory was taken.
    pub fn shed(&self) {
        self.shed.inc();
    }
}

#[derive(Debug)]
pub(super) struct AggregateFamilies {
    requests: IntCounterVec,
    duration: HistogramVec,
    sequential: CounterVec,
    saved: CounterVec,
    overhead: HistogramVec,
    shed: IntCounterVec,
    resolved: Resolved<AggregateMetrics>,
}

impl AggregateFamilies {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let by = |labels| Labelled { registry, labels };
        let family = by(&["aggregate"]);
        Ok(Self {
            requests: by(&["aggregate", "mode", "outcome"]).counters(
                "gather_requests_total",
                "Aggregates answered, by outcome.",
            )?,
            duration: by(&["aggregate", "mode"]).histograms(
                REQUEST_DURATION,
                "The time from an aggregate's request to its composed answer.",
                &DURATIONS,
            )?,
            sequential: family.seconds(
                "gather_sequential_seconds_total",
                "The sum of the calls' times: the time that they take one after another.",
            )?,
            saved: family.seconds(
                "gather_concurrent_saved_seconds_total",
                "The part of the calls' times that concurrent mode saved.",
            )?,
            overhead: family.histograms(
                "gather_overhead_seconds",
                "A request's time less the time during which a call was under way.",
                &OVERHEADS,
            )?,
            shed: family.counters(
                "gather_shed_total",
                "Requests refused because too many were in flight or the memory was taken; nothing was sent upstream.",
            )?,
            resolved: Resolved::default(),
        })
    }

    pub(super) fn resolve(&self, name: &str) -> Arc<AggregateMetrics> {
        self.resolved.get_or_make(name, || AggregateMetrics {
            requests: Mode::ALL.map(|mode| {
                End::ALL.map(|end| {
                    let labels = [name, mode.as_str(), end.as_str()];
                    self.requests.with_label_values(&labels)
                })
            }),
            duration: Mode::ALL.map(|mode| self.duration.with_label_values(&[name, mode.as_str()])),
            exemplars: Default::default(),
            sequential: self.sequential.with_label_values(&[name]),
            saved: self.saved.with_label_values(&[name]),
            overhead: self.overhead.with_label_values(&[name]),
            shed: self.shed.with_label_values(&[name]),
        })
    }

    /// Returns the exemplar of one bucket of a family's metric, if it has one.
    pub(super) fn exemplar(
        &self,
        family: &str,
        metric: &Metric,
        bucket: usize,
    ) -> Option<Exemplar> {
        if family != REQUEST_DURATION {
            return None;
        }
        let label = |name| {
            let mut labels = metric.get_label().iter();
            labels
                .find(|label| label.name() == name)
                .map(LabelPair::value)
        };
        let (aggregate, mode) = (label("aggregate")?, label("mode")?);
        let aggregate = self.resolved.get(aggregate)?;
        let mode = Mode::ALL.into_iter().find(|it| it.as_str() == mode)?;
        aggregate.exemplars[mode as usize].of(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::Blame;

    #[test]
    fn a_verdict_is_counted_under_its_own_name() {
        for verdict in [
            Verdict::Complete,
            Verdict::Partial,
            Verdict::Failed(Blame::Time),
        ] {
            assert_eq!(End::from(verdict).as_str(), verdict.as_str());
        }
    }

    #[test]
    fn an_ends_or_a_modes_number_is_its_place_among_all() {
        for (place, end) in End::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, place, "{end:?}");
        }
        for (place, mode) in Mode::ALL.into_iter().enumerate() {
            assert_eq!(mode as usize, place, "{mode}");
        }
    }
}
