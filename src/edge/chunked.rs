//! A chunked body as its bytes come (RFC 9112, section 7.1). It is strict: a proxy before the gateway might find
//! another end in a body that breaks a rule, and take the rest for a request. `upstream/chunks.rs` takes more, because
//! the servers that answer are known and send what they send. It must not know sockets, nor what the content is for.

use std::mem;

use super::chunk_lines::{self, MAX_DIGITS};
use crate::api::Unread;

/// The most bytes of a body's extensions and trailers together. Nobody reads them.
const MAX_ASIDE: usize = 16 * 1024;

/// The longest line with its end.
const MAX_LINE: usize = MAX_DIGITS + MAX_ASIDE + b"\r\n".len();

/// The progress in a chunked body. Every byte is looked at once, however many pieces it comes in.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    next: Part,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The size of the chunks so far.
    size: usize,
    /// The size of the extensions and trailers so far.
    aside: usize,
}

/// The part that comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Size,
    /// The number of bytes is the rest of the chunk.
    Content(usize),
    Return,
    Feed,
    Trailer,
    Nothing,
}

impl Chunked {
    /// Returns true if the end of the body has come.
    pub(super) fn is_over(&self) -> bool {
        self.next == Part::Nothing
    }

    /// Reads on, and gives the content to `content`. Returns the number of bytes that belong to the body: all of them,
    /// unless it ends among them.
    pub(super) fn follow(
        &mut self,
        bytes: &[u8],
        most: usize,
        mut content: impl FnMut(&[u8]),
    ) -> Result<usize, Unread> {
        let mut rest = bytes;
        while let [first, after @ ..] = rest {
            rest = match (self.next, first) {
                (Part::Size | Part::Trailer, _) => self.follow_line(rest, most)?,
                (Part::Content(left), _) => {
                    let (piece, after) = rest.split_at(left.min(rest.len()));
                    content(piece);
                    self.next = match left - piece.len() {
                        0 => Part::Return,
                        left => Part::Content(left),
                    };
                    after
                }
                (Part::Return, b'\r') => {
                    self.next = Part::Feed;
                    after
                }
                (Part::Feed, b'\n') => {
                    self.next = Part::Size;
                    after
                }
                (Part::Return | Part::Feed, _) => return Err(Unread::Malformed),
                (Part::Nothing, _) => break,
            };
        }
        Ok(bytes.len() - rest.len())
    }

    /// Takes the next line, or as much of it as has come. Returns the bytes after it.
    fn follow_line<'a>(&mut self, bytes: &'a [u8], most: usize) -> Result<&'a [u8], Unread> {
        let feed = bytes.iter().position(|byte| *byte == b'\n');
        let (piece, after) = bytes.split_at(feed.map_or(bytes.len(), |feed| feed + 1));
        if self.line.len() + piece.len() > MAX_LINE {
            return Err(Unread::Malformed);
        }
        if feed.is_some() && self.line.is_empty() {
            self.end_line(piece, most)?;
            return Ok(after);
        }
        self.line.extend_from_slice(piece);
        if feed.is_some() {
            let line = mem::take(&mut self.line);
            self.end_line(&line, most)?;
        } else if self.next == Part::Size && !self.line[0].is_ascii_hexdigit() {
            // A client that sends no chunks would wait in vain.
            return Err(Unread::Malformed);
        }
        Ok(after)
    }

    fn end_line(&mut self, line: &[u8], most: usize) -> Result<(), Unread> {
        let line = line.strip_suffix(b"\r\n").ok_or(Unread::Malformed)?;
        match self.next {
            Part::Trailer if line.is_empty() => self.next = Part::Nothing,
            Part::Trailer => {
                self.count(line.len())?;
                chunk_lines::check_trailer(line).map_err(|_| Unread::Malformed)?;
            }
            _ => {
                let (size, extensions) = chunk_lines::size(line).map_err(|_| Unread::Malformed)?;
                self.count(extensions)?;
                let size = usize::try_from(size).map_err(|_| Unread::TooLarge)?;
                let all = self.size.checked_add(size).filter(|all| *all <= most);
                self.size = all.ok_or(Unread::TooLarge)?;
                self.next = match size {
                    0 => Part::Trailer,
                    size => Part::Content(size),
                };
            }
        }
        Ok(())
    }

    fn count(&mut self, aside: usize) -> Result<(), Unread> {
        self.aside += aside;
        if self.aside > MAX_ASIDE {
            return Err(Unread::Malformed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads these bytes at once. Returns the number of bytes that belong to the body, its content, and its end.
    fn read(bytes: &[u8], most: usize) -> Result<(usize, Vec<u8>, bool), Unread> {
        let mut chunked = Chunked::default();
        let mut content = Vec::new();
        let used = chunked.follow(bytes, most, |piece| content.extend_from_slice(piece))?;
        Ok((used, content, chunked.is_over()))
    }

    const WHOLE: &[u8] =
        b"4;a=\"b\" ; c\r\n\r\n\r\n\r\n00A\r\n0123456789\r\n0;d\r\na: b\r\nc:\r\n\r\n";

    #[test]
    fn a_body_is_over_with_its_last_byte_and_no_byte_behind_it_is_taken() {
        let content = b"\r\n\r\n0123456789".to_vec();
        let bytes = [WHOLE, b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&bytes, 14), Ok((WHOLE.len(), content.clone(), true)));
        for first in 0..WHOLE.len() {
            let mut chunked = Chunked::default();
            let mut read = Vec::new();
            let used = chunked.follow(&bytes[..first], 14, |piece| read.extend_from_slice(piece));
            assert_eq!(used, Ok(first));
            assert!(!chunked.is_over());
            let used = chunked.follow(&bytes[first..], 14, |piece| read.extend_from_slice(piece));
            assert_eq!(used, Ok(WHOLE.len() - first));
            assert!(chunked.is_over());
            assert_eq!(read, content);
        }
    }

    #[test]
    fn a_byte_that_must_not_be_there_is_refused_there() {
        for bytes in [
            &b"g"[..],
            b"\r",
            b"\n",
            b" 1",
            b"{\"a\":1}",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b"1 \r\n",
            b"1\n",
            b"1\ra\r\n",
            b"1;\r\n",
            b"1;a=\"\r\"\r\n",
            b"1;a=\"\n\"\r\n",
            b"1\r\nab",
            b"1\r\na\n",
            b"1\r\na\rb",
            b"1\r\na\r\n\r\n",
            b"0\n",
            b"0\r\n\n",
            b"0\r\na\nb",
            b"0\r\na\r\n",
            b"0\r\n a: b\r\n",
            b"0\r\na : b\r\n",
            b"0\r\na: b\rc\r\n",
            b"0\r\nContent-Length: 1\r\n",
            b"0\r\nGET / HTTP/1.1\r\n",
            b"00000000000000001\r\n",
        ] {
            assert_eq!(read(bytes, 100), Err(Unread::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_body_is_too_large_as_soon_as_a_chunk_says_so() {
        assert_eq!(read(b"5\r\nabcde\r\n0\r\n", 5).unwrap().1, b"abcde");
        for bytes in [
            &b"6\r\n"[..],
            b"5\r\nabcde\r\n1\r\n",
            b"ffffffffffffffff\r\n",
            b"1\r\na\r\nffffffffffffffff\r\n",
        ] {
            assert_eq!(read(bytes, 5), Err(Unread::TooLarge), "{bytes:?}");
        }
        // A broken line says nothing.
        assert_eq!(read(b"6;\r\n", 5), Err(Unread::Malformed));
    }

    #[test]
    fn extensions_and_trailers_have_one_bound_and_content_has_its_own() {
        let name = |size: usize| "a".repeat(size);
        let with = |extension: usize, trailer: usize| {
            format!(
                "1;{}\r\na\r\n0\r\n{}:\r\n\r\n",
                name(extension),
                name(trailer)
            )
        };
        let half = MAX_ASIDE / 2 - 1;
        assert!(read(with(half, half).as_bytes(), 1).unwrap().2);
        for body in [
            with(half + 1, half),
            with(half, half + 1),
            format!("1;{}", name(MAX_LINE)),
            format!("0\r\n{}", name(MAX_LINE + 1)),
            "1;a\r\na\r\n".repeat(MAX_ASIDE / 2 + 1),
        ] {
            assert_eq!(read(body.as_bytes(), MAX_LINE), Err(Unread::Malformed));
        }
        let many = b"1\r\na\r\n".repeat(MAX_LINE);
        assert_eq!(read(&many, MAX_LINE).unwrap().1.len(), MAX_LINE);
    }
}
