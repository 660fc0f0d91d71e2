//! Every way in which an upstream here may misbehave, one after another before one running gateway: what each is called,
//! the class of its failure, and that the process has no more descriptors after it than before. A program of its own,
//! because it counts what another process has open. What else is particular to a fault is in `faults`.
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

/// How often each is asked. A connection that is lost with each call is then more than the one a pool may keep.
const TIMES: usize = 3;

/// Where a fault has to be noticed by itself: half of the calls' timeout.
const IN_TIME: Duration = Duration::from_secs(10);

/// How long a descriptor or a gauge may take to get where it should.
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

/// How many descriptors the process has open.
fn descriptors(gateway: &Running) -> usize {
    let folder = format!("/proc/{}/fd", gateway.id());
    std::fs::read_dir(folder).unwrap().count()
}

/// How many it has open while it does nothing.
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

/// One request for the sick upstream beside the healthy one, and what must hold of its answer.
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
    // The healthy upstream's connection is in its pool after this, and whatever else is opened once.
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
