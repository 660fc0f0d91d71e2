//! The time of a request: `timeout`, `Prefer: wait=`, the configured deadline, and the rule for which of them applies.

use std::time::{Duration, Instant};

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Behaviour, Response, Upstream},
};

/// Far below any deadline that a test must not run into, and far above what a slow machine adds.
pub(crate) const SOON: Duration = Duration::from_secs(8);

/// A gateway before one upstream that never answers.
async fn silent(settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let rest = format!(
        "upstreams.one.timeout = \"60s\"\n[aggregates.default]\ncalls = [\"one\"]\n{settings}"
    );
    let gateway = Gateway::before(&[("one", upstream.url("/"))], &rest).await;
    (gateway, upstream)
}

/// Asserts that the plan's own time ran out, after `least` at the earliest and soon.
#[track_caller]
pub(crate) fn late(answer: &Answer, since: Instant, least: Duration) {
    let took = since.elapsed();
    let problem = answer.problem(504, "upstream-timeout");
    assert_eq!(problem["results"][0]["failure"], "deadline", "{problem}");
    assert!((least..SOON).contains(&took), "{took:?}");
    // The deadline is counted from the request's beginning, and this from the plan's, which is a little later.
    let told = Duration::from_secs_f64(problem["elapsed_ms"].as_f64().unwrap() / 1000.0);
    assert!(told + Duration::from_millis(50) >= least, "{problem}");
}

#[actix_web::test]
async fn a_timeout_shortens_the_deadline_and_ends_the_calls_on_the_wire() {
    let (gateway, upstream) = silent("deadline = \"60s\"").await;
    let since = Instant::now();
    let answer = gateway.aggregate("?timeout=150ms").await;
    late(&answer, since, Duration::from_millis(150));
    let closed = upstream.wait_closed(Duration::from_secs(10)).await;
    assert!(closed.is_some(), "the call goes on though nobody waits");
}

#[actix_web::test]
async fn a_timeout_can_not_lengthen_the_deadline() {
    let (gateway, _upstream) = silent("deadline = \"150ms\"").await;
    for timeout in ["1h", "364days", "1m%2030s"] {
        let since = Instant::now();
        let answer = gateway.aggregate(&format!("?timeout={timeout}")).await;
        late(&answer, since, Duration::from_millis(150));
    }
}

#[actix_web::test]
async fn the_smallest_timeout_is_answered_and_not_a_fault() {
    let (gateway, _upstream) = silent("deadline = \"60s\"").await;
    let since = Instant::now();
    late(
        &gateway.aggregate("?timeout=1ns").await,
        since,
        Duration::ZERO,
    );
}

#[actix_web::test]
async fn a_preference_to_wait_is_honoured_and_said_to_be() {
    let (gateway, _upstream) = silent("deadline = \"60s\"").await;
    let since = Instant::now();
    let headers = [("Prefer", "respond-async, wait=1")];
    let answer = gateway.get_with("/aggregate", &headers).await;
    late(&answer, since, Duration::from_secs(1));
    assert_eq!(answer.header("preference-applied"), Some("wait=1"));
}

#[actix_web::test]
async fn the_shorter_of_timeout_and_preference_holds() {
    let (gateway, _upstream) = silent("deadline = \"60s\"").await;
    for (query, wait, least) in [
        ("?timeout=150ms", "wait=30", Duration::from_millis(150)),
        ("?timeout=30s", "wait=1", Duration::from_secs(1)),
    ] {
        let applied = (wait == "wait=1").then_some(wait);
        let since = Instant::now();
        let target = format!("/aggregate{query}");
        let answer = gateway.get_with(&target, &[("Prefer", wait)]).await;
        late(&answer, since, least);
        assert_eq!(answer.header("preference-applied"), applied);
    }
}

#[actix_web::test]
async fn a_preference_can_not_lengthen_the_deadline() {
    let (gateway, _upstream) = silent("deadline = \"150ms\"").await;
    let since = Instant::now();
    let answer = gateway
        .get_with("/aggregate", &[("Prefer", "wait=3600")])
        .await;
    late(&answer, since, Duration::from_millis(150));
    assert_eq!(answer.header("preference-applied"), None);
}

#[actix_web::test]
async fn a_preference_that_makes_no_sense_is_ignored() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"one\"]").await;
    for nonsense in [
        "wait",
        "wait=",
        "wait=0",
        "wait=-1",
        "wait=abc",
        "wait=1.5",
        "wait=99999999999999999999999",
        "respond-async",
        ",;=",
        "\u{e9}",
    ] {
        let answer = gateway
            .get_with("/aggregate", &[("Prefer", nonsense)])
            .await;
        assert_eq!(answer.status, 200, "{nonsense}: {}", answer.text());
        assert_eq!(answer.header("preference-applied"), None, "{nonsense}");
    }
    let answer = gateway
        .get_with(
            "/aggregate",
            &[("Prefer", "wait=x"), ("Prefer", "Wait = 7")],
        )
        .await;
    assert_eq!(answer.header("preference-applied"), Some("wait=7"));
}

#[actix_web::test]
async fn a_call_has_its_own_time_within_the_deadline() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let rest = "upstreams.one.timeout = \"150ms\"\naggregates.default.calls = [\"one\"]";
    let gateway = Gateway::before(&[("one", upstream.url("/"))], rest).await;
    let since = Instant::now();
    let answer = gateway.aggregate("").await;
    let problem = answer.problem(504, "upstream-timeout");
    assert_eq!(problem["results"][0]["failure"], "timeout", "{problem}");
    assert!(since.elapsed() < SOON);
}

#[actix_web::test]
async fn a_comparison_has_one_deadline_for_both_runs() {
    let (gateway, _upstream) = silent("deadline = \"300ms\"\ncompare = true").await;
    let since = Instant::now();
    let answer = gateway.aggregate("?mode=compare").await;
    let problem = answer.problem(504, "upstream-timeout");
    for mode in ["sequential", "concurrent"] {
        let failure = &problem[mode]["results"][0]["failure"];
        assert_eq!(failure, "deadline", "{problem}");
    }
    let second = problem["concurrent"]["elapsed_ms"].as_f64().unwrap();
    assert!(second < 200.0, "the time was over before: {problem}");
    assert!(since.elapsed() < SOON);
}
