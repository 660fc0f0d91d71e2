//! What holds for every head, whatever is in it: it does not matter in which pieces it comes, and what passes is what the
//! parser below reads the same.

use http::{HeaderName, HeaderValue, Method, Uri};

use super::{
    MAX_FIELDS, MAX_HEAD, MAX_TARGET,
    fault::Fault,
    heads::{Head, Heads},
};

/// Reads `bytes` as what a client sends; the first two say where it comes apart.
///
/// # Panics
/// When something does not hold.
pub fn heads(bytes: &[u8]) {
    let Some((places, bytes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let whole = Heads::default().read(bytes);
    let mut ends = places.map(usize::from);
    ends.sort_unstable();
    let pieces = in_pieces(bytes, &ends);
    match (&whole, &pieces) {
        // A fault may be seen before another that stands before it in the same line.
        (Err(_), Err(_)) => {}
        _ => assert_eq!(whole, pieces),
    }
    if let Ok(Some(head)) = whole {
        check_head(&bytes[head.range.clone()], &head);
    }
}

/// Reads them in pieces that end here, as they would come.
pub(super) fn in_pieces(bytes: &[u8], ends: &[usize]) -> Result<Option<Head>, Fault> {
    let mut heads = Heads::default();
    for end in ends.iter().copied().chain([bytes.len()]) {
        match heads.read(&bytes[..end.min(bytes.len())]) {
            Ok(None) => {}
            settled => return settled,
        }
    }
    Ok(None)
}

fn check_head(bytes: &[u8], head: &Head) {
    assert!(bytes.len() <= MAX_HEAD && bytes.ends_with(b"\r\n\r\n"));
    let bare = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
    assert!(!bytes.windows(2).any(bare), "a line end that is none");
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let size = parsed.parse(bytes).expect("valid").unwrap();
    assert_eq!(size, bytes.len(), "all of it");
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
            "host" => hosts += 1,
            "content-length" => lengths += 1,
            "transfer-encoding" => codings += 1,
            _ => {}
        }
    }
    assert!(hosts == 1 || hosts == 0 && parsed.version == Some(0));
    assert!(lengths + codings <= 1, "one way to say how long a body is");
    assert!(!head.body || lengths + codings == 1);
    for line in &head.expect {
        let line = &bytes[line.start - head.range.start..line.end - head.range.start];
        assert!(line.to_ascii_lowercase().starts_with(b"expect:") && line.ends_with(b"\r\n"));
    }
}
