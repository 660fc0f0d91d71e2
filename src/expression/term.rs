//! A parsed expression: a tree whose names are bound and whose functions are known. Chains are flat, so that no source
//! makes a deep tree. It must not know how it is evaluated.

use std::sync::Arc;

use super::{functions::Function, pattern::Pattern, span::Span};

/// A part of an expression, with its text.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) span: Span,
    pub(super) kind: TermKind,
}

#[derive(Debug, Clone)]
pub(super) enum TermKind {
    Constant(Constant),
    /// The reference with this index in the expression.
    Reference(usize),
    /// The variable of the comprehension around it. There is one at most.
    Variable,
    List(Box<[Term]>),
    Map(Box<[(Term, Term)]>),
    /// `!`
    Not(Box<Term>),
    /// `-`
    Negative(Box<Term>),
    /// `a - b + c`, from left to right: operators of one precedence.
    Chain(Box<Term>, Box<[(Operator, Term)]>),
    /// `a && b && c`
    All(Box<[Term]>),
    /// `a || b || c`
    Any(Box<[Term]>),
    /// `a ? b : c ? d : e`
    Choose(Box<[(Term, Term)]>, Box<Term>),
    /// `a.b[c].f(d)`
    Steps(Box<Term>, Box<[(Step, Span)]>),
    Call(Function, Box<[Term]>),
    Has(Box<Has>),
}

#[derive(Debug, Clone)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Operator {
    /// Returns the operator of a sign, and its precedence.
    pub(super) fn of(sign: &str) -> Option<(Self, Precedence)> {
        Some(match sign {
            "+" => (Self::Add, Precedence::Sum),
            "-" => (Self::Subtract, Precedence::Sum),
            "*" => (Self::Multiply, Precedence::Product),
            "/" => (Self::Divide, Precedence::Product),
            "%" => (Self::Remainder, Precedence::Product),
            "==" => (Self::Equal, Precedence::Relation),
            "!=" => (Self::NotEqual, Precedence::Relation),
            "<" => (Self::Less, Precedence::Relation),
            "<=" => (Self::LessOrEqual, Precedence::Relation),
            ">" => (Self::Greater, Precedence::Relation),
            ">=" => (Self::GreaterOrEqual, Precedence::Relation),
            "in" => (Self::In, Precedence::Relation),
            _ => return None,
        })
    }

    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

/// A strength of operators; a later one binds more tightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precedence {
    Any,
    All,
    Relation,
    Sum,
    Product,
}

/// One step from a value.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// `.name` or `["x-y"]`
    Member(Box<str>),
    /// `[0]`; `[-1]` is the last.
    Element(i64),
    /// `[a]`
    Index(Box<Term>),
    Call(Function, Box<[Term]>),
    Matches(Box<Pattern>),
    Macro(Macro, Box<[Term]>),
}

/// A function with a variable, which is evaluated for each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl Macro {
    pub(super) const ALL: [(&str, Self); 6] = [
        ("all", Self::All),
        ("exists", Self::Exists),
        ("exists_one", Self::ExistsOne),
        ("existsOne", Self::ExistsOne),
        ("filter", Self::Filter),
        ("map", Self::Map),
    ];

    /// Returns the macro of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(own, _)| *own == name)?;
        Some(found.1)
    }

    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, own)| *own == self);
        found.map_or("", |(name, _)| name)
    }

    /// Returns true if it takes so many arguments, the variable among them.
    pub(super) fn takes(self, arguments: usize) -> bool {
        arguments == 2 || (arguments == 3 && self == Self::Map)
    }
}

/// The question if a member is there.
#[derive(Debug, Clone)]
pub(super) enum Has {
    /// A whole root: a parameter, a header field, a body.
    Root(usize),
    /// A member of a value.
    Member(Term, Box<str>),
}
