//! The grammar of a chunked body, line by line (RFC 9112, section 7.1): the sizes of chunks with their extensions, and
//! trailers. A body may be empty, the last chunk alone: proxies that speak HTTP/2 to their clients announce such a body
//! if they can't know that no body comes. It must not know the order of lines, nor the request.

use super::{fault::Fault, grammar};

/// The most digits of a size: as many as the largest number that any parser reads has.
pub(super) const MAX_DIGITS: usize = 16;

/// The kinds of chunked bodies, as far as their beginning shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The size may still become larger than zero.
    Unclear,
    /// The body has content.
    Content,
    /// The body is the last chunk alone. Its line may not be complete yet.
    Last,
}

/// Tells the kind of a body as early as possible.
pub(super) fn beginning(body: &[u8]) -> Result<Beginning, Fault> {
    let zeros = zeros(body);
    if zeros > MAX_DIGITS {
        return Err(Fault::Chunk);
    }
    match body.get(zeros) {
        None => Ok(Beginning::Unclear),
        Some(digit) if digit.is_ascii_hexdigit() => Ok(Beginning::Content),
        Some(b'\r' | b';' | b' ' | b'\t') if zeros > 0 => Ok(Beginning::Last),
        Some(_) => Err(Fault::Chunk),
    }
}

/// Checks the last chunk's line, without its end: `1*("0") [ chunk-ext ]`.
pub(super) fn check(line: &[u8]) -> Result<(), Fault> {
    check_extensions(&line[zeros(line)..])
}

/// Reads the line of any chunk, without its end: `chunk-size [ chunk-ext ]`. Returns the size of the chunk, and that of
/// its extensions.
pub(super) fn size(line: &[u8]) -> Result<(u64, usize), Fault> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    let (digits, extensions) = line.split_at(end.unwrap_or(line.len()));
    if digits.len() > MAX_DIGITS {
        return Err(Fault::Chunk);
    }
    check_extensions(extensions)?;
    let digits = std::str::from_utf8(digits).ok();
    let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    Ok((size.ok_or(Fault::Chunk)?, extensions.len()))
}

fn check_extensions(mut rest: &[u8]) -> Result<(), Fault> {
    while !rest.is_empty() {
        rest = extension(rest).ok_or(Fault::Chunk)?;
    }
    Ok(())
}

/// Checks a line of the trailer section, which adds nothing to the request (RFC 9110, section 6.5.1). A trailer about
/// the request's end or its host is refused: its sender wants it to be taken for a field of the head.
pub(super) fn check_trailer(line: &[u8]) -> Result<(), Fault> {
    let (name, _) = grammar::field(line)?;
    let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
    if ["content-length", "transfer-encoding", "host"]
        .iter()
        .any(is)
    {
        return Err(Fault::Trailer);
    }
    Ok(())
}

fn zeros(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b'0').count()
}

/// Takes one `BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ]` off the front.
fn extension(rest: &[u8]) -> Option<&[u8]> {
    let rest = spaces(rest).strip_prefix(b";")?;
    let after_name = token(spaces(rest))?;
    let Some(value) = spaces(after_name).strip_prefix(b"=") else {
        return Some(after_name);
    };
    match spaces(value) {
        [b'"', quoted @ ..] => after_quote(quoted),
        value => token(value),
    }
}

fn spaces(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    &rest[end.unwrap_or(rest.len())..]
}

fn token(rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().position(|byte| !grammar::is_token_byte(*byte));
    let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
    (!token.is_empty()).then_some(after)
}

/// Returns the rest after a `quoted-string` (RFC 9110, section 5.6.4). The input begins after the first quote.
fn after_quote(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', escaped, after @ ..] if grammar::is_value_byte(*escaped) => after,
            [b'\\', ..] => return None,
            [byte, after @ ..] if grammar::is_value_byte(*byte) => after,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_shows_at_its_first_digit() {
        for (body, beginning) in [
            ("", Beginning::Unclear),
            ("000", Beginning::Unclear),
            ("5", Beginning::Content),
            ("00f", Beginning::Content),
            ("0\r", Beginning::Last),
            ("0000000000000000;a", Beginning::Last),
        ] {
            assert_eq!(super::beginning(body.as_bytes()), Ok(beginning), "{body}");
        }
        for body in ["\r\n", "x", "-0", "+0", "0x0", "0,", ";a", &"0".repeat(17)] {
            assert!(super::beginning(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn extensions_are_what_rfc_9112_says() {
        for line in [
            "0",
            "000",
            "0;a",
            "0 ; a\t= b;c=\"d;\\\"\\\\é\" ; e",
            "0;a=\"\"",
        ] {
            assert_eq!(check(line.as_bytes()), Ok(()), "{line}");
            assert!(size(line.as_bytes()).is_ok(), "{line}");
        }
        for line in [
            "0 ",
            "0;",
            "0;;a",
            "0;a=",
            "0;a b",
            "0;a=\"b",
            "0;a=\"b\\",
            "0;a=\"b\"c",
            "0;a=\"\u{1}\"",
            "0;a\r",
            "0;é",
            "0, 0",
        ] {
            assert_eq!(check(line.as_bytes()), Err(Fault::Chunk), "{line}");
            assert_eq!(size(line.as_bytes()), Err(Fault::Chunk), "{line}");
        }
    }

    #[test]
    fn a_size_is_hexadecimal_and_of_16_digits_at_most() {
        for (line, read) in [
            ("0", (0, 0)),
            ("A", (10, 0)),
            ("00fF;a=b", (255, 4)),
            ("0000000000000001 ;a", (1, 3)),
            ("ffffffffffffffff", (u64::MAX, 0)),
        ] {
            assert_eq!(size(line.as_bytes()), Ok(read), "{line}");
        }
        for line in [
            "",
            ";a",
            "+1",
            "-1",
            "0x1",
            "1_0",
            "g",
            " 1",
            "1 1",
            "1,1",
            "1\r",
            "00000000000000001",
        ] {
            assert_eq!(size(line.as_bytes()), Err(Fault::Chunk), "{line}");
        }
    }

    #[test]
    fn a_trailer_says_nothing_about_the_request() {
        assert_eq!(check_trailer(b"Digest: sha-256=x"), Ok(()));
        for line in ["Content-Length: 0", "transfer-encoding:x", "HOST: a"] {
            assert_eq!(check_trailer(line.as_bytes()), Err(Fault::Trailer));
        }
        assert_eq!(check_trailer(b" folded"), Err(Fault::Folded));
    }
}
