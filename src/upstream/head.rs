//! Reads the head of an HTTP/1.x answer for what decides its framing (RFC 9112, section 6.3). Pure: bytes in, facts out.

/// As many header fields as awc's codec takes.
const MAX_FIELDS: usize = 96;

/// How an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none: an answer to HEAD, a 204 or a 304.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    Close,
}

impl Framing {
    /// How many bytes of body there will be, where that is declared.
    pub(super) const fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked | Self::Close => None,
        }
    }
}

/// What a whole head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// How many bytes the head takes.
    pub(super) size: usize,
    /// It is an interim answer (1xx): another head follows.
    pub(super) interim: bool,
    /// How the body ends.
    pub(super) framing: Framing,
    /// The upstream may take another request on the connection. Where it says the contrary, the codec sees to it.
    pub(super) lasts: bool,
}

/// Reads the head at the start of `bytes`; `None` while it is not whole. `head_only`: the request's method was HEAD.
pub(super) fn parse(bytes: &[u8], head_only: bool) -> Result<Option<Head>, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    let size = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err("the answer's head has too many fields");
        }
        Err(_) => return Err("the answer is not valid HTTP/1.1"),
    };
    let status = answer.code.unwrap_or_default();
    if status == 101 {
        return Err("the upstream switched protocols unasked");
    }
    if !(100..600).contains(&status) {
        return Err("the answer's status is none of HTTP's");
    }
    let declared = declared(answer.headers)?;
    if declared == Framing::Chunked && answer.version == Some(0) {
        return Err("the answer is chunked in HTTP/1.0");
    }
    let framing = if head_only || matches!(status, 100..200 | 204 | 304) {
        Framing::None
    } else {
        declared
    };
    Ok(Some(Head {
        size,
        interim: status < 200,
        framing,
        lasts: answer.version == Some(1) || keeps_alive(answer.headers),
    }))
}

/// Whether an answer in HTTP/1.0 asks for more requests (RFC 9112, section 9.3).
fn keeps_alive(fields: &[httparse::Header<'_>]) -> bool {
    let mut options = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("connection"))
        .flat_map(|field| field.value.split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"keep-alive"))
}

/// What the fields say of the body; `Close` where they say nothing.
fn declared(fields: &[httparse::Header<'_>]) -> Result<Framing, &'static str> {
    let mut framing = Framing::Close;
    for field in fields {
        let next = if field.name.eq_ignore_ascii_case("content-length") {
            Framing::Length(length(field.value).ok_or("the answer's length is not a number")?)
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if !field.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err("the answer has an unknown transfer coding");
            }
            Framing::Chunked
        } else {
            continue;
        };
        if framing != Framing::Close {
            return Err("the answer says its length more than once");
        }
        framing = next;
    }
    Ok(framing)
}

/// Digits and nothing else; a sign is no digit.
fn length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Changes a whole head, without changing its size, so that awc's codec reads the body that belongs to it:
///
/// - one that ends with the connection becomes one of HTTP/1.0, which the codec reads to the end;
/// - an offer to upgrade, for which the codec forgets the length, becomes a field that means nothing.
pub(super) fn for_codec(head: &mut [u8], framing: Framing) {
    const MINOR: usize = "HTTP/1.".len();
    const UPGRADE: &[u8] = b"upgrade:";
    // Empty lines before the status line are none of its own.
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = head.iter().take_while(|byte| is_line_end(byte)).count();
    if framing == Framing::Close
        && let Some(minor) = head.get_mut(start + MINOR)
    {
        *minor = b'0';
    }
    for line in head.split_mut(|byte| *byte == b'\n') {
        if let Some((name, _)) = line.split_at_mut_checked(UPGRADE.len())
            && name.eq_ignore_ascii_case(UPGRADE)
        {
            name[0] = b'x';
        }
    }
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
            "Content-Length: 3\r\nContent-Length: 3\r\n",
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
    fn lengths_that_are_no_numbers_are_refused() {
        for value in [
            "+3",
            "-3",
            "0x3",
            "3, 3",
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
    fn statuses_that_the_gateway_cannot_mean_are_refused() {
        assert!(framing("HTTP/1.1 101 Switching Protocols\r\n\r\n").is_err());
        assert!(framing("HTTP/1.1 600 Beyond\r\n\r\n").is_err());
        assert!(framing("HTTP/1.1 099 Below\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_in_http_1_0_lasts_only_where_it_says_so() {
        for (head, lasts) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
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
    fn the_codec_is_shown_what_makes_it_read_the_body() {
        for (framing, head, shown) in [
            (
                Framing::Close,
                "\r\n\nHTTP/1.1 200 OK\r\n\r\n",
                "\r\n\nHTTP/1.0 200 OK\r\n\r\n",
            ),
            (
                Framing::Length(1),
                "HTTP/1.1 200 upgrade:\r\nUpgrade: a\r\nupgrade:b\r\nx-upgrade: c\r\nupgrad: d\r\n\r\n",
                "HTTP/1.1 200 upgrade:\r\nxpgrade: a\r\nxpgrade:b\r\nx-upgrade: c\r\nupgrad: d\r\n\r\n",
            ),
        ] {
            let mut bytes = head.as_bytes().to_vec();
            for_codec(&mut bytes, framing);
            assert_eq!(String::from_utf8_lossy(&bytes), shown);
            assert!(parse(&bytes, false).unwrap().is_some());
        }
    }
}
