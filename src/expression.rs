//! Expressions of a configuration (`when`, `expect`, `select`, `shape`), in CEL, the Common Expression Language. They
//! are parsed and checked at start. It must not know what a result is used for.

use std::sync::Arc;

use crate::values::{Known, Reference, Scope};

/// The longest source, in bytes.
pub const MOST_BYTES: usize = 4 * 1024;

/// The deepest nesting.
pub const MOST_DEPTH: usize = 32;

/// An expression over the values of a request.
#[derive(Debug, Clone)]
pub struct Expression {
    source: Arc<str>,
    references: Vec<Reference>,
}

/// A text that is no expression here: one message, with a suggestion for a misspelt name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

/// The reason why an expression has no value: one sentence. It has no part of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unevaluated(pub String);

impl Expression {
    /// Parses and checks an expression.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(source: &str, known: &Known<'_>) -> Result<Self, Vec<ExpressionError>> {
        let _ = (source, known);
        unimplemented!()
    }

    /// Returns the source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the values that it refers to.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.references.iter()
    }

    /// Returns true or false.
    ///
    /// # Errors
    /// Fails if it can't be evaluated, or if its value is neither.
    pub fn is_true(&self, scope: &Scope<'_>) -> Result<bool, Unevaluated> {
        let _ = scope;
        unimplemented!()
    }

    /// Appends its value as JSON.
    ///
    /// # Errors
    /// Fails if it can't be evaluated, or if its value is no JSON. `out` is then as it was.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Unevaluated> {
        let _ = (scope, out);
        unimplemented!()
    }
}
