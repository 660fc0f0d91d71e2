//! The load itself: requests that follow one another on a bounded number of connections, or that start by the clock.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep, sleep_until};

use super::tally::{Tally, Times};
use crate::{cli::client::Client, fanout::FailureKind};

/// The pause after a refused connection, before the next try. Nobody learns from a million refusals.
const PAUSE: Duration = Duration::from_millis(10);

/// The amount of load. The bound that is met first ends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    pub(super) requests: Option<usize>,
    pub(super) time: Option<Duration>,
}

/// The rule for the start of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// A request starts as soon as the one before it on its connection is answered.
    Closed,
    /// Requests start by the clock, this many a second.
    Rate(f64),
}

/// One mode's load.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) amount: Amount,
    pub(super) concurrency: NonZeroUsize,
    pub(super) pace: Pace,
}

/// The state that the connections share.
struct Shared<'a> {
    load: &'a Load,
    client: &'a Client,
    began: Instant,
    next: Cell<usize>,
    tally: RefCell<Tally>,
    bar: &'a ProgressBar,
}

impl Load {
    /// Sends all requests and waits for every answer, or until `stop`.
    pub(super) async fn run(
        &self,
        client: &Client,
        stop: Pin<&mut impl Future<Output = ()>>,
        bar: &ProgressBar,
    ) -> Tally {
        let shared = Shared {
            load: self,
            client,
            began: Instant::now(),
            next: Cell::new(0),
            tally: RefCell::new(Tally::new(matches!(self.pace, Pace::Rate(_)))),
            bar,
        };
        let mut connections: FuturesUnordered<_> = (0..self.concurrency.get())
            .map(|_| shared.follow())
            .collect();
        let was_stopped = tokio::select! {
            () = async { while connections.next().await.is_some() {} } => false,
            () = stop => true,
        };
        drop(connections);
        let mut tally = shared.tally.into_inner();
        tally.cut_short = was_stopped;
        if was_stopped {
            tally.elapsed = shared.began.elapsed();
        }
        tally
    }

    /// Returns the time at which request `index` is due, counted from the beginning. `None` after the end.
    fn turn(&self, index: usize, now: Duration) -> Option<Duration> {
        if self
            .amount
            .requests
            .is_some_and(|requests| index >= requests)
        {
            return None;
        }
        let turn = match self.pace {
            Pace::Closed => now,
            #[allow(clippy::cast_precision_loss, reason = "nobody sends 2^52 requests")]
            Pace::Rate(rate) => Duration::from_secs_f64(index as f64 / rate),
        };
        self.amount
            .time
            .is_none_or(|time| turn < time)
            .then_some(turn)
    }
}

impl Shared<'_> {
    /// Sends one connection's requests, one after another.
    async fn follow(&self) {
        loop {
            let index = self.next.get();
            let free = self.began.elapsed();
            let Some(turn) = self.load.turn(index, free) else {
                return;
            };
            self.next.set(index + 1);
            if turn > free {
                sleep_until(self.began + turn).await;
            }
            let sent = self.began.elapsed();
            let result = self.client.attempt().await;
            let times = Times {
                // A connection that was free in time waited for the timer alone. The timer's delay is not the
                // gateway's.
                intended: if turn > free { sent } else { turn },
                sent,
                answered: self.began.elapsed(),
            };
            self.tally.borrow_mut().count(times, &result);
            if result.is_err_and(|failure| failure.kind == FailureKind::Connect) {
                sleep(PAUSE).await;
            }
            if self.load.amount.requests.is_some() {
                self.bar.inc(1);
            } else {
                let elapsed = times.answered.as_millis();
                self.bar
                    .set_position(elapsed.try_into().unwrap_or(u64::MAX));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(requests: Option<usize>, seconds: Option<u64>, pace: Pace) -> Load {
        Load {
            amount: Amount {
                requests,
                time: seconds.map(Duration::from_secs),
            },
            concurrency: NonZeroUsize::MIN,
            pace,
        }
    }

    #[test]
    fn a_load_is_over_with_its_requests_or_its_time() {
        let at = Duration::from_millis(1500);
        let closed = load(Some(3), Some(2), Pace::Closed);
        assert_eq!(closed.turn(2, at), Some(at));
        assert_eq!(closed.turn(3, at), None);
        assert_eq!(closed.turn(2, Duration::from_secs(2)), None);
    }

    #[test]
    fn by_the_clock_requests_start_at_even_distances_whenever_somebody_is_free() {
        let rated = load(None, Some(1), Pace::Rate(4.0));
        let turns: Vec<_> = (0..5)
            .map(|index| {
                rated
                    .turn(index, Duration::from_secs(9))
                    .map(|turn| turn.as_millis())
            })
            .collect();
        assert_eq!(turns, [Some(0), Some(250), Some(500), Some(750), None]);
    }
}
