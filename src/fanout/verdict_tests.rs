//! Verdicts of settled calls.

use std::time::Duration;

use http::StatusCode;

use super::*;
use crate::fanout::{Body, Failure, Reply};

fn call(start: u64, elapsed: u64, failure: Option<FailureKind>) -> CallResult {
    let result = match failure {
        Some(kind) => Err(Failure::new(kind, "because")),
        None => Ok(Reply::new(StatusCode::OK, Body::Empty)),
    };
    let (start, elapsed) = (Duration::from_millis(start), Duration::from_millis(elapsed));
    CallResult::new("call", start, elapsed, result)
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
    judge(&rules(completion, on_failure), needs, no_inputs, results)
}

/// No call waits for another.
fn no_inputs(_: usize) -> std::iter::Empty<usize> {
    std::iter::empty()
}

/// A call that was skipped for a value.
fn skipped() -> CallResult {
    let failure = Failure::skipped("`{a.body.id}` is missing");
    CallResult::new("call", Duration::ZERO, Duration::ZERO, Err(failure))
}

/// Judges calls of which each waits for the one before.
fn verdict_of_a_chain(rules: &Rules, needs: &[Need], results: &[CallResult]) -> Verdict {
    let inputs = |index: usize| index.checked_sub(1).into_iter();
    judge(rules, needs.iter().copied(), inputs, results)
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
        judge(
            &rules(Completion::All, OnFailure::Fail),
            needs,
            no_inputs,
            &results
        ),
        Verdict::Partial
    );
}

#[test]
fn a_plan_that_optional_calls_alone_have_failed_is_blamed_by_what_they_failed_of() {
    let results = [call(0, 1, Some(FailureKind::Connect))];
    for completion in [Completion::All, Completion::FIRST] {
        let needs = [Need::Optional].into_iter();
        assert_eq!(
            judge(
                &rules(completion, OnFailure::Fail),
                needs,
                no_inputs,
                &results
            ),
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
        judge(
            &rules(Completion::All, OnFailure::Fail),
            needs,
            no_inputs,
            &results
        ),
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
            no_inputs,
            &results,
        );
        assert_eq!(found, expected, "{failures:?}");
    }
}

#[test]
fn an_omitted_call_is_neither_a_success_nor_a_failure() {
    let omitted = || call(0, 0, Some(FailureKind::Omitted));
    for on_failure in [OnFailure::Partial, OnFailure::Fail] {
        for completion in [Completion::All, Completion::Required] {
            let one = [call(0, 1, None), omitted()];
            assert_eq!(verdict(completion, on_failure, &one), Verdict::Complete);
            let all = [omitted(), omitted()];
            assert_eq!(verdict(completion, on_failure, &all), Verdict::Complete);
        }
        let quorum = [omitted(), omitted()];
        assert_eq!(
            verdict(Completion::FIRST, on_failure, &quorum),
            Verdict::Failed(Blame::Upstream)
        );
    }
    let late = [call(0, 1, Some(FailureKind::Timeout)), omitted()];
    assert_eq!(
        verdict(Completion::All, OnFailure::Partial, &late),
        Verdict::Failed(Blame::Time)
    );
}

#[test]
fn a_call_that_is_skipped_for_a_value_has_failed() {
    let results = [call(0, 1, None), skipped()];
    assert_eq!(
        verdict(Completion::All, OnFailure::Partial, &results),
        Verdict::Partial
    );
    assert_eq!(
        verdict(Completion::All, OnFailure::Fail, &results),
        Verdict::Failed(Blame::Upstream)
    );
    assert_eq!(
        verdict(Completion::All, OnFailure::Partial, &[skipped()]),
        Verdict::Failed(Blame::Upstream)
    );
}

#[test]
fn a_call_that_is_skipped_because_of_another_leaves_the_blame_to_that_one() {
    use Need::{Optional, Required};
    let of = |kind| [call(0, 1, Some(kind)), skipped(), skipped()];
    let late = of(FailureKind::Timeout);
    let broken = of(FailureKind::Connect);
    for (completion, on_failure, needs) in [
        (Completion::All, OnFailure::Partial, [Required; 3]),
        (Completion::All, OnFailure::Fail, [Required; 3]),
        (
            Completion::All,
            OnFailure::Fail,
            [Optional, Required, Required],
        ),
        (
            Completion::All,
            OnFailure::Fail,
            [Optional, Optional, Required],
        ),
        (
            Completion::Required,
            OnFailure::Partial,
            [Optional, Optional, Required],
        ),
    ] {
        let rules = rules(completion, on_failure);
        let blame = |results| verdict_of_a_chain(&rules, &needs, results);
        assert_eq!(blame(&late), Verdict::Failed(Blame::Time));
        assert_eq!(blame(&broken), Verdict::Failed(Blame::Upstream));
    }
}

#[test]
fn a_value_that_a_good_answer_lacks_is_blamed_though_an_unrelated_call_was_late() {
    let results = [
        call(0, 1, None),
        skipped(),
        call(0, 1, Some(FailureKind::Timeout)),
    ];
    let rules = rules(Completion::All, OnFailure::Fail);
    assert_eq!(
        verdict_of_a_chain(&rules, &[Need::Required; 3], &results),
        Verdict::Failed(Blame::Upstream)
    );
}
