//! Inflates a compressed body. It works in steps, so that a worker's other requests have their turns, and never exceeds
//! the body's bounds. It must not know what the body says.

use std::time::{Duration, Instant};

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use tokio::task::yield_now;

use super::{body::Growing, broken::protocol, coding::Format, whole::Packed};
use crate::fanout::{Failure, Reply};

/// The time that it works before others have a turn. It is measured by the clock, as the same number of bytes may cost
/// little or much.
const TURN: Duration = Duration::from_micros(300);

/// The part of the body that is read in one step, in bytes. In a hostile body, each dozen bytes may need a new table.
const STEP_IN: usize = 4 * 1024;

/// The most that is inflated in one step, in bytes.
const STEP_OUT: usize = 32 * 1024;

/// Inflates the body and judges the result.
///
/// # Errors
/// `protocol` if the body does not match its coding or is cut short, `too_large` if it takes too much, or any failure
/// of a plain body.
pub(super) async fn unpack(packed: Packed<'_>) -> Result<Reply, Failure> {
    let Packed {
        format,
        bytes,
        mut body,
        rest,
    } = packed;
    let inflated = inflate(format, &bytes, &mut body).await;
    drop(bytes);
    rest.judge(inflated.map(|()| body))
}

async fn inflate(format: Format, bytes: &[u8], body: &mut Growing<'_>) -> Result<(), Failure> {
    let mut inflater = Inflater::new(format, bytes);
    let mut space = vec![0; STEP_OUT];
    // This is not tokio's clock, which tests may stop. The worker's real time counts.
    let mut since = Instant::now();
    loop {
        match inflater.step(&mut space) {
            Ok(Step::More(size)) => body.push(&space[..size])?,
            Ok(Step::Last(size)) => return body.push(&space[..size]),
            Ok(Step::Again) => body.clear(),
            Err(fault) => {
                let name = format.name();
                return Err(protocol(match fault {
                    Fault::Cut => format!("the upstream cut its {name} short"),
                    Fault::Broken => format!("the upstream's {name} is broken"),
                }));
            }
        }
        if since.elapsed() >= TURN {
            yield_now().await;
            since = Instant::now();
        }
    }
}

/// The result of a step. The numbers count the bytes at the start of its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// More bytes may follow.
    More(usize),
    /// The body is at its end.
    Last(usize),
    /// All bytes so far are void, and inflating begins again.
    Again,
}

/// The reason why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Cut,
    Broken,
}

/// A compressed body, as far as it is inflated. Bytes after its end, mostly line ends, are ignored, as in browsers.
enum Inflater<'a> {
    Gzip(Gzip<'a>),
    Deflate(Deflate<'a>),
    Brotli(Box<Brotli<'a>>),
}

impl<'a> Inflater<'a> {
    fn new(format: Format, bytes: &'a [u8]) -> Self {
        match format {
            Format::Gzip => Self::Gzip(Gzip {
                data: Deflate::new(bytes, false),
                sum: None,
            }),
            Format::Deflate => Self::Deflate(Deflate::new(bytes, is_zlib(bytes))),
            Format::Brotli => Self::Brotli(Box::new(Brotli::new(bytes))),
        }
    }

    fn step(&mut self, output: &mut [u8]) -> Result<Step, Fault> {
        match self {
            Self::Gzip(gzip) => gzip.step(output),
            Self::Deflate(deflate) => Ok(match deflate.step(output)? {
                (size, true) => Step::Last(size),
                (size, false) => Step::More(size),
            }),
            Self::Brotli(brotli) => brotli.step(output),
        }
    }
}

/// Returns true if deflated bytes have zlib's header (RFC 1950), as they should. Some servers leave it out. No encoder
/// begins a bare stream (RFC 1951) with bytes that look like the header.
fn is_zlib(bytes: &[u8]) -> bool {
    let is_method = |first: u8| first & 0x0f == 8 && first >> 4 <= 7;
    match *bytes {
        [first, second, ..] => {
            is_method(first) && u16::from_be_bytes([first, second]).is_multiple_of(31)
        }
        [first] => is_method(first),
        [] => true,
    }
}

/// Deflated bytes (RFC 1951) that are not inflated yet.
struct Deflate<'a> {
    bytes: &'a [u8],
    engine: Decompress,
}

impl<'a> Deflate<'a> {
    fn new(bytes: &'a [u8], zlib: bool) -> Self {
        Self {
            bytes,
            engine: Decompress::new(zlib),
        }
    }

    /// Returns the number of bytes that a step has brought, and true at the stream's end.
    fn step(&mut self, output: &mut [u8]) -> Result<(usize, bool), Fault> {
        let input = &self.bytes[..self.bytes.len().min(STEP_IN)];
        let (read, written) = (self.engine.total_in(), self.engine.total_out());
        let status = self
            .engine
            .decompress(input, output, FlushDecompress::None)
            .map_err(|_| Fault::Broken)?;
        let since = |before, now: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let read = since(read, self.engine.total_in());
        let written = since(written, self.engine.total_out());
        let is_over = status == Status::StreamEnd;
        if read == 0 && written == 0 && !is_over {
            // The engine wants more bytes, and there are none.
            return Err(if input.is_empty() {
                Fault::Cut
            } else {
                Fault::Broken
            });
        }
        self.bytes = &self.bytes[read..];
        Ok((written, is_over))
    }
}

/// The members of a gzip file, one after another (RFC 1952).
struct Gzip<'a> {
    data: Deflate<'a>,
    /// The checksum of the member that has begun.
    sum: Option<Crc>,
}

impl Gzip<'_> {
    fn step(&mut self, output: &mut [u8]) -> Result<Step, Fault> {
        let Some(sum) = &mut self.sum else {
            let size = header(self.data.bytes)?;
            self.data.bytes = &self.data.bytes[size..];
            self.sum = Some(Crc::new());
            return Ok(Step::More(0));
        };
        let (size, is_over) = self.data.step(output)?;
        sum.update(&output[..size]);
        if !is_over {
            return Ok(Step::More(size));
        }
        let (end, rest) = self.data.bytes.split_first_chunk().ok_or(Fault::Cut)?;
        let expected = u64::from(sum.amount()) << 32 | u64::from(sum.sum());
        if u64::from_le_bytes(*end) != expected {
            return Err(Fault::Broken);
        }
        match rest {
            [0x1f, 0x8b, ..] => {
                self.data.bytes = rest;
                self.data.engine.reset(false);
                self.sum = None;
                Ok(Step::More(size))
            }
            [0x1f] => Err(Fault::Cut),
            _ => Ok(Step::Last(size)),
        }
    }
}

/// Counts the bytes of a member's header.
fn header(bytes: &[u8]) -> Result<usize, Fault> {
    const SUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0xe0;
    let start = [0x1f, 0x8b, 8];
    if !bytes.starts_with(&start[..bytes.len().min(start.len())]) {
        return Err(Fault::Broken);
    }
    let flags = *bytes.get(3).ok_or(Fault::Cut)?;
    if flags & RESERVED != 0 {
        return Err(Fault::Broken);
    }
    let mut size = 10;
    if flags & EXTRA != 0 {
        let length = bytes.get(size..).and_then(<[u8]>::first_chunk);
        let length = u16::from_le_bytes(*length.ok_or(Fault::Cut)?);
        size += 2 + usize::from(length);
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let rest = bytes.get(size..).ok_or(Fault::Cut)?;
            let end = rest.iter().position(|byte| *byte == 0);
            size += end.ok_or(Fault::Cut)? + 1;
        }
    }
    if flags & SUM != 0 {
        let stated = bytes.get(size..).and_then(<[u8]>::first_chunk);
        let stated = u16::from_le_bytes(*stated.ok_or(Fault::Cut)?);
        let mut sum = Crc::new();
        sum.update(&bytes[..size]);
        if u32::from(stated) != sum.sum() & 0xffff {
            return Err(Fault::Broken);
        }
        size += 2;
    }
    if bytes.len() < size {
        return Err(Fault::Cut);
    }
    Ok(size)
}

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// A brotli stream (RFC 7932).
///
/// A few bytes may announce a window of 16 MiB, and a block that fills it. But a window matters only for a stream that
/// is longer than it. Up to that length, a smaller window gives the same result. So the stream is read with a small
/// window first, and begun again with a larger one if it turns out to be longer. Its memory therefore depends on the
/// bytes that it really yields.
struct Brotli<'a> {
    bytes: &'a [u8],
    at: usize,
    written: usize,
    /// The window that the stream asks for, as a power of two.
    asked: u8,
    /// The window that it has now.
    window: u8,
    state: State,
}

impl<'a> Brotli<'a> {
    /// The windows that are tried, as powers of two.
    const WINDOWS: [u8; 3] = [18, 21, 24];

    fn new(bytes: &'a [u8]) -> Self {
        let asked = bytes.first().map_or(0, |first| asked_window(*first));
        Self::with_window(bytes, asked, asked.min(Self::WINDOWS[0]))
    }

    fn with_window(bytes: &'a [u8], asked: u8, window: u8) -> Self {
        Self {
            bytes,
            at: 0,
            written: 0,
            asked,
            window,
            state: State::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ),
        }
    }

    fn step(&mut self, output: &mut [u8]) -> Result<Step, Fault> {
        let first;
        let input = match (self.at, self.bytes) {
            (0, [byte, ..]) => {
                first = [self.patched(*byte)];
                &first[..]
            }
            (at, bytes) => &bytes[at..bytes.len().min(at + STEP_IN)],
        };
        let (mut left, mut read) = (input.len(), 0);
        let (mut room, mut written) = (output.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            input,
            &mut room,
            &mut written,
            output,
            &mut 0,
            &mut self.state,
        );
        self.at += read;
        self.written += written;
        let is_failure = matches!(result, BrotliResult::ResultFailure);
        if self.window < self.asked && (is_failure || self.written > self.reach()) {
            let mut larger = Self::WINDOWS.into_iter();
            let larger = larger.find(|window| *window > self.window);
            let window = larger.map_or(self.asked, |larger| larger.min(self.asked));
            *self = Self::with_window(self.bytes, self.asked, window);
            return Ok(Step::Again);
        }
        match result {
            BrotliResult::ResultSuccess => Ok(Step::Last(written)),
            BrotliResult::ResultFailure => Err(Fault::Broken),
            BrotliResult::NeedsMoreInput if self.at == self.bytes.len() => Err(Fault::Cut),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(Step::More(written)),
        }
    }

    /// Counts the bytes that are the same as with the window that was asked for. Beyond them, distances may mean
    /// something else.
    const fn reach(&self) -> usize {
        (1 << self.window) - 16
    }

    /// Returns the first byte, which holds the window, with the window that is used.
    const fn patched(&self, first: u8) -> u8 {
        if self.window < self.asked {
            first & !0b1110 | (self.window - 17) << 1
        } else {
            first
        }
    }
}

/// Returns the window that a stream asks for in its first byte (RFC 7932, section 9.1), if it is from 18 to 24. Those
/// take three bits that can be changed. Returns 0 for all smaller windows.
const fn asked_window(first: u8) -> u8 {
    let bits = first >> 1 & 0b111;
    if first & 1 == 1 && bits != 0 {
        17 + bits
    } else {
        0
    }
}

#[cfg(test)]
#[path = "inflate_tests.rs"]
mod tests;
