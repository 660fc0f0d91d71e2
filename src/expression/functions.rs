//! The functions of an expression: their names, and the arguments that they take. It must not know what they do.

/// The functions that take the value before the dot, or a first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Int,
    Double,
    String,
    Bool,
    Dyn,
    StartsWith,
    EndsWith,
    Contains,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Replace,
    Substring,
    Sum,
    Min,
    Max,
}

/// The way that a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `f(x)`
    Free,
    /// `x.f()`
    Method,
    /// Both.
    Either,
}

/// A function as it is called.
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    pub(super) style: Style,
    /// The least and the most arguments, with the value before the dot.
    pub(super) arguments: (usize, usize),
}

const fn signature(
    name: &'static str,
    function: Function,
    style: Style,
    arguments: (usize, usize),
) -> Signature {
    Signature {
        name,
        function,
        style,
        arguments,
    }
}

/// All functions, except `has` and `matches`, which are checked in another way, and the macros.
pub(super) const FUNCTIONS: [Signature; 19] = [
    signature("size", Function::Size, Style::Either, (1, 1)),
    signature("int", Function::Int, Style::Free, (1, 1)),
    signature("double", Function::Double, Style::Free, (1, 1)),
    signature("string", Function::String, Style::Free, (1, 1)),
    signature("bool", Function::Bool, Style::Free, (1, 1)),
    signature("dyn", Function::Dyn, Style::Free, (1, 1)),
    signature("startsWith", Function::StartsWith, Style::Method, (2, 2)),
    signature("endsWith", Function::EndsWith, Style::Method, (2, 2)),
    signature("contains", Function::Contains, Style::Method, (2, 2)),
    signature("lowerAscii", Function::LowerAscii, Style::Method, (1, 1)),
    signature("upperAscii", Function::UpperAscii, Style::Method, (1, 1)),
    signature("trim", Function::Trim, Style::Method, (1, 1)),
    signature("split", Function::Split, Style::Method, (2, 2)),
    signature("join", Function::Join, Style::Method, (1, 2)),
    signature("replace", Function::Replace, Style::Method, (3, 3)),
    signature("substring", Function::Substring, Style::Method, (2, 3)),
    signature("sum", Function::Sum, Style::Method, (1, 1)),
    signature("min", Function::Min, Style::Method, (1, 1)),
    signature("max", Function::Max, Style::Method, (1, 1)),
];

impl Function {
    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        let found = FUNCTIONS.iter().find(|one| one.function == self);
        found.map_or("", |one| one.name)
    }
}

/// Names of other languages, with the names here.
pub(super) const FOREIGN: [(&str, &str); 14] = [
    ("length", "size"),
    ("len", "size"),
    ("count", "size"),
    ("any", "exists"),
    ("some", "exists"),
    ("every", "all"),
    ("includes", "contains"),
    ("toLowerCase", "lowerAscii"),
    ("lower", "lowerAscii"),
    ("toUpperCase", "upperAscii"),
    ("upper", "upperAscii"),
    ("str", "string"),
    ("float", "double"),
    ("uint", "int"),
];
