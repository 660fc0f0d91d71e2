//! A text with `{…}` in it, as literals and slots. It must not know the place that the text is for.

use std::borrow::Cow;

use super::{
    Known, Reference, Scope, Skipped, TemplateError,
    slot::{Slot, Takes},
};

/// A text with slots.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) pieces: Vec<Piece>,
}

/// A part of a text.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// As it is. Literals never follow one another, and none is empty.
    Literal(Box<str>),
    Slot(Slot),
}

impl Template {
    /// Parses a text. `takes` is what the place takes of a slot that is the whole text. Beside other text, a slot is
    /// text.
    pub(super) fn parse(
        text: &str,
        takes: Takes,
        known: &Known<'_>,
    ) -> Result<Self, Vec<TemplateError>> {
        let (template, mistakes) = Self::read(text, takes, known);
        if mistakes.is_empty() {
            Ok(template)
        } else {
            Err(mistakes)
        }
    }

    /// Reads a text as [`Template::parse`] does. Returns its mistakes, and the template without the slots that have
    /// some, for the mistakes of its place.
    pub(super) fn read(text: &str, takes: Takes, known: &Known<'_>) -> (Self, Vec<TemplateError>) {
        let mut pieces = Vec::new();
        let mut mistakes = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = brace
                .strip_prefix("{{")
                .or_else(|| brace.strip_prefix("}}"))
            {
                literal.push_str(&brace[..1]);
                rest = after;
                continue;
            }
            let inside = &brace[1..];
            if brace.starts_with('}') {
                mistakes.push(TemplateError(
                    "a `}` has no `{`; a literal brace is written twice, `}}`".to_owned(),
                ));
                rest = inside;
                continue;
            }
            match Slot::read(inside, known) {
                Ok((slot, after)) => {
                    add(&mut pieces, &mut literal);
                    pieces.push(Piece::Slot(slot));
                    rest = after;
                }
                Err(mistake) => {
                    mistakes.push(mistake);
                    rest = inside.split_once('}').map_or("", |(_, after)| after);
                }
            }
        }
        literal.push_str(rest);
        add(&mut pieces, &mut literal);
        let template = Self { pieces };
        let takes = if template.pieces.len() == 1 {
            takes
        } else {
            Takes::Text
        };
        let checked = template.slots().map(|slot| slot.check(takes));
        let checked: Vec<_> = checked.filter_map(Result::err).collect();
        mistakes.extend(checked);
        (template, mistakes)
    }

    /// Returns the slot that is the whole text, if one is.
    pub(super) fn whole(&self) -> Option<&Slot> {
        match self.pieces.as_slice() {
            [Piece::Slot(slot)] => Some(slot),
            _ => None,
        }
    }

    /// Returns the text, if it has no slots.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Slot(slot) => Some(slot),
            Piece::Literal(_) => None,
        })
    }

    pub(super) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.slots().map(|slot| &slot.reference)
    }

    /// Gives each part of the text to `write`, in order. A slot beside other text can't be left out.
    pub(super) fn each_text<'a>(
        &'a self,
        scope: &Scope<'a>,
        mut write: impl FnMut(Cow<'a, str>),
    ) -> Result<(), Skipped> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => write(Cow::Borrowed(text)),
                Piece::Slot(slot) => {
                    if let Some(text) = slot.text(scope)? {
                        write(text);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Moves the literal to the pieces, if it is not empty.
fn add(pieces: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into()));
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
