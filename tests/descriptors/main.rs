//! Every way in which an upstream may misbehave, one after another, before one running gateway. It checks each way's
//! name, the class of its failure, and that the process has no more descriptors after it than before. It is a program
//! of its own, because it counts what another process has open. `faults` has all other tests of a fault.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![allow(
    clippy::print_stdout,
    reason = "a test of many cases says in which one it failed"
)]

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/tls.rs"]
mod tls;
#[path = "../support/upstream.rs"]
mod upstream;

mod spent;
mod ways;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use program::{Running, get, metric, try_within};
use upstream::{Response, Upstream};
use ways::{Way, ways};

/// The number of requests for each way. If each call loses a connection, that is more than the one a pool may keep.
const TIMES: usize = 3;

/// The time in which a fault must be noticed by itself: half of the calls' timeout.
const IN_TIME: Duration = Duration::from_secs(10);

/// The longest time until a number of descriptors or a gauge is as it should be.
const BACK: Duration = Duration::from_secs(5);

fn configuration(ways: &[Way], well: &Upstream) -> String {
    let mut text = format!("[upstreams.well]\nurl = \"{}\"\n", well.url("/"));
    for way in ways {
        let key = way.key();
        let timeout = match way.settings.contains("timeout = ") {
            true => "",
            false => "timeout = \"20s\"",
        };
        let (url, settings, aggregate) = (&way.url, &way.settings, way.aggregate);
        let deadline = match aggregate.contains("deadline = ") {
            true => "",
            false => "deadline = \"25s\"",
        };
        writeln!(
            text,
            "[upstreams.{key}]\nurl = \"{url}\"\n{timeout}\n{settings}\n\
             [aggregates.{key}]\ncalls = [\"{key}\", \"well\"]\n{deadline}\n{aggregate}"
        )
        .unwrap();
    }
    text
}

/// Returns the number of descriptors that the process has open.
fn descriptors(gateway: &Running) -> usize {
    let folder = format!("/proc/{}/fd", gateway.id());
    std::fs::read_dir(folder).unwrap().count()
}

/// Returns the number that it has open while it does nothing.
fn fewest(gateway: &Running) -> usize {
    let mut fewest = usize::MAX;
    try_within(Duration::from_millis(300), || {
        fewest = fewest.min(descriptors(gateway));
        None::<()>
    });
    fewest
}

/// Waits until the process has at most so many descriptors, and nothing is in flight.
fn back(gateway: &Running, address: SocketAddr, most: usize, way: &Way) {
    if try_within(BACK, || (descriptors(gateway) <= most).then_some(())).is_none() {
        let left = descriptors(gateway);
        panic!("{}: {left} descriptors, at most {most} before", way.name);
    }
    for gauge in [
        "gather_requests_in_flight".to_owned(),
        format!("gather_attempts_in_flight{{upstream=\"{}\"}}", way.key()),
        "gather_attempts_in_flight{upstream=\"well\"}".to_owned(),
    ] {
        let zero = try_within(BACK, || (metric(address, &gauge) == 0.0).then_some(()));
        assert!(zero.is_some(), "{}: {gauge} is not 0", way.name);
    }
}

/// Asks the sick upstream once, beside the healthy one, and asserts all that must hold of the answer.
fn ask(address: SocketAddr, way: &Way, time: usize) {
    let began = Instant::now();
    let answer = get(address, &format!("/aggregate/{}", way.key()));
    let took = began.elapsed();
    let json = answer.json();
    assert_eq!(answer.status, 200, "{}: {json}", way.name);
    assert!(took < IN_TIME, "{} took {took:?}", way.name);
    assert!(took >= way.at_least, "{} took {took:?}", way.name);
    let (sick, well) = (&json["results"][0], &json["results"][1]);
    assert_eq!(well["ok"], true, "{}: {json}", way.name);
    assert_eq!(well["body"], "pong", "{}: {json}", way.name);
    let here = way.fails_at.is_none_or(|at| at == time);
    match way.failure.filter(|_| here) {
        None => assert_eq!(sick["ok"], true, "{}: {json}", way.name),
        Some((class, detail)) => {
            assert_eq!(sick["failure"], class, "{}: {json}", way.name);
            assert!(sick.get("body").is_none(), "{}: {json}", way.name);
            let sentence = sick["detail"].as_str().unwrap();
            assert!(sentence.contains(detail), "{}: {sentence}", way.name);
        }
    }
}

#[test]
fn whatever_an_upstream_does_no_descriptor_is_lost_and_nothing_stays_in_flight() {
    let well = Upstream::always(Response::pong());
    let ways = ways();
    let names: BTreeSet<_> = ways.iter().map(|way| way.name).collect();
    assert_eq!(names.len(), ways.len(), "each has a name of its own");
    assert_eq!(ways.len(), 72, "docs/reliability.md says so");
    let (gateway, address) = Running::serve(&configuration(&ways, &well));
    // After this, the healthy upstream's connection is in its pool, and everything that is opened once is open.
    ask(address, &ways[0], 1);
    let begin = fewest(&gateway);
    let counted = metric(address, "process_open_fds");
    assert!(counted >= begin as f64, "{counted} is not what is open");
    let mut pooled = 0;
    for way in &ways {
        let before = descriptors(&gateway);
        for time in 1..=TIMES {
            ask(address, way, time);
            back(&gateway, address, begin + pooled + way.kept, way);
        }
        pooled += way.kept;
        let after = descriptors(&gateway);
        println!(
            "{:?}: {}: {before} before, {after} after",
            way.theme, way.name
        );
    }
    assert_eq!(metric(address, "gather_panics_total"), 0.0);
    let most = counted + pooled as f64;
    let told = || (metric(address, "process_open_fds") <= most).then_some(());
    assert!(try_within(BACK, told).is_some(), "the metric says more");
    println!("{} ways", ways.len());
    gateway.signal("KILL");
}
