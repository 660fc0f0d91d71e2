//! The reasons why a template can't be parsed or written. It must not know the places.

/// The reason why a template can't be parsed: one message for each mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

/// The reason why a template has no text: one sentence that names the reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Skipped(pub String);
