//! A parameter of a request's query. It must not know the others.

use super::encode;
use crate::values::{
    Known, Reference, Scope, Skipped, TemplateError, slot::Takes, template::Template,
};

/// The value of one query parameter, with its name.
#[derive(Debug, Clone)]
pub struct QueryTemplate {
    pair: Pair,
}

impl QueryTemplate {
    /// Parses the value of the parameter `name`.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(name: &str, text: &str, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let pair = Pair::parse(name, text, known)?;
        Ok(Self { pair })
    }

    /// Appends a pair for each value, each after `?` or `&`. `is_first` says if no pair came before; it is updated.
    ///
    /// # Errors
    /// Fails if a value is missing, or is no text. `out` may then have a part of it.
    pub fn write(
        &self,
        scope: &Scope<'_>,
        is_first: &mut bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Skipped> {
        self.pair.write(scope, out, |out| {
            out.push(if std::mem::take(is_first) { b'?' } else { b'&' });
        })
    }

    /// Returns all references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.pair.references()
    }

    /// Returns true if it has no reference.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant().is_some()
    }

    /// Returns the pair, encoded and with nothing before it, if it has no reference.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        self.pair.constant()
    }
}

/// A name, and a text for its value or for each of its values.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// `name=`, encoded. It has the value too if that is constant.
    start: Box<[u8]>,
    /// `None` if the value is constant.
    value: Option<Template>,
}

impl Pair {
    pub(super) fn parse(
        name: &str,
        text: &str,
        known: &Known<'_>,
    ) -> Result<Self, Vec<TemplateError>> {
        let value = Template::parse(text, Takes::Texts, known)?;
        let mut start = Vec::new();
        encode(name, &mut start);
        start.push(b'=');
        let constant = value.constant().map(|text| encode(text, &mut start));
        Ok(Self {
            start: start.into(),
            value: constant.is_none().then_some(value),
        })
    }

    /// Appends a pair for each value, each after what `separate` appends.
    pub(super) fn write(
        &self,
        scope: &Scope<'_>,
        out: &mut Vec<u8>,
        mut separate: impl FnMut(&mut Vec<u8>),
    ) -> Result<(), Skipped> {
        let mut begin = |out: &mut Vec<u8>| {
            separate(out);
            out.extend_from_slice(&self.start);
        };
        let Some(value) = &self.value else {
            begin(out);
            return Ok(());
        };
        if let Some(slot) = value.whole() {
            for text in slot.texts(scope)?.unwrap_or_default() {
                begin(out);
                encode(&text, out);
            }
            return Ok(());
        }
        begin(out);
        value.each_text(scope, |text| encode(&text, out))
    }

    pub(super) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.value.iter().flat_map(Template::references)
    }

    pub(super) fn constant(&self) -> Option<&[u8]> {
        match self.value {
            None => Some(&self.start),
            Some(_) => None,
        }
    }
}
