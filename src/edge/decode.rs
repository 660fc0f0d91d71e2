//! The request in a head, as actix's codec reads it. If a head has more fields than the codec takes, the codec gets
//! only the framing, and the other fields are read here. It must not know connections.

use actix_codec::Decoder as _;
use actix_http::{
    Request,
    h1::{Codec, Message},
};
use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::BytesMut;

/// The most fields that the codec's parser takes.
pub(super) const MAX_FIELDS: usize = 96;

/// Reads a valid head of at most this many fields. Returns `None` if the codec refuses it, which tests and fuzzing have
/// not found.
pub(super) fn request(codec: &mut Codec, mut head: BytesMut, fields: usize) -> Option<Request> {
    if fields > MAX_FIELDS {
        return large(codec, &head, fields);
    }
    match codec.decode(&mut head) {
        Ok(Some(Message::Item(request))) => Some(request),
        _ => None,
    }
}

/// Reads a head of any number of fields. The codec gets all fields that it acts on, wherever they are in the head.
#[cold]
pub(super) fn large(codec: &mut Codec, head: &[u8], fields: usize) -> Option<Request> {
    let mut space = vec![httparse::EMPTY_HEADER; fields];
    let mut parsed = httparse::Request::new(&mut space);
    if parsed.parse(head).ok()?.is_partial() {
        return None;
    }
    let line = head.iter().position(|byte| *byte == b'\n')?;
    let mut framing = BytesMut::from(&head[..=line]);
    let mut put = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b":", value, b"\r\n"] {
            framing.extend_from_slice(part);
        }
    };
    let mut connection = Vec::new();
    let mut others = Vec::with_capacity(fields);
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        match name.as_str() {
            known @ ("host" | "content-length" | "transfer-encoding") => put(known, field.value),
            // Several lines make one list. The codec ignores lines that are not ASCII.
            "connection" if field.value.is_ascii() => {
                connection.extend_from_slice(field.value);
                connection.push(b',');
            }
            _ => others.push((name, HeaderValue::from_bytes(field.value).ok()?)),
        }
    }
    if !connection.is_empty() {
        put("connection", &connection);
    }
    framing.extend_from_slice(b"\r\n");
    let mut request = request(codec, framing, 0)?;
    for (name, value) in others {
        request.headers_mut().append(name, value);
    }
    Some(request)
}
