//! Numbers and texts as an expression writes them. It must not know where they stand.

use std::borrow::Cow;

/// A value that the source has as it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    /// Without a sign, so that the least integer can be written.
    Int(u64),
    Double(f64),
    Text(String),
}

/// Reads the number or the text that `rest` begins with, and its length in bytes. `None` if it begins with neither.
pub(super) fn read(rest: &str) -> Option<Result<(Literal, usize), Cow<'static, str>>> {
    let digit = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    if digit(0) || (rest.starts_with('.') && digit(1)) {
        return Some(number(rest));
    }
    let is_quote = |byte: u8| byte == b'"' || byte == b'\'';
    let prefix = rest.bytes().take(3).position(is_quote)?;
    let (mut is_raw, mut is_bytes) = (false, false);
    for letter in rest[..prefix].chars() {
        match letter {
            'r' | 'R' if !is_raw => is_raw = true,
            'b' | 'B' if !is_bytes => is_bytes = true,
            _ => return None,
        }
    }
    if is_bytes {
        return Some(Err(
            "there are no bytes here; write the text without `b`".into()
        ));
    }
    let text = text(&rest[prefix..], is_raw);
    Some(text.map(|(text, length)| (Literal::Text(text), prefix + length)))
}

fn number(rest: &str) -> Result<(Literal, usize), Cow<'static, str>> {
    if let Some(digits) = rest.strip_prefix("0x").or(rest.strip_prefix("0X")) {
        let length = run(digits, |byte| byte.is_ascii_hexdigit());
        end_of_number(&digits[length..])?;
        let number = u64::from_str_radix(&digits[..length], 16);
        let number = number.map_err(|_| "this is no integer of 64 bits")?;
        return Ok((Literal::Int(number), length + 2));
    }
    let digits = |at: usize| run(&rest[at..], |byte| byte.is_ascii_digit());
    let mut length = digits(0);
    let mut is_double = false;
    if rest[length..].starts_with('.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
        is_double = true;
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        let exponent = digits(length + 1 + sign);
        if exponent == 0 {
            return Err("the exponent of this number has no digits".into());
        }
        length += 1 + sign + exponent;
        is_double = true;
    }
    end_of_number(&rest[length..])?;
    let text = &rest[..length];
    if is_double {
        let number: f64 = text.parse().map_err(|_| "this is no number")?;
        let is_finite = number.is_finite();
        let number = is_finite.then_some(Literal::Double(number));
        return Ok((number.ok_or("no double is as large as this")?, length));
    }
    let number = text.parse().map_err(|_| "this is no integer of 64 bits")?;
    Ok((Literal::Int(number), length))
}

/// Checks that a number ends before `rest`.
fn end_of_number(rest: &str) -> Result<(), &'static str> {
    match rest.as_bytes().first() {
        Some(b'u' | b'U') => Err("there are no unsigned integers here; write it without `u`"),
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => {
            Err("a number is followed by a letter")
        }
        _ => Ok(()),
    }
}

fn run(text: &str, is_part: impl Fn(u8) -> bool) -> usize {
    let end = text.bytes().position(|byte| !is_part(byte));
    end.unwrap_or(text.len())
}

/// Reads a quoted text, and its length with the quotes.
fn text(rest: &str, is_raw: bool) -> Result<(String, usize), Cow<'static, str>> {
    let single = &rest[..1];
    let triple = rest
        .get(..3)
        .filter(|start| start.bytes().all(|byte| byte == single.as_bytes()[0]));
    let quote = triple.unwrap_or(single);
    let mut text = String::new();
    let mut at = quote.len();
    loop {
        let left = &rest[at..];
        if left.starts_with(quote) {
            return Ok((text, at + quote.len()));
        }
        let Some(next) = left.chars().next() else {
            return Err("this text is not closed".into());
        };
        match next {
            '\n' | '\r' if triple.is_none() => {
                return Err("this text is not closed in its line".into());
            }
            '\\' if !is_raw => {
                let (letter, length) = escape(&left[1..])?;
                text.push(letter);
                at += 1 + length;
            }
            _ => {
                text.push(next);
                at += next.len_utf8();
            }
        }
    }
}

/// Reads what follows a backslash, and its length.
fn escape(rest: &str) -> Result<(char, usize), Cow<'static, str>> {
    let first = rest.chars().next().ok_or("this text is not closed")?;
    let letter = match first {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '?' | '"' | '\'' | '`' => first,
        'x' | 'X' => return code(rest, 1, 2, 16),
        'u' => return code(rest, 1, 4, 16),
        'U' => return code(rest, 1, 8, 16),
        '0'..='3' => return code(rest, 0, 3, 8),
        _ => return Err(format!("`\\{first}` is no escape").into()),
    };
    Ok((letter, 1))
}

/// Reads the `digits` of a character's number, after `skipped` bytes.
fn code(
    rest: &str,
    skipped: usize,
    digits: usize,
    radix: u32,
) -> Result<(char, usize), Cow<'static, str>> {
    let number = rest.get(skipped..skipped + digits);
    let number = number.filter(|text| text.chars().all(|digit| digit.is_digit(radix)));
    let number = number.and_then(|text| u32::from_str_radix(text, radix).ok());
    let letter = number.and_then(char::from_u32);
    let letter = letter.ok_or("an escape has too few digits, or is no character")?;
    Ok((letter, skipped + digits))
}
