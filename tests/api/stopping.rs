//! An orderly stop: the gateway is not ready but answers, then takes no new connections, then completes the requests in
//! flight, then ends.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::{
    gateway::Gateway,
    talk::{End, Talk},
    upstream::{Behaviour, Response, Upstream},
};

const GRACE: Duration = Duration::from_secs(2);

/// A time below the default drain of 15 s, so that the end of the drain explains nothing here.
const SOON: Duration = Duration::from_secs(8);

/// A gateway before an upstream that answers after `delay`.
async fn gateway(server: &str, more: &str, delay: Duration) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Behaviour::from(Response::pong()).after(delay));
    let toml = format!(
        "{more}\nupstreams.one.url = \"{}\"\naggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    let server = format!("server.workers = 1\n{server}");
    (Gateway::start_with(&server, &toml).await, upstream)
}

/// Waits until the public listener takes no connections any more, and returns the time that it took.
async fn closed(gateway: &Gateway) -> Duration {
    let since = Instant::now();
    while TcpStream::connect(gateway.address).await.is_ok() {
        assert!(since.elapsed() < SOON, "the listener stays open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    since.elapsed()
}

#[actix_web::test]
async fn during_the_grace_it_is_not_ready_and_still_answers() {
    let (mut gateway, _upstream) = gateway("server.grace = \"2s\"", "", Duration::ZERO).await;
    let mut kept = Talk::with(&gateway).await;
    kept.get("/aggregate").await;
    let before = kept.hear().await;
    assert_eq!(before.header("connection"), None, "it may be kept");

    let began = Instant::now();
    gateway.begin_stop();
    gateway.wait_metric("gather_ready", 0.0).await;
    let unready = gateway.get("/readyz").await;
    assert_eq!(unready.header("retry-after"), Some("1"));
    let problem = unready.problem(503, "not-ready");
    assert_eq!(problem["reason"], "stopping");
    assert_eq!(problem["ready"], false);
    let series = "gather_problems_total{type=\"not-ready\"}";
    assert_eq!(gateway.metric(series).await, 1.0);
    assert_eq!(gateway.get("/livez").await.status, 200);
    kept.get("/aggregate").await;
    let answer = kept.hear().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(kept.end().await, End::Closed);
    let mut new = Talk::with(&gateway).await;
    new.get("/aggregate").await;
    assert_eq!(new.hear().await.header("connection"), Some("close"));

    closed(&gateway).await;
    assert!(began.elapsed() >= GRACE, "{:?}", began.elapsed());
    gateway.wait_stopped();
    assert!(began.elapsed() < GRACE + SOON);
}

#[actix_web::test]
async fn a_request_in_flight_ends_with_its_answer() {
    let delay = Duration::from_millis(1500);
    let (mut gateway, upstream) = gateway("server.grace = \"0s\"", "", delay).await;
    let mut talk = Talk::with(&gateway).await;
    let mut idle = Talk::with(&gateway).await;
    idle.get("/livez").await;
    idle.hear().await;
    talk.get("/aggregate").await;
    assert!(upstream.wait_requests(1, SOON).await);

    gateway.begin_stop();
    assert_eq!(idle.end().await, End::Closed);
    closed(&gateway).await;
    let answer = talk.hear().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "complete");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(talk.end().await, End::Closed);
    let since = Instant::now();
    gateway.wait_stopped();
    assert!(since.elapsed() < SOON);
}

#[actix_web::test]
async fn idle_connections_do_not_hold_the_stop_up() {
    let (mut gateway, _upstream) = gateway("server.grace = \"0s\"", "", Duration::ZERO).await;
    let mut used = Talk::with(&gateway).await;
    used.get("/aggregate").await;
    assert_eq!(used.hear().await.status, 200);
    let mut silent = Talk::with(&gateway).await;
    let mut half = Talk::with(&gateway).await;
    half.say("GET /aggregate HTTP/1.1\r\nHo").await;
    // This is answered, so the connections before it were accepted.
    assert_eq!(gateway.get("/livez").await.status, 200);

    let since = Instant::now();
    gateway.begin_stop();
    for talk in [&mut used, &mut silent, &mut half] {
        assert_ne!(talk.end().await, End::Reset);
    }
    gateway.wait_stopped();
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[actix_web::test]
async fn the_admin_listener_tells_to_the_end() {
    let delay = Duration::from_millis(1500);
    let admin = "admin.listen = \"127.0.0.1:0\"";
    let (mut gateway, upstream) = gateway("server.grace = \"0s\"", admin, delay).await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    assert!(upstream.wait_requests(1, SOON).await);
    gateway.begin_stop();
    closed(&gateway).await;
    let problem = gateway.operation("/readyz").await;
    assert_eq!(problem.problem(503, "not-ready")["reason"], "stopping");
    assert_eq!(gateway.metric("gather_requests_in_flight").await, 1.0);
    assert_eq!(talk.hear().await.status, 200);
    gateway.wait_stopped();
    assert!(TcpStream::connect(gateway.operations).await.is_err());
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_given_up_when_the_drain_is_over() {
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    let upstream = Upstream::always(Response::json(large));
    let names: Vec<_> = (0..20).map(|number| format!("c_{number}")).collect();
    let urls: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), upstream.url("/")))
        .collect();
    let rest = format!("aggregates.default = {{ calls = {names:?}, deadline = \"1s\" }}");
    let toml = crate::gateway::with_upstreams(&urls, &rest);
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.drain = \"1s\"";
    let mut gateway = Gateway::start_with(server, &toml).await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    let mut first = [0];
    talk.tcp.peek(&mut first).await.unwrap();

    let since = Instant::now();
    gateway.begin_stop();
    gateway.wait_stopped();
    let took = since.elapsed();
    assert!(took >= Duration::from_secs(1), "it had its time: {took:?}");
    assert!(took < SOON, "{took:?}");
}

#[actix_web::test]
async fn what_was_sent_on_a_kept_connection_before_the_stop_is_answered() {
    let (mut gateway, _upstream) = gateway("server.grace = \"0s\"", "", Duration::ZERO).await;
    let mut kept = Vec::new();
    for _ in 0..200 {
        let mut talk = Talk::with(&gateway).await;
        talk.get("/livez").await;
        talk.hear().await;
        kept.push(talk);
    }
    // This is more than a worker reads before it learns of the stop.
    for talk in &mut kept {
        talk.get("/aggregate").await;
    }
    gateway.begin_stop();
    for talk in &mut kept {
        let answer = talk.hear().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"));
    }
    gateway.wait_stopped();
}
