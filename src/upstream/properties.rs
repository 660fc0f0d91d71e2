//! What holds for every answer of an upstream, whatever its bytes and however they arrive: the same is read of it, no more
//! than there was, the same as a plain reading of RFC 9112 finds, and awc's codec ends where we do.

use actix_codec::Decoder as _;
use actix_http::{ServiceConfig, h1::ClientCodec};
use bytes::{Bytes, BytesMut};

use super::{
    answer::{self, Described},
    head::{self, Framing, Head},
    wire::{Held, Rest},
};
use crate::fanout::{Body, Failure};

/// What a body is, for those who are not of this part.
pub(crate) fn classify(
    content_type: Option<&str>,
    encoded: bool,
    bytes: Bytes,
) -> Result<Body, Failure> {
    answer::read(
        Described {
            content_type,
            encoded,
        },
        bytes,
    )
}

/// Bytes that come one by one cost a look at the whole head each; after so many they come in pieces.
const ONE_BY_ONE: usize = 256;

/// Reads `stream` as an answer to a GET and to a HEAD, whole, byte by byte and in pieces.
///
/// # Panics
/// When something does not hold.
pub fn wire(stream: &[u8]) {
    for head_only in [false, true] {
        let whole = Seen::of(std::iter::once(stream), head_only);
        let (first, rest) = stream.split_at(stream.len().min(ONE_BY_ONE));
        let bytes = Seen::of(first.chunks(1).chain(Pieces(rest)), head_only);
        let pieces = Seen::of(Pieces(stream), head_only);
        for cut in [bytes, pieces] {
            assert_eq!(cut.head, whole.head);
            assert_eq!(cut.fault, whole.fault);
            assert_eq!(cut.over, whole.over);
            // What came before a fault is passed on, as far as it came apart from it.
            match whole.fault {
                None => assert_eq!(cut.shown, whole.shown),
                Some(_) => assert!(cut.shown.starts_with(&whole.shown)),
            }
        }
        if let Some(head) = &whole.head {
            check(&whole, head, &stream[whole.begins..], head_only);
        }
    }
}

/// Pieces of one to sixteen bytes, by what stands in them.
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

/// What is read of an answer, as the wire reads it.
#[derive(Debug, Default)]
struct Seen {
    head: Option<Head>,
    /// Where the final head begins.
    begins: usize,
    fault: Option<&'static str>,
    over: bool,
    /// What awc's codec is shown.
    shown: Vec<u8>,
}

impl Seen {
    fn of<'a>(pieces: impl Iterator<Item = &'a [u8]>, head_only: bool) -> Self {
        let mut seen = Self::default();
        let mut held = Held::default();
        let mut rest: Option<Rest> = None;
        let mut came = 0;
        for piece in pieces {
            if seen.fault.is_some() || seen.over {
                break;
            }
            came += piece.len();
            let followed = match &mut rest {
                Some(rest) => rest.follow(piece).map(|size| &piece[..size]),
                None => {
                    held.bytes.extend_from_slice(piece);
                    match held.final_head(head_only) {
                        Ok(None) => continue,
                        Err(fault) => {
                            seen.fault = Some(fault);
                            continue;
                        }
                        Ok(Some(head)) => {
                            seen.begins = came - held.bytes.len();
                            let (start, body) = held.bytes.split_at_mut(head.size);
                            head::for_codec(start, head.framing);
                            seen.shown.extend_from_slice(start);
                            seen.head = Some(head);
                            let rest = rest.insert(Rest::of(head.framing));
                            rest.follow(body).map(|size| &body[..size])
                        }
                    }
                }
            };
            match followed {
                Ok(body) => seen.shown.extend_from_slice(body),
                Err(fault) => seen.fault = Some(fault),
            }
            seen.over = rest.as_ref().is_some_and(Rest::is_over);
        }
        seen
    }
}

/// Checks what was read of `stream`, which begins with the final head.
fn check(seen: &Seen, head: &Head, stream: &[u8], head_only: bool) {
    assert!(head.size <= stream.len(), "no more than there was");
    assert!(!head.interim);
    let (text, body) = stream.split_at(head.size);
    let (status, framing) = plain_head(text, head_only).expect("a head that a plain reading takes");
    assert_eq!(head.framing, framing);
    assert!((200..600).contains(&status));

    let shown = seen.shown.get(..head.size).expect("the head is shown");
    let again = head::parse(shown, head_only).expect("still a head");
    assert_eq!(again.map(|head| head.size), Some(head.size));
    assert_eq!(again.map(|head| head.framing), Some(framing));
    let upgrades = |line: &[u8]| {
        let name = line.get(.."upgrade:".len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"upgrade:"))
    };
    assert!(!shown.split(|byte| *byte == b'\n').any(upgrades));

    let Some(plain) = plain_body(framing, body) else {
        assert!(seen.fault.is_some(), "a body that a plain reading refuses");
        return;
    };
    if seen.fault.is_some() {
        assert_eq!(plain.end, None, "a fault in a whole body");
        return;
    }
    assert_eq!(seen.over, plain.end.is_some());
    let used = plain.end.unwrap_or(body.len());
    assert_eq!(&seen.shown[head.size..], &body[..used]);
    // To a request of its own it would know that there is no body.
    if framing != Framing::None {
        let (data, over) = by_the_codec(&seen.shown);
        assert_eq!(data, plain.data);
        // Where it waits for more, as for an empty body in HTTP/1.0, the wire tells it of the end.
        assert!(seen.over || !over, "the codec ends before us");
    }
}

/// The status, and the framing by a plain reading of RFC 9112, section 6.3.
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
            lengths.push(std::str::from_utf8(value).ok()?.parse().ok()?);
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            assert!(value.eq_ignore_ascii_case(b"chunked"));
            codings += 1;
        }
    }
    let framing = match (&lengths[..], codings) {
        ([], 0) => Framing::Close,
        ([length], 0) => Framing::Length(*length),
        ([], 1) => Framing::Chunked,
        _ => return None,
    };
    let none = head_only || matches!(status, 204 | 304);
    Some((status, if none { Framing::None } else { framing }))
}

/// What a plain reading finds in a body.
#[derive(Debug, Default)]
struct Plain {
    data: Vec<u8>,
    /// Where it ends, if it does.
    end: Option<usize>,
}

/// `None` for chunks that are no chunks.
fn plain_body(framing: Framing, body: &[u8]) -> Option<Plain> {
    let length = match framing {
        Framing::Chunked => return plain_chunks(body),
        Framing::Close => usize::MAX,
        _ => usize::try_from(framing.length().unwrap_or_default()).unwrap_or(usize::MAX),
    };
    Some(Plain {
        data: body[..length.min(body.len())].to_vec(),
        end: (length <= body.len()).then_some(length),
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
            plain.end = Some(body.len() - rest.len());
            break;
        }
    }
    Some(plain)
}

/// The first line and what follows it; `Some(None)` while it is not whole, `None` where it is none.
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

thread_local! {
    /// actix-http's settings keep a clock, which needs a runtime to begin in.
    static SETTINGS: (actix_rt::Runtime, ServiceConfig) = {
        let runtime = actix_rt::Runtime::new().expect("a runtime");
        let settings = runtime.block_on(async { ServiceConfig::default() });
        (runtime, settings)
    };
}

/// The data that awc's codec reads of an answer, and whether it thinks that it is over.
fn by_the_codec(answer: &[u8]) -> (Vec<u8>, bool) {
    let settings = SETTINGS.with(|(_, settings)| settings.clone());
    let mut codec = ClientCodec::new(settings);
    let mut bytes = BytesMut::from(answer);
    let head = codec.decode(&mut bytes).expect("a head that awc takes");
    assert!(head.is_some(), "a head that awc finds whole");
    if codec.message_type() == actix_http::h1::MessageType::None {
        return (Vec::new(), true);
    }
    let mut codec = codec.into_payload_codec();
    let mut data = Vec::new();
    loop {
        match codec.decode(&mut bytes).expect("a body that awc takes") {
            Some(Some(chunk)) => data.extend_from_slice(&chunk),
            Some(None) => return (data, true),
            None => return (data, false),
        }
    }
}
