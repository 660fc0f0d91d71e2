//! Judges a plan that is over by its rules. It is pure. It must not know how an answer is written.

use super::{Blame, CallResult, Completion, FailureKind, Need, OnFailure, Party, Rules, Verdict};

/// Judges settled calls by the plan's rules. `needs` runs parallel to `results`. `inputs` gives the calls that one waits
/// for.
pub(super) fn judge<I>(
    rules: &Rules,
    needs: impl Iterator<Item = Need> + Clone,
    inputs: impl Fn(usize) -> I,
    results: &[CallResult],
) -> Verdict
where
    I: Iterator<Item = usize>,
{
    let only_required = rules.completion == Completion::Required;
    // Those that are waited for, and those of them that succeeded.
    let (mut waited, mut succeeded) = (0, 0);
    let mut forbidden = false;
    for (call, need) in results.iter().zip(needs.clone()) {
        let is_required = need == Need::Required;
        forbidden |= is_required && rules.on_failure == OnFailure::Fail && has_failed(call);
        if (!only_required || is_required) && !is_omitted(call) {
            waited += 1;
            succeeded += usize::from(call.result.is_ok());
        }
    }
    let reached = match rules.completion {
        Completion::Quorum(needed) => succeeded >= needed.get(),
        Completion::All | Completion::Required => succeeded > 0 || waited == 0,
    };
    if !reached || forbidden {
        // Where a required call ended the plan, the others' failures have no part in it.
        let only_required = only_required || forbidden;
        let counts = needs.map(|need| !only_required || need == Need::Required);
        return Verdict::Failed(blame(counts, inputs, results));
    }
    match rules.completion {
        Completion::All | Completion::Required if succeeded < waited => Verdict::Partial,
        _ => Verdict::Complete,
    }
}

/// Blames the failures that count. A call that was skipped because of another's failure is not at fault: that other is.
fn blame<I>(
    counts: impl Iterator<Item = bool>,
    inputs: impl Fn(usize) -> I,
    results: &[CallResult],
) -> Blame
where
    I: Iterator<Item = usize>,
{
    let mut found = Found::default();
    let counts = counts.zip(results).enumerate();
    let mut open: Vec<usize> = counts
        .filter_map(|(index, (counts, call))| (counts && has_failed(call)).then_some(index))
        .collect();
    // Each is looked at once, so a graph of many ways costs no more than a list.
    let mut seen = vec![false; results.len()];
    while let Some(index) = open.pop() {
        if std::mem::replace(&mut seen[index], true) {
            continue;
        }
        let causes = open.len();
        if is_skipped_for_a_value(&results[index]) {
            let is_cause =
                |&input: &usize| results[input].result.is_err() && !is_omitted(&results[input]);
            open.extend(inputs(index).filter(is_cause));
        }
        if open.len() == causes {
            found.add(&results[index]);
        }
    }
    let nothing_but_omissions = !found.any && results.iter().any(is_omitted);
    if found.other || nothing_but_omissions {
        Blame::Upstream
    } else {
        Blame::Time
    }
}

/// The failures that count.
#[derive(Default)]
struct Found {
    any: bool,
    /// Some of another kind than `timeout` and `deadline`.
    other: bool,
}

impl Found {
    fn add(&mut self, call: &CallResult) {
        if let Err(failure) = &call.result
            && has_failed(call)
        {
            self.any = true;
            self.other |= !failure.kind.is_time();
        }
    }
}

/// Returns true if the call failed by itself, and was not given up by its plan.
fn has_failed(call: &CallResult) -> bool {
    matches!(&call.result, Err(failure) if !failure.is_given_up())
}

fn is_skipped_for_a_value(call: &CallResult) -> bool {
    matches!(&call.result, Err(failure)
        if failure.kind == FailureKind::Skipped && failure.fault == Party::Values)
}

fn is_omitted(call: &CallResult) -> bool {
    matches!(&call.result, Err(failure) if failure.kind == FailureKind::Omitted)
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
