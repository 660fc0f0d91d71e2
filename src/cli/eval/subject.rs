//! The text that is evaluated: a text with references, or an expression. It must not know where values come from.

use anyhow::bail;
use serde_json::Value as Tree;

use crate::{
    expression::Expression,
    values::{JsonTemplate, Known, Reference, Scope, TemplateError},
};

/// The text that is evaluated.
#[derive(Debug)]
pub(super) enum Subject {
    /// A list with one element, which has references in braces: so it can be left out.
    Template(String, JsonTemplate),
    Expression(Expression),
}

impl Subject {
    /// Reads a text: a reference without braces, a text with references in braces, or an expression.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub(super) fn parse(text: &str, known: &Known<'_>) -> anyhow::Result<Self> {
        let text = text.trim();
        let is_braced = text.starts_with('{');
        let braced = match is_braced {
            true => text.to_owned(),
            false => format!("{{{text}}}"),
        };
        let list = Tree::Array(vec![Tree::String(braced.clone())]);
        let wrong = match JsonTemplate::parse(&list, known) {
            Ok(template) if !template.is_constant() => return Ok(Self::Template(braced, template)),
            Ok(_) => Vec::new(),
            Err(wrong) => wrong,
        };
        let mistakes = match Expression::parse(text, known) {
            Ok(expression) => return Ok(Self::Expression(expression)),
            Err(mistakes) => mistakes,
        };
        if !is_braced && text.contains('{') {
            let list = Tree::Array(vec![Tree::from(text)]);
            match JsonTemplate::parse(&list, known) {
                Ok(template) if !template.is_constant() => {
                    return Ok(Self::Template(text.to_owned(), template));
                }
                // No expression begins as a path does.
                Err(wrong) if text.starts_with('/') => bail!("{}", joined(&wrong)),
                _ => {}
            }
        }
        let inside = text.strip_prefix('{').unwrap_or(text).trim_start();
        let is_reference = inside.starts_with(|c: char| c.is_alphabetic())
            && (is_braced || text.chars().all(is_part));
        let sentences: Vec<_> = match is_reference && !wrong.is_empty() {
            true => vec![joined(&wrong)],
            false => mistakes.into_iter().map(|wrong| wrong.0).collect(),
        };
        bail!("{}", sentences.join("; "));
    }

    /// Returns the values that it refers to.
    pub(super) fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Template(_, template) => template.references().collect(),
            Self::Expression(expression) => expression.references().collect(),
        }
    }

    /// Returns its value as JSON.
    ///
    /// # Errors
    /// Fails if there is none, and says why.
    pub(super) fn value(&self, scope: &Scope<'_>) -> anyhow::Result<Vec<u8>> {
        let mut json = Vec::new();
        match self {
            Self::Expression(expression) => expression.write(scope, &mut json)?,
            Self::Template(text, template) => {
                template.write(scope, &mut json)?;
                json.pop();
                json.remove(0);
                if json.is_empty() {
                    bail!("`{text}` is missing, and would be left out");
                }
            }
        }
        Ok(json)
    }
}

/// Returns the mistakes of a text without its place in the list, which is not of the text.
fn joined(wrong: &[TemplateError]) -> String {
    let sentences = wrong
        .iter()
        .map(|wrong| wrong.0.trim_start_matches("[0]: "));
    sentences.collect::<Vec<_>>().join("; ")
}

/// Returns true for the characters of a reference without spaces.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || "_.[]\"*-?".contains(c)
}
