//! Decides the kind of an upstream's whole body: JSON that may be embedded unread, text, or bytes. Pure.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    coding::{Codings, Format},
    media::{self, Charset, Declared, Kind},
    value::{self, Fault},
};
use crate::fanout::{Body, Failure, FailureKind, Labels};

/// A byte order mark in UTF-8. It is not part of a text (Encoding Standard, section 6), nor of JSON (RFC 8259, section
/// 8.1).
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The description of a body in its answer's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    declared: Declared,
    /// The other parts, together and on the heap. A head is moved often, and JSON needs none of them.
    more: Option<Box<More>>,
}

/// The parts that not every head has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct More {
    /// The type as text, kept if the gateway's answer shows it.
    content_type: Option<Box<str>>,
    /// The words of `Content-Encoding`, if it has any.
    codings: Option<Box<Codings>>,
}

impl Described {
    /// Describes a body by its type, if that is visible ASCII, and by its codings.
    pub(super) fn new(content_type: Option<&str>, codings: Option<Box<Codings>>) -> Self {
        let declared = media::declared(content_type);
        let shown = |text: &&str| declared.kind != Kind::Json && !text.is_empty();
        let content_type = content_type.filter(shown);
        let is_more = content_type.is_some() || codings.is_some();
        Self {
            declared,
            more: is_more.then(|| {
                Box::new(More {
                    content_type: content_type.map(Into::into),
                    codings,
                })
            }),
        }
    }

    /// Returns the format from which the body has to be inflated before it is read.
    pub(super) fn format(&self) -> Option<Format> {
        self.more.as_ref()?.codings.as_ref()?.format()
    }

    /// Returns the description of the inflated body.
    pub(super) fn inflated(mut self) -> Self {
        if let Some(more) = &mut self.more {
            more.codings = None;
        }
        self
    }
}

/// Decides the kind of `bytes`. JSON may nest `depth` levels.
///
/// # Errors
/// `invalid_body` if they are declared as JSON and aren't exactly one JSON value in UTF-8 (RFC 8259), or if the value
/// is nested deeper.
pub(super) fn read(described: Described, bytes: Bytes, depth: usize) -> Result<Body, Failure> {
    let Described {
        declared: Declared { kind, charset },
        more,
    } = described;
    if kind == Kind::Json && more.is_none() {
        return json(&bytes, charset, depth);
    }
    let More {
        content_type,
        codings,
    } = more.map(|more| *more).unwrap_or_default();
    // An empty body is not coded.
    let codings = codings.filter(|_| !bytes.is_empty());
    let strange = codings.as_ref().and_then(|codings| codings.strange());
    if kind == Kind::Json {
        return match strange {
            None => json(&bytes, charset, depth),
            Some(name) => Err(Failure::new(
                FailureKind::InvalidBody,
                format!("the upstream sent its JSON in {name}, which is not inflated here"),
            )),
        };
    }
    if bytes.is_empty() {
        return Ok(Body::Empty);
    }
    let marked = bytes.starts_with(MARK);
    let is_text = kind != Kind::Binary
        && strange.is_none()
        // The mark counts more than the type.
        && (charset == Charset::Own
            || marked
            || charset == Charset::WithAscii && bytes.is_ascii())
        && std::str::from_utf8(&bytes).is_ok()
        && (kind == Kind::Text || !bytes.contains(&0));
    Ok(if is_text {
        Body::Text {
            content_type,
            text: bytes.slice(if marked { MARK.len() } else { 0 }..),
        }
    } else {
        Body::Binary {
            labels: Box::new(Labels {
                content_type,
                content_encoding: codings.map(|codings| codings.words().into()),
            }),
            bytes,
        }
    })
}

fn json(bytes: &Bytes, charset: Charset, depth: usize) -> Result<Body, Failure> {
    let foreign = charset != Charset::Own;
    let invalid = |why: Cow<'static, str>| Failure::new(FailureKind::InvalidBody, why);
    let own = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(own).map_err(|_| invalid(not_utf_8(bytes, foreign).into()))?;
    match value::find(text, depth) {
        Ok(at) => {
            let start = bytes.len() - own.len();
            Ok(Body::Json(bytes.slice(start + at.start..start + at.end)))
        }
        Err(Fault::Empty) => Err(invalid(
            "the upstream said JSON and sent an empty body".into(),
        )),
        Err(Fault::Invalid) if is_wide(bytes) => Err(invalid(not_utf_8(bytes, foreign).into())),
        Err(Fault::Invalid) => Err(invalid(
            "the upstream said JSON and sent something else".into(),
        )),
        Err(Fault::Deep) => Err(invalid(
            format!("the upstream's JSON is nested deeper than {depth} levels").into(),
        )),
    }
}

/// Says why JSON's bytes are not UTF-8, as far as the bytes or their type show it.
fn not_utf_8(bytes: &[u8], foreign: bool) -> &'static str {
    if is_wide(bytes) {
        "the upstream's JSON is in UTF-16 or UTF-32, not in UTF-8"
    } else if foreign {
        "the upstream's JSON is not UTF-8: its type names another character set"
    } else {
        "the upstream's JSON is not UTF-8"
    }
}

/// Returns true if the bytes begin as JSON does in UTF-16 or UTF-32: with a mark, or with a NUL beside an ASCII
/// character.
fn is_wide(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(content_type: Option<&str>, bytes: &'static [u8]) -> Result<Body, FailureKind> {
        let described = Described::new(content_type, None);
        read(described, Bytes::from_static(bytes), 64).map_err(|failure| failure.kind)
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
            b"\xef\xbb\xbf",
            b"\xef\xbb\xbf\xef\xbb\xbf{}",
            b"{}\xef\xbb\xbf",
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
    fn ascii_is_text_only_where_its_bytes_mean_what_they_mean_in_ascii() {
        let text = |charset: &str, bytes| {
            let kind = format!("text/plain; charset={charset}");
            matches!(body(Some(&kind), bytes), Ok(Body::Text { .. }))
        };
        assert!(text("iso-8859-1", b"abc") && text("shift_jis", b"abc"));
        for (charset, bytes) in [
            ("iso-2022-jp", &b"\x1b$BF|K\\\x1b(B"[..]),
            ("utf-7", b"+ZeVnLA-"),
            ("utf-16be", b"aa"),
            ("hz-gb-2312", b"~{VPND~}"),
        ] {
            assert!(!text(charset, bytes), "{charset}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_json_or_text() {
        assert_eq!(
            body(JSON, b"\xef\xbb\xbf \r\n{\"a\":1}\n"),
            Ok(Body::Json(Bytes::from_static(b"{\"a\":1}")))
        );
        for kind in ["text/csv", "text/csv; charset=iso-8859-1"] {
            let Ok(Body::Text { text, .. }) = body(Some(kind), b"\xef\xbb\xbf\xc3\xa9") else {
                panic!("{kind} is no text");
            };
            assert_eq!(text, "é");
        }
        let bytes = b"\xef\xbb\xbfabc";
        let Ok(Body::Binary { bytes: kept, .. }) = body(Some("image/png"), bytes) else {
            panic!("no bytes");
        };
        assert_eq!(&kept[..], bytes);
    }

    #[test]
    fn why_json_is_none_is_said() {
        let utf_16 = "the upstream's JSON is in UTF-16 or UTF-32, not in UTF-8";
        let latin = "application/json; charset=iso-8859-1";
        for (kind, bytes, detail) in [
            (
                "application/json",
                &b""[..],
                "the upstream said JSON and sent an empty body",
            ),
            (
                "application/json",
                b" \r\n",
                "the upstream said JSON and sent an empty body",
            ),
            (
                "application/json",
                b"\xef\xbb\xbf",
                "the upstream said JSON and sent an empty body",
            ),
            (
                "application/json",
                b"pong",
                "the upstream said JSON and sent something else",
            ),
            (
                "application/json",
                b"\"\xe9\"",
                "the upstream's JSON is not UTF-8",
            ),
            (
                latin,
                b"\"\xe9\"",
                "the upstream's JSON is not UTF-8: its type names another character set",
            ),
            ("application/json", b"\xff\xfe{\0}\0", utf_16),
            ("application/json", b"\xfe\xff\0{\0}", utf_16),
            ("application/json", b"{\0}\0", utf_16),
            ("application/json; charset=utf-16", b"\0{\0}", utf_16),
        ] {
            let described = Described::new(Some(kind), None);
            let failure = read(described, Bytes::from_static(bytes), 64).unwrap_err();
            assert_eq!(failure.detail, detail, "{bytes:?}");
        }
        let fits = Bytes::from("[".repeat(9) + &"]".repeat(9));
        let described = || Described::new(JSON, None);
        assert!(read(described(), fits.clone(), 9).is_ok());
        let deep = read(described(), fits, 8).unwrap_err();
        assert_eq!(deep.kind, FailureKind::InvalidBody);
        assert_eq!(
            deep.detail,
            "the upstream's JSON is nested deeper than 8 levels"
        );
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
        for name in ["image/png", "application/octet-stream"] {
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
    fn a_body_in_a_coding_that_stays_is_bytes_that_say_so_and_no_json() {
        let described = |content_type, field: &[u8]| {
            Described::new(Some(content_type), Codings::add(None, field))
        };
        let bytes = Bytes::from_static(b"1");
        let failure = read(described("application/json", b"zstd"), bytes.clone(), 64).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidBody);
        assert_eq!(
            failure.detail,
            "the upstream sent its JSON in zstd, which is not inflated here"
        );
        for (field, said) in [("zstd", "zstd"), ("gzip,br", "gzip, br")] {
            let body = read(described("text/plain", field.as_bytes()), bytes.clone(), 64);
            let Ok(Body::Binary { labels, .. }) = body else {
                panic!("{body:?}");
            };
            assert_eq!(labels.content_encoding.as_deref(), Some(said));
        }
    }

    #[test]
    fn words_that_are_no_coding_change_nothing_of_what_can_be_read() {
        let described =
            |content_type| Described::new(Some(content_type), Codings::add(None, b"utf-8, none"));
        let read = |content_type, bytes| read(described(content_type), bytes, 64).unwrap();
        let one = Bytes::from_static(b"1");
        assert_eq!(
            read("application/json", one.clone()),
            Body::Json(one.clone())
        );
        assert!(matches!(read("text/plain", one), Body::Text { .. }));
        let bytes = read("text/plain", Bytes::from_static(b"\xff"));
        let expected = Body::Binary {
            labels: Box::new(Labels {
                content_type: Some("text/plain".into()),
                content_encoding: Some("utf-8, none".into()),
            }),
            bytes: Bytes::from_static(b"\xff"),
        };
        assert_eq!(bytes, expected);
    }

    #[test]
    fn an_empty_body_is_empty_whatever_it_is_encoded_in() {
        for field in ["gzip", "zstd", "gzip, br"] {
            let described = |content_type| {
                Described::new(Some(content_type), Codings::add(None, field.as_bytes()))
            };
            assert_eq!(
                read(described("text/plain"), Bytes::new(), 64),
                Ok(Body::Empty)
            );
            let failure = read(described("application/json"), Bytes::new(), 64).unwrap_err();
            assert!(failure.detail.contains("empty"), "{}", failure.detail);
        }
    }
}
