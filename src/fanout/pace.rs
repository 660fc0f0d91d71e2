//! The pace of a plan whose results are taken one by one while it runs: no faster than they are taken. It must not know
//! results or their reader.

use std::{cell::Cell, future::poll_fn, task::Poll};

/// Back-pressure between a plan and the reader of its results. It belongs to one request, and so to one thread.
#[derive(Debug, Default)]
pub struct Pace {
    full: Cell<bool>,
    holds: Cell<u32>,
}

impl Pace {
    /// Sets if the reader is full. While it is full, the plan makes no progress.
    pub fn full(&self, full: bool) {
        self.full.set(full);
    }

    /// Notes that the plan was kept waiting for long. An attempt's behaviour in that time says nothing of its upstream.
    pub fn held(&self) {
        self.holds.set(self.holds.get().wrapping_add(1));
    }

    /// Returns the number of times that the plan was kept waiting.
    #[must_use]
    pub fn holds(&self) -> u32 {
        self.holds.get()
    }

    /// Waits for room. Nothing wakes this future: the code that makes room polls the plan.
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
