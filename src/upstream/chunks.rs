//! Takes a chunked body (RFC 9112, section 7.1) apart, to its end. Pure: bytes in, data out, nothing kept.

/// The longest size line with its extensions, and the longest trailers, in bytes. No answer needs more.
const MAX_ASIDE: usize = 16 * 1024;

const INVALID: &str = "the upstream's chunks are not valid HTTP/1.1";

/// The progress in a chunked body.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// The number of bytes since the last byte of data.
    aside: usize,
}

/// The part that comes next. The numbers are a chunk's size, or the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FirstDigit,
    Digit(u64),
    AfterSize(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    End,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self {
            state: State::FirstDigit,
            aside: 0,
        }
    }

    /// Returns true if the last chunk and its trailers have come.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::End
    }

    /// Reads the next `bytes` of the wire, and gives the data among them to `data`. Returns how many of them belong to
    /// the body: all, unless the body ends among them.
    pub(super) fn follow<E: From<&'static str>>(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut used = 0;
        while used < bytes.len() && !self.is_over() {
            if let State::Data(left) = self.state {
                let here = bytes.len() - used;
                let size = usize::try_from(left).map_or(here, |left| left.min(here));
                data(&bytes[used..used + size])?;
                used += size;
                self.aside = 0;
                self.state = match left - size as u64 {
                    0 => State::DataCr,
                    left => State::Data(left),
                };
                continue;
            }
            self.state = self.state.after(bytes[used]).ok_or(E::from(INVALID))?;
            used += 1;
            self.aside += 1;
            if self.aside > MAX_ASIDE {
                return Err(INVALID.into());
            }
        }
        Ok(used)
    }
}

impl State {
    /// Returns the state after `byte`, or `None` if `byte` is not allowed here.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::FirstDigit, _) => Self::Digit(digit(byte)?),
            (Self::Digit(size) | Self::AfterSize(size), b' ' | b'\t') => Self::AfterSize(size),
            (Self::Digit(size) | Self::AfterSize(size), b';') => Self::Extension(size),
            (Self::Digit(size) | Self::AfterSize(size) | Self::Extension(size), b'\r') => {
                Self::SizeLf(size)
            }
            (Self::Digit(size), _) => Self::Digit(size.checked_mul(16)? | digit(byte)?),
            (Self::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => Self::Extension(size),
            (Self::SizeLf(0), b'\n') => Self::TrailerStart,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::FirstDigit,
            (Self::TrailerStart, b'\r') => Self::LastLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::TrailerStart | Self::Trailer, b'\t' | b' '..=b'~' | 0x80..) => Self::Trailer,
            (Self::TrailerLf, b'\n') => Self::TrailerStart,
            (Self::LastLf, b'\n') => Self::End,
            _ => return None,
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Chunks {
        /// Returns the number of bytes that belong to the body, and its data.
        fn read(&mut self, bytes: &[u8]) -> Result<(usize, Vec<u8>), &'static str> {
            let mut data = Vec::new();
            let used = self.follow(bytes, |piece| {
                data.extend_from_slice(piece);
                Ok::<_, &'static str>(())
            })?;
            Ok((used, data))
        }
    }

    const WHOLE: &[u8] =
        b"4;a=\"b\" ; c\r\n\r\n\r\n\r\n00A \t\r\n0123456789\r\n0\r\na: b\r\nc:\r\n\r\n";

    #[test]
    fn a_body_is_over_with_its_last_byte_however_it_is_cut_up() {
        for first in 0..WHOLE.len() {
            let mut chunks = Chunks::new();
            let (start, rest) = WHOLE.split_at(first);
            let (used, mut data) = chunks.read(start).unwrap();
            assert!(used == first && !chunks.is_over(), "{first}");
            let (used, more) = chunks.read(rest).unwrap();
            assert!(used == rest.len() && chunks.is_over());
            data.extend(more);
            assert_eq!(data, b"\r\n\r\n0123456789");
        }
    }

    #[test]
    fn what_follows_the_body_does_not_belong_to_it() {
        let mut chunks = Chunks::new();
        let bytes = [WHOLE, b"HTTP/1.1 200 OK\r\n"].concat();
        assert_eq!(chunks.read(&bytes).unwrap().0, WHOLE.len());
        assert_eq!(chunks.read(b"x"), Ok((0, Vec::new())));
    }

    #[test]
    fn what_must_not_stand_somewhere_is_refused_there() {
        for bytes in [
            &b"g"[..],
            b"\r\n",
            b";a\r\n",
            b"-1\r\n",
            b"1 1\r\n",
            b"1\n",
            b"1\rx",
            b"1;\0\r\n",
            b"1\r\nab",
            b"1\r\na\rb",
            b"0\r\na\nb",
            b"0\r\na\rb",
            b"0\r\n\rx",
            b"11111111111111111\r\n",
        ] {
            assert_eq!(Chunks::new().read(bytes), Err(INVALID), "{bytes:?}");
        }
    }

    #[test]
    fn sizes_go_as_far_as_their_type() {
        let mut chunks = Chunks::new();
        let read = chunks.read(b"ffffffffffffffff\r\nabc");
        assert_eq!(read, Ok((21, b"abc".to_vec())));
        assert_eq!(chunks.state, State::Data(u64::MAX - 3));
    }

    #[test]
    fn extensions_and_trailers_have_an_end_and_data_needs_none() {
        let long = vec![b'a'; MAX_ASIDE + 1];
        for start in [&b"1;"[..], b"0\r\n"] {
            let mut chunks = Chunks::new();
            assert_eq!(chunks.read(start), Ok((start.len(), Vec::new())));
            assert_eq!(chunks.read(&long), Err(INVALID));
        }
        let mut chunks = Chunks::new();
        let many = b"1\r\na\r\n".repeat(MAX_ASIDE);
        assert_eq!(chunks.read(&many).unwrap().0, many.len());
    }
}
