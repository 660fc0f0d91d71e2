//! The order of a plan's calls: none before its inputs, none later than it must, and none of those that send nothing
//! with an attempt. It must not know how a case is run.

use std::time::Duration;

use super::case::{Act, Case};
use crate::fanout::{CallResult, Completion, FailureKind, Mode, Outcome};

fn end(call: &CallResult) -> Duration {
    call.start + call.elapsed
}

/// Checks the order of an outcome's calls. `turns` says how often each was asked.
pub(super) fn check(case: &Case, outcome: &Outcome, turns: &[usize]) {
    let results = &outcome.results;
    for (index, call) in results.iter().enumerate() {
        check_turn(case, index, call, turns[index] > 0);
        let inputs = case.inputs(index);
        let ready = inputs.iter().map(|&input| end(&results[input])).max();
        let ready = ready.unwrap_or_default();
        if turns[index] > 0 {
            assert!(call.start >= ready, "a call before its inputs");
        }
        let is_ready = inputs.iter().all(|&input| turns[input] > 0);
        if is_ready {
            check_wait(case, results, ready, call.start.min(case.time()));
        }
    }
    if case.mode == Mode::Sequential {
        let mut spans: Vec<_> = results.iter().map(|call| (call.start, end(call))).collect();
        spans.sort_unstable();
        let is_in_turn = spans.is_sorted_by(|before, after| before.1 <= after.0);
        assert!(is_in_turn, "one after another");
    }
    let is_whole = turns.iter().all(|&turns| turns > 0) && case.completion() == Completion::All;
    if is_whole && case.most() >= results.len() && outcome.elapsed < case.time() && !case.strict {
        assert_eq!(
            outcome.elapsed,
            critical(case, results),
            "the critical path"
        );
    }
}

/// Checks the result of a call by the decision of its turn.
fn check_turn(case: &Case, index: usize, call: &CallResult, had_turn: bool) {
    let kind = call.result.as_ref().err().map(|failure| failure.kind);
    match case.scripts[index].act {
        _ if !had_turn => {
            assert!(kind.is_some() && kind != Some(FailureKind::Omitted));
            assert_eq!(call.attempts, 0, "an attempt without a turn");
        }
        Act::Omit => {
            assert_eq!(kind, Some(FailureKind::Omitted));
            assert_eq!((call.attempts, call.elapsed), (0, Duration::ZERO));
        }
        Act::Fail => {
            assert_eq!(kind, Some(FailureKind::Skipped));
            assert_eq!((call.attempts, call.elapsed), (0, Duration::ZERO));
        }
        Act::Each {
            elements, tolerate, ..
        } => {
            let Some(each) = call.each() else {
                // The plan was over before its first element.
                assert!(kind.is_some() && call.attempts == 0);
                return;
            };
            assert_eq!(each.total, usize::from(elements));
            if call.result.is_ok() {
                assert!(each.failures.len() <= usize::from(tolerate));
            }
        }
        Act::Send | Act::Need => assert!(call.each().is_none()),
    }
}

/// Checks that there was no room for a call that was ready, as long as it waited.
fn check_wait(case: &Case, results: &[CallResult], ready: Duration, start: Duration) {
    let moments = results.iter().flat_map(|call| [call.start, end(call)]);
    let moments = moments.chain([ready]);
    for moment in moments.filter(|moment| (ready..start).contains(moment)) {
        let runs = |call: &&CallResult| (call.start..end(call)).contains(&moment);
        let running = results.iter().filter(runs).count();
        assert_eq!(running, case.most(), "a call waits though there is room");
    }
}

/// Returns the time of the longest chain of calls.
fn critical(case: &Case, results: &[CallResult]) -> Duration {
    let mut order: Vec<usize> = (0..results.len()).collect();
    order.sort_by_key(|&call| (case.scripts[call].rank, call));
    let mut ends = vec![Duration::ZERO; results.len()];
    for call in order {
        let ready = case.inputs(call).into_iter().map(|input| ends[input]).max();
        ends[call] = ready.unwrap_or_default() + results[call].elapsed;
    }
    ends.into_iter().max().unwrap_or_default()
}
