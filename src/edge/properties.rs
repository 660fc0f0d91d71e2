//! Properties of every head, whatever its contents: the pieces in which it comes make no difference, and the codec's
//! parser reads the same in a head that passes. It must not know who makes the heads.

use bytes::{Buf as _, BytesMut};
use http::{HeaderName, HeaderValue, Method, Uri};

use super::{
    bounds::{MAX_HEAD, MAX_TARGET},
    edits,
    fault::Fault,
    heads::{Head, Heads},
};

/// The most fields that are accepted here: more than actix's codec takes.
pub(super) const MAX_FIELDS: usize = 100;

/// Reads `bytes` as a client's. The first two bytes decide where they are split.
///
/// # Panics
/// Panics if a property does not hold.
pub fn heads(bytes: &[u8]) {
    let Some((places, bytes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let whole = Heads::default().read(bytes, MAX_FIELDS);
    let mut ends = places.map(usize::from);
    ends.sort_unstable();
    let pieces = in_pieces(bytes, &ends);
    match (&whole, &pieces) {
        // A fault may be found before another one that comes first in the same line.
        (Err(_), Err(_)) => {}
        _ => assert_eq!(whole, pieces),
    }
    if let Ok(Some(head)) = whole {
        check_head(bytes, &head);
    }
}

/// Reads the bytes in pieces that end at these indices, as they would come.
pub(super) fn in_pieces(bytes: &[u8], ends: &[usize]) -> Result<Option<Head>, Fault> {
    let mut heads = Heads::default();
    for end in ends.iter().copied().chain([bytes.len()]) {
        match heads.read(&bytes[..end.min(bytes.len())], MAX_FIELDS) {
            Ok(None) => {}
            settled => return settled,
        }
    }
    Ok(None)
}

/// Returns the head as the codec gets it, without the bytes after it.
pub(super) fn edited(bytes: &[u8], head: &Head) -> BytesMut {
    let mut edited = BytesMut::from(&bytes[..head.range.end]);
    let less = edits::apply(&head.edits, &mut edited);
    assert_eq!(edited.len(), head.range.end - less);
    edited.advance(head.range.start);
    edited
}

fn check_head(bytes: &[u8], head: &Head) {
    let came = &bytes[head.range.clone()];
    assert!(came.len() <= MAX_HEAD && came.ends_with(b"\r\n\r\n"));
    let bare = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
    assert!(!came.windows(2).any(bare), "a line end that is none");
    let bytes = &*edited(bytes, head);
    check_empty_body(came, head, bytes);
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let size = parsed.parse(bytes).expect("valid").unwrap();
    assert_eq!(size, bytes.len(), "all of it");
    assert!(parsed.headers.len() <= head.fields);
    let (method, target) = (parsed.method.expect("one"), parsed.path.expect("one"));
    let line = format!(
        "{method} {target} HTTP/1.{}\r\n",
        parsed.version.expect("one")
    );
    assert!(bytes.starts_with(line.as_bytes()), "{line:?}");
    assert!(target.len() <= MAX_TARGET);
    Method::from_bytes(method.as_bytes()).expect("a method");
    Uri::try_from(target).expect("a target");
    let (mut hosts, mut lengths, mut codings) = (0, 0, 0);
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        HeaderValue::from_bytes(field.value).expect("a value");
        match name.as_str() {
            "expect" | "upgrade" => panic!("{name} goes no further"),
            "connection" => {
                let options = field.value.split(|byte| *byte == b',');
                let is_upgrade =
                    |option: &[u8]| option.trim_ascii().eq_ignore_ascii_case(b"upgrade");
                assert!(!options.into_iter().any(is_upgrade), "it stays HTTP/1.1");
            }
            "host" => {
                hosts += 1;
                assert!(!field.value.is_empty(), "whose host is it");
            }
            "content-length" => lengths += 1,
            "transfer-encoding" => codings += 1,
            _ => {}
        }
    }
    assert!(hosts == 1 || hosts == 0 && parsed.version == Some(0));
    assert!(lengths + codings <= 1, "one way to say how long a body is");
    assert!(!head.body || lengths + codings == 1);
}

/// Checks a body that was removed: another parser finds a body there too, with the same end and no content.
fn check_empty_body(came: &[u8], head: &Head, edited: &[u8]) {
    let ended = came.windows(4).position(|end| end == b"\r\n\r\n");
    let body = &came[ended.expect("an end") + 4..];
    if body.is_empty() {
        return;
    }
    assert!(!head.body, "there is no other");
    let announced = |head: &[u8]| {
        let head = head.to_ascii_lowercase();
        let name = &b"\r\ntransfer-encoding:"[..];
        head.windows(name.len()).any(|at| at == name)
    };
    assert!(announced(&came[..came.len() - body.len()]) && !announced(edited));
    // The other parser takes no extensions with quotes, and no carriage return without a line feed.
    let line = body.windows(2).position(|end| end == b"\r\n");
    let (chunk, trailers) = body.split_at(line.expect("a line") + 2);
    let size = chunk.split(|byte| !byte.is_ascii_hexdigit()).next();
    assert!(size.is_some_and(|size| !size.is_empty() && size.iter().all(|digit| *digit == b'0')));
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (size, fields) = httparse::parse_headers(trailers, &mut fields)
        .expect("valid")
        .unwrap();
    assert_eq!(size, trailers.len(), "all of it");
    let framing = ["content-length", "transfer-encoding", "host"];
    let is_framing =
        |field: &httparse::Header<'_>| framing.contains(&field.name.to_ascii_lowercase().as_str());
    assert!(!fields.iter().any(is_framing));
}
