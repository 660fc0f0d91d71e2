//! Clients that leave. Their upstream calls end on the wire, no gauge stays raised, and they are counted as cancelled.
//! A client that closes its half of the connection has left, unless `half_close` is set.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    gateway::Gateway,
    talk::Talk,
    upstream::{Behaviour, Response, Upstream},
};

/// Far below the deadline, which would end the calls too.
const SOON: Duration = Duration::from_secs(10);

/// Starts a gateway with three calls and a long deadline, before an upstream that never completes an answer.
async fn waiting(behaviour: Behaviour, settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(behaviour);
    let urls = ["a", "b", "c"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = format!(
        "defaults.timeout = \"60s\"\n[aggregates.default]\ncalls = [\"a\", \"b\", \"c\"]\n\
         deadline = \"60s\"\n{settings}"
    );
    (Gateway::before(&urls, &rest).await, upstream)
}

/// Sends a request, waits until the upstream has read `calls` of its calls, and leaves by `leave`.
async fn depart(gateway: &Gateway, upstream: &Upstream, calls: usize, leave: fn(TcpStream)) {
    let mut talk = Talk::with(gateway).await;
    talk.get("/aggregate").await;
    assert!(upstream.wait_requests(calls, SOON).await);
    gateway.wait_metric("gather_requests_in_flight", 1.0).await;
    leave(talk.tcp);
}

/// Asserts that nothing of the request is left, and that it was counted as cancelled in this mode.
async fn forgotten(gateway: &Gateway, upstream: &Upstream, mode: &str, calls: &[&str]) {
    let closed = upstream.wait_closed(SOON).await;
    assert!(closed.is_some(), "{} calls go on", upstream.open());
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
    let series = |outcome: &str| {
        format!(
            "gather_requests_total{{aggregate=\"default\",mode=\"{mode}\",outcome=\"{outcome}\"}}"
        )
    };
    gateway.wait_metric(&series("cancelled"), 1.0).await;
    for outcome in ["complete", "partial", "failed"] {
        assert_eq!(gateway.metric(&series(outcome)).await, 0.0);
    }
    for name in ["a", "b", "c"] {
        let gauge = format!("gather_attempts_in_flight{{upstream=\"{name}\"}}");
        gateway.wait_metric(&gauge, 0.0).await;
        let cancelled = f64::from(u8::from(calls.contains(&name)));
        let counter = format!("gather_attempts_total{{result=\"cancelled\",upstream=\"{name}\"}}");
        assert_eq!(gateway.metric(&counter).await, cancelled, "{name}");
    }
    let duration =
        format!("gather_request_duration_seconds_count{{aggregate=\"default\",mode=\"{mode}\"}}");
    assert_eq!(
        gateway.metric(&duration).await,
        0.0,
        "no time says anything here"
    );
}

const ALL: [&str; 3] = ["a", "b", "c"];

#[actix_web::test]
async fn a_client_that_closes_cancels_its_calls() {
    let (gateway, upstream) = waiting(Behaviour::HangBeforeHead, "").await;
    depart(&gateway, &upstream, 3, drop).await;
    forgotten(&gateway, &upstream, "concurrent", &ALL).await;
}

#[actix_web::test]
async fn a_client_that_resets_cancels_its_calls() {
    let (gateway, upstream) = waiting(Behaviour::HangBeforeHead, "").await;
    depart(&gateway, &upstream, 3, |tcp| tcp.set_zero_linger().unwrap()).await;
    forgotten(&gateway, &upstream, "concurrent", &ALL).await;
}

#[actix_web::test]
async fn a_client_that_closes_its_half_counts_as_gone() {
    let (gateway, upstream) = waiting(Behaviour::HangBeforeHead, "").await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    assert!(upstream.wait_requests(3, SOON).await);
    talk.tcp.shutdown().await.unwrap();
    forgotten(&gateway, &upstream, "concurrent", &ALL).await;
}

#[actix_web::test]
async fn calls_whose_bodies_are_under_way_are_cancelled_too() {
    let hang = Behaviour::HangInBody {
        declared: 100,
        sent: 10,
    };
    let (gateway, upstream) = waiting(hang, "").await;
    depart(&gateway, &upstream, 3, drop).await;
    forgotten(&gateway, &upstream, "concurrent", &ALL).await;
}

#[actix_web::test]
async fn a_sequential_plan_starts_no_further_call_for_a_client_that_has_gone() {
    let (gateway, upstream) = waiting(Behaviour::HangBeforeHead, "mode = \"sequential\"").await;
    depart(&gateway, &upstream, 1, drop).await;
    forgotten(&gateway, &upstream, "sequential", &["a"]).await;
    assert_eq!(upstream.requests().len(), 1);
}

#[actix_web::test]
async fn a_comparison_of_a_client_that_has_gone_stops_in_its_first_run() {
    let (gateway, upstream) = waiting(Behaviour::HangBeforeHead, "compare = true").await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate?mode=compare").await;
    assert!(upstream.wait_requests(1, SOON).await);
    drop(talk);
    forgotten(&gateway, &upstream, "sequential", &["a"]).await;
    assert_eq!(upstream.requests().len(), 1);
}

#[actix_web::test]
async fn a_client_that_goes_away_takes_nobody_with_it() {
    let upstream = Upstream::start(|request| match request.path() {
        "/stuck" => Behaviour::HangBeforeHead,
        _ => Behaviour::from(Response::pong()).after(Duration::from_millis(300)),
    });
    let urls = [
        ("stuck", upstream.url("/stuck")),
        ("well", upstream.url("/well")),
    ];
    let rest = "aggregates.default.calls = [\"stuck\"]\naggregates.well.calls = [\"well\"]";
    let gateway = Gateway::before(&urls, rest).await;
    let mut stays = Talk::with(&gateway).await;
    let mut goes = Talk::with(&gateway).await;
    goes.get("/aggregate").await;
    stays.get("/aggregate/well").await;
    assert!(upstream.wait_requests(2, SOON).await);
    drop(goes);
    assert_eq!(stays.hear().await.status, 200);
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
}
