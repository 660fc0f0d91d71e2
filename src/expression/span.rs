//! A part of an expression's own text, for messages.

use std::ops::Range;

use super::MOST_BYTES;

/// The longest text that a message quotes, in characters.
const MOST_QUOTED: usize = 60;

/// A range of bytes of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

const _: () = assert!(MOST_BYTES <= u16::MAX as usize);

impl Span {
    /// Makes the span of these bytes. A source is never too long for it.
    pub(super) fn new(start: usize, end: usize) -> Self {
        let narrow = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
        Self {
            start: narrow(start),
            end: narrow(end),
        }
    }

    /// Returns the place of its first byte.
    pub(super) fn start(self) -> usize {
        self.start.into()
    }

    /// Returns the span from the start of this one to the end of another.
    pub(super) const fn to(self, other: Self) -> Self {
        Self {
            start: self.start,
            end: other.end,
        }
    }

    /// Returns its text.
    pub(super) fn of(self, source: &str) -> &str {
        source.get(Range::from(self)).unwrap_or_default()
    }

    /// Returns its text in backticks. The end is left out if it is long.
    pub(super) fn quoted(self, source: &str) -> String {
        let text = self.of(source);
        match text.char_indices().nth(MOST_QUOTED) {
            None => format!("`{text}`"),
            Some((end, _)) => format!("`{}…`", &text[..end]),
        }
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start.into()..span.end.into()
    }
}
