//! Reads the head of an HTTP/1.x answer for what decides its framing (RFC 9112, section 6.3) and what its body is. Pure:
//! bytes in, facts out.

use std::{borrow::Cow, mem::MaybeUninit, time::Duration};

use http::StatusCode;

use super::{
    answer::Described,
    coding::Codings,
    keep_alive::{self, Idle},
    media,
};

/// The most fields that a head may have: some answers set hundreds of cookies. The space for them is on the stack, and isn't
/// touched where there are fewer.
pub(super) const MAX_FIELDS: usize = 256;

/// The end of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none: an answer to HEAD, a 204, a 205 or a 304.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

impl Framing {
    /// The bytes of body there will be, where that is declared.
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
    /// The upstream may take another request on the connection (RFC 9112, section 9.3).
    pub(super) lasts: bool,
    /// The time that the connection may then wait for it, as far as the upstream says.
    pub(super) idle: Idle,
    /// The body's type and encoding.
    pub(super) described: Described,
    /// The time after which it wants to be asked again, in seconds (RFC 9110, section 10.2.3). The other form, a date, is not worth
    /// trusting two clocks for.
    pub(super) retry_after: Option<Duration>,
}

/// Reads the head at the start of `bytes`; `None` while it is not whole. `head_only`: the request's method was HEAD.
pub(super) fn parse(bytes: &[u8], head_only: bool) -> Result<Option<Head>, &'static str> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut answer,
        bytes,
        &mut fields,
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
        StatusCode::from_u16(status).map_err(|_| "the answer's status is none of HTTP's")?;
    let said = Said::by(answer.headers)?;
    if said.framing == Framing::Chunked && answer.version == Some(0) {
        return Err("the answer is chunked in HTTP/1.0");
    }
    let has_body = !head_only && !matches!(status.as_u16(), 100..200 | 204 | 205 | 304);
    // A 205 has no content (RFC 9110, section 15.3.6), but may have chunks or a length, and what belongs to them may follow.
    let is_over = status != StatusCode::RESET_CONTENT || said.framing == Framing::Length(0);
    Ok(Some(Head {
        size,
        status,
        framing: if has_body {
            said.framing
        } else {
            Framing::None
        },
        lasts: is_over
            && !said.close
            && !said.idle.is_none()
            && (answer.version == Some(1) || said.keep_alive),
        idle: said.idle,
        described: Described::new(said.content_type.as_deref(), said.codings),
        retry_after: said.retry_after,
    }))
}

/// The facts in a head's fields.
struct Said<'a> {
    /// `Close` where they say nothing.
    framing: Framing,
    close: bool,
    keep_alive: bool,
    idle: Idle,
    content_type: Option<Cow<'a, str>>,
    codings: Option<Box<Codings>>,
    retry_after: Option<Duration>,
}

impl<'a> Said<'a> {
    fn by(fields: &[httparse::Header<'a>]) -> Result<Self, &'static str> {
        let mut said = Self {
            framing: Framing::Close,
            close: false,
            keep_alive: false,
            idle: Idle::UNSAID,
            content_type: None,
            codings: None,
            retry_after: None,
        };
        for field in fields {
            // Most fields are of no interest, which their names' lengths tell.
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            match field.name.len() {
                10 if is("connection") => said.connection(field.value),
                10 if is("keep-alive") => said.idle = said.idle.min(keep_alive::idle(field.value)),
                11 if is("retry-after") && said.retry_after.is_none() => {
                    said.retry_after = number(field.value).map(Duration::from_secs);
                }
                12 if is("content-type") => match said.content_type.take() {
                    None => said.content_type = Some(text(field.value)),
                    Some(before) => said.content_type = Some(later(before, field.value)),
                },
                14 if is("content-length") => {
                    said.frame(Framing::Length(length(field.value)?))?;
                }
                16 if is("content-encoding") => {
                    said.codings = Codings::add(said.codings.take(), field.value);
                }
                17 if is("transfer-encoding") => {
                    chunked(field.value)?;
                    said.frame(Framing::Chunked)?;
                }
                _ => {}
            }
        }
        Ok(said)
    }

    fn frame(&mut self, framing: Framing) -> Result<(), &'static str> {
        match (self.framing, framing) {
            (Framing::Close, framing) => self.framing = framing,
            // An application and its server may both have said it (RFC 9110, section 8.6).
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

/// A type as text: what is no UTF-8 is taken for ISO-8859-1, as old servers mean it.
fn text(value: &[u8]) -> Cow<'_, str> {
    // By far the most common, and found by one comparison.
    if value == media::PLAIN_JSON.as_bytes() {
        return Cow::Borrowed(media::PLAIN_JSON);
    }
    let value = value.trim_ascii();
    std::str::from_utf8(value).map_or_else(
        |_| Cow::Owned(value.iter().copied().map(char::from).collect()),
        Cow::Borrowed,
    )
}

/// Of several types the last that is one, as for one field that lists them.
#[cold]
fn later<'a>(before: Cow<'a, str>, value: &'a [u8]) -> Cow<'a, str> {
    Some(text(value))
        .filter(|text| media::is_type(text))
        .unwrap_or(before)
}

/// A length, or the same one several times: two fields may have become one.
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

/// Takes `chunked` alone; empty members of its list mean nothing (RFC 9110, section 5.6.1).
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

/// Digits and nothing else; a sign is no digit.
fn number(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(head: &str) -> Result<Framing, &'static str> {
        parse(head.as_bytes(), false).map(|head| head.expect("whole").framing)
    }

    #[test]
    fn a_head_is_unknown_until_its_empty_line() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        for cut in 0..head.len() {
            assert_eq!(parse(&head.as_bytes()[..cut], false), Ok(None), "{cut}");
        }
        assert_eq!(framing(head), Ok(Framing::Length(4)));
    }

    #[test]
    fn a_body_without_a_declared_end_ends_with_the_connection() {
        assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n"), Ok(Framing::Close));
        assert_eq!(framing("HTTP/1.0 200 OK\r\n\r\n"), Ok(Framing::Close));
    }

    #[test]
    fn answers_that_have_no_body_have_none_whatever_they_declare() {
        for status in ["204 No Content", "304 Not Modified"] {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\n");
            assert_eq!(framing(&head), Ok(Framing::None));
        }
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(parse(head, true).unwrap().unwrap().framing, Framing::None);
    }

    #[test]
    fn an_end_declared_twice_is_refused() {
        for fields in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: 3, 4\r\n",
            "Content-Length: 3, 3\r\nContent-Length: 3, 4\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(
                framing(&head),
                Err("the answer says its length more than once")
            );
        }
    }

    #[test]
    fn a_type_is_read_whole_whatever_its_parameters_are_written_in() {
        for (value, shown) in [
            (
                &b"text/csv; name=\"caf\xe9\""[..],
                "text/csv; name=\"caf\u{e9}\"",
            ),
            (
                b"text/csv; name=\"caf\xc3\xa9\"",
                "text/csv; name=\"caf\u{e9}\"",
            ),
            (
                b" application/vnd.x; name=\"\xe9\"; charset=utf-8\t",
                "application/vnd.x; name=\"\u{e9}\"; charset=utf-8",
            ),
            (b"application/\xe9+json", "application/\u{e9}+json"),
        ] {
            let head = [
                &b"HTTP/1.1 200 OK\r\nContent-Type: "[..],
                value,
                b"\r\n\r\n",
            ]
            .concat();
            let head = parse(&head, false).unwrap().unwrap();
            assert_eq!(head.described, Described::new(Some(shown), None));
        }
    }

    #[test]
    fn the_same_length_said_again_is_taken() {
        for fields in [
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: 3,3 ,\t003\r\nA: b\r\ncontent-length: 3\r\n",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(framing(&head), Ok(Framing::Length(3)), "{fields}");
        }
    }

    #[test]
    fn chunks_are_chunks_however_they_are_written_and_no_other_coding_is() {
        for value in ["chunked", "Chunked", "CHUNKED", ", chunked", "chunked ,,"] {
            let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n");
            assert_eq!(framing(&head), Ok(Framing::Chunked), "{value}");
        }
        for value in [
            "",
            ",",
            "gzip",
            "gzip, chunked",
            "chunked, chunked",
            "chunked;a=b",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {value}\r\n\r\n");
            assert!(framing(&head).is_err(), "{value}");
        }
    }

    #[test]
    fn a_205_has_no_body_and_its_connection_lasts_only_where_its_end_is_sure() {
        for (fields, lasts) in [
            ("", false),
            ("Content-Length: 0\r\n", true),
            ("Content-Length: 0\r\nConnection: close\r\n", false),
            ("Content-Length: 4\r\n", false),
            ("Transfer-Encoding: chunked\r\n", false),
        ] {
            let head = format!("HTTP/1.1 205 Reset Content\r\n{fields}\r\n");
            let head = parse(head.as_bytes(), false).unwrap().unwrap();
            assert_eq!(
                (head.framing, head.lasts),
                (Framing::None, lasts),
                "{fields}"
            );
        }
    }

    #[test]
    fn a_head_has_up_to_256_fields() {
        let head = |fields: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(fields));
        assert_eq!(framing(&head(MAX_FIELDS)), Ok(Framing::Close));
        assert_eq!(
            framing(&head(MAX_FIELDS + 1)),
            Err("the answer's head has more than 256 fields")
        );
    }

    #[test]
    fn lengths_that_are_no_numbers_are_refused() {
        for value in [
            "+3",
            "-3",
            "0x3",
            "3,",
            ",3",
            "3, x",
            "3;3",
            "",
            "3 3",
            "99999999999999999999999",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n");
            assert_eq!(framing(&head), Err("the answer's length is not a number"));
        }
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for bytes in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        ] {
            assert!(parse(bytes.as_bytes(), false).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_time_to_ask_again_is_a_number_of_seconds() {
        for (value, seconds) in [("3", Some(3)), ("soon", None), ("-1", None)] {
            let head = format!("HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\n\r\n");
            let head = parse(head.as_bytes(), false).unwrap().unwrap();
            assert_eq!(head.retry_after, seconds.map(Duration::from_secs));
        }
    }

    #[test]
    fn statuses_that_the_gateway_cannot_mean_are_refused() {
        assert!(framing("HTTP/1.1 101 Switching Protocols\r\n\r\n").is_err());
        assert!(framing("HTTP/1.1 099 Below\r\n\r\n").is_err());
        assert!(framing("HTTP/1.1 000 Below\r\n\r\n").is_err());
        // RFC 9110, section 15: a client takes them for failures of the server.
        for status in [600, 999] {
            let head = format!("HTTP/1.1 {status} Beyond\r\n\r\n");
            let head = parse(head.as_bytes(), false).unwrap().unwrap();
            assert_eq!(head.status.as_u16(), status);
        }
    }

    #[test]
    fn a_connection_lasts_by_its_version_and_what_the_answer_says() {
        for (head, lasts) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: x , Close\r\n\r\n", false),
            (
                "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nconnection: close\r\n\r\n",
                false,
            ),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n", false),
            (
                "HTTP/1.0 200 OK\r\nA: b\r\nconnection: x, Keep-Alive\r\n\r\n",
                true,
            ),
        ] {
            let parsed = parse(head.as_bytes(), false).unwrap().unwrap();
            assert_eq!(parsed.lasts, lasts, "{head}");
        }
    }

    #[test]
    fn of_several_times_to_idle_the_shortest_holds_in_either_version() {
        for (head, idle) in [
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            (
                "HTTP/1.1 200 OK\r\nkeep-alive: timeout=9\r\nKEEP-ALIVE: timeout=3\r\n\r\n",
                Some(2),
            ),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=3, max=9\r\n\r\n",
                Some(2),
            ),
        ] {
            let parsed = parse(head.as_bytes(), false).unwrap().unwrap();
            assert!(parsed.lasts, "{head}");
            assert_eq!(
                parsed.idle.time(),
                idle.map_or(Idle::UNSAID.time(), Duration::from_secs),
                "{head}"
            );
        }
        let none_left = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\n\r\n";
        assert!(!parse(none_left, false).unwrap().unwrap().lasts);
    }
}
