//! The check that a client's body is one JSON value, before any call takes a part of it. It must not know the request.

use serde_json::value::RawValue;

/// The deepest nesting that a body may have. Common parsers stop at 64 to 128.
pub(super) const DEEPEST: usize = 64;

/// Checks that these bytes are one JSON value in UTF-8 (RFC 8259) with bounded nesting. Nothing of it is kept.
///
/// # Errors
/// Returns the reason, without a part of the body.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    // Before the parser, so that it meets no text that is nested without bound.
    if depth(bytes) > DEEPEST {
        return Err(format!("it is nested deeper than {DEEPEST} levels"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(format!("it is wrong at line {line}, column {column}"))
        }
    }
}

/// Returns the deepest nesting of a text that may be JSON.
fn depth(bytes: &[u8]) -> usize {
    let (mut deepest, mut depth) = (0_usize, 0_usize);
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                // To the end of the string. An escaped character ends none.
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => {
                            bytes.next();
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn any_json_value_passes() {
        for text in [
            "{}",
            " [1, 2.50, 1e400, -0]\n",
            "\"\\u00e9\\ud800\"",
            "null",
            "12345678901234567890",
            "{\"a\":1,\"a\":2}",
            "\"[[[[\\\"[[[\"",
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
        assert_eq!(check(nested(DEEPEST).as_bytes()), Ok(()));
    }

    #[test]
    fn what_is_no_json_is_refused_without_repeating_it() {
        for bytes in [
            &b""[..],
            b" \r\n",
            b"secret",
            b"{\"secret\":}",
            b"{} {}",
            b"\"\xff\"",
            b"\xef\xbb\xbf{}",
            b"{'a':1}",
            b"[1,]",
            b"01",
            b"NaN",
            b"\"a\nb\"",
            b"\"",
            b"[",
            b"\"\\",
        ] {
            let reason = check(bytes).unwrap_err();
            assert!(
                reason.starts_with("it is ") && !reason.contains("secret"),
                "{reason}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused_at_once_whatever_else_is_wrong() {
        let deeper = "it is nested deeper than 64 levels";
        for text in [nested(DEEPEST + 1), "[".repeat(1_000_000)] {
            assert_eq!(check(text.as_bytes()), Err(deeper.to_owned()));
        }
        assert_eq!(depth(b"[\"]\\\"[[[\",[]]"), 2);
        assert_eq!(depth(b"}}}[["), 2);
    }
}
