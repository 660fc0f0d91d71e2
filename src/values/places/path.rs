//! The path of a request. It must not know the rest of the target.

use super::encode;
use crate::{
    pick,
    values::{
        Known, Reference, Scope, Skipped, TemplateError,
        slot::Takes,
        template::{Piece, Template},
    },
};

/// A path: `/users/{path.id}`. Each value is one segment or a part of one.
#[derive(Debug, Clone)]
pub struct PathTemplate {
    /// With the base's path as its first literal.
    template: Template,
    /// As it is configured, after the base's path.
    pattern: Box<str>,
}

impl PathTemplate {
    /// Parses a path. `base` is the path of the upstream's URL, which comes before it as it is.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(base: &str, text: &str, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let (mut template, mut mistakes) = Template::read(text, Takes::Text, known);
        if mistakes.is_empty() {
            mistakes.extend(dot_segment(&template));
        }
        if !text.starts_with('/') {
            mistakes.push(TemplateError("a path begins with `/`".to_owned()));
        }
        mistakes.extend(template.pieces.iter().filter_map(mistake));
        let base = base.trim_end_matches('/');
        if let Some(Piece::Literal(first)) = template.pieces.first_mut() {
            *first = [base, &**first].concat().into();
        }
        if mistakes.is_empty() {
            let pattern = [base, text].concat().into();
            Ok(Self { template, pattern })
        } else {
            Err(mistakes)
        }
    }

    /// Returns the whole path as it is configured.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Appends the path, which begins with a slash.
    ///
    /// # Errors
    /// Fails if a value is missing, or can't be a part of a path. `out` may then have a part of it.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Skipped> {
        for piece in &self.template.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Slot(slot) => {
                    let text = slot.text(scope)?.unwrap_or_default();
                    // No value is empty or of dots alone. So neither is a segment that has one in it.
                    if is_no_segment(&text) {
                        return Err(slot.is(NO_SEGMENT));
                    }
                    encode(&text, out);
                }
            }
        }
        Ok(())
    }

    /// Returns all references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.template.references()
    }

    /// Returns the references whose value is always a list, which no segment can be.
    pub fn lists(&self) -> impl Iterator<Item = &Reference> {
        let slots = self.template.slots().filter(|slot| slot.makes_list());
        slots.map(|slot| &slot.reference)
    }

    /// Returns true if it has no reference.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant().is_some()
    }

    /// Returns the whole path, if it has no reference.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        self.template.constant().map(str::as_bytes)
    }
}

const NO_SEGMENT: &str = "empty, `.` or `..`, which no segment of a path can be";

fn is_no_segment(text: &str) -> bool {
    matches!(text, "" | "." | "..")
}

/// Returns the mistake of a default that makes no segment, or of a literal with characters that no path has (RFC 3986,
/// section 3.3).
fn mistake(piece: &Piece) -> Option<TemplateError> {
    let text = match piece {
        Piece::Literal(text) => text,
        Piece::Slot(slot) => {
            let default = pick::text(slot.default()?)?;
            let reference = &slot.reference.text;
            let message = format!("`{{{reference}}}`: its default is {NO_SEGMENT}");
            return is_no_segment(&default).then_some(TemplateError(message));
        }
    };
    for (at, character) in text.char_indices() {
        let is_legal = match character {
            '%' => {
                let digits = text.as_bytes().get(at + 1..at + 3);
                digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            }
            _ => character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(character),
        };
        if is_legal {
            continue;
        }
        return Some(TemplateError(match character {
            '%' => "a `%` without two hexadecimal digits after it is written `%25`".to_owned(),
            '?' => "a path has no `?`: the query has a key of its own, `query`".to_owned(),
            _ => {
                let mut escaped = Vec::new();
                encode(character.encode_utf8(&mut [0; 4]), &mut escaped);
                let escaped = String::from_utf8_lossy(&escaped);
                format!("a path has no {character:?}: it is written `{escaped}`")
            }
        }));
    }
    None
}

/// Returns the mistake of a segment that is `.` or `..` as it is written. An upstream, or a proxy before it, would take
/// it for another path.
fn dot_segment(template: &Template) -> Option<TemplateError> {
    // A slot is never empty, so any text may stand for it.
    let pieces = template.pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => text,
        Piece::Slot(_) => "{}",
    });
    let path = pieces.collect::<String>().to_ascii_lowercase();
    let mut segments = path.split('/').map(|segment| segment.replace("%2e", "."));
    let found = segments.find(|segment| matches!(&**segment, "." | ".."))?;
    Some(TemplateError(format!("a path has no segment `{found}`")))
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
