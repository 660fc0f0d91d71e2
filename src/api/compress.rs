//! Compresses answers, with gzip or brotli, for clients that accept it (RFC 9110, section 12.5.3). The ready part of a
//! stream leaves at once, compressed or not: the encoder is flushed whenever more is to come later. It must not know
//! what it compresses.

use std::{
    io::{self, Write as _},
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        StatusCode,
        header::{
            self, AcceptEncoding, ContentEncoding, Encoding, EntityTag, HeaderMap, HeaderValue,
        },
    },
};
use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use crate::exchange::{Charge, Memory};

/// The smallest answer that is compressed, in bytes. A smaller one fits into a packet as it is.
const SMALLEST: u64 = 1024;

/// The level of gzip, out of 9. It takes a third of the time of the usual 6, for some percent more bytes.
const GZIP_LEVEL: u32 = 4;

/// The quality of brotli, out of 11. It takes about as long as gzip.
const BROTLI_QUALITY: u32 = 4;

/// The window of brotli, as a power of two in bytes. An encoder holds several times as much.
const BROTLI_WINDOW: u32 = 18;

/// The memory of an encoder, in bytes, as measured with a hundred encoders of each kind.
const GZIP_SIZE: usize = 448 * 1024;
const BROTLI_SIZE: usize = 1856 * 1024;

/// The number of bytes that are compressed before others have a turn: about a millisecond.
const TURN: usize = 64 * 1024;

/// The media types that compression makes smaller.
const WORTH: [&str; 7] = [
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "application/openmetrics-text",
    "application/javascript",
    "image/svg+xml",
    "text/",
];

/// Compresses the response with a coding that the client accepts, if that is of use.
pub(super) fn compressed(
    request: &HeaderMap,
    accept: impl FnOnce() -> Option<AcceptEncoding>,
    mut response: HttpResponse,
    memory: &Memory,
) -> HttpResponse {
    if !is_worth(&response) {
        return response;
    }
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().append(header::VARY, vary);
    // Without the field, the client has not asked for compression.
    let accept = request.get(header::ACCEPT_ENCODING).and_then(|_| accept());
    let Some(coding) = accept.and_then(|accept| Coding::chosen(&accept)) else {
        return response;
    };
    // An encoder may hold more than it compresses. If there is no memory for one, the answer leaves as it is.
    let Some(charge) = Rc::new(memory.clone()).lend(coding.size()) else {
        return response;
    };
    weaken(response.headers_mut());
    response
        .headers_mut()
        .insert(header::CONTENT_ENCODING, coding.name());
    response.map_body(|_, body| {
        BoxBody::new(Compressed {
            body,
            encoder: Some(coding.encoder()),
            waiting: false,
            turn: 0,
            _charge: charge,
        })
    })
}

fn is_worth(response: &HttpResponse) -> bool {
    let is_large = match response.body().size() {
        BodySize::None => false,
        BodySize::Sized(size) => size >= SMALLEST,
        BodySize::Stream => true,
    };
    let has_body = response.status().as_u16() >= 200
        && !matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE);
    is_large
        && has_body
        && !headers.contains_key(header::CONTENT_ENCODING)
        && kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| WORTH.iter().any(|worth| kind.starts_with(worth)))
}

/// A coding for compressed answers.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Brotli,
}

impl Coding {
    /// Returns the coding that the client prefers, or `None` if it prefers none of them.
    fn chosen(accept: &AcceptEncoding) -> Option<Self> {
        let ours = [Encoding::identity(), Encoding::gzip(), Encoding::brotli()];
        match accept.negotiate(ours.iter())? {
            Encoding::Known(ContentEncoding::Gzip) => Some(Self::Gzip),
            Encoding::Known(ContentEncoding::Brotli) => Some(Self::Brotli),
            _ => None,
        }
    }

    const fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        })
    }

    /// Returns about the size of the coding's encoder, in bytes.
    const fn size(self) -> usize {
        match self {
            Self::Gzip => GZIP_SIZE,
            Self::Brotli => BROTLI_SIZE,
        }
    }

    fn encoder(self) -> Encoder {
        match self {
            Self::Gzip => {
                let level = Compression::new(GZIP_LEVEL);
                Encoder::Gzip(GzEncoder::new(Vec::new(), level))
            }
            Self::Brotli => {
                let encoder =
                    CompressorWriter::new(Vec::new(), 4 * 1024, BROTLI_QUALITY, BROTLI_WINDOW);
                Encoder::Brotli(Box::new(encoder))
            }
        }
    }
}

/// Makes a strong tag weak, as a strong one is for the bytes of one coding (RFC 9110, section 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let tag: Option<EntityTag> = tag.and_then(|tag| tag.parse().ok());
    if let Some(tag) = tag
        && let Ok(weak) =
            HeaderValue::from_str(&EntityTag::new_weak(tag.tag().to_owned()).to_string())
    {
        headers.insert(header::ETAG, weak);
    }
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(piece),
            Self::Brotli(encoder) => encoder.write_all(piece),
        }
    }

    /// Gives out all bytes that were written, so that they can be read without the following ones.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
        }
    }

    /// Takes the bytes that have come out so far.
    fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
        };
        mem::take(out).into()
    }

    fn finish(self) -> io::Result<Bytes> {
        match self {
            Self::Gzip(encoder) => encoder.finish().map(Bytes::from),
            Self::Brotli(encoder) => Ok(encoder.into_inner().into()),
        }
    }
}

/// A body that passes through an encoder.
struct Compressed {
    body: BoxBody,
    /// The encoder, until the end of the body.
    encoder: Option<Encoder>,
    /// True if bytes were written that may not have come out yet.
    waiting: bool,
    /// The number of bytes that were compressed in this turn.
    turn: usize,
    /// The memory that is charged for the encoder.
    _charge: Charge,
}

impl MessageBody for Compressed {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        loop {
            let Some(encoder) = &mut this.encoder else {
                return Poll::Ready(None);
            };
            if this.turn >= TURN {
                this.turn = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let written = match Pin::new(&mut this.body).poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    this.waiting = true;
                    this.turn += piece.len();
                    encoder.write(&piece)
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let rest = this.encoder.take().map(Encoder::finish).transpose()?;
                    let rest = rest.filter(|rest| !rest.is_empty());
                    return Poll::Ready(rest.map(Ok));
                }
                Poll::Pending if this.waiting => {
                    this.waiting = false;
                    encoder.flush()
                }
                Poll::Pending => {
                    this.turn = 0;
                    return Poll::Pending;
                }
            };
            if let Err(error) = written {
                return Poll::Ready(Some(Err(error.into())));
            }
            let out = encoder.take();
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(out)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Decodes as much of `bytes` as can be read. More bytes may follow.
    fn read(coding: &str, bytes: &[u8]) -> Vec<u8> {
        let mut text = vec![0; 1024];
        let read = match coding {
            "gzip" => flate2::read::GzDecoder::new(bytes).read(&mut text),
            _ => brotli::Decompressor::new(bytes, 4096).read(&mut text),
        };
        text.truncate(read.unwrap());
        text
    }

    #[test]
    fn what_is_flushed_can_be_read_without_what_follows() {
        for coding in ["gzip", "br"] {
            let accept = coding.parse().unwrap();
            let chosen = Coding::chosen(&AcceptEncoding(vec![accept])).unwrap();
            let mut encoder = chosen.encoder();
            encoder.write(b"one result").unwrap();
            encoder.flush().unwrap();
            assert_eq!(read(coding, &encoder.take()), b"one result", "{coding}");
        }
    }

    #[test]
    fn a_tag_of_the_plain_bytes_is_weak_for_others() {
        for (tag, expected) in [("\"v1\"", "W/\"v1\""), ("W/\"v1\"", "W/\"v1\"")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ETAG, HeaderValue::from_static(tag));
            weaken(&mut headers);
            assert_eq!(headers.get(header::ETAG).unwrap(), expected);
        }
    }
}
