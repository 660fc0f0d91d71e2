//! Clients that take their time. Every head has `header_timeout`, the first on a connection and any later one. A client
//! that sends something unexpected loses no more than its connection.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    gateway::Gateway,
    talk::{End, Talk},
    upstream::{Behaviour, Response, Upstream},
};

/// The time that the tests give a head.
const PATIENCE: Duration = Duration::from_millis(500);

/// A time longer than anything here takes that ends by itself.
const LONG: Duration = Duration::from_secs(15);

/// Starts a gateway before an upstream that answers after `delay`.
async fn gateway(delay: Duration) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Behaviour::from(Response::pong()).after(delay));
    let toml = format!(
        "upstreams.one.url = \"{}\"\naggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.header_timeout = \"500ms\"";
    (Gateway::start_with(server, &toml).await, upstream)
}

/// Asserts that the gateway has counted this many heads that came too late.
async fn timeouts(gateway: &Gateway, count: f64) {
    let series = "gather_problems_total{type=\"request-timeout\"}";
    assert_eq!(gateway.metric(series).await, count);
}

#[actix_web::test]
async fn a_head_that_does_not_come_in_time_is_408() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    for (count, part) in (1_i32..).zip(["GET /aggregate HTTP/1.1\r\nHost: gat", "G", ""]) {
        let mut talk = Talk::with(&gateway).await;
        let since = Instant::now();
        talk.say(part).await;
        talk.hear().await.problem(408, "request-timeout");
        assert!(
            since.elapsed() >= PATIENCE * 9 / 10,
            "{:?}",
            since.elapsed()
        );
        assert_eq!(talk.end().await, End::Closed);
        timeouts(&gateway, f64::from(count)).await;
    }
}

#[actix_web::test]
async fn a_head_that_comes_just_in_time_is_answered_every_time() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    for _ in 0..8 {
        let mut talk = Talk::with(&gateway).await;
        talk.say("GET /aggregate HTTP/1.1\r\n").await;
        tokio::time::sleep(PATIENCE / 3).await;
        talk.say("Host: gather\r\n\r\n").await;
        assert_eq!(talk.hear().await.status, 200);
    }
}

#[actix_web::test]
async fn a_dripping_head_has_no_more_time_than_a_silent_one() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    let mut talk = Talk::with(&gateway).await;
    let since = Instant::now();
    talk.say("GET /livez HTTP/1.1\r\n").await;
    while since.elapsed() < LONG {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if talk.tcp.write_all(b"A: 1\r\n").await.is_err() {
            break;
        }
    }
    assert!(since.elapsed() < LONG, "the head goes on for ever");
    timeouts(&gateway, 1.0).await;
}

#[actix_web::test]
async fn a_later_head_on_a_connection_has_no_more_time_than_the_first() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    for pause in [Duration::ZERO, PATIENCE * 2] {
        let mut talk = Talk::with(&gateway).await;
        talk.get("/livez").await;
        assert_eq!(talk.hear().await.status, 200);
        // Between requests a client may be silent for longer than a head may take.
        tokio::time::sleep(pause).await;
        talk.say("GET /livez HTTP/1.1\r\nHost: ").await;
        let since = Instant::now();
        talk.hear().await.problem(408, "request-timeout");
        assert!(
            since.elapsed() >= PATIENCE * 9 / 10,
            "{:?}",
            since.elapsed()
        );
        assert_eq!(talk.end().await, End::Closed);
    }
    timeouts(&gateway, 2.0).await;
}

#[actix_web::test]
async fn a_client_may_be_silent_between_requests_for_longer_than_within_one() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    let mut talk = Talk::with(&gateway).await;
    for _ in 0..2 {
        talk.get("/aggregate").await;
        assert_eq!(talk.hear().await.status, 200);
        tokio::time::sleep(PATIENCE * 3).await;
    }
    talk.say("\r\n").await;
    tokio::time::sleep(PATIENCE * 2).await;
    talk.get("/aggregate").await;
    assert_eq!(
        talk.hear().await.status,
        200,
        "an empty line begins no head"
    );
    timeouts(&gateway, 0.0).await;
}

#[actix_web::test]
async fn half_a_head_does_not_cut_the_answer_that_its_client_waits_for() {
    let (gateway, _upstream) = gateway(PATIENCE * 3).await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    talk.say("GET /livez HTTP/1.1\r\nHost: gather\r\n").await;
    assert_eq!(talk.hear().await.json()["outcome"], "complete");
    talk.say("\r\n").await;
    assert_eq!(talk.hear().await.text(), "{\"alive\":true}");
    talk.say("GET").await;
    talk.hear().await.problem(408, "request-timeout");
}

#[actix_web::test]
async fn a_body_that_nobody_reads_can_not_hold_a_connection() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    for begun in ["", "5", "5\r\nhel"] {
        let mut talk = Talk::with(&gateway).await;
        let head = "POST /aggregate HTTP/1.1\r\nHost: gather\r\nTransfer-Encoding: chunked\r\n\r\n";
        talk.say(format!("{head}{begun}")).await;
        let answer = talk.hear().await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(talk.end().await, End::Closed, "one request has one answer");
    }
    let mut talk = Talk::with(&gateway).await;
    talk.say("PUT /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: 9\r\n\r\nhalf")
        .await;
    talk.hear().await.problem(405, "method-not-allowed");
    assert_eq!(talk.end().await, End::Closed);
    timeouts(&gateway, 0.0).await;
}

#[actix_web::test]
async fn a_refused_client_may_go_on_sending_for_a_moment() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    let mut talk = Talk::with(&gateway).await;
    talk.say("GET /aggregate HTTP/1.1\r\nX-Large: ").await;
    talk.say("x".repeat(140 * 1024)).await;
    talk.hear().await.problem(431, "head-too-large");
    // A reset would make these writes fail, and would overtake an answer that is still on its way.
    for _ in 0..3 {
        talk.say("x".repeat(16 * 1024)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(talk.end().await, End::Closed);
}

#[actix_web::test]
async fn empty_lines_do_not_buy_a_new_connection_more_time() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    let mut talk = Talk::with(&gateway).await;
    for _ in 0..4 {
        tokio::time::sleep(PATIENCE / 8).await;
        talk.say("\r\n").await;
    }
    talk.hear().await.problem(408, "request-timeout");
    timeouts(&gateway, 1.0).await;
}

#[actix_web::test]
async fn empty_lines_without_end_are_refused_on_a_kept_connection_too() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    for before in [false, true] {
        let mut talk = Talk::with(&gateway).await;
        if before {
            talk.get("/livez").await;
            talk.hear().await;
        }
        for _ in 0..5 {
            talk.say("\r\n").await;
        }
        let problem = talk.hear().await.problem(400, "malformed-request");
        assert!(problem["detail"].as_str().unwrap().contains("empty lines"));
        assert_eq!(talk.end().await, End::Closed);
    }
}

#[actix_web::test]
async fn an_empty_line_in_two_halves_makes_no_later_head_late() {
    let (gateway, _upstream) = gateway(Duration::ZERO).await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/livez").await;
    talk.hear().await;
    talk.say("\r").await;
    tokio::time::sleep(PATIENCE / 5).await;
    talk.say("\n").await;
    tokio::time::sleep(PATIENCE * 2).await;
    talk.say("GET /livez HTTP/1.1\r\nHost: ").await;
    tokio::time::sleep(PATIENCE / 5).await;
    talk.say("gather\r\n\r\n").await;
    assert_eq!(talk.hear().await.status, 200);
    timeouts(&gateway, 0.0).await;
}

/// Starts a gateway whose aggregate answers with about 8 MiB. The kernel takes a part of that.
async fn large(write_timeout: &str) -> (Gateway, Upstream) {
    let text = "x".repeat(1_000_000);
    let upstream = Upstream::always(Response::json(format!("\"{text}\"")));
    let calls: Vec<String> = (0..8)
        .map(|at| format!("{{ upstream = \"one\", name = \"one_{at}\" }}"))
        .collect();
    let toml = format!(
        "upstreams.one.url = \"{}\"\naggregates.default.calls = [{}]",
        upstream.url("/"),
        calls.join(", ")
    );
    let server = format!(
        "server.workers = 1\nserver.grace = \"0s\"\nserver.write_timeout = \"{write_timeout}\""
    );
    (Gateway::start_with(&server, &toml).await, upstream)
}

/// The counter of answers that were cut off.
const CUT_OFF: &str = "gather_answers_cut_off_total";

#[actix_web::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let (gateway, _upstream) = large("500ms").await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    // The client reads nothing. The end is a reset, because the unread bytes are thrown away.
    let since = Instant::now();
    loop {
        if talk.tcp.take_error().unwrap().is_some() {
            break;
        }
        assert!(since.elapsed() < LONG, "it is let wait for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        since.elapsed() >= PATIENCE * 9 / 10,
        "{:?}",
        since.elapsed()
    );
    assert_eq!(gateway.get("/livez").await.status, 200);
    assert_eq!(gateway.metric(CUT_OFF).await, 1.0);
}

#[actix_web::test]
async fn a_client_that_reads_too_slowly_is_cut_off() {
    let (gateway, _upstream) = large("500ms").await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    let since = Instant::now();
    let mut space = [0; 800];
    // The end is a reset, or an end too early.
    while let Ok(1..) = talk.tcp.read(&mut space).await {
        assert!(since.elapsed() < LONG, "it may go on for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn a_client_that_reads_slowly_but_steadily_gets_its_answer() {
    let (gateway, _upstream) = large("1s").await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    // 8 MB, at 64 KiB in 30 ms, take more than three times as long as each part may.
    let since = Instant::now();
    let mut held = Vec::new();
    let mut space = vec![0; 64 * 1024];
    while !held.ends_with(b"}]}") {
        let read = talk.tcp.read(&mut space).await.unwrap();
        assert!(read > 0, "cut after {} bytes", held.len());
        held.extend_from_slice(&space[..read]);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(
        since.elapsed() > Duration::from_secs(2),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(crate::gateway::parse(&held).json()["outcome"], "complete");
    assert_eq!(gateway.metric(CUT_OFF).await, 0.0);
}

#[actix_web::test]
async fn a_stream_that_is_not_read_is_cut_off_and_counted_too() {
    let (gateway, _upstream) = large("500ms").await;
    let mut talk = Talk::with(&gateway).await;
    talk.say("GET /aggregate HTTP/1.1\r\nHost: gather\r\nAccept: application/x-ndjson\r\n\r\n")
        .await;
    gateway.wait_metric(CUT_OFF, 1.0).await;
    assert!(talk.tcp.take_error().unwrap().is_some(), "a reset");
}

#[actix_web::test]
async fn a_client_that_leaves_while_it_does_not_read_is_not_counted_as_cut_off() {
    let (gateway, _upstream) = large("20s").await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    let mut first = [0];
    talk.tcp.peek(&mut first).await.unwrap();
    drop(talk);
    let mut next = Talk::with(&gateway).await;
    next.get("/livez").await;
    next.hear().await;
    assert_eq!(gateway.metric(CUT_OFF).await, 0.0);
}

#[actix_web::test]
async fn what_is_sent_behind_a_large_answer_is_answered_in_order() {
    let (gateway, _upstream) = large("20s").await;
    let mut talk = Talk::with(&gateway).await;
    for target in ["GET /aggregate", "HEAD /livez", "GET /livez", "HEAD /livez"] {
        talk.say(format!("{target} HTTP/1.1\r\nHost: gather\r\n\r\n"))
            .await;
    }
    assert_eq!(talk.hear().await.json()["outcome"], "complete");
    assert_eq!(talk.hear_head().await.status, 200);
    assert_eq!(talk.hear().await.text(), "{\"alive\":true}");
    assert_eq!(talk.hear_head().await.status, 200);
}
