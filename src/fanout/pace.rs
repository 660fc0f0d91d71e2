//! How fast a plan may go whose results are taken one by one while it runs: no faster than they are taken.

use std::{cell::Cell, future::poll_fn, task::Poll};

/// What the one who takes a plan's results and the plan itself tell each other. It belongs to one request, and so to one
/// thread.
#[derive(Debug, Default)]
pub struct Pace {
    full: Cell<bool>,
    holds: Cell<u32>,
}

impl Pace {
    /// Says whether there is no room for another result. As long as there is none, the plan goes on with nothing.
    pub fn full(&self, full: bool) {
        self.full.set(full);
    }

    /// Says that the plan was kept waiting for long. What an attempt did in that time says nothing of its upstream.
    pub fn held(&self) {
        self.holds.set(self.holds.get().wrapping_add(1));
    }

    /// How often the plan was kept waiting.
    #[must_use]
    pub fn holds(&self) -> u32 {
        self.holds.get()
    }

    /// Waits for room. Nothing wakes it: whoever makes room polls the plan.
    pub(super) async fn room(&self) {
        poll_fn(|_| {
            if self.full.get() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
