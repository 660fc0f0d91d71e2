//! Clients that close their half of the connection after their requests, as `nc -N` does, if `half_close` is set. They
//! are answered, and count as gone once they reset the connection.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    gateway::{Answer, Gateway, parse},
    talk::{End, Talk},
    upstream::{Behaviour, Response, Upstream},
};

/// A time far below the deadline, which would end the calls too.
const SOON: Duration = Duration::from_secs(15);

/// Starts a gateway that serves such clients, before an upstream with this behaviour.
async fn gateway(behaviour: impl Into<Behaviour>, settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(behaviour);
    let urls = ["a", "b"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = "defaults.timeout = \"60s\"\n[aggregates.default]\ncalls = [\"a\", \"b\"]\ndeadline = \"60s\"\n";
    let server =
        format!("server.workers = 1\nserver.grace = \"0s\"\nserver.half_close = true\n{settings}");
    let toml = crate::gateway::with_upstreams(&urls, rest);
    (Gateway::start_with(&server, &toml).await, upstream)
}

fn late() -> Behaviour {
    Behaviour::from(Response::pong()).after(Duration::from_millis(200))
}

/// Sends this, closes the half, and waits until the upstream has read the calls.
async fn half_closed(
    gateway: &Gateway,
    upstream: &Upstream,
    sent: &str,
    calls: usize,
) -> TcpStream {
    let mut tcp = TcpStream::connect(gateway.address).await.unwrap();
    tcp.write_all(sent.as_bytes()).await.unwrap();
    tcp.shutdown().await.unwrap();
    assert!(upstream.wait_requests(calls, SOON).await);
    // The gateway must see the client leave after the close of its half, not before it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    tcp
}

/// Returns everything that comes up to the end, which must be in order.
async fn whole(tcp: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = timeout(SOON, tcp.read_to_end(&mut answer)).await;
    read.expect("an end").expect("no reset");
    answer
}

async fn served(gateway: &Gateway, sent: &str) -> Answer {
    let mut tcp = TcpStream::connect(gateway.address).await.unwrap();
    tcp.write_all(sent.as_bytes()).await.unwrap();
    tcp.shutdown().await.unwrap();
    parse(&whole(&mut tcp).await)
}

/// Asserts that nothing of the request is left, and that it was counted as cancelled.
async fn forgotten(gateway: &Gateway, upstream: &Upstream) {
    let closed = upstream.wait_closed(SOON).await;
    assert!(closed.is_some(), "{} calls go on", upstream.open());
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
    let cancelled =
        "gather_requests_total{aggregate=\"default\",mode=\"concurrent\",outcome=\"cancelled\"}";
    gateway.wait_metric(cancelled, 1.0).await;
}

const PLAIN: &str = "GET /aggregate HTTP/1.1\r\nHost: gather\r\n\r\n";
const LINES: &str =
    "GET /aggregate HTTP/1.1\r\nHost: gather\r\nAccept: application/x-ndjson\r\n\r\n";
const EVENTS: &str = "GET /aggregate HTTP/1.1\r\nHost: gather\r\nAccept: text/event-stream\r\n\r\n";

#[actix_web::test]
async fn a_client_that_closes_its_half_gets_its_answer_and_the_connection_ends() {
    let (gateway, _upstream) = gateway(late(), "").await;
    for sent in [PLAIN, "GET /aggregate HTTP/1.0\r\n\r\n"] {
        let answer = served(&gateway, sent).await;
        assert_eq!(answer.json()["outcome"], "complete", "{sent}");
    }
    for (sent, end) in [(LINES, "\"complete\""), (EVENTS, "event: outcome")] {
        let answer = served(&gateway, sent).await;
        assert!(answer.text().contains(end), "{}", answer.text());
    }
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
}

#[actix_web::test]
async fn all_its_requests_are_answered_in_order() {
    let (gateway, upstream) = gateway(late(), "").await;
    let live = "GET /livez HTTP/1.1\r\nHost: gather\r\n\r\n";
    let sent = [PLAIN, live, PLAIN, live].concat();
    let mut tcp = half_closed(&gateway, &upstream, &sent, 2).await;
    let text = String::from_utf8(whole(&mut tcp).await).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 4, "{text}");
    assert!(text.ends_with("{\"alive\":true}"), "{text}");
    assert_eq!(text.matches("\"outcome\":\"complete\"").count(), 2);
}

#[actix_web::test]
async fn a_large_answer_comes_whole() {
    let text = "x".repeat(900_000);
    let (gateway, _upstream) = gateway(Response::json(format!("\"{text}\"")), "").await;
    let answer = served(&gateway, PLAIN).await;
    assert!(answer.text().len() > 1_800_000, "{}", answer.text().len());
}

#[actix_web::test]
async fn its_reset_cancels_its_calls() {
    let (gateway, upstream) = gateway(Behaviour::HangBeforeHead, "").await;
    let tcp = half_closed(&gateway, &upstream, PLAIN, 2).await;
    assert_eq!(upstream.open(), 2, "it is served");
    tcp.set_zero_linger().unwrap();
    drop(tcp);
    forgotten(&gateway, &upstream).await;
}

#[actix_web::test]
async fn its_reset_cancels_what_a_stream_waits_for() {
    for sent in [LINES, EVENTS] {
        let (gateway, upstream) = gateway(Behaviour::HangBeforeHead, "").await;
        let tcp = half_closed(&gateway, &upstream, sent, 2).await;
        assert_eq!(upstream.open(), 2, "it is served");
        tcp.set_zero_linger().unwrap();
        drop(tcp);
        forgotten(&gateway, &upstream).await;
    }
}

#[actix_web::test]
async fn a_heartbeat_that_can_not_be_sent_cancels_what_its_stream_waits_for() {
    let (gateway, upstream) = gateway(Behaviour::HangBeforeHead, "").await;
    let mut tcp = half_closed(&gateway, &upstream, EVENTS, 2).await;
    // The received bytes are read, so that the end is no reset.
    let read = timeout(SOON, tcp.read(&mut [0; 4096])).await;
    assert!(read.unwrap().unwrap() > 0);
    drop(tcp);
    forgotten(&gateway, &upstream).await;
}

#[actix_web::test]
async fn it_holds_its_connection_no_longer_than_others_do() {
    let (gateway, upstream) = gateway(Behaviour::HangBeforeHead, "").await;
    // The gateway doesn't wait for the rest of an incomplete request.
    for sent in ["", "GET /aggregate HTTP/1.1\r\nHo", "\r\n"] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(sent).await;
        talk.tcp.shutdown().await.unwrap();
        assert_eq!(talk.end().await, End::Closed, "{sent:?}");
    }
    let timed = "GET /aggregate?timeout=300ms HTTP/1.1\r\nHost: gather\r\n\r\n";
    served(&gateway, timed)
        .await
        .problem(504, "upstream-timeout");
    assert!(upstream.wait_closed(SOON).await.is_some());
}

#[actix_web::test]
async fn it_is_cut_off_where_it_does_not_read() {
    let text = "x".repeat(900_000);
    let answer = Response::json(format!("\"{text}\""));
    let (gateway, upstream) = gateway(answer, "server.write_timeout = \"500ms\"").await;
    let tcp = half_closed(&gateway, &upstream, PLAIN, 2).await;
    let since = Instant::now();
    while tcp.take_error().unwrap().is_none() {
        assert!(since.elapsed() < SOON, "it may wait for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gateway
        .wait_metric("gather_answers_cut_off_total", 1.0)
        .await;
}
