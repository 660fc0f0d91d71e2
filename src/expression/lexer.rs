//! The words and signs of an expression. It must not know what they mean.

use super::{
    ExpressionError,
    literals::{self, Literal},
    span::Span,
};

/// A word or a sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name that stands alone or after a dot.
    Name,
    /// A name in backticks, which only a member may have.
    QuotedName,
    Literal(Literal),
    Sign(&'static str),
    End,
}

/// All signs; a longer one comes before those that it begins with. `in` is one too, though it is a word.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "<", ">",
    "!", "+", "-", "*", "/", "%",
];

/// Signs of other languages, with the way to write them here.
const FOREIGN: [(&str, &str); 9] = [
    (
        "===",
        "`===` is no operator here; write `==`, which never converts",
    ),
    ("??", "`??` is for references; write `has(a.b) ? a.b : 'x'`"),
    (
        "?.",
        "there is no `?.`; ask `has(a.b)` before you use `a.b.c`",
    ),
    (
        "[*]",
        "there is no `[*]` in an expression; write `list.map(i, i.name)`",
    ),
    ("=>", "there is no `=>`; write `list.map(i, i.name)`"),
    ("=", "`=` is no operator here; write `==`"),
    ("&", "`&` is no operator here; write `&&`"),
    ("|", "`|` is no operator here; write `||`"),
    (
        "${",
        "an expression has no `${…}`; add texts with `+` instead",
    ),
];

/// Splits `source` into tokens. The last is the end.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, Span)>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blank(source, at);
        let rest = &source[at..];
        let Some(first) = rest.chars().next() else {
            tokens.push((Token::End, Span::new(at, at)));
            return Ok(tokens);
        };
        let (token, length) = if let Some(found) = literals::read(rest) {
            let (literal, length) = found.map_err(|error| at_character(source, at, &error))?;
            (Token::Literal(literal), length)
        } else if first.is_ascii_alphabetic() || first == '_' {
            word(rest)
        } else if first == '`' {
            let inner = rest[1..].find(['`', '\n']).unwrap_or(0);
            if inner == 0 || !rest[1 + inner..].starts_with('`') {
                let message = "a name in backticks is not closed, or is empty";
                return Err(at_character(source, at, message));
            }
            (Token::QuotedName, inner + 2)
        } else {
            let sign = sign(rest).map_err(|error| at_character(source, at, &error))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push((token, Span::new(at, at + length)));
        at += length;
    }
}

/// Returns the place of the first character from `at` that is neither blank nor of a comment.
fn skip_blank(source: &str, mut at: usize) -> usize {
    loop {
        let rest = &source[at..];
        let blank = rest.len()
            - rest
                .trim_start_matches([' ', '\t', '\n', '\r', '\x0c'])
                .len();
        at += blank;
        if source[at..].starts_with("//") {
            at += source[at..].find('\n').unwrap_or(source.len() - at);
        } else if blank == 0 {
            return at;
        }
    }
}

fn word(rest: &str) -> (Token, usize) {
    let end = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_');
    let word = &rest[..end.unwrap_or(rest.len())];
    let token = match word {
        "true" => Token::Literal(Literal::Bool(true)),
        "false" => Token::Literal(Literal::Bool(false)),
        "null" => Token::Literal(Literal::Null),
        "in" => Token::Sign("in"),
        _ => Token::Name,
    };
    (token, word.len())
}

fn sign(rest: &str) -> Result<&'static str, String> {
    if let Some((_, hint)) = FOREIGN.iter().find(|(sign, _)| rest.starts_with(sign)) {
        // `==` begins with `=`, and so do others with a sign of another language.
        let is_own = ["==", "&&", "||"].iter().any(|own| rest.starts_with(own));
        if !is_own || rest.starts_with("===") {
            return Err((*hint).to_owned());
        }
    }
    let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
    sign.ok_or_else(|| {
        let first = rest.chars().next().unwrap_or_default();
        format!("{first:?} is no sign of an expression")
    })
}

/// Makes an error that says where it is. Characters are counted from 1.
pub(super) fn at_character(source: &str, at: usize, message: &str) -> ExpressionError {
    let character = source[..at].chars().count() + 1;
    ExpressionError(format!("{message} (at character {character})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        let tokens = tokens(source).unwrap();
        tokens.iter().map(|(_, span)| span.of(source)).collect()
    }

    #[test]
    fn words_signs_and_literals_are_told_apart() {
        let found = texts("a.b>=1 && !x in ['y', r\"z\"]// end\n.`q-r`");
        let expected = [
            "a", ".", "b", ">=", "1", "&&", "!", "x", "in", "[", "'y'", ",", "r\"z\"", "]", ".",
            "`q-r`", "",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn signs_of_other_languages_lead_to_those_that_are_meant() {
        for (source, hint) in [
            ("a === b", "write `==`"),
            ("a = b", "write `==`"),
            ("a & b", "write `&&`"),
            ("a | b", "write `||`"),
            ("a ?? 1", "has(a.b)"),
            ("a?.b", "has(a.b)"),
            ("a[*]", "map(i"),
            ("a # b", "'#' is no sign"),
            ("é", "'é' is no sign"),
        ] {
            let error = tokens(source).unwrap_err().0;
            assert!(error.contains(hint), "{source}: {error}");
        }
    }
}
