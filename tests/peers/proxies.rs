//! Real proxies before two real gateways, each with the configuration in `deploy/proxies`. They must keep the promises
//! of docs/proxies.md. All run side by side, once for all tests here.

mod client;
mod container;
mod program;
mod restarts;
mod scene;
mod seen;

use std::{net::SocketAddr, panic::resume_unwind, sync::LazyLock, thread};

use program::Kind;
use seen::Seen;

use crate::program::get;

/// The observations of every proxy that could be started.
static SEEN: LazyLock<Vec<Seen>> = LazyLock::new(|| {
    let observers = Kind::ALL.map(|kind| thread::spawn(move || seen::observe(kind)));
    // All of them are joined before a failure is reported, so that the programs that they have started end with them.
    let ended = observers.map(|observer| observer.join());
    ended
        .into_iter()
        .filter_map(|ended| ended.unwrap_or_else(|panic| resume_unwind(panic)))
        .collect()
});

/// Returns the number of aggregates that a gateway has answered.
fn answered(gateway: SocketAddr) -> f64 {
    let metrics = get(gateway, "/metrics");
    let series = metrics.text().lines();
    let series = series.filter(|line| line.starts_with("gather_requests_total"));
    series
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// Asserts that nothing is wrong with any proxy.
fn nothing_wrong(wrong: impl Fn(&Seen) -> &[String]) {
    let found = SEEN.iter().flat_map(|seen| {
        wrong(seen)
            .iter()
            .map(|wrong| format!("\n{}: {wrong}", seen.name))
    });
    let found: String = found.collect();
    assert!(found.is_empty(), "{found}");
}

#[test]
fn each_proxys_own_check_finds_nothing_in_the_shipped_configuration() {
    for kind in Kind::ALL {
        assert_eq!(kind.complaints(), Vec::<String>::new(), "{kind:?}");
    }
}

#[test]
fn lines_and_events_come_through_each_proxy_one_by_one_and_at_once() {
    nothing_wrong(|seen| &seen.streams);
}

#[test]
fn heartbeats_of_a_silent_stream_come_through_each_proxy() {
    nothing_wrong(|seen| &seen.heartbeats);
}

#[test]
fn a_client_that_leaves_is_seen_behind_each_proxy_at_once() {
    nothing_wrong(|seen| &seen.departures);
}

#[test]
fn answers_and_problems_come_through_each_proxy_as_they_are() {
    nothing_wrong(|seen| &seen.answers);
}

#[test]
fn ids_and_traces_come_through_each_proxy_and_forged_addresses_do_not() {
    nothing_wrong(|seen| &seen.requests);
}

#[test]
fn a_stop_of_one_of_two_gateways_behind_each_proxy_fails_no_request() {
    nothing_wrong(|seen| &seen.restarts);
}

#[test]
fn an_answer_that_takes_17_s_comes_through_each_proxy() {
    nothing_wrong(|seen| &seen.slow);
}

#[test]
fn requests_go_to_the_other_gateway_where_one_is_dead() {
    nothing_wrong(|seen| &seen.ends);
}

#[test]
fn a_request_that_is_broken_off_behind_each_proxy_runs_twice_at_most() {
    nothing_wrong(|seen| &seen.resends);
}
