//! Decides what an upstream's whole body is: JSON that may be embedded unread, text, or bytes. Pure.

use bytes::Bytes;
use mime::Mime;
use serde_json::value::RawValue;

use crate::fanout::{Body, Failure, FailureKind};

/// What an answer's head says of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    kind: Kind,
    /// `Content-Encoding` names something other than `identity`.
    encoded: bool,
    /// The text is in a character set other than UTF-8.
    foreign: bool,
    /// Kept where the answer tells it: JSON says so itself.
    content_type: Option<Box<str>>,
}

/// What the declared type says of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Text,
    Undeclared,
    Binary,
}

impl Described {
    /// By the type, where there is one in visible ASCII, and by whether it is encoded.
    pub(super) fn new(content_type: Option<&str>, encoded: bool) -> Self {
        let described = |kind, foreign| Self {
            kind,
            encoded,
            foreign,
            content_type: content_type.filter(|_| kind != Kind::Json).map(Into::into),
        };
        let Some(text) = content_type else {
            return described(Kind::Undeclared, false);
        };
        // By far the most common; a type is not worth taking apart to find that.
        if text.eq_ignore_ascii_case("application/json") {
            return described(Kind::Json, false);
        }
        match text.parse::<Mime>() {
            Ok(mime) => described(kind(&mime), is_foreign(&mime)),
            Err(_) => described(Kind::Binary, false),
        }
    }
}

/// Finds out what `bytes` are.
///
/// # Errors
/// `invalid_body` where they are said to be JSON and aren't exactly one JSON value in UTF-8 (RFC 8259).
pub(super) fn read(described: Described, bytes: Bytes) -> Result<Body, Failure> {
    let Described {
        kind,
        encoded,
        foreign,
        content_type,
    } = described;
    if kind == Kind::Json {
        if encoded {
            return Err(Failure::new(
                FailureKind::InvalidBody,
                "the upstream compressed its JSON, which was not asked for",
            ));
        }
        return json(&bytes);
    }
    if bytes.is_empty() {
        return Ok(Body::Empty);
    }
    let is_text = kind != Kind::Binary
        && !encoded
        && (!foreign || bytes.is_ascii())
        && std::str::from_utf8(&bytes).is_ok()
        && (kind == Kind::Text || !bytes.contains(&0));
    Ok(if is_text {
        Body::Text {
            content_type,
            text: bytes,
        }
    } else {
        Body::Binary {
            content_type,
            bytes,
        }
    })
}

fn json(bytes: &Bytes) -> Result<Body, Failure> {
    let invalid = |detail| Failure::new(FailureKind::InvalidBody, detail);
    let text =
        std::str::from_utf8(bytes).map_err(|_| invalid("the upstream's JSON is not UTF-8"))?;
    let value: &RawValue = serde_json::from_str(text)
        .map_err(|_| invalid("the upstream said JSON and sent something else"))?;
    Ok(Body::Json(bytes.slice_ref(value.get().as_bytes())))
}

fn kind(mime: &Mime) -> Kind {
    let subtype = mime.subtype().as_str();
    let suffix = mime.suffix().map(|suffix| suffix.as_str());
    // A sequence of values (RFC 7464, NDJSON) is not one value.
    if subtype == "json" || suffix == Some("json") {
        return Kind::Json;
    }
    let is_text = mime.type_() == mime::TEXT
        || suffix == Some("xml")
        || suffix == Some("yaml")
        || matches!(
            subtype,
            "xml"
                | "yaml"
                | "javascript"
                | "x-ndjson"
                | "json-seq"
                | "x-www-form-urlencoded"
                | "graphql"
        );
    if is_text { Kind::Text } else { Kind::Binary }
}

/// Whether the text is in a character set other than UTF-8, by its own word.
fn is_foreign(mime: &Mime) -> bool {
    mime.get_param(mime::CHARSET).is_some_and(|charset| {
        !["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|own| charset.as_str().eq_ignore_ascii_case(own))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(content_type: Option<&str>, bytes: &'static [u8]) -> Result<Body, FailureKind> {
        let described = Described::new(content_type, false);
        read(described, Bytes::from_static(bytes)).map_err(|failure| failure.kind)
    }

    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn json_is_kept_byte_for_byte_without_the_space_around_it() {
        let kept = body(JSON, b" \r\n{ \"a\" : 1e2, \"a\":\"\\u00e9\" }\n");
        let expected = Bytes::from_static(b"{ \"a\" : 1e2, \"a\":\"\\u00e9\" }");
        assert_eq!(kept, Ok(Body::Json(expected)));
    }

    #[test]
    fn what_says_json_and_is_not_exactly_one_value_is_invalid() {
        for bytes in [
            &b""[..],
            b" ",
            b"{",
            b"{\"a\":1,}",
            b"1 2",
            b"pong",
            b"\"a\nb\"",
            b"{}, \"forged\": true",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"NaN",
        ] {
            assert_eq!(
                body(JSON, bytes),
                Err(FailureKind::InvalidBody),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn json_is_known_by_its_suffix_and_with_parameters_too() {
        for name in [
            "application/problem+json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "text/json",
        ] {
            assert!(
                matches!(body(Some(name), b"1"), Ok(Body::Json(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn text_is_text_where_it_is_utf_8() {
        assert!(matches!(
            body(Some("text/plain"), "é".as_bytes()),
            Ok(Body::Text { .. })
        ));
        assert!(matches!(body(None, b"pong"), Ok(Body::Text { .. })));
        assert!(matches!(
            body(Some("text/plain"), b"\xe9"),
            Ok(Body::Binary { .. })
        ));
        assert!(matches!(body(None, b"a\0b"), Ok(Body::Binary { .. })));
        let latin = body(Some("text/plain; charset=iso-8859-1"), "é".as_bytes());
        assert!(matches!(latin, Ok(Body::Binary { .. })));
    }

    #[test]
    fn anything_else_is_binary() {
        for name in ["image/png", "application/octet-stream", "nonsense"] {
            assert!(
                matches!(body(Some(name), b"abc"), Ok(Body::Binary { .. })),
                "{name}"
            );
        }
    }

    #[test]
    fn nothing_is_empty_unless_it_says_json() {
        assert_eq!(body(Some("text/plain"), b""), Ok(Body::Empty));
        assert_eq!(body(None, b""), Ok(Body::Empty));
    }

    #[test]
    fn a_compressed_body_is_never_taken_for_text_or_json() {
        let described = |content_type| Described::new(Some(content_type), true);
        let bytes = Bytes::from_static(b"1");
        assert!(read(described("application/json"), bytes.clone()).is_err());
        assert!(matches!(
            read(described("text/plain"), bytes),
            Ok(Body::Binary { .. })
        ));
    }
}
