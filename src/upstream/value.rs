//! Checks that bytes are exactly one JSON value (RFC 8259), nested no deeper than allowed, without building anything
//! from it. Pure, and without recursion.

use std::ops::Range;

/// The reason why bytes are not a valid JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is nothing but white space.
    Empty,
    Invalid,
    /// More objects and lists are open at once than is allowed.
    Deep,
}

/// Returns the range of the one value in `text`, without the white space around it. At most `most` objects and lists
/// may be open at once.
pub(super) fn find(text: &str, most: usize) -> Result<Range<usize>, Fault> {
    let mut scan = Scan {
        bytes: text.as_bytes(),
        at: 0,
        open: Open::default(),
    };
    scan.space();
    let start = scan.at;
    if start == text.len() {
        return Err(Fault::Empty);
    }
    scan.values(most)?;
    let end = scan.at;
    scan.space();
    if scan.at < text.len() {
        return Err(Fault::Invalid);
    }
    Ok(start..end)
}

/// A scan of a text from its start.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Open,
}

impl Scan<'_> {
    /// Returns the next byte. At the end it is a NUL, which is never part of JSON.
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Passes a value and everything in it.
    fn values(&mut self, most: usize) -> Result<(), Fault> {
        loop {
            match self.peek() {
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    if self.open.depth == most {
                        return Err(Fault::Deep);
                    }
                    self.space();
                    // In ASCII, `}` and `]` come two after `{` and `[`.
                    if self.peek() == open + 2 {
                        self.at += 1;
                    } else {
                        self.open.push(open == b'{');
                        if open == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => return Err(Fault::Invalid),
            }
            // A value has ended. The object or list around it may end too.
            loop {
                let Some(object) = self.open.innermost() else {
                    return Ok(());
                };
                self.space();
                match self.peek() {
                    b',' => {
                        self.at += 1;
                        self.space();
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return Err(Fault::Invalid),
                }
                self.at += 1;
                self.open.pop();
            }
        }
    }

    /// Passes a member's name and the colon, up to its value.
    fn key(&mut self) -> Result<(), Fault> {
        if self.peek() != b'"' {
            return Err(Fault::Invalid);
        }
        self.string()?;
        self.space();
        if self.peek() != b':' {
            return Err(Fault::Invalid);
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Passes a string that begins with the next byte. The text is known to be UTF-8.
    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                _ => return Err(Fault::Invalid),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        let size = match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 1,
            b'u' => 5,
            _ => return Err(Fault::Invalid),
        };
        let digits = self.bytes.get(self.at + 1..self.at + size);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(Fault::Invalid);
        }
        self.at += size;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Passes one digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start {
            return Err(Fault::Invalid);
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Fault::Invalid);
        }
        self.at += word.len();
        Ok(())
    }
}

/// Counts the bytes before the first quotation mark, backslash or control character.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, slash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        // A byte below the subtracted one borrows. Of all bytes that borrow, the first is exact.
        let found = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash);
        if found & HIGH != 0 {
            return index * 8 + (found & HIGH).trailing_zeros() as usize / 8;
        }
    }
    let start = words.len() * 8;
    let rest = &bytes[start..];
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    start + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// The open objects and lists, from the outermost to the innermost. Each has one bit, which is set for an object.
#[derive(Default)]
struct Open {
    depth: usize,
    /// The innermost 64 levels. The lowest bit is the innermost.
    here: u64,
    /// The levels outside of those, 64 in a word.
    outer: Vec<u64>,
}

impl Open {
    fn push(&mut self, object: bool) {
        if self.depth.is_multiple_of(64) && self.depth > 0 {
            self.outer.push(self.here);
        }
        self.here = self.here << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.here >>= 1;
        self.depth -= 1;
        if self.depth.is_multiple_of(64)
            && let Some(outer) = self.outer.pop()
        {
            self.here = outer;
        }
    }

    /// Returns true if the innermost is an object. `None` if nothing is open.
    const fn innermost(&self) -> Option<bool> {
        if self.depth == 0 {
            return None;
        }
        Some(self.here & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::value::RawValue;

    use super::*;

    /// A depth beyond any that is asked for.
    const DEEPEST: usize = 1000;

    /// Checks the same with serde_json, without a bound on the depth.
    fn reference(text: &str) -> Option<&str> {
        serde_json::from_str::<&RawValue>(text)
            .ok()
            .map(RawValue::get)
    }

    fn agree(text: &str) {
        let found = find(text, DEEPEST).ok().map(|at| &text[at]);
        assert_eq!(found, reference(text), "{text:?}");
    }

    #[test]
    fn what_is_json_and_what_is_not_is_as_serde_json_says() {
        for text in [
            "",
            " ",
            "1",
            " -0.5e+3 ",
            "01",
            "-",
            "1.",
            "1.e3",
            "1e",
            "1e+",
            ".5",
            "+1",
            "-01",
            "1 2",
            "true",
            "tru",
            "truefalse",
            "null",
            "nul",
            "NaN",
            "\"\"",
            "\"",
            "\"\\\"",
            "\"a\\u00e9\"",
            "\"\\ud800\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\x\"",
            "\"\\",
            "\"a\nb\"",
            "\"\u{1f}\"",
            "\"\u{7f}é😀\"",
            "[]",
            "[ ]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1",
            "]",
            "{}",
            "{ }",
            "{\"a\":1}",
            "{\"a\" : [1 , {\"b\":{}}] , \"c\":\"d\"}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "{1:2}",
            "{\"a\":1}}",
            "[}",
            "{]",
            "[{]}",
            "{[}]",
            "{\"a\":1]",
            "[1}",
            "\u{feff}1",
            "1\0",
            "\u{a0}1",
            "\"12345678\"",
            "\"1234567\n\"",
            "\"12345678901234567890\\n\"",
            "[[],{},[[]],1]",
            "//\n1",
            "'a'",
            "\"é\u{80}\u{7ff}\"",
            "\x0c1",
        ] {
            agree(text);
        }
    }

    #[test]
    fn the_depth_is_that_of_the_objects_and_lists_that_are_open_at_once() {
        for most in [1, 2, 63, 64, 65, 127, 128, 129, DEEPEST] {
            let nest = |depth: usize| {
                let open: String = (0..depth).map(|at| ["[", "{\"a\":"][at % 2]).collect();
                let close: String = (0..depth).rev().map(|at| ["]", "}"][at % 2]).collect();
                format!("{open}1{close}")
            };
            let fits = nest(most);
            assert_eq!(find(&fits, most), Ok(0..fits.len()), "{most}");
            assert_eq!(find(&nest(most + 1), most), Err(Fault::Deep), "{most}");
            let wide = format!("[{}]", ["[{}]"; 500].join(","));
            assert_eq!(find(&wide, most).is_ok(), most >= 3, "{most}");
        }
        assert_eq!(find(&"[".repeat(100_000), 64), Err(Fault::Deep));
        assert!(find(&format!("\"{}\"", "[{".repeat(1000)), 1).is_ok());
    }

    #[test]
    fn nothing_but_space_is_empty() {
        assert_eq!(find("", 1), Err(Fault::Empty));
        assert_eq!(find(" \r\n\t", 1), Err(Fault::Empty));
        assert_eq!(find("\u{a0}", 1), Err(Fault::Invalid));
    }

    /// Generates texts that are often JSON, or nearly.
    fn nearly() -> impl Strategy<Value = String> {
        let parts = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", " ", "\n", "0", "1", "-", ".", "e", "true",
            "null", "\"a\"", "\"a\":", "\\u00e9", "\\\"", "é", "\u{1}", "12345678", "{}", "[]",
            "[1,2]",
        ];
        vec(proptest::sample::select(parts.to_vec()), 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn whatever_the_text_the_same_is_found_as_serde_json_finds(text in nearly()) {
            agree(&text);
            agree(&format!("[{text}]"));
            agree(&format!("\"{text}\""));
        }

        #[test]
        fn plain_bytes_end_where_they_are_said_to(bytes in vec(any::<u8>(), 0..40)) {
            let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let end = bytes.iter().position(is_end).unwrap_or(bytes.len());
            prop_assert_eq!(plain(&bytes), end);
        }
    }
}
