//! Expressions of a configuration (`when`, `expect`, `select`, `shape`), in CEL, the Common Expression Language. They
//! are parsed and checked at start. It must not know what a result is used for.

mod arithmetic;
mod calls;
mod compare;
mod comprehension;
mod condition;
mod evaluate;
mod fault;
#[cfg(any(test, fuzzing))]
mod fixture;
mod functions;
mod lexer;
mod literals;
mod meter;
mod names;
mod parser;
mod pattern;
mod postfix;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod request;
mod span;
mod term;
mod texts;
mod value;
mod write;

use std::sync::Arc;

use evaluate::Evaluation;
use fault::Fault;
use parser::Parser;
use term::Term;

use crate::values::{Known, Part, Reference, Root, Scope};

/// The longest source, in bytes.
pub const MOST_BYTES: usize = 4 * 1024;

/// The deepest nesting.
pub const MOST_DEPTH: usize = 32;

/// An expression over the values of a request.
#[derive(Debug, Clone)]
pub struct Expression {
    source: Arc<str>,
    references: Vec<Reference>,
    /// By reference: the indices of all that are parts of the same body, if there are several.
    together: Vec<Box<[usize]>>,
    term: Arc<Term>,
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
    /// Fails with every mistake in it. After one of the grammar nothing else is looked for.
    pub fn parse(source: &str, known: &Known<'_>) -> Result<Self, Vec<ExpressionError>> {
        if source.len() > MOST_BYTES {
            let message = format!("it has {} bytes, and may have {MOST_BYTES}", source.len());
            return Err(vec![ExpressionError(message)]);
        }
        let mut parser = Parser::new(source, known).map_err(|error| vec![error])?;
        let whole = parser.whole();
        let mut mistakes = std::mem::take(&mut parser.mistakes);
        match whole {
            Ok(term) if mistakes.is_empty() => Ok(Self {
                source: source.into(),
                together: together(&parser.references),
                references: parser.references,
                term: Arc::new(term),
            }),
            Ok(_) => Err(mistakes),
            Err(error) => {
                mistakes.push(error);
                Err(mistakes)
            }
        }
    }

    /// Checks that it can be true or false, as far as the source alone tells.
    ///
    /// # Errors
    /// Fails with the part that can't.
    pub fn check_condition(&self) -> Result<(), ExpressionError> {
        let Some(misfit) = condition::misfit(&self.term, &self.references) else {
            return Ok(());
        };
        let part = misfit.span.of(&self.source);
        let message = format!("expected a condition, and `{part}` is neither true nor false");
        Err(ExpressionError(message))
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
        let evaluation = Evaluation::new(&self.references, &self.together, scope);
        let value = evaluation.boolean(&self.term, None);
        value.map_err(|fault| self.unevaluated(fault))
    }

    /// Appends its value as JSON. What it takes from a body as it is keeps its bytes.
    ///
    /// # Errors
    /// Fails if it can't be evaluated, or if its value is no JSON. `out` is then as it was.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Unevaluated> {
        let evaluation = Evaluation::new(&self.references, &self.together, scope);
        let before = out.len();
        let value = evaluation.value(&self.term, None);
        let written = value.and_then(|value| write::write(&value, before, out, &evaluation.meter));
        written.map_err(|fault| {
            out.truncate(before);
            self.unevaluated(fault)
        })
    }

    fn unevaluated(&self, fault: Fault) -> Unevaluated {
        fault.sentence(&self.source, &self.references)
    }
}

/// Returns for each reference the indices of all that are parts of the same body, if several are.
fn together(references: &[Reference]) -> Vec<Box<[usize]>> {
    let all = |root: &Root| -> Box<[usize]> {
        if !matches!(root, Root::Body | Root::Item | Root::Call(_, Part::Body)) {
            return Box::default();
        }
        let same = (references.iter().enumerate()).filter(|(_, one)| one.root == *root);
        let same: Box<[usize]> = same.map(|(index, _)| index).collect();
        if same.len() > 1 { same } else { Box::default() }
    };
    references.iter().map(|one| all(&one.root)).collect()
}

#[cfg(test)]
#[path = "expression/bounds_tests.rs"]
mod bounds_tests;
#[cfg(test)]
#[path = "expression/conformance_tests.rs"]
mod conformance_tests;
#[cfg(test)]
#[path = "expression/mistakes_tests.rs"]
mod mistakes_tests;
