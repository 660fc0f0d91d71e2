//! A short summary of the end of an aggregate's request, for the log line. It must not know how a line is written.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use crate::fanout::{FailureKind, Outcome, Party};

/// The outcome of an aggregate's request, left by its handler.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    pub(super) aggregate: Arc<str>,
    pub(super) mode: &'static str,
    pub(super) outcome: &'static str,
    pub(super) sequential: Duration,
    /// The calls that failed, as `name:class` or `name:status=404`, with commas between them.
    pub(super) failed: String,
    /// The reason of the first call that was skipped for a value, after its name.
    pub(super) reason: Option<String>,
}

/// Lists the calls that failed by themselves, with their classes, and the statuses that caused the failures.
pub(super) fn failed(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let calls = outcomes.iter().flat_map(|outcome| &outcome.results);
    for call in calls {
        if let Err(failure) = &call.result
            && !failure.is_given_up()
        {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a String can't fail.
            let _ = write!(text, "{comma}{}:{}", call.name, failure.kind);
            if let (FailureKind::Status, Some(status)) = (failure.kind, failure.status) {
                let _ = write!(text, "={}", status.as_u16());
            }
        }
    }
    text
}

/// Says why the first call that was skipped for a value was. Its class alone does not tell which value was missing, and
/// no metric does.
pub(super) fn reason(outcomes: &[Outcome]) -> Option<String> {
    let mut calls = outcomes.iter().flat_map(|outcome| &outcome.results);
    calls.find_map(|call| match &call.result {
        Err(failure) if failure.fault == Party::Values => {
            Some(format!("{}: {}", call.name, failure.detail))
        }
        _ => None,
    })
}
