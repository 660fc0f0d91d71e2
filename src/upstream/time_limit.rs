//! The time for making a connection. A process that was stopped (SIGSTOP, a frozen container, a machine that slept)
//! finds all its timers expired at once, before it has seen what came meanwhile. The time then begins again. It must
//! not know what is waited for.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::fanout::{is_pause, yield_to_io};

/// The end of the time for a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit {
    /// The upstream's own limit.
    own: Duration,
    /// The own limit counted from the start, or `until` if that is earlier.
    pub(super) end: Instant,
    /// The end of the attempt, which never moves.
    until: Instant,
}

impl TimeLimit {
    /// Makes a limit of at most `own` from now, and never beyond `until`.
    pub(super) fn new(own: Duration, until: Instant) -> Self {
        let mut limit = Self {
            own,
            end: until,
            until,
        };
        limit.end = limit.end_from_now();
        limit
    }

    fn end_from_now(self) -> Instant {
        let end = Instant::now().checked_add(self.own);
        end.map_or(self.until, |end| end.min(self.until))
    }

    /// Returns true if the attempt's own end comes first.
    pub(super) fn is_the_attempts(self) -> bool {
        self.end == self.until
    }

    /// Waits for the end. A caller that waits for something else too must look at that first (`biased`). It then gets a
    /// last look after a pause.
    pub(super) async fn over(self) {
        let mut end = self.end;
        loop {
            sleep_until(end).await;
            if !is_pause(end.elapsed()) {
                return;
            }
            // The runtime looks at the sockets before this goes on.
            yield_to_io().await;
            if end == self.until {
                return;
            }
            end = self.end_from_now();
        }
    }
}

/// Returns the result of `work`, or `None` if the time is `over` first. Work that ends at the same moment counts.
pub(super) async fn before<T>(
    over: Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = over => None,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::time::{advance, sleep, timeout_at};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_earlier_end_counts() {
        let now = Instant::now();
        for (own, until, end, is_the_attempts) in [
            (SECOND, now + 3 * SECOND, now + SECOND, false),
            (3 * SECOND, now + SECOND, now + SECOND, true),
            (Duration::MAX, now + SECOND, now + SECOND, true),
        ] {
            let limit = TimeLimit::new(own, until);
            assert_eq!(limit.end, end);
            assert_eq!(limit.is_the_attempts(), is_the_attempts);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_until_the_attempts_end_is_told_before_the_attempt_is_given_up() {
        let until = Instant::now() + SECOND;
        let over = TimeLimit::new(3 * SECOND, until).over();
        assert!(timeout_at(until, over).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_with_the_time_counts() {
        let over = pin!(TimeLimit::new(SECOND, Instant::now() + 3 * SECOND).over());
        assert!(before(over, sleep(SECOND)).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_anew_after_a_pause_as_far_as_the_attempt_goes() {
        for (until, end) in [(60, 11), (4, 10)] {
            let began = Instant::now();
            let mut over = pin!(TimeLimit::new(SECOND, began + until * SECOND).over());
            assert!(timeout_at(began, over.as_mut()).await.is_err());
            advance(10 * SECOND).await;
            over.await;
            assert!(began.elapsed() >= end * SECOND, "{:?}", began.elapsed());
            assert!(began.elapsed() < (end + 1) * SECOND);
        }
    }
}
