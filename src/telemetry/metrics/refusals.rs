//! Decides which refused retries and hedges of an upstream get a line in the log: the first one after a quiet time. It
//! must not know the reasons.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The time without a refusal after which the next one is logged.
const QUIET: Duration = Duration::from_secs(60);

/// Remembers when the last refusal came.
#[derive(Debug)]
pub(super) struct Refusals {
    began: Instant,
    /// Milliseconds since `began`, from 1; 0 before the first.
    last: AtomicU64,
}

impl Refusals {
    /// Begins with no refusal.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Notes a refusal. Returns true if it is the first one for a while.
    pub(super) fn note(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.began).as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX).max(1);
        let last = self.last.swap(now, Ordering::Relaxed);
        last == 0 || u128::from(now.saturating_sub(last)) >= QUIET.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_log_is_told_when_refusals_begin_and_not_of_each() {
        let refusals = Refusals::new();
        let after = |seconds| refusals.began + Duration::from_secs(seconds);
        assert!(refusals.note(refusals.began), "the first one");
        for seconds in 0..600 {
            assert!(!refusals.note(after(seconds)), "they go on: {seconds}");
        }
        assert!(!refusals.note(after(658)), "no minute has passed");
        assert!(refusals.note(after(718)), "they begin again");
    }
}
