//! The reasons why an expression has no value, and their sentences. It has no part of a value, and must not know who
//! reads them.

use std::fmt;

use super::{Unevaluated, span::Span};
use crate::values::{Absent, Reference};

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Double,
    Text,
    List,
    Map,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Double => "a double",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

/// The reason why a part of an expression has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The reference with this index finds nothing.
    Absent(usize, Absent),
    /// A value has no such member or element.
    Missing,
    /// An operator can't be used with values of these kinds.
    Operands(&'static str, Kind, Kind),
    /// A function or an operator can't be used with a value of this kind.
    Operand(&'static str, Kind),
    /// A value of this kind has no member, can't be an index, and the like. The text is the verb and what is after it.
    Unfit(Kind, &'static str),
    /// Another, as the end of a sentence.
    Other(&'static str),
}

/// A reason, and the part of the expression that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    reason: Reason,
    span: Option<Span>,
}

impl Fault {
    /// Returns the fault, with its place if it has none yet.
    pub(super) fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// Returns true if a reference found nothing, and no failed call is the reason.
    pub(super) const fn is_missing(&self) -> bool {
        matches!(self.reason, Reason::Absent(_, Absent::Missing))
    }

    /// Returns the sentence.
    pub(super) fn sentence(self, source: &str, references: &[Reference]) -> Unevaluated {
        let whole = Span::new(0, source.len());
        let quoted = self.span.unwrap_or(whole).quoted(source);
        Unevaluated(match self.reason {
            Reason::Absent(reference, absent) => absence(references.get(reference), absent),
            Reason::Missing => format!("{quoted} is missing"),
            Reason::Operands(sign, left, right) => {
                format!("`{sign}` can't be used with {left} and {right}, in {quoted}")
            }
            Reason::Operand(name, kind) => {
                format!("`{name}` can't be used with {kind}, in {quoted}")
            }
            Reason::Unfit(kind, verb) => format!("{kind} {verb}, in {quoted}"),
            Reason::Other(text) => format!("{quoted} {text}"),
        })
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self { reason, span: None }
    }
}

fn absence(reference: Option<&Reference>, absent: Absent) -> String {
    let text = reference.map_or("", |reference| &*reference.text);
    let call = reference.map_or("", Reference::name);
    match absent {
        Absent::Missing => format!("`{text}` is missing"),
        Absent::NoText => format!("`{text}` is no text in UTF-8"),
        Absent::Failed(_) => format!("`{text}` is missing because the call `{call}` failed"),
        Absent::Omitted(_) => format!("`{text}` is missing because the call `{call}` was omitted"),
    }
}
