//! JSON strings as text, and text as JSON strings (RFC 8259, section 7). It must not know what is written with them.

use std::{borrow::Cow, cmp::Ordering};

/// Returns the text of a JSON string. `None` if the value is of another kind, or has half a surrogate pair: that is no
/// text.
#[must_use]
pub fn text(json: &[u8]) -> Option<Cow<'_, str>> {
    let json = json.trim_ascii();
    name(json.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// Returns the text of a JSON string that has no quotes around it, such as a member's name.
#[must_use]
pub fn name(written: &[u8]) -> Option<Cow<'_, str>> {
    let written = std::str::from_utf8(written).ok()?;
    if !written.contains('\\') {
        return Some(Cow::Borrowed(written));
    }
    let mut decoded = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((plain, escape)) = rest.split_once('\\') {
        decoded.push_str(plain);
        let (character, after) = unescape(escape)?;
        decoded.push(character);
        rest = after;
    }
    decoded.push_str(rest);
    Some(Cow::Owned(decoded))
}

/// Returns the character that an escape stands for, and the text after it. The backslash is left out.
fn unescape(escape: &str) -> Option<(char, &str)> {
    let character = match escape.as_bytes().first()? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'u' => return unicode(&escape[1..]),
        _ => return None,
    };
    Some((character, &escape[1..]))
}

fn unicode(digits: &str) -> Option<(char, &str)> {
    let (first, rest) = unit(digits)?;
    match first {
        0xd800..0xdc00 => {
            let (second, rest) = unit(rest.strip_prefix("\\u")?)?;
            let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            let code = 0x1_0000 + ((first - 0xd800) << 10) + low;
            Some((char::from_u32(code)?, rest))
        }
        _ => Some((char::from_u32(first)?, rest)),
    }
}

/// Reads the four digits of a UTF-16 code unit.
fn unit(digits: &str) -> Option<(u32, &str)> {
    let (unit, rest) = digits.split_at_checked(4)?;
    let is_hex = unit.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some((u32::from_str_radix(unit, 16).ok().filter(|_| is_hex)?, rest))
}

/// Returns true if a member's name as it is written, without quotes, stands for this one.
#[must_use]
pub fn stands_for(written: &[u8], wanted: &str) -> bool {
    let has_escape = || written.contains(&b'\\');
    // An escape is longer than the character that it stands for.
    match written.len().cmp(&wanted.len()) {
        Ordering::Less => false,
        Ordering::Equal => written == wanted.as_bytes() && !has_escape(),
        Ordering::Greater => has_escape() && name(written).is_some_and(|name| name == wanted),
    }
}

/// Appends a text as a JSON string. U+2028 and U+2029 are escaped too, as some readers take them for line ends.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    quote_inside(text, out);
    out.push(b'"');
}

/// Appends a text as a part of a JSON string.
pub fn quote_inside(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.reserve(bytes.len());
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..0x20 => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                &[b'\\', b'u', b'0', b'0', digits[0], digits[1]]
            }
            0xe2 if bytes[at..].starts_with(b"\xe2\x80\xa8") => b"\\u2028",
            0xe2 if bytes[at..].starts_with(b"\xe2\x80\xa9") => b"\\u2029",
            _ => continue,
        };
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(escape);
        done = at + if byte == 0xe2 { 3 } else { 1 };
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Reads a text in quotes from the start of a configured text: `"…"` with the escapes of JSON, or `'…'` with `\'` and
/// `\\`. Returns it and the rest.
#[must_use]
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut is_escaped = false;
    let end = text[1..].find(|c| {
        let was_escaped = is_escaped;
        is_escaped = c == '\\' && !was_escaped;
        c == quote && !was_escaped
    })?;
    let (inside, rest) = (&text[1..=end], &text[end + 2..]);
    if quote == '"' {
        let is_json = !inside.bytes().any(|byte| byte < 0x20);
        return Some((
            name(inside.as_bytes()).filter(|_| is_json)?.into_owned(),
            rest,
        ));
    }
    let mut decoded = String::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        decoded.push(match character {
            '\\' => characters.next().filter(|c| matches!(c, '\'' | '\\'))?,
            _ => character,
        });
    }
    Some((decoded, rest))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
