//! One timer for all that a connection waits for, which is moved as seldom as can be: most things happen long before
//! their time is over, so a timer that goes off looks whether it still matters. Knows not what it times.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer whose time mostly moves on.
#[derive(Debug)]
pub(super) struct Clock(Pin<Box<Sleep>>);

impl Clock {
    /// A timer that is first needed at this time.
    pub(super) fn at(time: Instant) -> Self {
        Self(Box::pin(sleep_until(time)))
    }

    /// Ready at `time` or after it.
    pub(super) fn poll(&mut self, time: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if time < self.0.deadline() {
            self.0.as_mut().reset(time);
        }
        while self.0.as_mut().poll(cx).is_ready() {
            if self.0.deadline() >= time {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(time);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_time_that_is_asked_for_whatever_was_before() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut clock = Clock::at(after(10));
        for seconds in [5, 7, 60, 61] {
            poll_fn(|cx| clock.poll(after(seconds), cx)).await;
            assert_eq!(began.elapsed(), Duration::from_secs(seconds));
        }
        assert!(
            poll_fn(|cx| Poll::Ready(clock.poll(after(61), cx)))
                .await
                .is_ready()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_has_moved_on_while_nobody_looked_is_waited_for() {
        let began = Instant::now();
        let mut clock = Clock::at(began + Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(30)).await;
        poll_fn(|cx| clock.poll(began + Duration::from_secs(75), cx)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(75));
    }
}
