//! The metrics of the whole process, which no change of aggregates or upstreams touches. It must not know which
//! problems there are.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Error, Gauge, IntCounter, IntGauge, Registry};

use super::{
    Metrics,
    families::{Labelled, add, counter, gauge},
};

/// The id of a type of problem answer: its position in the list that [`Metrics::new`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemId(pub usize);

#[derive(Debug)]
pub(super) struct Process {
    pub(super) requests_in_flight: IntGauge,
    /// The counters of problems, in the order of their ids.
    problems: Vec<IntCounter>,
    panics: IntCounter,
    cut_off: IntCounter,
    spans_dropped: IntCounter,
    deadline_headers_ignored: IntCounter,
    ready: IntGauge,
}

impl Process {
    pub(super) fn register(registry: &Registry, problems: &[&'static str]) -> Result<Self, Error> {
        add(registry, start_time()?)?;
        let by = |labels| Labelled { registry, labels };
        by(&["version"])
            .fractional_gauges("gather_build_info", "The running version; always 1.")?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        let family = by(&["type"]).counters(
            "gather_problems_total",
            "Answers that are problems, by their type.",
        )?;
        let problems = problems.iter();
        let problems = problems.map(|name| family.with_label_values(&[name]));
        Ok(Self {
            requests_in_flight: gauge(
                registry,
                "gather_requests_in_flight",
                "Aggregates being answered now.",
            )?,
            problems: problems.collect(),
            panics: counter(
                registry,
                "gather_panics_total",
                "Handlers that panicked and were answered with 500.",
            )?,
            cut_off: counter(
                registry,
                "gather_answers_cut_off_total",
                "Answers cut off by a reset: their clients did not read them in time.",
            )?,
            spans_dropped: counter(
                registry,
                "gather_spans_dropped_total",
                "Spans that were lost: there was no room for them, or the collector did not take them.",
            )?,
            deadline_headers_ignored: counter(
                registry,
                "gather_deadline_headers_ignored_total",
                "Values of a configured deadline header that were not a number of milliseconds.",
            )?,
            ready: gauge(
                registry,
                "gather_ready",
                "1 while the gateway takes traffic, 0 while it starts or stops.",
            )?,
        })
    }
}

impl Metrics {
    /// Counts a problem answer.
    pub fn problem(&self, kind: impl Into<ProblemId>) {
        self.process.problems[kind.into().0].inc();
    }

    /// Counts a handler's panic.
    pub fn panicked(&self) {
        self.process.panics.inc();
    }

    /// Counts a value of a deadline header that could not be read.
    pub fn ignored_deadline_header(&self) {
        self.process.deadline_headers_ignored.inc();
    }

    /// Counts an answer that was cut off because its client did not read it.
    pub fn cut_off(&self) {
        self.process.cut_off.inc();
    }

    /// Counts spans that were lost.
    pub fn spans_dropped(&self, count: u64) {
        self.process.spans_dropped.inc_by(count);
    }

    /// Sets whether the gateway takes traffic.
    pub fn set_ready(&self, ready: bool) {
        self.process.ready.set(ready.into());
    }
}

/// Returns a gauge of the time of this start, in seconds since 1970. The collector's own `process_start_time_seconds`
/// needs `/proc/stat`, which a service with `ProcSubset=pid` does not see.
#[allow(
    clippy::disallowed_methods,
    reason = "the time of day, which others compare"
)]
fn start_time() -> Result<Gauge, Error> {
    let start = Gauge::new(
        "gather_start_time_seconds",
        "The time at which the gateway began to serve, in seconds since 1970.",
    )?;
    // A clock before 1970 is set wrongly. The gauge is zero then.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    start.set(now.unwrap_or_default().as_secs_f64());
    Ok(start)
}
