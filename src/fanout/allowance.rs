//! How many bytes of bodies one request may hold, over all its calls and their attempts. Bodies draw from it what has
//! come or is announced, and one that comes to nothing gives back what it drew. Nothing waits.
//!
//! Beside its own bound, a request has its charge for the memory that all requests share. That counts each body twice, as it
//! is copied into the answer.

use std::cell::Cell;

use super::Charge;

/// The most times that a body is held: as it came, and in the answer.
const COPIES: usize = 2;

/// What is left of one request's bytes. It belongs to one request, and so to one thread.
#[derive(Debug)]
pub struct Allowance {
    total: usize,
    left: Cell<usize>,
    /// The bytes that kept bodies have drawn.
    kept: Cell<usize>,
    /// The part of them that is not held any more.
    gone: Cell<usize>,
    /// The bytes that kept bodies take beyond their copies, and those that wait for the client beside them.
    more: Cell<usize>,
    charge: Option<Charge>,
}

/// The reason why a body may not be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The request's own bytes are not enough.
    Request,
    /// The memory of all requests is taken.
    Memory,
}

impl Allowance {
    /// All of `total` bytes are left.
    #[must_use]
    pub const fn new(total: usize) -> Self {
        Self {
            total,
            left: Cell::new(total),
            kept: Cell::new(0),
            gone: Cell::new(0),
            more: Cell::new(0),
            charge: None,
        }
    }

    /// The same, within the memory that `charge` is for.
    #[must_use]
    pub fn charged_to(mut self, charge: Charge) -> Self {
        self.charge = Some(charge);
        self
    }

    /// The charge of the request, for the holder of its answer.
    #[must_use]
    pub fn into_charge(self) -> Option<Charge> {
        self.charge
    }

    /// All bodies that were kept are passed on and no longer held; `waiting` bytes of what they became are.
    pub fn passed_on(&self, waiting: usize) {
        self.gone.set(self.kept.get());
        self.more.set(waiting);
        if let Some(charge) = &self.charge {
            charge.settle(self.held());
        }
    }

    /// The most bytes that bodies and the answer take, as things are.
    fn held(&self) -> usize {
        let drawn = self.total - self.left.get() - self.gone.get();
        drawn.saturating_mul(COPIES).saturating_add(self.more.get())
    }

    /// Charges what bodies and the answer take. False where the memory for it is taken.
    fn is_covered(&self) -> bool {
        let charge = self.charge.as_ref();
        charge.is_none_or(|charge| charge.cover(self.held()))
    }

    /// What it was at first, in bytes.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// What nobody has drawn, in bytes.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left.get()
    }

    /// A body's share, empty at first.
    #[must_use]
    pub const fn share(&self) -> Share<'_> {
        Share {
            allowance: self,
            drawn: 0,
        }
    }
}

/// What one body has drawn. Given back when it is dropped, unless it is kept.
#[derive(Debug)]
pub struct Share<'a> {
    allowance: &'a Allowance,
    drawn: usize,
}

impl Share<'_> {
    /// Makes the share at least `size` bytes large.
    ///
    /// # Errors
    /// Where that many bytes are not left. Then the share stays as it is.
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

    /// The body goes into the answer: what it drew stays drawn for as long as the request lasts. It takes `more` bytes there
    /// than it has itself.
    ///
    /// # Errors
    /// Fails where the memory for that is taken.
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
    use crate::fanout::Memory;

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

    /// Of one that is let in with 4 KiB for its bodies and its answer.
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
        // Three quarters are for such bodies.
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
