//! The outcome of a plan: every call's result in plan order, the verdict, and the sums that the answer shows. It must
//! not know how an answer is written.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Completion, EachReport, Failure, Mode, Need, OnFailure, Reply, Rules};

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
    /// The JSON value that stands for the body of a failed call, if it has one.
    pub fallback: Option<Bytes>,
    /// The counts of a call with one request for each element of a list.
    pub each: Option<Box<EachReport>>,
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

/// Judges settled calls by the plan's rules. `needs` runs parallel to `results`.
pub(super) fn judge(
    rules: &Rules,
    needs: impl Iterator<Item = Need> + Clone,
    results: &[CallResult],
) -> Verdict {
    let is_required = |need: Need| need == Need::Required;
    let only_required = rules.completion == Completion::Required;
    // Those that are waited for, and those of them that succeeded.
    let (mut waited, mut succeeded) = (0, 0);
    for (call, need) in results.iter().zip(needs.clone()) {
        if !only_required || is_required(need) {
            waited += 1;
            succeeded += usize::from(call.result.is_ok());
        }
    }
    let failed: Vec<_> = results
        .iter()
        .zip(needs)
        .filter_map(|(call, need)| {
            let failure = call.result.as_ref().err()?;
            (!failure.kind.is_given_up()).then_some((failure.kind, need))
        })
        .collect();
    let forbidden =
        rules.on_failure == OnFailure::Fail && failed.iter().any(|&(_, need)| is_required(need));
    // Where a required call ended the plan, the others' failures have no part in it.
    let all_time = failed
        .iter()
        .filter(|&&(_, need)| !(forbidden || only_required) || is_required(need))
        .all(|(kind, _)| kind.is_time());
    let reached = match rules.completion {
        Completion::Quorum(needed) => succeeded >= needed.get(),
        Completion::All | Completion::Required => succeeded > 0,
    };
    if !reached || forbidden {
        return Verdict::Failed(if all_time {
            Blame::Time
        } else {
            Blame::Upstream
        });
    }
    match rules.completion {
        Completion::All | Completion::Required if succeeded < waited => Verdict::Partial,
        _ => Verdict::Complete,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::fanout::{Body, FailureKind};

    fn call(start: u64, elapsed: u64, failure: Option<FailureKind>) -> CallResult {
        CallResult {
            name: "call".into(),
            start: Duration::from_millis(start),
            elapsed: Duration::from_millis(elapsed),
            attempts: 1,
            hedges: 0,
            fallback: None,
            each: None,
            result: match failure {
                Some(kind) => Err(Failure::new(kind, "because")),
                None => Ok(Reply::new(
                    StatusCode::OK,
                    Body::Json(Bytes::from_static(b"1")),
                )),
            },
        }
    }

    fn rules(completion: Completion, on_failure: OnFailure) -> Rules {
        Rules {
            completion,
            on_failure,
            ..Rules::default()
        }
    }

    fn verdict(completion: Completion, on_failure: OnFailure, results: &[CallResult]) -> Verdict {
        let needs = std::iter::repeat(Need::Required);
        judge(&rules(completion, on_failure), needs, results)
    }

    #[test]
    fn one_success_among_failures_is_a_partial_answer() {
        let results = [call(0, 1, None), call(0, 1, Some(FailureKind::Status))];
        assert_eq!(
            verdict(Completion::All, OnFailure::Partial, &results),
            Verdict::Partial
        );
    }

    #[test]
    fn no_success_for_time_alone_is_blamed_on_time_whatever_was_skipped() {
        let results = [
            call(0, 1, Some(FailureKind::Deadline)),
            call(1, 0, Some(FailureKind::Skipped)),
        ];
        assert_eq!(
            verdict(Completion::All, OnFailure::Partial, &results),
            Verdict::Failed(Blame::Time)
        );
    }

    #[test]
    fn a_single_other_failure_takes_the_blame_from_time() {
        let results = [
            call(0, 1, Some(FailureKind::Timeout)),
            call(0, 1, Some(FailureKind::Connect)),
        ];
        assert_eq!(
            verdict(Completion::All, OnFailure::Partial, &results),
            Verdict::Failed(Blame::Upstream)
        );
    }

    #[test]
    fn a_met_quorum_is_complete_though_others_failed() {
        let results = [call(0, 1, None), call(0, 1, Some(FailureKind::Status))];
        assert_eq!(
            verdict(Completion::FIRST, OnFailure::Partial, &results),
            Verdict::Complete
        );
    }

    #[test]
    fn a_required_failure_fails_a_plan_that_may_not_be_partial() {
        let results = [call(0, 1, None), call(0, 1, Some(FailureKind::Timeout))];
        assert_eq!(
            verdict(Completion::All, OnFailure::Fail, &results),
            Verdict::Failed(Blame::Time)
        );
    }

    #[test]
    fn an_optional_failure_leaves_a_strict_plan_partial() {
        let results = [call(0, 1, None), call(0, 1, Some(FailureKind::Status))];
        let needs = [Need::Required, Need::Optional].into_iter();
        assert_eq!(
            judge(&rules(Completion::All, OnFailure::Fail), needs, &results),
            Verdict::Partial
        );
    }

    #[test]
    fn a_plan_that_optional_calls_alone_have_failed_is_blamed_by_what_they_failed_of() {
        let results = [call(0, 1, Some(FailureKind::Connect))];
        for completion in [Completion::All, Completion::FIRST] {
            let needs = [Need::Optional].into_iter();
            assert_eq!(
                judge(&rules(completion, OnFailure::Fail), needs, &results),
                Verdict::Failed(Blame::Upstream)
            );
        }
    }

    #[test]
    fn a_required_failure_alone_takes_the_blame_of_a_strict_plan() {
        let results = [
            call(0, 1, Some(FailureKind::Timeout)),
            call(0, 1, Some(FailureKind::Connect)),
        ];
        let needs = [Need::Required, Need::Optional].into_iter();
        assert_eq!(
            judge(&rules(Completion::All, OnFailure::Fail), needs, &results),
            Verdict::Failed(Blame::Time)
        );
    }

    #[test]
    fn a_plan_that_waits_for_required_calls_is_judged_by_them_alone() {
        use FailureKind::{Cancelled, Connect, Timeout};
        let needs = [Need::Required, Need::Required, Need::Optional].into_iter();
        for (failures, expected) in [
            ([None, None, Some(Cancelled)], Verdict::Complete),
            ([None, None, Some(Connect)], Verdict::Complete),
            ([None, Some(Connect), None], Verdict::Partial),
            (
                [Some(Timeout), Some(Timeout), None],
                Verdict::Failed(Blame::Time),
            ),
            (
                [Some(Timeout), Some(Timeout), Some(Connect)],
                Verdict::Failed(Blame::Time),
            ),
            (
                [Some(Timeout), Some(Connect), None],
                Verdict::Failed(Blame::Upstream),
            ),
        ] {
            let results = failures.map(|failure| call(0, 1, failure));
            let needs = needs.clone();
            let found = judge(
                &rules(Completion::Required, OnFailure::Partial),
                needs,
                &results,
            );
            assert_eq!(found, expected, "{failures:?}");
        }
    }

    #[test]
    fn the_critical_path_counts_overlap_once_and_gaps_not_at_all() {
        let outcome = Outcome {
            mode: Mode::Concurrent,
            verdict: Verdict::Complete,
            elapsed: Duration::from_millis(50),
            results: vec![call(0, 10, None), call(5, 10, None), call(30, 5, None)],
        };
        assert_eq!(outcome.critical_path(), Duration::from_millis(20));
        assert_eq!(outcome.sequential(), Duration::from_millis(25));
    }
}
