//! The metrics, registered and resolved at start: counting on the request path is an atomic addition, never a look-up.
//! Labels hold configured names and closed sets only. Names follow the Prometheus conventions.

mod attempts;
mod families;

use std::{
    num::NonZeroUsize,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use prometheus::{
    Counter, Encoder as _, Error, Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
    process_collector::ProcessCollector,
    proto::{LabelPair, Metric},
};

use tokio::time::Instant;

use self::{
    attempts::UpstreamMetrics,
    families::{add, aggregates, upstreams},
};
use super::{
    clients::Clients,
    exemplars::{Exemplar, Exemplars},
    log,
    memory::Charged,
    open_metrics,
};
use crate::exchange::Memory;
use crate::fanout::{Event, FailureKind, Mode, Observer, Outcome, UpstreamId, Verdict};

/// 100 µs to 60 s. From 50 ms to 1 s, where services answer, each bound is about four fifths of the next, so that a
/// percentile is nowhere there far from the truth, and 80 % of a usual timeout is a bound. A bound is searched for from the
/// smallest on, so one more costs only what is slower than it.
const DURATIONS: [f64; 33] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.064, 0.08, 0.1, 0.125,
    0.16, 0.2, 0.25, 0.32, 0.4, 0.5, 0.64, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0,
    30.0, 60.0,
];

/// The family that has exemplars.
const REQUEST_DURATION: &str = "gather_request_duration_seconds";

/// 10 µs to 1 s: what the gateway itself adds. Tens of milliseconds are too much already, however many there are.
const OVERHEADS: [f64; 15] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 1.0,
];

/// The ends of a request: the verdicts, `cancelled` for a client that went away, and `passed` for an answer that has an
/// upstream's status below 500, whatever the verdict: nobody but the client can do anything about it.
const OUTCOMES: [&str; 5] = ["complete", "partial", "failed", "cancelled", "passed"];
const COMPLETE: usize = 0;
const PARTIAL: usize = 1;
const FAILED: usize = 2;
const CANCELLED: usize = 3;
const PASSED: usize = 4;

/// Every name that a label may hold.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Configured aggregates, in the order by which they are counted.
    pub aggregates: &'a [&'a str],
    /// Configured upstreams, in the order of their ids.
    pub upstreams: &'a [&'a str],
    /// The types of problem answers, in the order by which they are counted.
    pub problems: &'a [&'static str],
}

/// All metrics of a gateway, shared by its workers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    aggregates: Vec<AggregateMetrics>,
    upstreams: Vec<UpstreamMetrics>,
    requests_in_flight: IntGauge,
    problems: Vec<IntCounter>,
    panics: IntCounter,
    cut_off: IntCounter,
    spans_dropped: IntCounter,
    deadline_headers_ignored: IntCounter,
    ready: IntGauge,
}

#[derive(Debug)]
struct AggregateMetrics {
    name: String,
    /// By mode, then by outcome.
    requests: [[IntCounter; OUTCOMES.len()]; Mode::ALL.len()],
    /// By mode.
    duration: [Histogram; Mode::ALL.len()],
    /// By mode, of `duration`.
    exemplars: [Exemplars; Mode::ALL.len()],
    sequential: Counter,
    saved: Counter,
    overhead: Histogram,
    shed: IntCounter,
}

/// The media type of [`Metrics::encode`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

impl Metrics {
    /// Registers everything under `names`.
    ///
    /// # Errors
    /// When a name is given twice.
    pub fn new(names: &Names<'_>) -> Result<Self, Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        registry.register(Box::new(log::dropped()))?;
        registry.register(Box::new(start_time()?))?;
        let build = add(
            &registry,
            GaugeVec::new(
                Opts::new("gather_build_info", "The running version; always 1."),
                &["version"],
            )?,
        )?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        let problems = add(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "gather_problems_total",
                    "Answers that are problems, by their type.",
                ),
                &["type"],
            )?,
        )?;
        Ok(Self {
            aggregates: aggregates(&registry, names.aggregates)?,
            upstreams: upstreams(&registry, names.upstreams)?,
            requests_in_flight: add(
                &registry,
                IntGauge::new(
                    "gather_requests_in_flight",
                    "Aggregates being answered now.",
                )?,
            )?,
            problems: names
                .problems
                .iter()
                .map(|kind| problems.with_label_values(&[kind]))
                .collect(),
            panics: add(
                &registry,
                IntCounter::new(
                    "gather_panics_total",
                    "Handlers that panicked and were answered with 500.",
                )?,
            )?,
            cut_off: add(
                &registry,
                IntCounter::new(
                    "gather_answers_cut_off_total",
                    "Answers cut off by a reset: their clients did not read them in time.",
                )?,
            )?,
            spans_dropped: add(
                &registry,
                IntCounter::new(
                    "gather_spans_dropped_total",
                    "Spans that were lost: there was no room for them, or the collector did not take them.",
                )?,
            )?,
            deadline_headers_ignored: add(
                &registry,
                IntCounter::new(
                    "gather_deadline_headers_ignored_total",
                    "Values of a configured deadline header that were no number of milliseconds.",
                )?,
            )?,
            ready: add(
                &registry,
                IntGauge::new(
                    "gather_ready",
                    "1 while the gateway takes traffic, 0 while it starts or stops.",
                )?,
            )?,
            registry,
        })
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric can't be written, which would be a fault of its registration.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Everything as OpenMetrics.
    ///
    /// # Errors
    /// When a metric can't be written, which would be a fault of its registration.
    pub fn encode_open_metrics(&self) -> Result<String, Error> {
        let mut text = String::with_capacity(16 * 1024);
        let known = |family: &str, metric: &Metric, bucket| self.exemplar(family, metric, bucket);
        open_metrics::write(&self.registry.gather(), &known, &mut text)
            .map_err(|error| Error::Msg(error.to_string()))?;
        Ok(text)
    }

    /// The exemplar of a request's time.
    fn exemplar(&self, family: &str, metric: &Metric, bucket: usize) -> Option<Exemplar> {
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
        let aggregate = self.aggregates.iter().find(|it| it.name == aggregate)?;
        let mode = Mode::ALL.into_iter().find(|it| it.as_str() == mode)?;
        aggregate.exemplars[index(mode)].of(bucket)
    }

    /// Counts a request of an aggregate, or one run of a comparison, as in flight until the guard is finished or dropped.
    /// Its time counts from `began`.
    #[must_use]
    pub fn request(&self, aggregate: usize, mode: Mode, began: Instant) -> RequestGuard<'_> {
        self.requests_in_flight.inc();
        RequestGuard {
            metrics: self,
            aggregate: &self.aggregates[aggregate],
            mode,
            began,
            trace: None,
            passed: None,
            streamed: false,
            open: true,
        }
    }

    /// Counts a request of an aggregate that was refused because too many were in flight or the memory was taken.
    pub fn shed(&self, aggregate: usize) {
        self.aggregates[aggregate].shed.inc();
    }

    /// An onlooker for one plan.
    #[must_use]
    pub const fn observer(&self) -> PlanObserver<'_> {
        PlanObserver(self)
    }

    /// Counts a problem answer by its place in [`Names::problems`].
    pub fn problem(&self, kind: usize) {
        self.problems[kind].inc();
    }

    /// Counts a handler's panic.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a caller's time that could not be read.
    pub fn ignored_deadline_header(&self) {
        self.deadline_headers_ignored.inc();
    }

    /// Counts an answer that was cut off because its client did not read it.
    pub fn cut_off(&self) {
        self.cut_off.inc();
    }

    /// Counts spans that nobody will see.
    pub fn spans_dropped(&self, count: u64) {
        self.spans_dropped.inc_by(count);
    }

    /// Shows what of `memory` is charged.
    ///
    /// # Errors
    /// When a memory is shown already.
    pub fn shows(&self, memory: Memory) -> Result<(), Error> {
        self.registry.register(Box::new(Charged::new(memory)?))
    }

    /// Shows how many of at most so many clients are connected, to be counted by what this returns.
    ///
    /// # Errors
    /// When they are shown already.
    pub fn serves(&self, most: NonZeroUsize) -> Result<Clients, Error> {
        Clients::register(&self.registry, most)
    }

    /// Shows whether the gateway takes traffic.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    /// Shows how long an attempt at an upstream may take.
    pub fn allows(&self, upstream: UpstreamId, timeout: Duration) {
        self.upstreams[upstream.0]
            .timeout
            .set(timeout.as_secs_f64());
    }

    /// Counts a connection opened to an upstream.
    pub fn opened(&self, upstream: UpstreamId) {
        self.upstreams[upstream.0].opened.inc();
    }

    /// Counts a request sent again because its pooled connection had been closed.
    pub fn resent(&self, upstream: UpstreamId) {
        self.upstreams[upstream.0].resent.inc();
    }
}

/// One request of an aggregate, in flight.
#[derive(Debug)]
pub struct RequestGuard<'a> {
    metrics: &'a Metrics,
    aggregate: &'a AggregateMetrics,
    mode: Mode,
    began: Instant,
    trace: Option<u128>,
    passed: Option<StatusCode>,
    streamed: bool,
    open: bool,
}

impl RequestGuard<'_> {
    /// The same request, which can be looked at: it has a recorded trace, if it has one.
    #[must_use]
    pub const fn recorded_as(mut self, trace: Option<u128>) -> Self {
        self.trace = trace;
        self
    }

    /// The same request, told as a stream: its client can make it wait, which is not the gateway's overhead.
    #[must_use]
    pub const fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    /// The same request, whose answer takes this status from an upstream, if it takes one.
    #[must_use]
    pub const fn passing(mut self, status: Option<StatusCode>) -> Self {
        self.passed = status;
        self
    }

    /// Counts the request by what came of it. To be called when its answer is composed.
    pub fn finish(mut self, outcome: &Outcome) {
        self.open = false;
        self.count(match self.passed {
            None => place(outcome.verdict),
            Some(status) if status.is_server_error() => FAILED,
            Some(_) => PASSED,
        });
        let elapsed = self.began.elapsed();
        let seconds = elapsed.as_secs_f64();
        self.aggregate.duration[index(self.mode)].observe(seconds);
        if let Some(trace) = self.trace {
            self.aggregate.exemplars[index(self.mode)].note(&DURATIONS, seconds, trace);
        }
        if !matches!(outcome.verdict, Verdict::Failed(_)) {
            let sequential = useful(outcome);
            self.aggregate.sequential.inc_by(sequential.as_secs_f64());
            if self.mode == Mode::Concurrent {
                let saved = sequential.saturating_sub(outcome.elapsed);
                self.aggregate.saved.inc_by(saved.as_secs_f64());
            }
        }
        if !self.streamed {
            let overhead = elapsed.saturating_sub(outcome.critical_path());
            self.aggregate.overhead.observe(overhead.as_secs_f64());
        }
    }

    fn count(&self, outcome: usize) {
        self.metrics.requests_in_flight.dec();
        self.aggregate.requests[index(self.mode)][outcome].inc();
    }
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        if self.open {
            // A panic on the way to an answer is no whim of the client.
            let panicked = std::thread::panicking();
            self.count(if panicked { FAILED } else { CANCELLED });
        }
    }
}

/// Counts a plan's attempts as they happen.
#[derive(Debug, Clone, Copy)]
pub struct PlanObserver<'a>(&'a Metrics);

impl Observer for PlanObserver<'_> {
    fn observe(&self, event: &Event<'_>) {
        match *event {
            // What is announced may yet be refused; it is counted when it is sent.
            Event::CallStarted { .. } | Event::Retry { .. } | Event::Hedge { .. } => {}
            Event::CircuitChanged { upstream, circuit } => {
                self.0.upstreams[upstream.0].circuit_changed(circuit);
            }
            Event::AttemptStarted {
                upstream, cause, ..
            } => self.0.upstreams[upstream.0].started(cause),
            Event::ExtraRefused {
                upstream, reason, ..
            } => self.0.upstreams[upstream.0].refused(reason),
            Event::AttemptFinished {
                upstream,
                elapsed,
                status,
                result,
                ..
            } => self.0.upstreams[upstream.0].finished(elapsed, status, result),
            // A refused attempt was never sent, but it has to be seen. One that was answered has been seen: there was no
            // memory for its body.
            Event::CallSettled {
                upstream, result, ..
            } => match &result.result {
                Err(failure)
                    if failure.status.is_none()
                        && matches!(
                            failure.kind,
                            FailureKind::Overload | FailureKind::CircuitOpen
                        ) =>
                {
                    self.0.upstreams[upstream.0].failed(failure.kind, None);
                }
                _ => {}
            },
        }
    }
}

/// The moment of this start, in seconds since 1970. The collector's own `process_start_time_seconds` needs `/proc/stat`, which
/// a service with `ProcSubset=pid` does not see.
#[allow(
    clippy::disallowed_methods,
    reason = "the time of day, which others compare"
)]
fn start_time() -> Result<Gauge, Error> {
    let start = Gauge::new(
        "gather_start_time_seconds",
        "When the gateway began to serve, in seconds since 1970.",
    )?;
    // A clock before 1970 is set wrongly, and says so with zero.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    start.set(now.unwrap_or_default().as_secs_f64());
    Ok(start)
}

/// The sum of the times of the calls that ran to their own end: those that were cut off have saved nobody anything.
fn useful(outcome: &Outcome) -> Duration {
    let cut = |kind: FailureKind| kind.is_given_up() || kind == FailureKind::Deadline;
    outcome
        .results
        .iter()
        .filter(|call| !matches!(&call.result, Err(failure) if cut(failure.kind)))
        .map(|call| call.elapsed)
        .sum()
}

/// The place of a verdict among [`OUTCOMES`].
const fn place(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Complete => COMPLETE,
        Verdict::Partial => PARTIAL,
        Verdict::Failed(_) => FAILED,
    }
}

const fn index(mode: Mode) -> usize {
    match mode {
        Mode::Sequential => 0,
        Mode::Concurrent => 1,
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
