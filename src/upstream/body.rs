//! Holds one body as it comes: once, and never beyond its own bound, its request's remaining bytes, or the memory that
//! is left. It must not know the body's contents.

use bytes::Bytes;

use crate::exchange::{Allowance, Exceeded, Share};
use crate::fanout::{Failure, FailureKind};

/// The bounds of a body, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// The bound of this body alone.
    pub(super) own: usize,
    /// The bound that all bodies of its request share.
    pub(super) shared: &'a Allowance,
}

/// A body, as far as it has come.
pub(super) struct Growing<'a> {
    bounds: Bounds<'a>,
    share: Share<'a>,
    /// The bytes by which a compressed body may exceed its bound. Data that can't be compressed gets larger.
    slack: u32,
    /// The body's length, if it is known. Its memory is taken with the first byte, and all of it with the second piece.
    declared: u32,
    bytes: Vec<u8>,
}

impl<'a> Growing<'a> {
    pub(super) const fn new(bounds: Bounds<'a>) -> Self {
        Self {
            bounds,
            share: bounds.shared.share(),
            slack: 0,
            declared: 0,
            bytes: Vec::new(),
        }
    }

    /// Prepares for a compressed body, which may be a little larger than its bound.
    pub(super) fn widen(&mut self) {
        self.slack = u32::try_from(self.bounds.own / 64 + 1024).unwrap_or(u32::MAX);
    }

    /// Makes a body that replaces one which has drawn `share`. Both together draw what the larger one takes.
    pub(super) const fn inflated(bounds: Bounds<'a>, share: Share<'a>) -> Self {
        Self {
            bounds,
            share,
            slack: 0,
            declared: 0,
            bytes: Vec::new(),
        }
    }

    /// Forgets the bytes that have come.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Draws the body's bytes from its request before one of them is read.
    pub(super) fn declare(&mut self, length: u64) -> Result<(), Failure> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.cover(length)?;
        self.declared = u32::try_from(length).unwrap_or(0);
        Ok(())
    }

    /// Takes a piece, or fails if the piece does not fit.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let size = self.bytes.len() + piece.len();
        self.cover(size)?;
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(size);
        } else if self.bytes.capacity() < size {
            // The memory doubles, so that a body in many small pieces is not moved for each. It never exceeds the
            // body's bound.
            let room = size
                .max(self.bytes.capacity() * 2)
                .max(self.declared as usize);
            let room = room.min(self.most());
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Returns the buffer for the rest of a body, and the number of bytes that are to come. The body must have begun,
    /// with a known length.
    pub(super) fn room(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let left = (self.declared as usize).checked_sub(self.bytes.len())?;
        if self.bytes.is_empty() || left == 0 {
            return None;
        }
        self.bytes.reserve_exact(left);
        Some((&mut self.bytes, left))
    }

    /// Returns the most bytes that are held of the body.
    const fn most(&self) -> usize {
        self.bounds.own.saturating_add(self.slack as usize)
    }

    /// Draws the bytes that are lacking for `size`.
    fn cover(&mut self, size: usize) -> Result<(), Failure> {
        let Bounds { own, shared } = self.bounds;
        if size > self.most() {
            return Err(too_large(format!(
                "the upstream's body is larger than {own} bytes"
            )));
        }
        // A compressed body draws its size less the slack, as it may be smaller once it is inflated. The inflated body
        // then draws the rest.
        let size = size.min(own).saturating_sub(self.slack as usize);
        let covered = self.share.cover(size);
        covered.map_err(|reason| exceeded(reason, shared, "with this body"))
    }

    /// Returns the whole body, and its share of the request's bytes.
    pub(super) fn finish(mut self) -> (Bytes, Share<'a>) {
        self.bytes.shrink_to_fit();
        (Bytes::from(self.bytes), self.share)
    }
}

/// Makes the failure of a body for which there is no memory. Only the gateway is to blame for it.
#[cold]
pub(super) fn no_memory() -> Failure {
    let detail = "the gateway's memory for bodies is taken by other requests";
    Failure::new(FailureKind::Overload, detail)
}

/// Makes the failure of a body that its request has no room for. `what` begins the sentence that says so.
#[cold]
pub(super) fn exceeded(reason: Exceeded, shared: &Allowance, what: &str) -> Failure {
    match reason {
        Exceeded::Request => {
            let total = shared.total();
            too_large(format!(
                "{what}, the aggregate's bodies are together larger than {total} bytes"
            ))
        }
        Exceeded::Memory => no_memory(),
    }
}

fn too_large(detail: String) -> Failure {
    Failure::new(FailureKind::TooLarge, detail)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::exchange::Memory;

    fn growing(own: usize, shared: &Allowance) -> Growing<'_> {
        Growing::new(Bounds { own, shared })
    }

    #[test]
    fn a_body_in_one_byte_pieces_takes_no_more_than_its_next_power_of_two_and_its_bound() {
        let shared = Allowance::new(1 << 20);
        let mut body = growing(100_000, &shared);
        for length in 1..=100_000_usize {
            body.push(b"1").unwrap();
            assert_eq!(body.bytes.len(), length);
            assert!(body.bytes.capacity() <= (2 * length).min(100_000));
        }
        assert_eq!(shared.left(), (1 << 20) - 100_000);
        let refused = body.push(b"1").unwrap_err();
        assert!(refused.detail.contains("larger than 100000 bytes"));
        drop(body);
        assert_eq!(shared.left(), 1 << 20);
    }

    #[test]
    fn a_declared_body_is_drawn_at_once_and_takes_its_exact_size_with_its_second_piece() {
        let shared = Allowance::new(10_000);
        let mut body = growing(9_000, &shared);
        body.declare(5_000).unwrap();
        assert_eq!((shared.left(), body.bytes.capacity()), (5_000, 0));
        assert!(body.room().is_none(), "nothing has come");
        body.push(&[b'1'; 3_000]).unwrap();
        assert_eq!(body.bytes.capacity(), 3_000);
        let (rest, left) = body.room().unwrap();
        assert_eq!((rest.capacity(), left), (5_000, 2_000));
        rest.resize(4_000, b'2');
        body.push(&[b'2'; 1_000]).unwrap();
        assert_eq!(body.bytes.capacity(), 5_000);
        assert!(body.room().is_none(), "all has come");
        let (bytes, share) = body.finish();
        assert_eq!(bytes.len(), 5_000);
        assert!(bytes[..3_000].iter().all(|&byte| byte == b'1'));
        assert!(bytes[3_000..].iter().all(|&byte| byte == b'2'));
        assert!(share.keep(0).is_ok());
        assert_eq!(shared.left(), 5_000);
    }

    #[test]
    fn a_small_body_that_will_be_inflated_draws_what_it_is_inflated_to() {
        let shared = Allowance::new(1_500);
        let mut packed = growing(1 << 20, &shared);
        packed.widen();
        packed.declare(1_600).unwrap();
        packed.push(&[b'1'; 1_600]).unwrap();
        let (_, share) = packed.finish();
        let bounds = Bounds {
            own: 1 << 20,
            shared: &shared,
        };
        let mut body = Growing::inflated(bounds, share);
        body.push(&[b'1'; 1_480]).unwrap();
        assert!(body.finish().1.keep(0).is_ok());
        assert_eq!(shared.left(), 20);
    }

    #[test]
    fn what_was_hit_is_named() {
        let shared = Allowance::new(1_000);
        let own = growing(900, &shared).declare(901).unwrap_err();
        assert_eq!(own.detail, "the upstream's body is larger than 900 bytes");
        let mut other = shared.share();
        assert!(other.cover(200).is_ok());
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

    #[test]
    fn a_body_for_which_there_is_no_memory_fails_by_the_gateways_own_fault_before_it_is_held() {
        let memory = Rc::new(Memory::new(4 << 20));
        let shared = Allowance::new(16 << 20).charged_to(memory.admit(0, 1 << 10, 0).unwrap());
        let mut body = growing(16 << 20, &shared);
        body.declare(1 << 20).unwrap();
        let refused = growing(16 << 20, &shared).declare(1 << 20).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Overload);
        assert!(!refused.kind.is_sick(refused.status));
        // A body without a declared length is refused too.
        let mut other = growing(16 << 20, &shared);
        let pushed = (0..32).find_map(|_| other.push(&[b'1'; 32 << 10]).err());
        assert_eq!(pushed.unwrap().kind, FailureKind::Overload);
        assert!(other.bytes.capacity() <= 1 << 20);
    }
}
