//! Restarts of the built program under load, in which not one request may fail. Some are behind a load balancer that
//! asks `/readyz`. Others are without one, and the next process takes the port over while the last one still runs.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![allow(
    clippy::print_stdout,
    reason = "what was measured is worth reading, and shown where a test failed"
)]

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/upstream.rs"]
mod upstream;

mod balancer;
mod client;
mod hand_over;
mod rolling;

use std::time::Duration;

use upstream::{Behaviour, Response, Upstream};

/// The upstream's time for most requests. It is enough that some are always in flight.
const SHORT: Duration = Duration::from_millis(40);

/// The upstream's time for every seventh request. It is longer than any grace here, so that it needs the drain.
const LONG: Duration = Duration::from_millis(1200);

/// An upstream that takes [`SHORT`], and [`LONG`] for every seventh request.
fn slow() -> Upstream {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Upstream::start(move |_| {
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Eight gateways take turns, so each of them gets some of these.
        let delay = if number.is_multiple_of(7) {
            LONG
        } else {
            SHORT
        };
        Behaviour::from(Response::pong()).after(delay)
    })
}
