//! The tail: aggregates of ten calls, without a hedge and with one after the 95th percentile. The upstream takes 1 s
//! instead of 10 ms for one answer in a hundred. It fails unless the hedge makes the 99th percentile at least five
//! times lower, for at most 6 % more upstream requests.
//!
//! `cargo bench --bench tail` runs it. The load is open: requests start by the clock, independent of earlier ones, and
//! a time counts from the moment when its request was due.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and ends where it can't go on"
)]

#[path = "support/client.rs"]
mod client;
#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/load.rs"]
mod load;
#[path = "support/metrics.rs"]
mod metrics;
#[path = "support/times.rs"]
mod times;
#[path = "../tests/support/upstream.rs"]
mod upstream;

use std::{process::ExitCode, sync::Mutex, time::Duration};

use tokio::runtime;

use client::Pool;
use gateway::Gateway;
use load::by_the_clock;
use metrics::Metrics;
use times::{Times, ms};
use upstream::{Behaviour, Response, Upstream};

/// The number of calls in one aggregate.
const CALLS: u32 = 10;
/// The number of aggregates before the measurement, in which the percentile settles.
const WARM_UP: u32 = 300;
/// The number of aggregates that are measured. 40 of them are beyond the 99th percentile.
const MEASURED: u32 = 4_000;
/// The time from one aggregate to the next: 200 a second.
const EVERY: Duration = Duration::from_millis(5);

const USUAL: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_secs(1);
const SLOW_SHARE: f64 = 0.01;
const SEED: u64 = 20;

/// The promised factor.
const TIMES_LOWER: f64 = 5.0;
const MORE_REQUESTS: f64 = 0.06;

/// The result of one variant.
struct Measured {
    variant: &'static str,
    times: Times,
    /// The number of upstream requests for each call, by the upstream's own count.
    requests: f64,
    hedges: f64,
}

fn main() -> ExitCode {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let (without, with) = runtime.unwrap().block_on(async {
        let without = measure("no hedge", "").await;
        let with = measure("hedge after p95", "hedge = { after = \"p95\" }").await;
        (without, with)
    });
    println!(
        "{MEASURED} aggregates of {CALLS} calls, {:.0} a second; {:.0} % of answers after {SLOW:?}, the others after {USUAL:?}\n",
        1.0 / EVERY.as_secs_f64(),
        SLOW_SHARE * 100.0
    );
    println!(
        "| variant | aggregates | p50 | p90 | p99 | max | upstream requests a call | hedges |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for row in [&without, &with] {
        println!(
            "| {} | {MEASURED} | {} | {} | {} | {} | {:.4} | {} |",
            row.variant,
            ms(row.times.percentile(50.0)),
            ms(row.times.percentile(90.0)),
            ms(row.times.percentile(99.0)),
            ms(row.times.max()),
            row.requests,
            row.hedges,
        );
    }
    let [before, after] = [&without, &with].map(|row| row.times.percentile(99.0).as_secs_f64());
    let lower = before / after;
    let more = with.requests / without.requests - 1.0;
    println!(
        "\np99 is {lower:.1} times lower for {:.2} % more upstream requests",
        more * 100.0
    );
    if lower >= TIMES_LOWER && more <= MORE_REQUESTS {
        ExitCode::SUCCESS
    } else {
        println!(
            "promised: at least {TIMES_LOWER} times lower for at most {:.0} % more",
            MORE_REQUESTS * 100.0
        );
        ExitCode::FAILURE
    }
}

async fn measure(variant: &'static str, setting: &str) -> Measured {
    let random = Mutex::new(fastrand::Rng::with_seed(SEED));
    let upstream = Upstream::start(move |_| {
        let slow = random.lock().unwrap().f64() < SLOW_SHARE;
        Behaviour::from(Response::pong()).after(if slow { SLOW } else { USUAL })
    });
    let gateway = Gateway::start(&configuration(&upstream.url("/"), setting)).unwrap();
    load(&gateway, WARM_UP).await;
    upstream.take_requests();
    let hedged = hedges(&gateway).await;
    let times = load(&gateway, MEASURED).await;
    let requests = upstream.requests().len();
    Measured {
        variant,
        times: Times::new(times),
        requests: requests as f64 / f64::from(MEASURED * CALLS),
        hedges: hedges(&gateway).await - hedged,
    }
}

fn configuration(url: &str, setting: &str) -> String {
    let calls: Vec<_> = (1..=CALLS)
        .map(|number| format!("{{ upstream = \"service\", name = \"call_{number}\" }}"))
        .collect();
    format!(
        "[upstreams.service]\nurl = \"{url}\"\ntimeout = \"20s\"\nconnect_timeout = \"10s\"\n{setting}\n\
         [aggregates.default]\ncalls = [{}]\ndeadline = \"20s\"",
        calls.join(", ")
    )
}

async fn hedges(gateway: &Gateway) -> f64 {
    let metrics = Metrics::of(gateway.address).await.unwrap();
    metrics.sum("gather_hedges_total", &[])
}

/// Asks for this many aggregates by the clock. Returns the time of each from the moment when it was due.
async fn load(gateway: &Gateway, aggregates: u32) -> Vec<Duration> {
    let pool = &Pool::new(gateway.address);
    by_the_clock(aggregates, EVERY, |_, due| async move {
        let answer = pool.ask("/aggregate").await.unwrap();
        let time = due.elapsed();
        let text = String::from_utf8_lossy(&answer.body);
        let complete = answer.status == 200 && text.contains("\"outcome\":\"complete\"");
        assert!(complete, "{text}");
        time
    })
    .await
}
