//! Handles the pause of a process that was stopped, or got no processor, for a while. A timer that fires late then says
//! nothing of the upstream. It must not know calls or plans.
//!
//! A pause ends `epoll_wait` with EINTR, so the sockets are looked at only after the timers, which are all overdue.
//! Answers that came in time would become timeouts. So code whose timer has fired looks once more before it gives up.

use std::{future::Future, time::Duration};

use futures_util::future::poll_immediate;
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

/// The most that a timer is late in a process that runs: a worker gives way many times within it. It is also the period
/// by which Linux rations the processor of a container.
const LATE: Duration = Duration::from_millis(100);

/// The time that a last look may take after a pause. What has come is there at once. The rest of a larger answer has to
/// be asked for, as a socket holds only so much of it.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Returns true if a timer that is `late` by this much means that the process stood still.
pub(crate) fn is_pause(late: Duration) -> bool {
    late > LATE
}

/// Lets the runtime look at the sockets. Once is not enough: a caller that waits for several things may get here again
/// before the runtime had its turn.
pub(crate) async fn yield_to_io() {
    for _ in 0..3 {
        yield_now().await;
    }
}

/// Returns the result of `work` whose time was over at `due`, if it is there now or, after a pause, within [`LOOK`].
pub(super) async fn last_look<F: Future + Unpin>(due: Instant, work: F) -> Option<F::Output> {
    match over(due).await {
        None => poll_immediate(work).await,
        Some(look) => timeout(look, work).await.ok(),
    }
}

/// Lets the runtime see what has come, and returns the time for which to look at it. Without a pause it is `None`: look
/// once.
pub(super) async fn over(due: Instant) -> Option<Duration> {
    yield_to_io().await;
    is_pause(due.elapsed()).then_some(LOOK)
}

#[cfg(test)]
#[path = "pause_tests.rs"]
mod tests;
