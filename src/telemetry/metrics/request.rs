//! Counts one request of an aggregate, from its beginning to its end. It must not know how an answer is written.

use std::time::Duration;

use http::StatusCode;
use prometheus::IntGauge;
use tokio::time::Instant;

use super::{
    aggregates::{AggregateMetrics, End},
    buckets::DURATIONS,
};
use crate::fanout::{FailureKind, Mode, Outcome, Verdict};

/// One request of an aggregate, in flight.
#[derive(Debug)]
pub struct RequestGuard<'a> {
    in_flight: &'a IntGauge,
    aggregate: &'a AggregateMetrics,
    mode: Mode,
    began: Instant,
    trace: Option<u128>,
    passed: Option<StatusCode>,
    streamed: bool,
    open: bool,
}

impl<'a> RequestGuard<'a> {
    /// Counts a request as in flight.
    pub(super) fn new(
        in_flight: &'a IntGauge,
        aggregate: &'a AggregateMetrics,
        mode: Mode,
        began: Instant,
    ) -> Self {
        in_flight.inc();
        Self {
            in_flight,
            aggregate,
            mode,
            began,
            trace: None,
            passed: None,
            streamed: false,
            open: true,
        }
    }

    /// Attaches the id of the request's trace, if that is recorded. It becomes the histogram's exemplar.
    #[must_use]
    pub const fn recorded_as(mut self, trace: Option<u128>) -> Self {
        self.trace = trace;
        self
    }

    /// Marks the answer as a stream. Its client can make it wait, which is not the gateway's overhead.
    #[must_use]
    pub const fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    /// Attaches the status that the answer takes from an upstream, if it takes one.
    #[must_use]
    pub const fn passing(mut self, status: Option<StatusCode>) -> Self {
        self.passed = status;
        self
    }

    /// Counts the request by its outcome. It must be called when its answer is composed.
    pub fn finish(mut self, outcome: &Outcome) {
        self.open = false;
        self.count(match self.passed {
            None => outcome.verdict.into(),
            Some(status) if status.is_server_error() => End::Failed,
            Some(_) => End::Passed,
        });
        let elapsed = self.began.elapsed();
        let seconds = elapsed.as_secs_f64();
        self.aggregate.duration[self.mode as usize].observe(seconds);
        if let Some(trace) = self.trace {
            self.aggregate.exemplars[self.mode as usize].note(&DURATIONS, seconds, trace);
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

    fn count(&self, end: End) {
        self.in_flight.dec();
        self.aggregate.requests[self.mode as usize][end as usize].inc();
    }
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        if self.open {
            // A panic before the answer was not caused by the client.
            let panicked = std::thread::panicking();
            self.count(if panicked {
                End::Failed
            } else {
                End::Cancelled
            });
        }
    }
}

/// Returns the sum of the times of the calls that ran to their own end. Calls that were cut off have saved no time.
fn useful(outcome: &Outcome) -> Duration {
    let cut = |kind: FailureKind| kind.is_given_up() || kind == FailureKind::Deadline;
    outcome
        .results
        .iter()
        .filter(|call| !matches!(&call.result, Err(failure) if cut(failure.kind)))
        .map(|call| call.elapsed)
        .sum()
}
