//! The bytes of bodies that one request may hold, over all its calls and their attempts. A body draws the bytes that
//! have come or are announced. A body that is not kept gives its bytes back. Nothing waits. It must not know what the
//! bodies say.
//!
//! Besides its own bound, a request has a charge on the memory that all requests share. The charge counts each body
//! twice, as it is copied into the answer.

use std::cell::Cell;

use super::Charge;

/// The most copies of a body: as it came, and in the answer.
const COPIES: usize = 2;

/// The bytes that are left to one request. It belongs to one request, and so to one thread.
#[derive(Debug)]
pub struct Allowance {
    total: usize,
    left: Cell<usize>,
    /// The bytes that kept bodies have drawn.
    kept: Cell<usize>,
    /// The part of the kept bytes that is not held any more.
    gone: Cell<usize>,
    /// The bytes that kept bodies take beyond their copies.
    more: Cell<usize>,
    /// The bytes of bodies that were passed on and wait for the client.
    waiting: Cell<usize>,
    charge: Option<Charge>,
}

/// The reason why a body may not be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The request's own bytes are used up.
    Request,
    /// The memory of all requests is taken.
    Memory,
}

impl Allowance {
    /// Makes an allowance with all of its `total` bytes left.
    #[must_use]
    pub const fn new(total: usize) -> Self {
        Self {
            total,
            left: Cell::new(total),
            kept: Cell::new(0),
            gone: Cell::new(0),
            more: Cell::new(0),
            waiting: Cell::new(0),
            charge: None,
        }
    }

    /// Charges the bodies to the shared memory as well.
    #[must_use]
    pub fn charged_to(mut self, charge: Charge) -> Self {
        self.charge = Some(charge);
        self
    }

    /// Returns the charge of the request, for the holder of its answer.
    #[must_use]
    pub fn into_charge(self) -> Option<Charge> {
        self.charge
    }

    /// Notes that all kept bodies are passed on and no longer held. Of their output, `waiting` bytes are still held.
    pub fn passed_on(&self, waiting: usize) {
        self.more.set(0);
        self.passed_one_on(self.kept.get(), waiting);
    }

    /// Notes that one kept body, of `size` bytes, is passed on and no longer held. Others still are, for the end of the
    /// answer. Of the output of all, `waiting` bytes are still held.
    pub fn passed_one_on(&self, size: usize, waiting: usize) {
        let gone = self.gone.get().saturating_add(size);
        self.gone.set(gone.min(self.kept.get()));
        self.waiting.set(waiting);
        if let Some(charge) = &self.charge {
            charge.settle(self.held());
        }
    }

    /// Returns the most bytes that bodies and the answer take now.
    fn held(&self) -> usize {
        let drawn = self.total - self.left.get() - self.gone.get();
        let copies = drawn.saturating_mul(COPIES);
        let more = self.more.get().saturating_add(self.waiting.get());
        copies.saturating_add(more)
    }

    /// Charges the bytes of bodies and the answer. Returns false if the memory for them is taken.
    fn is_covered(&self) -> bool {
        let charge = self.charge.as_ref();
        charge.is_none_or(|charge| charge.cover(self.held()))
    }

    /// Returns the size at first, in bytes.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Returns the bytes that no body has drawn.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left.get()
    }

    /// Returns a share for one body, which is empty at first.
    #[must_use]
    pub const fn share(&self) -> Share<'_> {
        Share {
            allowance: self,
            drawn: 0,
        }
    }
}

/// The bytes that one body has drawn. They are given back when the share is dropped, unless the body is kept.
#[derive(Debug)]
pub struct Share<'a> {
    allowance: &'a Allowance,
    drawn: usize,
}

impl Share<'_> {
    /// Makes the share at least `size` bytes large.
    ///
    /// # Errors
    /// Fails if that many bytes are not left, or if the memory for them is taken. The share then stays as it is.
    pub fn cover(&mut self, size: usize) -> Result<(), Exceeded> {
        let more = size.saturating_sub(self.drawn);
        let before = self.allowance.left();
        let left = before.checked_sub(more).ok_or(Exceeded::Request)?;
        self.allowance.left.set(left);
        if !self.allowance.is_covered() {
            self.allowance.left.set(before);
            return Err(Exceeded::Memory);
        }
        self.drawn += more;
        Ok(())
    }

    /// Keeps the body for the answer: the bytes that it drew stay drawn as long as the request lasts. In the answer it
    /// takes `more` bytes beyond its own size.
    ///
    /// # Errors
    /// Fails if the memory for that is taken.
    pub fn keep(mut self, more: usize) -> Result<(), Exceeded> {
        let before = self.allowance.more.get();
        self.allowance.more.set(before.saturating_add(more));
        if more > 0 && !self.allowance.is_covered() {
            self.allowance.more.set(before);
            return Err(Exceeded::Memory);
        }
        self.allowance
            .kept
            .set(self.allowance.kept.get() + self.drawn);
        self.drawn = 0;
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.allowance.left.set(self.allowance.left() + self.drawn);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::exchange::Memory;

    #[test]
    fn a_share_is_refused_beyond_the_total_and_stays_as_it_was() {
        let allowance = Allowance::new(10);
        let (mut one, mut other) = (allowance.share(), allowance.share());
        assert_eq!(one.cover(6), Ok(()));
        assert!(one.cover(4).is_ok() && other.cover(4).is_ok());
        assert_eq!(allowance.left(), 0);
        assert_eq!(one.cover(7), Err(Exceeded::Request));
        assert_eq!(other.cover(usize::MAX), Err(Exceeded::Request));
        drop(one);
        assert!(other.cover(10).is_ok() && other.cover(11).is_err());
    }

    #[test]
    fn what_is_dropped_comes_back_and_what_is_kept_does_not() {
        let allowance = Allowance::new(10);
        let (mut lost, mut kept) = (allowance.share(), allowance.share());
        assert!(lost.cover(3).is_ok() && kept.cover(4).is_ok());
        drop(lost);
        assert_eq!(kept.keep(0), Ok(()));
        assert_eq!((allowance.left(), allowance.total()), (6, 10));
    }

    const KIB: usize = 1024;

    /// An allowance of a request that has 4 KiB for its bodies and its answer.
    fn charged(memory: &Rc<Memory>) -> Allowance {
        Allowance::new(1024 * KIB).charged_to(memory.admit(0, 16 * KIB, 4 * KIB).unwrap())
    }

    #[test]
    fn bodies_are_charged_with_their_copy_in_the_answer_once_they_are_not_small() {
        let memory = Rc::new(Memory::new(1024 * KIB));
        let allowance = charged(&memory);
        let mut share = allowance.share();
        assert_eq!(share.cover(2 * KIB), Ok(()));
        assert_eq!(memory.charged(), 16 * KIB);
        assert_eq!(share.cover(100 * KIB), Ok(()));
        assert_eq!(memory.charged(), (16 + 256) * KIB);
        // Such bodies may fill three quarters of the memory.
        assert_eq!(share.cover(400 * KIB), Err(Exceeded::Memory));
        assert_eq!(allowance.left(), 924 * KIB);
        assert_eq!(share.keep(700 * KIB), Err(Exceeded::Memory));
        assert_eq!(allowance.left(), 1024 * KIB);
        drop(allowance);
        assert_eq!(memory.charged(), 0);
    }

    #[test]
    fn bodies_that_are_passed_on_one_by_one_are_charged_one_by_one() {
        let memory = Rc::new(Memory::new(1024 * KIB));
        let allowance = charged(&memory);
        for _ in 0..10 {
            let mut share = allowance.share();
            assert_eq!(share.cover(100 * KIB), Ok(()));
            assert_eq!(share.keep(0), Ok(()));
            assert!(memory.charged() <= (16 + 400) * KIB);
            allowance.passed_on(100 * KIB);
        }
        assert_eq!(allowance.left(), 24 * KIB);
        let charge = allowance.into_charge().unwrap();
        assert_eq!(memory.charged(), (12 + 100) * KIB);
        charge.settle(0);
        assert_eq!(memory.charged(), 12 * KIB);
    }

    #[test]
    fn a_body_that_is_kept_for_the_end_stays_charged_beside_those_that_are_passed_on() {
        let memory = Rc::new(Memory::new(1024 * KIB));
        let allowance = charged(&memory);
        let keep = |size, more| {
            let mut share = allowance.share();
            assert_eq!(share.cover(size), Ok(()));
            assert_eq!(share.keep(more), Ok(()));
        };
        keep(100 * KIB, 30 * KIB);
        allowance.passed_one_on(0, 100 * KIB);
        assert_eq!(memory.charged(), (12 + 330) * KIB);
        keep(50 * KIB, 0);
        allowance.passed_one_on(50 * KIB, 0);
        assert_eq!(memory.charged(), (12 + 230) * KIB);
        allowance.passed_on(40 * KIB);
        assert_eq!(memory.charged(), (12 + 40) * KIB);
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_kept_and_dropped_it_never_exceeds_the_total(
            steps in vec((0..4_usize, 0..50_usize, 0..4_u8), 0..200),
        ) {
            let allowance = Allowance::new(100);
            let mut shares: Vec<_> = (0..4).map(|_| (allowance.share(), 0)).collect();
            let mut kept = 0;
            for (at, size, what) in steps {
                let (share, drawn) = &mut shares[at];
                match what {
                    0 => shares[at] = (allowance.share(), 0),
                    1 => {
                        let (share, drawn) = std::mem::replace(&mut shares[at], (allowance.share(), 0));
                        prop_assert_eq!(share.keep(0), Ok(()));
                        kept += drawn;
                    }
                    _ if share.cover(size).is_ok() => *drawn = size.max(*drawn),
                    _ => {}
                }
                let held: usize = shares.iter().map(|(_, drawn)| drawn).sum();
                prop_assert_eq!(allowance.left() + held + kept, 100);
            }
        }
    }
}
