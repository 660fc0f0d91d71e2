//! Takes one body off the wire: held once, and never beyond its own bound or what its request has left. Knows nothing of
//! what it says.

use actix_http::{Payload, error::PayloadError};
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::{head::Framing, trace::Trace};
use crate::fanout::{Allowance, Failure, FailureKind, Share};

/// A body that came in one piece is a part of its connection's read buffer, of 8 KiB, and would keep all of it. Smaller
/// ones than this, in bytes, move out.
const SMALL: usize = 2 * 1024;

/// What a body may take, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// The body alone.
    pub(super) own: usize,
    /// All bodies of its request.
    pub(super) shared: &'a Allowance,
}

/// The whole body and its share of the request's bytes, or why there is none. What does not fit is not read on.
pub(super) async fn read<'a>(
    mut payload: Payload,
    framing: Framing,
    trace: &Trace,
    bounds: Bounds<'a>,
) -> Result<(Bytes, Share<'a>), Failure> {
    let mut body = Growing::new(bounds);
    let declared = framing.length();
    if let Some(length) = declared {
        body.declare(length)?;
    }
    while let Some(chunk) = payload.next().await {
        body.push(chunk.map_err(|error| cut(&error, trace))?)?;
    }
    let is_cut = match framing {
        Framing::Length(length) => (body.len() as u64) < length,
        // The codec ends with the last chunk; if the stream ended, that chunk never came.
        Framing::Chunked => trace.ended(),
        Framing::Close | Framing::None => false,
    };
    if is_cut {
        return Err(Failure::new(
            FailureKind::Protocol,
            "the upstream cut its body short",
        ));
    }
    Ok(body.finish())
}

/// Why a body could not be read on.
fn cut(error: &PayloadError, trace: &Trace) -> Failure {
    tracing::debug!(%error, "a body broke off");
    let detail = trace.fault().unwrap_or("the upstream cut its body short");
    Failure::new(FailureKind::Protocol, detail)
}

/// A body as far as it has come.
struct Growing<'a> {
    bounds: Bounds<'a>,
    share: Share<'a>,
    /// Its length, where it is known; its memory is then taken at once, but not before there is a reason to.
    declared: usize,
    /// Its first piece as it came, while it is the only one: most bodies have no other.
    first: Bytes,
    /// All of it, from the second piece on.
    whole: Vec<u8>,
}

impl<'a> Growing<'a> {
    const fn new(bounds: Bounds<'a>) -> Self {
        Self {
            bounds,
            share: bounds.shared.share(),
            declared: 0,
            first: Bytes::new(),
            whole: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.whole.len()
    }

    /// Draws what the body will take before a byte of it is read.
    fn declare(&mut self, length: u64) -> Result<(), Failure> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.cover(length)?;
        self.declared = length;
        Ok(())
    }

    fn push(&mut self, piece: Bytes) -> Result<(), Failure> {
        let size = self.len() + piece.len();
        self.cover(size)?;
        if self.len() == 0 {
            self.first = piece;
            return Ok(());
        }
        if self.whole.capacity() < size {
            // Doubling, so that a body in many small pieces is not moved for each; but never beyond what it can be.
            let room = size.max(self.whole.capacity() * 2).max(self.declared);
            let room = room.min(self.bounds.own);
            self.whole.reserve_exact(room - self.whole.len());
        }
        if !self.first.is_empty() {
            self.whole.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.whole.extend_from_slice(&piece);
        Ok(())
    }

    /// Draws what is lacking for `size` bytes.
    fn cover(&mut self, size: usize) -> Result<(), Failure> {
        let Bounds { own, shared } = self.bounds;
        if size > own {
            return Err(too_large(format!(
                "the upstream's body is larger than {own} bytes"
            )));
        }
        if !self.share.cover(size) {
            let total = shared.total();
            return Err(too_large(format!(
                "with this body, the aggregate's bodies are together larger than {total} bytes"
            )));
        }
        Ok(())
    }

    fn finish(mut self) -> (Bytes, Share<'a>) {
        let bytes = if !self.whole.is_empty() {
            self.whole.shrink_to_fit();
            Bytes::from(self.whole)
        } else if self.first.len() < SMALL {
            Bytes::copy_from_slice(&self.first)
        } else {
            self.first
        };
        (bytes, self.share)
    }
}

fn too_large(detail: String) -> Failure {
    Failure::new(FailureKind::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growing(own: usize, shared: &Allowance) -> Growing<'_> {
        Growing::new(Bounds { own, shared })
    }

    #[test]
    fn a_body_in_one_byte_pieces_takes_no_more_than_its_next_power_of_two_and_its_bound() {
        let shared = Allowance::new(1 << 20);
        let mut body = growing(100_000, &shared);
        for length in 1..=100_000_usize {
            body.push(Bytes::from_static(b"1")).unwrap();
            assert_eq!(body.len(), length);
            assert!(body.whole.capacity() <= (2 * length).min(100_000));
        }
        assert_eq!(shared.left(), (1 << 20) - 100_000);
        let refused = body.push(Bytes::from_static(b"1")).unwrap_err();
        assert!(refused.detail.contains("larger than 100000 bytes"));
        drop(body);
        assert_eq!(shared.left(), 1 << 20);
    }

    #[test]
    fn a_declared_body_is_drawn_at_once_and_takes_its_exact_size_with_its_second_piece() {
        let shared = Allowance::new(10_000);
        let mut body = growing(9_000, &shared);
        body.declare(5_000).unwrap();
        assert_eq!((shared.left(), body.whole.capacity()), (5_000, 0));
        body.push(Bytes::from(vec![b'1'; 3_000])).unwrap();
        assert_eq!(body.whole.capacity(), 0);
        body.push(Bytes::from(vec![b'2'; 2_000])).unwrap();
        assert_eq!(body.whole.capacity(), 5_000);
        let (bytes, share) = body.finish();
        assert_eq!(bytes.len(), 5_000);
        assert!(bytes[..3_000].iter().all(|&byte| byte == b'1'));
        assert!(bytes[3_000..].iter().all(|&byte| byte == b'2'));
        share.keep();
        assert_eq!(shared.left(), 5_000);
    }

    #[test]
    fn what_was_hit_is_named() {
        let shared = Allowance::new(1_000);
        let own = growing(900, &shared).declare(901).unwrap_err();
        assert_eq!(own.detail, "the upstream's body is larger than 900 bytes");
        let mut other = shared.share();
        assert!(other.cover(200));
        let together = growing(900, &shared).declare(801).unwrap_err();
        assert_eq!(
            together.detail,
            "with this body, the aggregate's bodies are together larger than 1000 bytes"
        );
        assert_eq!(
            [own.kind, together.kind],
            [FailureKind::TooLarge, FailureKind::TooLarge]
        );
    }
}
