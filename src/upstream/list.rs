//! The body of a call with one request for each element of a list: the list of all bodies. It must not know the
//! elements.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;

use super::body::exceeded;
use crate::exchange::Allowance;
use crate::fanout::{Body, Failure};

/// Makes one JSON list of these bodies, in order. JSON goes in as it came, text as a string, and bytes as a string in
/// base64. An empty body and a missing one are `null`.
///
/// The bodies have drawn their own bytes from `allowance`. Each is dropped once it is in the list, so the list draws
/// only the bytes that it takes beyond them.
///
/// # Errors
/// Fails if they are not left.
pub(super) fn list(bodies: Vec<Option<Body>>, allowance: &Allowance) -> Result<Body, Failure> {
    let (mut size, mut held) = (1 + bodies.len().max(1), 0);
    for body in &bodies {
        let (own, more) = match body {
            None | Some(Body::Empty) => (0, "null".len()),
            Some(Body::Json(bytes)) => (bytes.len(), 0),
            Some(body @ (Body::Text { text: bytes, .. } | Body::Binary { bytes, .. })) => {
                (bytes.len(), body.grows() + "\"\"".len())
            }
        };
        held += own;
        size += own + more;
    }
    let mut share = allowance.share();
    let covered = share.cover(size - held).and_then(|()| share.keep(0));
    covered.map_err(|reason| exceeded(reason, allowance, "with the list of its bodies"))?;
    let mut list = Vec::with_capacity(size);
    list.push(b'[');
    for (index, body) in bodies.into_iter().enumerate() {
        if index > 0 {
            list.push(b',');
        }
        write(&mut list, body.unwrap_or(Body::Empty));
    }
    list.push(b']');
    Ok(Body::Json(Bytes::from(list)))
}

fn write(list: &mut Vec<u8>, body: Body) {
    match body {
        Body::Empty => list.extend_from_slice(b"null"),
        Body::Json(bytes) => list.extend_from_slice(&bytes),
        Body::Text { text, .. } => {
            // Writing to memory can't fail.
            let _ = serde_json::to_writer(list, &String::from_utf8_lossy(&text));
        }
        Body::Binary { bytes, .. } => {
            list.push(b'"');
            let start = list.len();
            list.resize(start + bytes.len().div_ceil(3) * 4, 0);
            let written = BASE64_STANDARD.encode_slice(&bytes, &mut list[start..]);
            debug_assert!(written.is_ok_and(|size| start + size == list.len()));
            list.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::{FailureKind, Labels};

    fn json(text: &'static str) -> Option<Body> {
        Some(Body::Json(Bytes::from_static(text.as_bytes())))
    }

    fn text(of: Body) -> String {
        let Body::Json(bytes) = of else {
            panic!("{of:?}")
        };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn bodies_are_in_order_and_json_keeps_its_bytes() {
        let bodies = vec![
            json("12345678901234567890"),
            None,
            json("{\"b\":1.10,\"a\":1e400,\"b\":\"\\u00e9\"}"),
            Some(Body::Empty),
            Some(Body::Text {
                content_type: None,
                text: Bytes::from_static("\"é\"\n".as_bytes()),
            }),
            Some(Body::Binary {
                labels: Box::new(Labels::default()),
                bytes: Bytes::from_static(b"\xff\0"),
            }),
        ];
        let allowance = Allowance::new(100);
        assert_eq!(
            text(list(bodies, &allowance).unwrap()),
            "[12345678901234567890,null,{\"b\":1.10,\"a\":1e400,\"b\":\"\\u00e9\"},null,\"\\\"é\\\"\\n\",\"/wA=\"]"
        );
    }

    #[test]
    fn no_bodies_make_an_empty_list() {
        assert_eq!(text(list(Vec::new(), &Allowance::new(2)).unwrap()), "[]");
    }

    #[test]
    fn the_list_draws_what_it_takes_beyond_its_bodies() {
        let bodies = || vec![json("12345"), None];
        let allowance = Allowance::new(8);
        assert_eq!(text(list(bodies(), &allowance).unwrap()), "[12345,null]");
        assert_eq!(allowance.left(), 1);
        let failure = list(bodies(), &allowance).unwrap_err();
        assert_eq!(failure.kind, FailureKind::TooLarge);
        assert_eq!(
            failure.detail,
            "with the list of its bodies, the aggregate's bodies are together larger than 8 bytes"
        );
        assert_eq!(allowance.left(), 1);
    }
}
