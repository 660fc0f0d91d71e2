//! An open loop: requests start by the clock, independent of earlier requests. So a slow answer delays no other
//! request, and no wait is left out. It must not know what is asked for.
#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

/// Calls `one` this many times, with its number and the moment when it is due, and waits for all. Returns the results
/// in the order in which they came.
pub async fn by_the_clock<F: Future>(
    requests: u32,
    every: Duration,
    one: impl Fn(u32, Instant) -> F,
) -> Vec<F::Output> {
    let began = Instant::now();
    let mut under_way = FuturesUnordered::new();
    let mut ended = Vec::new();
    for number in 0..requests {
        let due = began + every * number;
        let waiting = sleep_until(due);
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                biased;
                Some(one) = under_way.next() => ended.push(one),
                () = &mut waiting => break,
            }
        }
        under_way.push(one(number, due));
    }
    while let Some(one) = under_way.next().await {
        ended.push(one);
    }
    ended
}
