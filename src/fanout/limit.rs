//! A bound on how many of one thing may be under way, counted over all workers: attempts to an upstream, requests of the gateway.
//! Refuses at once; nothing waits.

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
    /// At most `max` permits at a time.
    #[must_use]
    pub const fn new(max: NonZeroUsize) -> Self {
        Self {
            max,
            used: AtomicUsize::new(0),
        }
    }

    /// The ceiling.
    #[must_use]
    pub const fn max(&self) -> NonZeroUsize {
        self.max
    }

    /// One permit, given back when it is dropped; `None` when all are out.
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

/// The right to one of them.
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
