//! Hostile clients beside good ones. A thousand connections of each kind drip a head, drip a body, or don't read their
//! answer, while 200 good requests a second go on. It fails unless every good request is answered, their 99th
//! percentile at most doubles, and every slow connection is closed within its time and two seconds.
//!
//! `cargo bench --bench slow_clients` runs it. The load is open: requests start by the clock, and a time counts from
//! the moment when its request was due.
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
#[path = "support/times.rs"]
mod times;
#[path = "../tests/support/upstream.rs"]
mod upstream;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use client::Pool;
use gateway::Gateway;
use load::by_the_clock;
use times::{Times, ms};
use upstream::{Behaviour, Response, Upstream};

/// The number of slow connections of each kind.
const SLOW: usize = 1_000;
/// The time from one good request to the next: 200 a second.
const EVERY: Duration = Duration::from_millis(5);
/// The number of good requests before the slow clients come, and again while they are there.
const GOOD: u32 = 2_000;
/// The upstream's time for a good answer.
const USUAL: Duration = Duration::from_millis(20);
/// The time that slow clients have.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time from one byte of a slow client to its next.
const DRIP: Duration = Duration::from_millis(500);
/// The size of the body that isn't read, in bytes. It is more than the kernel takes on both sides.
const LARGE: usize = 400_000;

/// The promised time.
const CLOSED_AFTER: Duration = Duration::from_secs(2);
const TIMES_SLOWER: f64 = 2.0;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Head,
    Body,
    Read,
}

fn main() -> ExitCode {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(measure())
}

async fn measure() -> ExitCode {
    let good = Upstream::always(Behaviour::from(Response::pong()).after(USUAL));
    let large = Upstream::always(Response::json(format!("\"{}\"", "x".repeat(LARGE))));
    let gateway = Gateway::start(&configuration(&good.url("/"), &large.url("/"))).unwrap();
    load(gateway.address, 200).await;
    let before = load(gateway.address, GOOD).await;
    let idle = gateway.holdings().unwrap();

    let slow: Vec<_> = [Kind::Head, Kind::Body, Kind::Read]
        .into_iter()
        .map(|kind| (kind, crowd(gateway.address, kind)))
        .collect();
    let during = load(gateway.address, GOOD).await;
    let busy = gateway.holdings().unwrap();

    let mut kept = true;
    println!(
        "| slow client | connections | closed after, p50 | closed after, max | allowed |\n|---|---|---|---|---|"
    );
    for (kind, crowd) in slow {
        let times = Times::new(crowd.await);
        let allowed = PATIENCE + CLOSED_AFTER;
        kept &= times.max() <= allowed;
        println!(
            "| {} | {SLOW} | {} | {} | {} |",
            match kind {
                Kind::Head => "drips a head",
                Kind::Body => "drips a body",
                Kind::Read => "doesn't read its answer",
            },
            ms(times.percentile(50.0)),
            ms(times.max()),
            ms(allowed),
        );
    }
    println!("\n| good clients | requests | failed | p50 | p99 | max |\n|---|---|---|---|---|---|");
    for (name, good) in [("alone", &before), ("beside slow ones", &during)] {
        kept &= good.failed == 0;
        println!(
            "| {name} | {GOOD} | {} | {} | {} | {} |",
            good.failed,
            ms(good.times.percentile(50.0)),
            ms(good.times.percentile(99.0)),
            ms(good.times.max()),
        );
    }
    let [alone, beside] = [&before, &during].map(|good| good.times.percentile(99.0).as_secs_f64());
    println!(
        "\np99 beside slow clients is {:.2} times that without",
        beside / alone
    );
    println!(
        "the gateway held {} descriptors and {} MiB before, {} and {} MiB after",
        idle.descriptors,
        idle.memory >> 20,
        busy.descriptors,
        busy.memory >> 20
    );
    if kept && beside <= alone * TIMES_SLOWER {
        ExitCode::SUCCESS
    } else {
        println!("promised: none failed, all closed in time, p99 at most {TIMES_SLOWER} times");
        ExitCode::FAILURE
    }
}

fn configuration(good: &str, large: &str) -> String {
    let patience = format!("\"{}s\"", PATIENCE.as_secs());
    format!(
        "server.header_timeout = {patience}\nserver.write_timeout = {patience}\n\
         [upstreams.good]\nurl = \"{good}\"\n[upstreams.large]\nurl = \"{large}\"\n\
         [aggregates.default]\ncalls = [\"good\"]\n[aggregates.large]\ncalls = [\"large\"]"
    )
}

/// Opens all slow connections of a kind over a second. Returns the time that each was kept open.
async fn crowd(address: SocketAddr, kind: Kind) -> Vec<Duration> {
    let mut all = JoinSet::new();
    for number in 0..SLOW {
        let start = Duration::from_micros(1_000_000 / SLOW as u64) * u32::try_from(number).unwrap();
        all.spawn(async move {
            sleep(start).await;
            let mut tcp = TcpStream::connect(address).await.unwrap();
            let since = Instant::now();
            let closed = async {
                match kind {
                    Kind::Head => drip(&mut tcp, "GET /aggregate HTTP/1.1\r\nHost: gather\r\nA: ").await,
                    Kind::Body => {
                        let head = "POST /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: 9999\r\n\r\n";
                        drip(&mut tcp, head).await;
                    }
                    Kind::Read => {
                        let head = "GET /aggregate/large HTTP/1.1\r\nHost: gather\r\n\r\n";
                        tcp.write_all(head.as_bytes()).await.unwrap();
                        // The bytes that have come are not read, so only a reset is noticed.
                        while tcp.take_error().unwrap().is_none() {
                            sleep(Duration::from_millis(50)).await;
                        }
                    }
                }
            };
            // This counts as kept open for that long.
            let _ = timeout(PATIENCE * 4, closed).await;
            since.elapsed()
        });
    }
    all.join_all().await
}

/// Sends this, and then a byte from time to time, until the other side has closed.
async fn drip(tcp: &mut TcpStream, head: &str) {
    let (mut from, mut to) = tcp.split();
    let write = async {
        let _ = to.write_all(head.as_bytes()).await;
        loop {
            sleep(DRIP).await;
            if to.write_all(b"x").await.is_err() {
                return;
            }
        }
    };
    let read = async {
        let mut answer = Vec::new();
        let _ = from.read_to_end(&mut answer).await;
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}

/// The results of good requests.
struct Good {
    times: Times,
    failed: usize,
}

/// Asks for this many aggregates by the clock.
async fn load(address: SocketAddr, aggregates: u32) -> Good {
    let pool = &Pool::new(address);
    let all = by_the_clock(aggregates, EVERY, |_, due| async move {
        let answer = pool.ask("/aggregate").await;
        let time = due.elapsed();
        let complete = answer.is_ok_and(|answer| {
            String::from_utf8_lossy(&answer.body).contains("\"outcome\":\"complete\"")
        });
        (time, complete)
    })
    .await;
    Good {
        failed: all.iter().filter(|(_, complete)| !complete).count(),
        times: Times::new(all.into_iter().map(|(time, _)| time).collect()),
    }
}
