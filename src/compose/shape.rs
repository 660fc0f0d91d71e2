//! The shape of an answer, as checked settings. It must not know how it is written.

use crate::{expression::Expression, pick::Prune, values::Reference};

/// The shape of an aggregate's answer.
#[derive(Debug, Clone, Default)]
pub enum Shape {
    /// The report of all calls.
    #[default]
    Report,
    /// One object, each call's value in its place.
    Merge,
    /// The value of an expression over all results.
    Value(Expression),
}

/// The part of a call's body that goes into the answer, and its place there.
#[derive(Debug, Clone, Default)]
pub struct CallShape {
    /// The part of the body. Without it, the whole.
    pub select: Option<Select>,
    /// The members of that part.
    pub prune: Option<Prune>,
    /// The place in a merged answer. Without it, the call's name.
    pub into: Option<Place>,
    /// True if the body never leaves (`answer = false`).
    pub is_hidden: bool,
}

impl CallShape {
    /// Returns true if the body goes into the answer as it came.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.select.is_none() && self.prune.is_none() && !self.is_hidden
    }
}

/// A part of a body.
#[derive(Debug, Clone)]
pub enum Select {
    /// The bytes at a reference.
    Reference(Reference),
    /// The value of an expression.
    Expression(Expression),
}

/// A place in a merged answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `"."`: an object's members stand in the answer itself.
    Spread,
    /// `"user.profile"`: the names of the members on the way, at least one.
    At(Box<[Box<str>]>),
}
