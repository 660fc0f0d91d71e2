//! Properties of every head and body, whatever its contents: the pieces in which it comes make no difference, and
//! another parser reads the same in one that passes. It must not know who makes them.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Uri};

use super::{
    bounds::{MAX_HEAD, MAX_TARGET},
    edits,
    fault::Fault,
    heads::{Head, Heads},
    incoming::Incoming,
};
use crate::api::Unread;

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
    assert!(head.body.is_none() || lengths + codings == 1);
}

/// Checks a body that was removed: another parser finds a body there too, with the same end and no content.
fn check_empty_body(came: &[u8], head: &Head, edited: &[u8]) {
    let ended = came.windows(4).position(|end| end == b"\r\n\r\n");
    let body = &came[ended.expect("an end") + 4..];
    if body.is_empty() {
        return;
    }
    assert!(head.body.is_none(), "there is no other");
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
    assert!(are_trailers(trailers));
}

/// Reads `bytes` as a body and what follows it, once in chunks and once with a length. The first bytes decide where the
/// request is split, and how long the body may be.
///
/// # Panics
/// Panics if a property does not hold.
pub fn bodies(bytes: &[u8]) {
    let Some(([one, other, most], bytes)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let most = usize::from(*most);
    for framing in [
        "Transfer-Encoding: chunked".to_owned(),
        format!("Content-Length: {}", most + 1),
        format!("Content-Length: {}", most.max(1)),
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: gather\r\n{framing}\r\n\r\n");
        let request = [head.as_bytes(), bytes].concat();
        let whole = exchange(&request, &[], most);
        let mut ends = [*one, *other].map(|end| head.len() / 2 + usize::from(end));
        ends.sort_unstable();
        let single: Vec<_> = (0..request.len()).collect();
        for ends in [&ends[..], &single] {
            assert_eq!(whole, exchange(&request, ends, most), "{framing}");
        }
        let Ok((content, rest)) = whole else {
            continue;
        };
        assert!(content.len() <= most);
        let used = bytes.len() - rest.len();
        assert_eq!(rest, bytes[used..]);
        if framing.ends_with("chunked") {
            assert_eq!(unchunked(&bytes[..used]).as_deref(), Some(&*content));
        } else {
            assert_eq!(content, bytes[..used]);
        }
    }
}

/// Reads a request that comes in pieces with these ends. Returns its content and the bytes behind it, or the reason why
/// there is no content, if it is known.
fn exchange(bytes: &[u8], ends: &[usize], most: usize) -> Result<(Bytes, Vec<u8>), Option<Unread>> {
    let (mut heads, mut incoming) = (Heads::default(), None);
    let (mut held, mut from) = (Vec::new(), 0);
    for end in ends.iter().copied().chain([bytes.len()]) {
        let to = end.clamp(from, bytes.len());
        held.extend_from_slice(&bytes[from..to]);
        from = to;
        if incoming.is_none() {
            let Some(head) = heads.read(&held, MAX_FIELDS).expect("a head") else {
                continue;
            };
            held.drain(..head.range.end);
            let length = head.body.expect("a body").length;
            incoming = Some(Incoming::new(length, most)?);
        }
        if let Some(incoming) = &mut incoming {
            let used = incoming.feed(&held)?;
            held.drain(..used);
        }
    }
    let whole = incoming.filter(Incoming::is_over).ok_or(None)?;
    Ok((whole.into_content(), held))
}

/// Takes a chunked body apart that was taken as whole and valid, and returns its content. It looks for line ends alone,
/// as a lenient parser does. `None` if a line has what none may have.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|end| end == b"\r\n")?;
        let (line, after) = rest.split_at(end);
        let digits = line.split(|byte| !byte.is_ascii_hexdigit()).next()?;
        let extensions = &line[digits.len()..];
        let is_plain = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
        if digits.len() > 16
            || !extensions.iter().all(is_plain)
            || !(extensions.is_empty() || extensions.trim_ascii_start().starts_with(b";"))
        {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            return are_trailers(&after[2..]).then_some(content);
        }
        rest = &after[2..];
        content.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
}

/// Returns true if another parser finds a list of trailers in these bytes that ends with them, and none of them is about
/// the request.
fn are_trailers(bytes: &[u8]) -> bool {
    let bare = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
    if bytes.first() == Some(&b'\n') || bytes.windows(2).any(bare) {
        return false;
    }
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let mut fields = vec![httparse::EMPTY_HEADER; lines];
    let Ok(httparse::Status::Complete((size, fields))) =
        httparse::parse_headers(bytes, &mut fields)
    else {
        return false;
    };
    let framing = ["content-length", "transfer-encoding", "host"];
    let is_framing =
        |field: &httparse::Header<'_>| framing.contains(&field.name.to_ascii_lowercase().as_str());
    size == bytes.len() && !fields.iter().any(is_framing)
}
