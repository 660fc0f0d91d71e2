//! How many bytes of bodies one request may hold, over all its calls and their attempts. Bodies draw from it what has
//! come or is announced, and one that comes to nothing gives back what it drew. Nothing waits.

use std::cell::Cell;

/// What is left of one request's bytes. It belongs to one request, and so to one thread.
#[derive(Debug)]
pub struct Allowance {
    total: usize,
    left: Cell<usize>,
}

impl Allowance {
    /// All of `total` bytes are left.
    #[must_use]
    pub const fn new(total: usize) -> Self {
        Self {
            total,
            left: Cell::new(total),
        }
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
    /// Makes the share at least `size` bytes large. When that many are not left, it returns false and the share stays as
    /// it is.
    #[must_use]
    pub fn cover(&mut self, size: usize) -> bool {
        let more = size.saturating_sub(self.drawn);
        let Some(left) = self.allowance.left().checked_sub(more) else {
            return false;
        };
        self.allowance.left.set(left);
        self.drawn += more;
        true
    }

    /// The body goes into the answer: what it drew stays drawn for as long as the request lasts.
    pub fn keep(mut self) {
        self.drawn = 0;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.allowance.left.set(self.allowance.left() + self.drawn);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_share_is_refused_beyond_the_total_and_stays_as_it_was() {
        let allowance = Allowance::new(10);
        let (mut one, mut other) = (allowance.share(), allowance.share());
        assert!(one.cover(6) && one.cover(4) && other.cover(4));
        assert_eq!(allowance.left(), 0);
        assert!(!one.cover(7) && !other.cover(usize::MAX));
        drop(one);
        assert!(other.cover(10) && !other.cover(11));
    }

    #[test]
    fn what_is_dropped_comes_back_and_what_is_kept_does_not() {
        let allowance = Allowance::new(10);
        let (mut lost, mut kept) = (allowance.share(), allowance.share());
        assert!(lost.cover(3) && kept.cover(4));
        drop(lost);
        kept.keep();
        assert_eq!((allowance.left(), allowance.total()), (6, 10));
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
                        share.keep();
                        kept += drawn;
                    }
                    _ if share.cover(size) => *drawn = size.max(*drawn),
                    _ => {}
                }
                let held: usize = shares.iter().map(|(_, drawn)| drawn).sum();
                prop_assert_eq!(allowance.left() + held + kept, 100);
            }
        }
    }
}
