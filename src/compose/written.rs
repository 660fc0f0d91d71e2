//! Texts, numbers and bodies, written as JSON. It must not know what they are a part of.

use std::{
    fmt,
    io::{self, Write as _},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize as _;
use serde_json::ser::{Formatter, Serializer};

use crate::fanout::Body;

/// Appends a body as one JSON value.
pub(super) fn value(json: &mut Vec<u8>, body: &Body) {
    match body {
        Body::Empty => json.extend_from_slice(b"null"),
        Body::Json(value) => json.extend_from_slice(value),
        Body::Text { text, .. } => string(json, &String::from_utf8_lossy(text)),
        Body::Binary { bytes, .. } => {
            json.push(b'"');
            base64(json, bytes);
            json.push(b'"');
        }
    }
}

/// Appends `bytes` in base64, without a copy of it elsewhere.
fn base64(json: &mut Vec<u8>, bytes: &[u8]) {
    let start = json.len();
    json.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = BASE64_STANDARD.encode_slice(bytes, &mut json[start..]);
    debug_assert!(written.is_ok_and(|size| start + size == json.len()));
}

/// Appends `text` as a JSON string. U+2028 and U+2029 are escaped. JSON allows them as they are, but JavaScript before
/// 2019 takes them for line ends. So do some programs that read a stream line by line.
pub fn string(json: &mut Vec<u8>, text: &str) {
    // Neither serializing a string nor writing to memory can fail.
    if text.as_bytes().contains(&SEPARATORS[0]) {
        let mut serializer = Serializer::with_formatter(json, Separated);
        let _ = text.serialize(&mut serializer);
    } else {
        plain(json, text);
    }
}

/// Appends a text without line separators, such as a name, as a JSON string.
pub(super) fn plain(json: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(json, text);
}

/// The first bytes of U+2028 and U+2029 in UTF-8.
const SEPARATORS: [u8; 2] = [0xe2, 0x80];

/// Writes JSON as usual, but with escapes for the line separators.
struct Separated;

impl Formatter for Separated {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(['\u{2028}', '\u{2029}']) {
            let plain = part.trim_end_matches(['\u{2028}', '\u{2029}']);
            out.write_all(plain.as_bytes())?;
            for separator in part[plain.len()..].chars() {
                write!(out, "\\u{:04x}", u32::from(separator))?;
            }
        }
        Ok(())
    }
}

/// Appends a formatted text.
pub(super) fn put(json: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let _ = json.write_fmt(text);
}
