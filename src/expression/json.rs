//! A walk over the bytes of valid JSON, without a tree and without recursion. On other bytes it ends somewhere, without a
//! panic. It must not know what the values are for.

use std::borrow::Cow;

/// Returns one value without the blanks around it.
pub(super) fn trim(json: &[u8]) -> &[u8] {
    json.trim_ascii()
}

/// The elements of a list.
#[derive(Debug, Clone)]
pub(super) struct Elements<'j> {
    rest: &'j [u8],
}

/// The members of an object: the name in its quotes, and the value.
#[derive(Debug, Clone)]
pub(super) struct Members<'j> {
    rest: &'j [u8],
}

impl<'j> Elements<'j> {
    /// Begins at the opening bracket.
    pub(super) fn of(list: &'j [u8]) -> Self {
        Self {
            rest: list.get(1..).unwrap_or_default(),
        }
    }
}

impl<'j> Iterator for Elements<'j> {
    type Item = &'j [u8];

    fn next(&mut self) -> Option<&'j [u8]> {
        take(&mut self.rest)
    }
}

impl<'j> Members<'j> {
    /// Begins at the opening brace.
    pub(super) fn of(object: &'j [u8]) -> Self {
        Self {
            rest: object.get(1..).unwrap_or_default(),
        }
    }

    /// Returns the value of the member with this name; of several the last.
    pub(super) fn find(self, name: &str) -> Option<&'j [u8]> {
        let own = self.filter(|(key, _)| is_text(key, name));
        own.last().map(|(_, value)| value)
    }
}

impl<'j> Iterator for Members<'j> {
    type Item = (&'j [u8], &'j [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let key = take(&mut self.rest)?;
        let value = take(&mut self.rest)?;
        Some((key, value))
    }
}

/// Takes the next value after blanks and signs that separate. `None` at a bracket that closes.
fn take<'j>(rest: &mut &'j [u8]) -> Option<&'j [u8]> {
    let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':');
    let start = rest.iter().position(|byte| !is_between(byte))?;
    let from = &rest[start..];
    let end = end_of_value(from);
    if end == 0 {
        return None;
    }
    let (value, after) = from.split_at(end);
    *rest = after;
    Some(value)
}

/// Returns the length of the value that the bytes begin with; 0 at a bracket that closes.
fn end_of_value(json: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at += end_of_text(&json[at..]) - 1,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => depth -= 1,
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(byte, b'"' | b']' | b'}') {
            return at;
        }
    }
    at
}

/// Returns the length of the text that the bytes begin with, with its quotes.
fn end_of_text(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// Returns true if a text in its quotes says this.
fn is_text(quoted: &[u8], text: &str) -> bool {
    let inner = inner(quoted);
    inner == text.as_bytes() || (inner.contains(&b'\\') && decode(quoted) == text)
}

fn inner(quoted: &[u8]) -> &[u8] {
    let inner = quoted.strip_prefix(b"\"").unwrap_or(quoted);
    inner.strip_suffix(b"\"").unwrap_or(inner)
}

/// Returns what a text in its quotes says. Half of a surrogate pair becomes U+FFFD, as no text can hold it.
pub(super) fn decode(quoted: &[u8]) -> Cow<'_, str> {
    let inner = String::from_utf8_lossy(inner(quoted));
    if !inner.contains('\\') {
        return inner;
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = &*inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let (letter, length) = escape(escaped);
        text.push(letter);
        rest = escaped.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    text.into()
}

/// Reads what follows a backslash, and its length.
fn escape(rest: &str) -> (char, usize) {
    let letter = match rest.chars().next() {
        Some('b') => '\x08',
        Some('f') => '\x0c',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return surrogates(rest),
        Some(letter) => letter,
        None => char::REPLACEMENT_CHARACTER,
    };
    (letter, rest.chars().next().map_or(0, char::len_utf8))
}

/// Reads `u` and four digits, and the second half of a pair after them.
fn surrogates(rest: &str) -> (char, usize) {
    let unit = |text: Option<&str>| text.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let Some(first) = unit(rest.get(1..5)) else {
        return (char::REPLACEMENT_CHARACTER, 1);
    };
    let follows = rest.get(5..7) == Some("\\u");
    let second = unit(rest.get(7..11)).filter(|_| follows);
    let pair = [first, second.unwrap_or_default()];
    match char::decode_utf16(pair).next() {
        Some(Ok(letter)) => (letter, if letter.len_utf16() == 2 { 11 } else { 5 }),
        _ => (char::REPLACEMENT_CHARACTER, 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_elements_of_a_list_are_found_as_they_are_written() {
        let list = br#"[ 1.10 ,"a]\"b", [2,[3]] , {"x":[4]},null]"#;
        let found: Vec<_> = Elements::of(list).map(text).collect();
        assert_eq!(
            found,
            ["1.10", r#""a]\"b""#, "[2,[3]]", r#"{"x":[4]}"#, "null"]
        );
        assert_eq!(Elements::of(b"[ ]").next(), None);
    }

    #[test]
    fn of_members_with_the_same_name_the_last_is_found() {
        let object = br#"{ "a" : 1, "b": {"a": 2}, "\u0061" : 3 , "c":4}"#;
        assert_eq!(Members::of(object).find("a"), Some(&b"3"[..]));
        assert_eq!(Members::of(object).find("c"), Some(&b"4"[..]));
        assert_eq!(Members::of(object).find("d"), None);
        assert_eq!(Members::of(b"{}").count(), 0);
    }

    #[test]
    fn escapes_are_decoded() {
        let decoded = decode(br#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d!\ude00""#);
        assert_eq!(decoded, "\"\\/\x08\x0c\n\r\té\u{1f600}\u{fffd}!\u{fffd}");
    }

    #[test]
    fn bytes_that_are_no_json_end_somewhere() {
        let texts: [&[u8]; 8] = [
            b"", b"[", b"[\"", b"[\"\\", b"{\"a\"", b"]", b"[1,]]", b"\xff",
        ];
        for bytes in texts {
            let _ = Elements::of(bytes).take(100).count();
            let _ = Members::of(bytes).take(100).count();
            let _ = decode(bytes);
        }
        assert_eq!(decode(br#""\u12""#), "\u{fffd}12");
    }
}
