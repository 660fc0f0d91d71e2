//! The outcome of a plan: every call's result in plan order, the verdict, and the sums that the answer shows. It must
//! not know how an answer is written.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{EachReport, Failure, Mode, Positions, Reply};

/// The result of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResult {
    /// The call's name in its aggregate.
    pub name: Arc<str>,
    /// The time from the plan's start to the call's. For a call that never started, it ends when the call was given up.
    pub start: Duration,
    /// The time from the call's start to its end, all attempts and pauses included.
    pub elapsed: Duration,
    /// The number of attempts sent; 0 for a call that never started.
    pub attempts: u32,
    /// The number of them that were hedges: sent beside a slow attempt. The others after the first are retries.
    pub hedges: u32,
    /// The reply, or the failure.
    pub result: Result<Reply, Failure>,
    /// Its parts that few results have.
    pub aside: Option<Box<Aside>>,
}

/// The parts of a result that few have. They are on the heap, as every result of every request has room for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aside {
    /// The JSON value that stands for the body of a failed call.
    pub fallback: Option<Bytes>,
    /// The counts of a call with one request for each element of a list.
    pub each: Option<EachReport>,
}

impl CallResult {
    /// Makes the result of a call with one attempt.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        start: Duration,
        elapsed: Duration,
        result: Result<Reply, Failure>,
    ) -> Self {
        Self {
            name: name.into(),
            start,
            elapsed,
            attempts: 1,
            hedges: 0,
            result,
            aside: None,
        }
    }

    /// Adds the parts that few results have, if there are any.
    #[must_use]
    pub fn with(mut self, fallback: Option<Bytes>, each: Option<EachReport>) -> Self {
        self.aside = Aside::of(fallback, each);
        self
    }

    /// Returns the JSON value that stands for the body of a failed call, if it has one.
    #[must_use]
    pub fn fallback(&self) -> Option<&Bytes> {
        self.aside.as_ref()?.fallback.as_ref()
    }

    /// Returns the counts of a call with one request for each element of a list.
    #[must_use]
    pub fn each(&self) -> Option<&EachReport> {
        self.aside.as_ref()?.each.as_ref()
    }
}

impl Aside {
    /// Makes it if there is something in it.
    pub(super) fn of(fallback: Option<Bytes>, each: Option<EachReport>) -> Option<Box<Self>> {
        let is_empty = fallback.is_none() && each.is_none();
        (!is_empty).then(|| Box::new(Self { fallback, each }))
    }
}

/// The reason why a plan failed, for the answer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Every failure that counted was `timeout` or `deadline`.
    Time,
    /// Some failure that counted was of another kind.
    Upstream,
}

/// A plan's end, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every call succeeded, or all that the plan waited for.
    Complete,
    /// There is an answer, but some call failed.
    Partial,
    /// There is no answer.
    Failed(Blame),
}

impl Verdict {
    /// Returns the verdict's one name in answers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed(_) => "failed",
        }
    }
}

/// The outcome of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The way in which the calls followed one another.
    pub mode: Mode,
    /// The end, in one word.
    pub verdict: Verdict,
    /// The time from the plan's start to its decision.
    pub elapsed: Duration,
    /// One result for each call, in plan order.
    pub results: Vec<CallResult>,
    /// The positions of the results, if only chosen calls of the aggregate were made.
    pub positions: Option<Positions>,
}

impl Outcome {
    /// Returns the sum of the calls' times: the time that the same calls take one after another.
    #[must_use]
    pub fn sequential(&self) -> Duration {
        self.results.iter().map(|call| call.elapsed).sum()
    }

    /// Returns the time during which at least one call was under way. No gateway could have been faster.
    #[must_use]
    pub fn critical_path(&self) -> Duration {
        let mut spans: Vec<_> = self
            .results
            .iter()
            .map(|call| (call.start, call.start + call.elapsed))
            .collect();
        spans.sort_unstable();
        let mut covered = Duration::ZERO;
        let mut reached = Duration::ZERO;
        for (start, end) in spans {
            covered += end.saturating_sub(start.max(reached));
            reached = reached.max(end);
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::fanout::Body;

    fn call(start: u64, elapsed: u64) -> CallResult {
        let (start, elapsed) = (Duration::from_millis(start), Duration::from_millis(elapsed));
        CallResult::new(
            "call",
            start,
            elapsed,
            Ok(Reply::new(StatusCode::OK, Body::Empty)),
        )
    }

    #[test]
    fn the_critical_path_counts_overlap_once_and_gaps_not_at_all() {
        let outcome = Outcome {
            mode: Mode::Concurrent,
            verdict: Verdict::Complete,
            elapsed: Duration::from_millis(50),
            positions: None,
            results: vec![call(0, 10), call(5, 10), call(30, 5)],
        };
        assert_eq!(outcome.critical_path(), Duration::from_millis(20));
        assert_eq!(outcome.sequential(), Duration::from_millis(25));
    }
}
