//! The value of a header field. It must not know the field's name.

use std::borrow::Cow;

use http::HeaderValue;

use crate::{
    pick,
    values::{
        Known, Reference, Scope, Skipped, TemplateError,
        slot::Takes,
        template::{Piece, Template},
    },
};

/// The value of a header field.
///
/// It has visible ASCII, with spaces and tabs between. A receiver takes away those at the ends (RFC 9110, section 5.5).
/// So a value that has any there would arrive changed, and is refused like one with other characters.
#[derive(Debug, Clone)]
pub struct HeaderTemplate {
    template: Template,
    /// The whole value, if it has no reference.
    constant: Option<HeaderValue>,
}

impl HeaderTemplate {
    /// Parses the value of a field.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(text: &str, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let (template, mut mistakes) = Template::read(text, Takes::OptionalText, known);
        mistakes.extend(template.pieces.iter().filter_map(mistake));
        if text.starts_with(is_blank) || text.ends_with(is_blank) {
            let message = "the value of a header field neither begins nor ends with a space";
            mistakes.push(TemplateError(message.to_owned()));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let constant = template.constant();
        let constant = constant.and_then(|text| HeaderValue::from_str(text).ok());
        Ok(Self { template, constant })
    }

    /// Returns the value; `None` if the field is left out.
    ///
    /// # Errors
    /// Fails if a value is missing, or if no field may hold it.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Option<HeaderValue>, Skipped> {
        if let Some(constant) = &self.constant {
            return Ok(Some(constant.clone()));
        }
        if let Some(slot) = self.template.whole() {
            let Some(text) = slot.text(scope)? else {
                return Ok(None);
            };
            return self.field(text.as_bytes().to_vec()).map(Some);
        }
        let mut value = Vec::new();
        let write = |text: Cow<'_, str>| value.extend_from_slice(text.as_bytes());
        self.template.each_text(scope, write)?;
        self.field(value).map(Some)
    }

    fn field(&self, value: Vec<u8>) -> Result<HeaderValue, Skipped> {
        let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| is_blank(char::from(*byte)));
        let wrong = if !value.iter().all(|byte| is_legal(char::from(*byte))) {
            "a header field can't hold: it has a control character, or one beyond ASCII"
        } else if is_space(value.first()) || is_space(value.last()) {
            "a header field can't hold: it begins or ends with a space"
        } else {
            match HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
                Ok(value) => return Ok(value),
                Err(_) => "a header field can't hold",
            }
        };
        let names: Vec<_> = self
            .references()
            .map(|r| format!("`{{{}}}`", r.text))
            .collect();
        Err(Skipped(format!(
            "{} makes a value that {wrong}",
            names.join(" with ")
        )))
    }

    /// Returns all references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.template.references()
    }

    /// Returns true if it has no reference.
    #[must_use]
    pub const fn is_constant(&self) -> bool {
        self.constant.is_some()
    }

    /// Returns the whole value, if it has no reference.
    #[must_use]
    pub const fn constant(&self) -> Option<&HeaderValue> {
        self.constant.as_ref()
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_legal(character: char) -> bool {
    matches!(character, ' '..='~' | '\t')
}

/// Returns the mistake of a configured text that no field may hold.
fn mistake(piece: &Piece) -> Option<TemplateError> {
    let text = match piece {
        Piece::Literal(text) => Cow::Borrowed(&**text),
        Piece::Slot(slot) => pick::text(slot.default()?)?,
    };
    let illegal = text.chars().find(|character| !is_legal(*character))?;
    let message = format!("the value of a header field can't have {illegal:?}");
    Some(TemplateError(message))
}

#[cfg(test)]
#[path = "header_tests.rs"]
mod tests;
