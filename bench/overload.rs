//! Overload: a gateway before an upstream with a fixed capacity, at loads from half of that capacity to four times as
//! much, with `server.max_in_flight` and without. It fails if, with the limit, goodput falls below 90 % of its peak, or
//! a refusal takes longer than 5 ms at p99.
//!
//! `cargo bench --bench overload` runs for a minute. `cargo bench --bench overload -- 10` takes ten seconds for each
//! row.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and ends where it can't go on"
)]
#![allow(unreachable_pub, reason = "its modules are for this program alone")]

#[path = "support/client.rs"]
mod client;
#[path = "../tests/support/gateway.rs"]
mod gateway;
#[path = "overload/load.rs"]
mod load;
#[path = "support/load.rs"]
mod open_loop;
#[path = "../tests/support/program.rs"]
mod program;
#[path = "overload/upstream.rs"]
mod upstream;

use std::{process::ExitCode, time::Duration};

use load::{Load, Seen};
use program::Running;
use tokio::runtime::Builder;
use upstream::Upstream;

/// The time for which a client waits. A later answer is worth nothing.
const DEADLINE: Duration = Duration::from_millis(500);

/// The number of requests that the upstream can work on at a time, and the time for each: 500 requests a second.
const SLOTS: usize = 25;
const SERVICE: Duration = Duration::from_millis(50);
const CAPACITY: f64 = 500.0;

/// The rate that the upstream carries, times the longest time for an answer, 100 ms.
const MAX_IN_FLIGHT: usize = 50;

/// More requests than are ever offered within the deadline.
const UNBOUNDED: usize = 1_000_000;

/// The time that each load lasts before it is measured, so that queues have grown: twice the deadline.
const WARM_UP: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let seconds = std::env::args().skip(1).find_map(|text| text.parse().ok());
    let measured = Duration::from_secs(seconds.unwrap_or(5));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = runtime.block_on(series(MAX_IN_FLIGHT, measured));
    let unbounded = runtime.block_on(series(UNBOUNDED, measured));

    let peak = |rows: &[Seen]| rows.iter().map(Seen::goodput).fold(0.0, f64::max);
    let kept = bounded.last().unwrap().goodput() / peak(&bounded);
    let lost = unbounded.last().unwrap().goodput() / peak(&unbounded);
    let refusal = bounded.last().unwrap().shed_at(0.99).unwrap_or_default();
    println!(
        "\nAt four times what the upstream carries, goodput is {:.0} % of its peak with the limit, {:.0} % without; \
         a refusal takes {} ms at p99.",
        kept * 100.0,
        lost * 100.0,
        millis(Some(refusal))
    );
    if kept >= 0.9 && refusal < Duration::from_millis(5) {
        ExitCode::SUCCESS
    } else {
        println!("That is not what Gather promises: 90 % and 5 ms.");
        ExitCode::FAILURE
    }
}

/// Runs one gateway and one upstream with every load in turn.
async fn series(max_in_flight: usize, measured: Duration) -> Vec<Seen> {
    let upstream = Upstream::start(SLOTS, SERVICE);
    let (_gateway, address) = Running::serve(&format!(
        "server.max_in_flight = {max_in_flight}\nserver.grace = \"0s\"\n\
         [upstreams.one]\nurl = \"http://{}/\"\nmax_in_flight = {UNBOUNDED}\n\
         [aggregates.default]\ncalls = [\"one\"]\ndeadline = \"{}ms\"",
        upstream.address(),
        DEADLINE.as_millis()
    ));
    println!("\nmax_in_flight = {max_in_flight}\n");
    println!(
        "| offered | a second | answered | good a second | shed a second | late or failed a second \
         | good p50, p99 ms | shed p50, p99 ms | sent late p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for times in [0.5, 1.0, 2.0, 4.0] {
        let load = Load {
            gateway: address,
            rate: CAPACITY * times,
            warm_up: WARM_UP,
            measured,
            deadline: DEADLINE,
        };
        let seen = load.run().await;
        println!(
            "| {times}× | {:.0} | {:.1} % | {:.0} | {:.0} | {:.0} | {}, {} | {}, {} | {} |",
            load.rate,
            seen.answered() * 100.0,
            seen.goodput(),
            seen.shed(),
            seen.bad(),
            millis(seen.good_at(0.5)),
            millis(seen.good_at(0.99)),
            millis(seen.shed_at(0.5)),
            millis(seen.shed_at(0.99)),
            millis(seen.lag_at(0.99)),
        );
        rows.push(seen);
        upstream.until_idle().await;
    }
    rows
}

fn millis(time: Option<Duration>) -> String {
    time.map_or("–".to_owned(), |time| {
        format!("{:.1}", time.as_secs_f64() * 1000.0)
    })
}
