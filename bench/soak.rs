//! The soak: a gateway under a steady load before one healthy upstream and many sick ones. Some clients leave early,
//! and some read slowly. It fails if a healthy call failed, if memory or descriptors grew, or if the counters don't add
//! up.
//!
//! `cargo bench --bench soak` runs for ten minutes, `cargo bench --bench soak -- 60` for as many seconds (at least 20).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and ends where it can't go on"
)]
#![allow(unreachable_pub, reason = "its modules are for this program alone")]

#[path = "support/client.rs"]
mod client;
#[path = "support/gateway.rs"]
mod gateway;
#[path = "soak/ledger.rs"]
mod ledger;
#[path = "soak/load.rs"]
mod load;
#[path = "support/metrics.rs"]
mod metrics;
#[path = "soak/scene.rs"]
mod scene;
#[path = "../tests/support/upstream.rs"]
mod upstream;
#[path = "soak/verdict.rs"]
mod verdict;

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use tokio::{runtime, time::Instant};

use gateway::{Gateway, Holdings};
use ledger::Ledger;
use load::{Crowd, Load};
use metrics::Metrics;
use scene::Scene;
use verdict::{Books, Verdict};

const USUAL: u64 = 600;
const LEAST: u64 = 20;

/// Aggregates a second: enough to see a leak of one object a request, with time to spare on two cores.
const RATE: u32 = 200;

/// The number of requests that come first, all at once. A hiccup of the machine gathers fewer later. Memory keeps the
/// mark of the highest number of requests at a time, which is no leak and must not look like one.
const BURST: usize = 300;

/// The longest second part, in seconds. It adds a tenth to the time. Its clients never leave and its plans cancel
/// nothing, so the books must be exact.
const EXACT_MOST: u64 = 60;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let seconds = std::env::args().skip(1).find_map(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(USUAL).max(LEAST);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let verdict = runtime.unwrap().block_on(soak(seconds));
    println!("{verdict}");
    if verdict.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn soak(seconds: u64) -> Verdict {
    // Clients and upstreams are both in this process.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let scene = Scene::start();
    let gateway = Gateway::start(&scene.configuration()).unwrap();
    let before = gateway.holdings().unwrap();
    let exact = Duration::from_secs((seconds / 10).min(EXACT_MOST));
    let fifth = Duration::from_secs(seconds) / 5;

    let mut load = Load::new(gateway.address, RATE);
    let (mut samples, mut ledger) = (Vec::new(), Ledger::default());
    let mixed = Crowd::Mixed;
    load.burst(BURST, mixed, &mut ledger);
    run(
        &scene,
        &gateway,
        &mut load,
        mixed,
        fifth,
        &mut samples,
        &mut ledger,
    )
    .await;
    let early = at_rest(&gateway, &mut load, &mut ledger).await;
    run(
        &scene,
        &gateway,
        &mut load,
        mixed,
        fifth * 4,
        &mut samples,
        &mut ledger,
    )
    .await;
    idle(&gateway).await;
    let middle = Books {
        ledger,
        metrics: Metrics::of(gateway.address).await.unwrap(),
        upstream: scene.take_requests(),
    };
    let (mut ignored, mut ledger) = (Vec::new(), Ledger::default());
    let patient = Crowd::Patient;
    run(
        &scene,
        &gateway,
        &mut load,
        patient,
        exact,
        &mut ignored,
        &mut ledger,
    )
    .await;
    idle(&gateway).await;
    let end = Books {
        ledger,
        metrics: Metrics::of(gateway.address).await.unwrap(),
        upstream: scene.take_requests(),
    };
    let late = at_rest(&gateway, &mut load, &mut Ledger::default()).await;

    let mut verdict = Verdict::new(seconds, RATE);
    verdict.healthy(&middle, &end);
    verdict.memory(&samples);
    verdict.descriptors([before, early, late], &samples);
    verdict.mixed(&middle);
    verdict.exact(&middle, &end);
    if !verdict.is_well() {
        println!("\n{}", gateway.last_lines().join("\n"));
    }
    verdict
}

/// Loads the gateway for this time, samples its resources each second, and shows progress.
async fn run(
    scene: &Scene,
    gateway: &Gateway,
    load: &mut Load,
    crowd: Crowd,
    time: Duration,
    samples: &mut Vec<Holdings>,
    ledger: &mut Ledger,
) {
    let end = Instant::now() + time;
    let mut next = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        load.until(next, crowd, ledger).await;
        next += Duration::from_secs(1);
        scene.forget();
        let holdings = gateway.holdings().expect("a running gateway");
        samples.push(holdings);
        if std::io::stdout().is_terminal() || samples.len().is_multiple_of(30) {
            let end = if std::io::stdout().is_terminal() {
                '\r'
            } else {
                '\n'
            };
            print!(
                "{:>4} s  {:>8} sent  {:.1} MiB  {} descriptors  {} healthy calls failed{end}",
                samples.len(),
                ledger.sent,
                holdings.memory as f64 / 1048576.0,
                holdings.descriptors,
                ledger.healthy_failed.len()
            );
            let _ = std::io::stdout().flush();
        }
    }
    load.drain(ledger).await;
}

/// Waits until nothing is in flight, for half a minute at most. The verdict finds what still is.
async fn idle(gateway: &Gateway) {
    for _ in 0..300 {
        let metrics = Metrics::of(gateway.address).await.unwrap();
        if metrics.sum("gather_requests_in_flight", &[]) == 0.0
            && metrics.sum("gather_attempts_in_flight", &[]) == 0.0
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The time for which the gateway keeps an idle connection for reuse, and a little more.
const POOLED: Duration = Duration::from_secs(6);

/// The longest time for closing.
const CLOSING: u64 = 10;

/// Returns the resources that the gateway holds without load. A pooled connection that has idled for too long is closed
/// when the next call looks for one. So each upstream is called a few times more.
async fn at_rest(gateway: &Gateway, load: &mut Load, ledger: &mut Ledger) -> Holdings {
    load.close();
    tokio::time::sleep(POOLED).await;
    load.trickle(ledger).await;
    let mut held = gateway.holdings().unwrap();
    for _ in 0..CLOSING {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = gateway.holdings().unwrap();
        if now.descriptors < held.descriptors {
            held = now;
        }
    }
    held
}
