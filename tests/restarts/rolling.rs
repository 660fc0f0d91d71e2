//! Rolling restarts behind a load balancer. There are four groups of two gateways, and each group restarts its gateways
//! one after the other.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::{
    balancer::Balancer,
    client::Failure,
    program::{Running, eventually},
    slow,
};

const GROUPS: usize = 4;
const RESTARTS: usize = 200;

/// The time between requests, whether answers come or not: 125 requests a second.
const EVERY: Duration = Duration::from_millis(8);

/// A grace that is long enough for a balancer that asks forty times a second, on a machine that does other things too.
const SERVER: &str = "server.grace = \"700ms\"\n";

type Failed = (SocketAddr, Failure);

/// Starts a gateway in this place and waits until the balancer has seen it ready.
fn start(place: usize, toml: &str, balancer: &Balancer) -> Running {
    let (running, address) = Running::serve(toml);
    balancer.put(place, address);
    eventually("a ready gateway", || balancer.is_ready(place).then_some(()));
    running
}

/// Restarts the two gateways of a group in turn, until all groups together have restarted enough. Returns those that
/// run.
fn restart_in_turn(
    group: usize,
    toml: &str,
    balancer: &Balancer,
    restarts: &AtomicUsize,
    all_run: &Barrier,
) -> [Option<Running>; 2] {
    let places = [2 * group, 2 * group + 1];
    let mut gateways = places.map(|place| Some(start(place, toml, balancer)));
    all_run.wait();
    for turn in 0.. {
        if restarts.fetch_add(1, Ordering::Relaxed) >= RESTARTS {
            break;
        }
        let gateway = &mut gateways[turn % 2];
        gateway.take().unwrap().stop().expect(0);
        *gateway = Some(start(places[turn % 2], toml, balancer));
    }
    gateways
}

/// Sends requests until it is told that it is over, and waits for their answers. Returns their number, and the
/// failures.
async fn load(balancer: Arc<Balancer>, over: Arc<AtomicBool>) -> (usize, Vec<Failed>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let balancer = Arc::clone(&balancer);
        requests.spawn(async move { balancer.send().await });
        sent += 1;
    }
    let answers = requests.join_all().await;
    (sent, answers.into_iter().filter_map(Result::err).collect())
}

#[test]
fn two_hundred_rolling_restarts_fail_no_request() {
    let upstream = slow();
    let toml = format!(
        "{SERVER}upstreams.one.url = \"{}\"\naggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    let balancer = Arc::new(Balancer::new(2 * GROUPS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for place in 0..2 * GROUPS {
        let balancer = Arc::clone(&balancer);
        runtime.spawn(async move { balancer.watch(place).await });
    }
    let restarts = AtomicUsize::new(0);
    let all_run = Barrier::new(GROUPS + 1);
    let over = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let (sent, failures) = std::thread::scope(|scope| {
        let groups: Vec<_> = (0..GROUPS)
            .map(|group| {
                let (toml, balancer, restarts) = (&toml, &balancer, &restarts);
                let all_run = &all_run;
                scope.spawn(move || restart_in_turn(group, toml, balancer, restarts, all_run))
            })
            .collect();
        all_run.wait();
        let load = runtime.spawn(load(Arc::clone(&balancer), Arc::clone(&over)));
        let gateways: Vec<_> = groups
            .into_iter()
            .map(|group| group.join().unwrap())
            .collect();
        over.store(true, Ordering::Relaxed);
        let counted = runtime.block_on(load).unwrap();
        drop(gateways);
        counted
    });
    println!(
        "{RESTARTS} restarts in {:?}: {sent} requests, {} failed",
        began.elapsed(),
        failures.len()
    );
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(sent > RESTARTS, "there was no load: {sent}");
}
