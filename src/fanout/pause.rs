//! A process that was stopped, or got no processor, for a while: what its timers say then is nobody's fault. Knows neither
//! calls nor plans.
//!
//! A pause ends `epoll_wait` with EINTR, so the sockets are looked at only after the timers, which are all overdue. Answers that
//! came in time would be timeouts. So whoever's timer has fired looks once more before it gives up.

use std::{future::Future, time::Duration};

use futures_util::future::poll_immediate;
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

/// The latest that a timer fires in a process that runs: a worker gives way many times in that. Also the period by which
/// Linux rations the processor of a container.
const LATE: Duration = Duration::from_millis(100);

/// The time that a last look may take after a pause. What has come is there at once; of a larger answer the rest has to be asked
/// for, as a socket holds only so much of it.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Tells whether so much time after a timer's own means that nobody could look.
pub(crate) fn is_pause(late: Duration) -> bool {
    late > LATE
}

/// Lets the runtime look at the sockets. Who waits for several things may ask this again before the runtime had its turn, so once
/// is not enough.
pub(crate) async fn yield_to_io() {
    for _ in 0..3 {
        yield_now().await;
    }
}

/// Gives what has come of work whose time was over at `due`: what is there now or, after a pause, within [`LOOK`].
pub(super) async fn last_look<F: Future + Unpin>(due: Instant, work: F) -> Option<F::Output> {
    match over(due).await {
        None => poll_immediate(work).await,
        Some(look) => timeout(look, work).await.ok(),
    }
}

/// Lets what has come be seen, and says for how long to look at it; `None`: once, as there was no pause.
pub(super) async fn over(due: Instant) -> Option<Duration> {
    yield_to_io().await;
    is_pause(due.elapsed()).then_some(LOOK)
}

#[cfg(test)]
#[path = "pause_tests.rs"]
mod tests;
