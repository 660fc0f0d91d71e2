//! Properties of every answer of an upstream, whatever its bytes and however they arrive. The reader always finds the
//! same in it, never more than there was, and the same as a plain reading of RFC 9112. It must not know who makes the
//! bytes.

use bytes::Bytes;
use http::StatusCode;

use super::{
    answer::{self, Described},
    body::Bounds,
    coding::Codings,
    head::Framing,
    reading::Reading,
    rules::Rules,
};
use crate::exchange::Allowance;
use crate::fanout::{Body, Failure, FailureKind, HeadStatus, StatusSet};

/// Decides the kind of a body, for callers outside this part.
pub(crate) fn classify(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    bytes: Bytes,
) -> Result<Body, Failure> {
    let codings = content_encoding.and_then(|field| Codings::add(None, field.as_bytes()));
    answer::read(Described::new(content_type, codings), bytes, DEPTH.into())
}

/// The depth to which JSON may nest in these tests.
pub(crate) const DEPTH: u16 = 64;

/// The number of bytes that come one by one, as each costs a look at the whole head. Later bytes come in pieces.
const ONE_BY_ONE: usize = 256;

/// The largest body in these tests, in bytes.
const BOUND: usize = 1 << 20;

/// Reads `stream` as an answer to a GET and to a HEAD: whole, byte by byte and in pieces.
///
/// # Panics
/// Panics if a property does not hold.
pub fn wire(stream: &[u8]) {
    for head_only in [false, true] {
        let whole = Seen::of(std::iter::once(stream), head_only);
        let (first, rest) = stream.split_at(stream.len().min(ONE_BY_ONE));
        let bytes = Seen::of(first.chunks(1).chain(Pieces(rest)), head_only);
        let pieces = Seen::of(Pieces(stream), head_only);
        for cut in [bytes, pieces] {
            assert_eq!(cut.read, whole.read);
            // In pieces, the bytes after an answer may not have come yet when it is over.
            assert!(cut.lasts || !whole.lasts);
        }
        check(&whole, stream, head_only);
    }
}

/// Pieces of one to sixteen bytes. Their contents decide the sizes.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let size = usize::from(self.0.first()? % 16) + 1;
        let (piece, rest) = self.0.split_at(size.min(self.0.len()));
        self.0 = rest;
        Some(piece)
    }
}

/// The result of reading an answer.
#[derive(Debug)]
struct Seen {
    /// The answer, or `None` while a part of it is still to come.
    read: Option<Result<(StatusCode, Bytes), Failure>>,
    lasts: bool,
}

impl Seen {
    fn of<'a>(pieces: impl Iterator<Item = &'a [u8]>, head_only: bool) -> Self {
        let success = every_status();
        let shared = Allowance::new(BOUND);
        let status = HeadStatus::default();
        let mut reading = Reading::new(Rules {
            head_only,
            success: &success,
            refuses_close: false,
            bounds: Bounds {
                own: BOUND,
                shared: &shared,
            },
            depth: DEPTH,
            status: &status,
            advised: None,
            kept: &[],
            expected: None,
        });
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            if reading.is_over() {
                break;
            }
            match reading.room() {
                // As with a socket, at most the requested bytes come.
                Some((body, left)) => {
                    let (now, rest) = piece.split_at(left.min(piece.len()));
                    body.extend_from_slice(now);
                    reading.filled(now.len());
                    if !rest.is_empty() && !reading.is_over() {
                        reading.push(rest);
                    }
                }
                None => reading.push(piece),
            }
        }
        Self {
            lasts: reading.lasts(),
            read: reading.whole(),
        }
    }
}

fn every_status() -> StatusSet {
    let mut all = StatusSet::empty();
    for class in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
        all.add(class).expect("a class");
    }
    all
}

/// Checks the result for `stream` against a plain reading.
fn check(seen: &Seen, stream: &[u8], head_only: bool) {
    let plain = plain_answer(stream, head_only);
    let body = plain.map(|(_, framing, body)| plain_body(framing, body));
    match &seen.read {
        Some(Ok((status, data))) => {
            let (plain, ..) = plain.expect("a head that a plain reading takes");
            assert_eq!(status.as_u16(), plain);
            assert!((200..1000).contains(&plain));
            let body = body.flatten().expect("a body that a plain reading takes");
            assert_eq!(data, &body.data);
            let left = body.left.expect("a plain reading finds its end");
            // The bytes that a 205 has declared are left unread.
            assert!(!seen.lasts || left == 0, "something follows");
        }
        Some(Err(failure)) if failure.kind == FailureKind::Status => {
            let (plain, ..) = plain.expect("a head that a plain reading takes");
            assert!(plain >= 600, "all others are successes here");
        }
        Some(Err(failure)) => {
            assert!(!seen.lasts, "nobody knows where the next answer begins");
            // If an answer's head was good, only the body can be at fault.
            let is_whole = body.flatten().is_some_and(|body| body.left.is_some());
            assert!(
                failure.status.is_none() || !is_whole,
                "a fault in a whole body"
            );
        }
        None => {
            let is_whole = body.flatten().is_some_and(|body| body.left.is_some());
            assert!(!is_whole, "a plain reading finds an end");
        }
    }
}

/// Returns the final answer's status, the end of its body, and the bytes after its head.
fn plain_answer(stream: &[u8], head_only: bool) -> Option<(u16, Framing, &[u8])> {
    let mut rest = stream;
    loop {
        let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte));
        let start = blank.count();
        let is_end = |at: &usize| {
            let after = &rest[*at..];
            after.starts_with(b"\n\r\n") || after.starts_with(b"\n\n")
        };
        let end = (start..rest.len()).find(is_end)?;
        let end = end + if rest[end + 1] == b'\n' { 2 } else { 3 };
        let (status, framing) = plain_head(&rest[..end], head_only)?;
        rest = &rest[end..];
        if status >= 200 {
            return Some((status, framing, rest));
        }
    }
}

/// Returns the status, and the framing by a plain reading of RFC 9112, section 6.3.
fn plain_head(text: &[u8], head_only: bool) -> Option<(u16, Framing)> {
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty());
    let status = std::str::from_utf8(lines.next()?.get(9..12)?).ok()?;
    let status = status.parse().ok()?;
    let mut lengths = Vec::new();
    let mut codings = 0;
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            for length in value.split(|byte| *byte == b',') {
                lengths.push(
                    std::str::from_utf8(length.trim_ascii())
                        .ok()?
                        .parse()
                        .ok()?,
                );
            }
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let members = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            let members: Vec<_> = members.filter(|member| !member.is_empty()).collect();
            if members.len() != 1 || !members[0].eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            codings += 1;
        }
    }
    lengths.dedup();
    let framing = match (&lengths[..], codings) {
        ([], 0) => Framing::Close,
        ([length], 0) => Framing::Length(*length),
        ([], 1) => Framing::Chunked,
        _ => return None,
    };
    let none = head_only || matches!(status, 204 | 205 | 304);
    Some((status, if none { Framing::None } else { framing }))
}

/// The result of a plain reading of a body.
#[derive(Debug, Default)]
struct Plain {
    data: Vec<u8>,
    /// The number of bytes that follow the body, if it ends.
    left: Option<usize>,
}

/// Reads a body plainly. Returns `None` if its chunks are invalid.
fn plain_body(framing: Framing, body: &[u8]) -> Option<Plain> {
    let length = match framing {
        Framing::Chunked => return plain_chunks(body),
        Framing::Close => usize::MAX,
        _ => usize::try_from(framing.length().unwrap_or_default()).unwrap_or(usize::MAX),
    };
    Some(Plain {
        data: body[..length.min(body.len())].to_vec(),
        left: body.len().checked_sub(length),
    })
}

fn plain_chunks(body: &[u8]) -> Option<Plain> {
    let mut plain = Plain::default();
    let mut rest = body;
    loop {
        let Some((line, after)) = line(rest)? else {
            return Some(plain);
        };
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (digits, extensions) = line.split_at(digits.count());
        let extensions = extensions.trim_ascii_start();
        if digits.is_empty() || !(extensions.is_empty() || extensions[0] == b';') {
            return None;
        }
        let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        rest = after;
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok()?;
        plain.data.extend_from_slice(&rest[..size.min(rest.len())]);
        if rest.len() < size.saturating_add(2) {
            return Some(plain);
        }
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    while let Some((trailer, after)) = line(rest)? {
        rest = after;
        if trailer.is_empty() {
            plain.left = Some(rest.len());
            break;
        }
    }
    Some(plain)
}

/// Returns the first line and the bytes after it. `Some(None)` while it is not complete, `None` if it is not a line.
#[expect(clippy::option_option, reason = "refused, not there yet, there")]
fn line(bytes: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Some(None);
    };
    let line = bytes[..end].strip_suffix(b"\r")?;
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    line.iter()
        .all(is_text)
        .then_some(Some((line, &bytes[end + 1..])))
}
