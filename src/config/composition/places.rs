//! Reads the values at one place of a call, notes the mistakes in them and what they use, and makes the text of those
//! that never vary. It must not know the places.

use http::HeaderValue;

use super::{AggregateFacts, Uses};
use crate::{
    config::{mistake::KeyPath, review::Review},
    exchange::ClientContext,
    expression::Expression,
    fanout::Earlier,
    values::{Known, Reference, Scope},
};

/// The places of one call.
pub(super) struct Places<'p, 'a, 'r> {
    /// The path of the call.
    pub(super) path: &'p KeyPath,
    /// The call's index in its aggregate.
    pub(super) own: usize,
    pub(super) facts: &'p AggregateFacts<'a>,
    pub(super) uses: &'p mut Uses,
    pub(super) review: &'p mut Review<'r>,
}

impl<'a> Places<'_, 'a, '_> {
    /// Returns the path of a key of the call.
    pub(super) fn at(&self, key: &str) -> KeyPath {
        self.path.key(key)
    }

    /// Returns the names that may be used in the call's request.
    pub(super) fn known(&self, in_each: bool) -> Known<'a> {
        Known {
            in_each,
            ..self.facts.of_request(self.own)
        }
    }

    /// Notes the references in the place at `path`.
    pub(super) fn note<'r>(
        &mut self,
        path: &KeyPath,
        references: impl Iterator<Item = &'r Reference>,
    ) {
        self.uses
            .note(references, path, self.own, self.facts, self.review);
    }

    /// Takes what was parsed at `path`, or notes every mistake in it.
    pub(super) fn taken<T, E: ToString>(
        &mut self,
        path: &KeyPath,
        parsed: Result<T, Vec<E>>,
    ) -> Option<T> {
        match parsed {
            Ok(taken) => Some(taken),
            Err(errors) => {
                for error in errors {
                    self.review.mistake(path, error.to_string());
                }
                None
            }
        }
    }

    /// Warns of a text without references that looks as if it had one. `what` says what the text is. The rest of the text
    /// may be a secret.
    pub(super) fn warn_of_reference(&mut self, path: &KeyPath, what: &str, text: &str) {
        if let Some(inside) = reference_in(text) {
            let message = format!("`{{{inside}}}` is sent as it is: {what} has no references");
            self.review.warning(path, message);
        }
    }

    /// Reads the condition at this key, if there is one.
    pub(super) fn condition(
        &mut self,
        key: &str,
        source: Option<&str>,
        known: &Known<'_>,
    ) -> Option<Expression> {
        let path = self.at(key);
        let expression = self.taken(&path, Expression::parse(source?, known))?;
        self.note(&path, expression.references());
        if let Err(error) = expression.check_condition() {
            self.review.mistake(&path, error.to_string());
        }
        Some(expression)
    }
}

/// Returns the first part of a text that looks as if it was meant as a reference, without its braces.
fn reference_in(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    let is_reference = |inside: &&str| inside.contains('.') && inside.chars().all(is_part);
    let parts = text.split('{').skip(1);
    let mut insides = parts.filter_map(|part| Some(part.split_once('}')?.0));
    insides.find(is_reference)
}

/// Calls `make` with the values of no request, for a text that has no reference.
pub(super) fn constant<T>(make: impl FnOnce(&Scope<'_>) -> T) -> T {
    let client = ClientContext::new(HeaderValue::from_static(""));
    make(&Scope {
        client: &client,
        earlier: Earlier::NONE,
        own: None,
        item: None,
    })
}
