//! Reads the head of an HTTP/1.x answer: the framing (RFC 9112, section 6.3) and the kind of its body. Pure: it takes
//! bytes and returns facts.

use std::{borrow::Cow, mem::MaybeUninit, time::Duration};

use http::StatusCode;

use super::{
    answer::Described,
    coding::Codings,
    keep_alive::{self, Idle},
    media,
};

/// The most fields that a head may have, as some answers set hundreds of cookies. The space for them is on the stack,
/// and isn't touched if there are fewer.
pub(super) const MAX_FIELDS: usize = 256;

/// The end of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body: an answer to HEAD, a 204, a 205 or a 304.
    None,
    /// The body ends after this many bytes.
    Length(u64),
    /// The body ends with the last chunk.
    Chunked,
    /// The body ends with the connection.
    Close,
}

impl Framing {
    /// Returns the declared length of the body, if there is one.
    pub(super) const fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked | Self::Close => None,
        }
    }
}

/// The facts of a whole head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The bytes of the head.
    pub(super) size: usize,
    /// Interim answers (1xx) are followed by another head.
    pub(super) status: StatusCode,
    /// The end of the body.
    pub(super) framing: Framing,
    /// True if the upstream may take another request on the connection (RFC 9112, section 9.3).
    pub(super) lasts: bool,
    /// The time that the connection may then wait for the request, as far as the upstream says.
    pub(super) idle: Idle,
    /// The body's type and encoding.
    pub(super) described: Described,
    /// The time after which the upstream asks for a retry, in seconds (RFC 9110, section 10.2.3). The other form, a
    /// date, depends on two clocks and is not read.
    pub(super) retry_after: Option<Duration>,
}

/// Reads the head at the start of `bytes`; `None` while it is not whole. `head_only` means that the request's method
/// was HEAD.
pub(super) fn parse(bytes: &[u8], head_only: bool) -> Result<Option<Head>, &'static str> {
    let mut space = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut answer,
        bytes,
        &mut space,
    );
    let size = match parsed {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err("the answer's head has more than 256 fields");
        }
        Err(_) => return Err("the answer is not valid HTTP/1.1"),
    };
    let status = answer.code.unwrap_or_default();
    if status == 101 {
        return Err("the upstream switched protocols unasked");
    }
    let status =
        StatusCode::from_u16(status).map_err(|_| "the answer's status is not one of HTTP")?;
    let fields = Fields::read(answer.headers)?;
    if fields.framing == Framing::Chunked && answer.version == Some(0) {
        return Err("the answer is chunked in HTTP/1.0");
    }
    let has_body = !head_only && !matches!(status.as_u16(), 100..200 | 204 | 205 | 304);
    // A 205 has no content (RFC 9110, section 15.3.6). It may still have chunks or a length, and their bytes may
    // follow.
    let is_over = status != StatusCode::RESET_CONTENT || fields.framing == Framing::Length(0);
    Ok(Some(Head {
        size,
        status,
        framing: if has_body {
            fields.framing
        } else {
            Framing::None
        },
        lasts: is_over
            && !fields.close
            && !fields.idle.is_none()
            && (answer.version == Some(1) || fields.keep_alive),
        idle: fields.idle,
        described: Described::new(fields.content_type.as_deref(), fields.codings),
        retry_after: fields.retry_after,
    }))
}

/// The facts in a head's fields.
struct Fields<'a> {
    /// `Close` if the fields don't say.
    framing: Framing,
    close: bool,
    keep_alive: bool,
    idle: Idle,
    content_type: Option<Cow<'a, str>>,
    codings: Option<Box<Codings>>,
    retry_after: Option<Duration>,
}

impl<'a> Fields<'a> {
    fn read(lines: &[httparse::Header<'a>]) -> Result<Self, &'static str> {
        let mut fields = Self {
            framing: Framing::Close,
            close: false,
            keep_alive: false,
            idle: Idle::UNSAID,
            content_type: None,
            codings: None,
            retry_after: None,
        };
        for line in lines {
            // Most fields are of no interest, and the lengths of their names tell which.
            let is = |name: &str| line.name.eq_ignore_ascii_case(name);
            match line.name.len() {
                10 if is("connection") => fields.connection(line.value),
                10 if is("keep-alive") => {
                    fields.idle = fields.idle.min(keep_alive::idle(line.value));
                }
                11 if is("retry-after") && fields.retry_after.is_none() => {
                    fields.retry_after = number(line.value).map(Duration::from_secs);
                }
                12 if is("content-type") => match fields.content_type.take() {
                    None => fields.content_type = Some(text(line.value)),
                    Some(before) => fields.content_type = Some(later(before, line.value)),
                },
                14 if is("content-length") => {
                    fields.frame(Framing::Length(length(line.value)?))?;
                }
                16 if is("content-encoding") => {
                    fields.codings = Codings::add(fields.codings.take(), line.value);
                }
                17 if is("transfer-encoding") => {
                    chunked(line.value)?;
                    fields.frame(Framing::Chunked)?;
                }
                _ => {}
            }
        }
        Ok(fields)
    }

    fn frame(&mut self, framing: Framing) -> Result<(), &'static str> {
        match (self.framing, framing) {
            (Framing::Close, framing) => self.framing = framing,
            // An application and its server may both have sent the field (RFC 9110, section 8.6).
            (Framing::Length(before), Framing::Length(length)) if before == length => {}
            _ => return Err("the answer says its length more than once"),
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

/// Returns a type as text. A type that is not UTF-8 is read as ISO-8859-1, as old servers mean it.
fn text(value: &[u8]) -> Cow<'_, str> {
    // By far the most common type, found by one comparison.
    if value == media::PLAIN_JSON.as_bytes() {
        return Cow::Borrowed(media::PLAIN_JSON);
    }
    let value = value.trim_ascii();
    std::str::from_utf8(value).map_or_else(
        |_| Cow::Owned(value.iter().copied().map(char::from).collect()),
        Cow::Borrowed,
    )
}

/// Returns the last valid type of several, as for one field that lists them.
#[cold]
fn later<'a>(before: Cow<'a, str>, value: &'a [u8]) -> Cow<'a, str> {
    Some(text(value))
        .filter(|text| media::is_type(text))
        .unwrap_or(before)
}

/// Reads a length, or the same one several times: two fields may have become one.
fn length(value: &[u8]) -> Result<u64, &'static str> {
    const NONE: &str = "the answer's length is not a number";
    if let Some(length) = number(value) {
        return Ok(length);
    }
    let mut lengths = value.split(|byte| *byte == b',').map(number);
    let first = lengths.next().flatten().ok_or(NONE)?;
    for length in lengths {
        if length.ok_or(NONE)? != first {
            return Err("the answer says its length more than once");
        }
    }
    Ok(first)
}

/// Takes `chunked` alone. Empty members of its list mean nothing (RFC 9110, section 5.6.1).
fn chunked(value: &[u8]) -> Result<(), &'static str> {
    let members = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let mut members = members.filter(|member| !member.is_empty());
    let is_chunked = |member: Option<&[u8]>| {
        member.is_some_and(|member| member.eq_ignore_ascii_case(b"chunked"))
    };
    if !is_chunked(members.next()) || members.next().is_some() {
        return Err("the answer has an unknown transfer coding");
    }
    Ok(())
}

/// Reads digits and nothing else. A sign is not a digit.
fn number(value: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add((digit - b'0').into()),
        _ => None,
    };
    match value.trim_ascii() {
        [] => None,
        digits => digits.iter().try_fold(0, add),
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
