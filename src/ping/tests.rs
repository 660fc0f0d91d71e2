//! Tests of `/ping` over real sockets. Each test has a server on a port of its own.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{dev::ServerHandle, http::header::HeaderMap, rt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    BadParameter, PingObserver, Seen, Settings, parse_body_bytes, parse_delay, parse_fail_rate,
    serve,
};

const INSTANT: Settings = Settings {
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
    fail_rate: 0.0,
    body_bytes: None,
};

struct Running {
    addr: SocketAddr,
    handle: ServerHandle,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn detail(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], "about:blank");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

fn running(settings: Settings, watch: Option<PingObserver>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = serve(listener, settings, 1, watch).unwrap();
    let handle = server.handle();
    rt::spawn(server);
    Running { addr, handle }
}

impl Running {
    async fn get(&self, target: &str) -> Answer {
        let client = awc::Client::default();
        let mut response = client
            .get(format!("http://{}{target}", self.addr))
            .send()
            .await
            .unwrap();
        let body = response.body().limit(super::LARGEST_BODY).await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: body.to_vec(),
        }
    }

    /// Returns everything that comes back for `request`, until the server closes.
    async fn raw(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.addr).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn stop(self) {
        self.handle.stop(false).await;
    }
}

#[actix_web::test]
async fn a_ping_is_answered_with_the_json_string_pong_after_the_delay() {
    let server = running(
        Settings {
            delay: Duration::from_millis(60),
            ..INSTANT
        },
        None,
    );
    let before = Instant::now();
    let answer = server.get("/ping").await;
    assert!(before.elapsed() >= Duration::from_millis(60));
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"\"pong\"".as_slice())
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-length"), "6");
    server.stop().await;
}

#[actix_web::test]
async fn the_query_overrides_the_settings_for_one_request() {
    let server = running(
        Settings {
            delay: Duration::from_secs(3600),
            fail_rate: 1.0,
            ..INSTANT
        },
        None,
    );
    let answer = server
        .get("/ping?delay=10ms&jitter=5ms&fail_rate=0&body_bytes=100")
        .await;
    assert_eq!((answer.status, answer.body.len()), (200, 100));
    let text: String = serde_json::from_slice(&answer.body).unwrap();
    assert!(text.starts_with("pongpong"));
    server.stop().await;
}

#[actix_web::test]
async fn a_body_has_exactly_the_length_asked_for() {
    let server = running(INSTANT, None);
    for length in [2, 3, 6, 7, 65_536, 65_537, 200_000, 5_000_001] {
        let answer = server.get(&format!("/ping?body_bytes={length}")).await;
        assert_eq!(answer.body.len(), length);
        assert_eq!(answer.header("content-length"), length.to_string());
        assert!(
            serde_json::from_slice::<String>(&answer.body).is_ok(),
            "{length}"
        );
    }
    assert_eq!(server.get("/ping?body_bytes=6").await.body, b"\"pong\"");
    assert_eq!(server.get("/ping?body_bytes=2").await.body, b"\"\"");
    server.stop().await;
}

#[actix_web::test]
async fn a_fail_rate_of_one_fails_every_request_and_a_status_can_be_forced() {
    let server = running(
        Settings {
            fail_rate: 1.0,
            ..INSTANT
        },
        None,
    );
    let failed = server.get("/ping").await;
    assert_eq!(failed.status, 500);
    failed.detail();
    let forced = server.get("/ping?status=503").await;
    assert_eq!(forced.status, 503);
    forced.detail();
    let created = server.get("/ping?status=201").await;
    assert_eq!(
        (created.status, created.body.as_slice()),
        (201, b"\"pong\"".as_slice())
    );
    let empty = server.get("/ping?status=204").await;
    assert_eq!((empty.status, empty.body.as_slice()), (204, b"".as_slice()));
    server.stop().await;
}

#[actix_web::test]
async fn a_share_of_the_requests_fails() {
    let server = running(INSTANT, None);
    let mut failed = 0;
    for _ in 0..200 {
        if server.get("/ping?fail_rate=0.5").await.status == 500 {
            failed += 1;
        }
    }
    assert!((50..=150).contains(&failed), "{failed} of 200");
    server.stop().await;
}

#[actix_web::test]
async fn every_bad_parameter_is_named_at_once() {
    let server = running(
        Settings {
            delay: Duration::from_secs(3600),
            ..INSTANT
        },
        None,
    );
    let answer = server
        .get("/ping?delay=-1&jitter=2h&fail_rate=1.1&body_bytes=1&status=100&colour=red&status=200")
        .await;
    assert_eq!(answer.status, 400);
    insta::assert_snapshot!(answer.detail().replace("; ", "\n"), @r"
    parameter `delay`: `-1` is no duration from 0s to 1h, such as 150ms or 2s
    parameter `jitter`: `2h` is no duration from 0s to 1h, such as 150ms or 2s
    parameter `fail_rate`: `1.1` is no number from 0 to 1
    parameter `body_bytes`: `1` is no size from 2 to 64MiB, such as 100 or 64KiB
    parameter `status`: `100` is no HTTP status from 200 to 599
    unknown parameter `colour` (known: delay, jitter, fail_rate, body_bytes, status)
    parameter `status` is given more than once
    ");
    for query in [
        "delay",
        "delay=",
        "delay=2",
        "fail_rate=NaN",
        "body_bytes=67108865",
        "body_bytes=2.7",
        "status=x",
        "%00=1",
    ] {
        assert_eq!(
            server.get(&format!("/ping?{query}")).await.status,
            400,
            "{query}"
        );
    }
    server.stop().await;
}

#[actix_web::test]
async fn another_route_is_a_404_and_another_method_a_405_that_names_the_allowed_ones() {
    let server = running(INSTANT, None);
    let answer = server.get("/pong").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.detail(),
        "nothing at /pong; there are /ping and /livez"
    );
    for route in ["/ping", "/livez"] {
        let answer = server
            .raw(&format!("POST {route} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
            "{answer}"
        );
        assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn livez_answers_at_once_whatever_the_delay() {
    let server = running(
        Settings {
            delay: Duration::from_secs(3600),
            fail_rate: 1.0,
            ..INSTANT
        },
        None,
    );
    let answer = server.get("/livez").await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, br#"{"status":"alive"}"#.as_slice())
    );
    server.stop().await;
}

#[actix_web::test]
async fn head_gets_the_head_of_a_get_and_no_body() {
    let server = running(INSTANT, None);
    for (target, length) in [("/ping", 6), ("/ping?body_bytes=1000000", 1_000_000)] {
        let answer = server
            .raw(&format!(
                "HEAD {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains(&format!("content-length: {length}\r\n")),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn the_watch_hears_the_start_and_the_end_also_of_a_client_that_goes_away() {
    let open = Arc::new(AtomicUsize::new(0));
    let started = Arc::new(AtomicUsize::new(0));
    let watch: PingObserver = Arc::new({
        let (open, started) = (Arc::clone(&open), Arc::clone(&started));
        move |seen| match seen {
            Seen::Started => {
                started.fetch_add(1, Ordering::SeqCst);
                open.fetch_add(1, Ordering::SeqCst);
            }
            Seen::Ended => {
                open.fetch_sub(1, Ordering::SeqCst);
            }
        }
    });
    let server = running(
        Settings {
            delay: Duration::from_secs(3600),
            ..INSTANT
        },
        Some(watch),
    );
    assert_eq!(server.get("/ping?delay=0s").await.status, 200);
    assert_eq!(
        (started.load(Ordering::SeqCst), open.load(Ordering::SeqCst)),
        (1, 0)
    );

    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    socket
        .write_all(b"GET /ping HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    until(|| open.load(Ordering::SeqCst) == 1).await;
    drop(socket);
    until(|| open.load(Ordering::SeqCst) == 0).await;
    assert_eq!(started.load(Ordering::SeqCst), 2);
    server.stop().await;
}

async fn until(condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap();
}

#[test]
fn jitter_spreads_to_both_sides_but_not_below_zero() {
    let times: Vec<Duration> = (0..1000)
        .map(|_| super::spread(Duration::from_millis(100), Duration::from_millis(50)))
        .collect();
    let (low, high) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(
        *low >= Duration::from_millis(50) && *low < Duration::from_millis(60),
        "{low:?}"
    );
    assert!(
        *high <= Duration::from_millis(150) && *high > Duration::from_millis(140),
        "{high:?}"
    );
    assert!((0..1000).all(
        |_| super::spread(Duration::from_millis(1), Duration::from_secs(1))
            <= Duration::from_millis(1001)
    ));
}

#[test]
fn the_flags_values_are_checked_like_the_querys() {
    assert_eq!(parse_delay("1h"), Ok(Duration::from_secs(3600)));
    assert_eq!(
        parse_delay("61m"),
        Err(BadParameter::Duration("61m".to_owned()))
    );
    assert_eq!(parse_fail_rate("0.25"), Ok(0.25));
    assert_eq!(parse_body_bytes("64KiB"), Ok(65_536));
    assert_eq!(parse_body_bytes("64MiB"), Ok(super::LARGEST_BODY));
    assert!(parse_fail_rate("-0.1").is_err() && parse_body_bytes("65MiB").is_err());
}
