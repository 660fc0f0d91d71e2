//! The texts of answers that are one of a closed set: modes, outcomes and classes of failures. It must not know where
//! they stand.

use std::borrow::Cow;

use serde::Deserialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema},
};

use crate::fanout::{Blame, FailureKind, Mode, Verdict};

/// Makes the schema of a text that is one of these.
fn names(description: &str, names: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        .description(Some(description))
        .enum_values(Some(names))
        .into()
}

/// A mode as a run shows it.
#[derive(Debug, Deserialize)]
pub struct RunMode(pub String);

impl PartialSchema for RunMode {
    fn schema() -> RefOr<Schema> {
        let text = "How the calls of the run followed one another: each started when the one before had ended, or all at once.";
        names(text, Mode::ALL.into_iter().map(Mode::as_str))
    }
}

impl ToSchema for RunMode {
    fn name() -> Cow<'static, str> {
        "Mode".into()
    }
}

/// A verdict as a run shows it.
#[derive(Debug, Deserialize)]
pub struct RunOutcome(pub String);

impl PartialSchema for RunOutcome {
    fn schema() -> RefOr<Schema> {
        let all = [
            Verdict::Complete,
            Verdict::Partial,
            Verdict::Failed(Blame::Time),
        ];
        let text = "`complete`: every call succeeded, or as many as were waited for. `partial`: some call failed. `failed`: \
                    what was waited for did not come.";
        names(text, all.into_iter().map(Verdict::as_str))
    }
}

impl ToSchema for RunOutcome {
    fn name() -> Cow<'static, str> {
        "Outcome".into()
    }
}

/// A failure's class as a call shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct FailureClass(pub String);

impl PartialSchema for FailureClass {
    fn schema() -> RefOr<Schema> {
        let text = "Why the call failed. `timeout` is the call's own time, `deadline` the request's; `cancelled`: it was no longer \
                    needed; `skipped`: a sequential run had stopped before it, or a value that it is made from is missing; \
                    `unexpected`: it was answered, but not as it expects; `omitted`: its own condition was false, which is no failure.";
        names(text, FailureKind::ALL.into_iter().map(FailureKind::as_str))
    }
}

impl ToSchema for FailureClass {
    fn name() -> Cow<'static, str> {
        "Failure".into()
    }
}
