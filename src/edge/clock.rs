//! One timer for everything that a connection waits for. It is moved as seldom as possible. Most things happen long
//! before their time is over, so a timer that goes off checks if its time still matters. It must not know what it
//! times.
//!
//! A process that was stopped for a while sees overdue timers before its sockets. So a time that was over long ago is
//! extended by a little, in which the bytes that have come are seen.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::fanout::{LOOK, is_pause};

/// A timer whose time mostly moves later.
#[derive(Debug)]
pub(super) struct Clock {
    timer: Pin<Box<Sleep>>,
    /// A time that ended in a pause, and the end of the extra look after it. It is on the heap because it is rare.
    look: Option<Box<(Instant, Instant)>>,
}

impl Clock {
    /// Makes a timer that is first needed at this time.
    pub(super) fn at(time: Instant) -> Self {
        Self {
            timer: Box::pin(sleep_until(time)),
            look: None,
        }
    }

    /// Polls for `time`: ready then or later.
    pub(super) fn poll(&mut self, time: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut until = match &self.look {
            Some(look) if look.0 == time => look.1,
            _ => time,
        };
        if until < self.timer.deadline() {
            self.timer.as_mut().reset(until);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.timer.deadline() >= until {
                if until != time || !is_pause(until.elapsed()) {
                    return Poll::Ready(());
                }
                until = Instant::now() + LOOK;
                self.look = Some(Box::new((time, until)));
            }
            self.timer.as_mut().reset(until);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use futures_util::FutureExt as _;

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
    async fn a_time_that_was_over_in_a_pause_is_waited_for_a_little_and_once() {
        let began = Instant::now();
        let time = began + Duration::from_secs(1);
        let mut clock = Clock::at(time);
        let now =
            |clock: &mut Clock| poll_fn(|cx| Poll::Ready(clock.poll(time, cx))).now_or_never();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(now(&mut clock), Some(Poll::Pending));
        assert_eq!(
            now(&mut clock),
            Some(Poll::Pending),
            "something came meanwhile"
        );
        poll_fn(|cx| clock.poll(time, cx)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(10) + LOOK);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(now(&mut clock), Some(Poll::Ready(())));
        // The next time is a different one, without an extra look.
        let next = Instant::now() + Duration::from_secs(1);
        poll_fn(|cx| clock.poll(next, cx)).await;
        assert_eq!(Instant::now(), next);
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
