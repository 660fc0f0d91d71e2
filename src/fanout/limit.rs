//! A bound on the number of things of one kind that are under way, counted over all workers: attempts to an upstream,
//! requests of the gateway. It refuses at once, and nothing waits. It must not know what it counts.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A counter with a ceiling, shared by the workers.
#[derive(Debug)]
pub struct Limit {
    max: NonZeroUsize,
    used: AtomicUsize,
}

impl Limit {
    /// Makes a limit of at most `max` permits at a time.
    #[must_use]
    pub const fn new(max: NonZeroUsize) -> Self {
        Self {
            max,
            used: AtomicUsize::new(0),
        }
    }

    /// Returns the ceiling.
    #[must_use]
    pub const fn max(&self) -> NonZeroUsize {
        self.max
    }

    /// Takes one permit, which is given back when it is dropped. Returns `None` if all are taken.
    #[must_use]
    pub fn acquire(self: &Arc<Self>) -> Option<Permit> {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                (used < self.max.get()).then_some(used + 1)
            })
            .ok()
            .map(|_| Permit(Arc::clone(self)))
    }
}

/// A permit of a [`Limit`].
#[derive(Debug)]
pub struct Permit(Arc<Limit>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_refused_at_the_ceiling_and_comes_back_on_drop() {
        let limit = Arc::new(Limit::new(NonZeroUsize::new(2).unwrap()));
        let first = limit.acquire().unwrap();
        let _second = limit.acquire().unwrap();
        assert!(limit.acquire().is_none());
        drop(first);
        assert!(limit.acquire().is_some());
    }
}
