//! Streamed answers: each result as soon as it is settled, at the reader's pace, and only as long as somebody reads.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::{
    gateway::{Answer, Gateway, parse, request},
    panicking::serve,
    upstream::{Behaviour, Response, Upstream},
};

const LONG: Duration = Duration::from_secs(30);
pub(crate) const LINES: (&str, &str) = ("Accept", "application/x-ndjson");
pub(crate) const EVENTS: (&str, &str) = ("Accept", "text/event-stream");

/// A client of one stream.
pub(crate) struct Reader {
    tcp: TcpStream,
    raw: Vec<u8>,
    /// The body without its chunks' framing.
    pub(crate) body: Vec<u8>,
    pub(crate) whole: bool,
}

impl Reader {
    /// Asks and reads the head of the answer.
    pub(crate) async fn ask(
        gateway: &Gateway,
        target: &str,
        headers: &[(&str, &str)],
    ) -> (Answer, Self) {
        Self::over(gateway.connect().await, target, headers).await
    }

    async fn over(mut tcp: TcpStream, target: &str, headers: &[(&str, &str)]) -> (Answer, Self) {
        let mut head = format!("GET {target} HTTP/1.1\r\nHost: gather\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        tcp.write_all(format!("{head}\r\n").as_bytes())
            .await
            .unwrap();
        let mut reader = Self {
            tcp,
            raw: Vec::new(),
            body: Vec::new(),
            whole: false,
        };
        loop {
            if let Some(end) = reader.raw.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = reader.raw.drain(..end + 4).collect::<Vec<_>>();
                let head = parse(&head);
                assert_eq!(head.header("transfer-encoding"), Some("chunked"));
                reader.unchunk();
                return (head, reader);
            }
            assert!(reader.read().await > 0, "no head");
        }
    }

    pub(crate) async fn read(&mut self) -> usize {
        let read = timeout(LONG, self.tcp.read_buf(&mut self.raw)).await;
        read.expect("something within half a minute").unwrap()
    }

    pub(crate) fn unchunk(&mut self) {
        while let Some(end) = self.raw.windows(2).position(|end| end == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let all = end + 2 + size + 2;
            if self.raw.len() < all {
                break;
            }
            self.body.extend_from_slice(&self.raw[end + 2..all - 2]);
            self.raw.drain(..all);
            self.whole |= size == 0;
        }
    }

    /// The next message, up to `end`; `None` at the end of the body.
    async fn next(&mut self, end: &str) -> Option<String> {
        loop {
            let found = self
                .body
                .windows(end.len())
                .position(|at| at == end.as_bytes());
            if let Some(at) = found {
                let message = self.body.drain(..at + end.len()).collect();
                return Some(String::from_utf8(message).unwrap());
            }
            if self.whole {
                assert_eq!(self.body, b"", "an unfinished message");
                return None;
            }
            assert!(self.read().await > 0, "the stream was cut: {:?}", self.body);
            self.unchunk();
        }
    }

    async fn line(&mut self) -> Value {
        let line = self.next("\n").await.expect("one more line");
        serde_json::from_str(&line).unwrap()
    }

    async fn lines(mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        while let Some(line) = self.next("\n").await {
            lines.push(serde_json::from_str(&line).unwrap());
        }
        lines
    }
}

/// Starts a gateway whose call `slow` waits for the test's word, and whose call `quick` doesn't.
pub(crate) async fn quick_and_slow(rest: &str) -> (Gateway, watch::Sender<bool>, [Upstream; 2]) {
    let (go, _) = watch::channel(false);
    let quick = Upstream::always(Response::pong());
    let slow = Upstream::always(Behaviour::from(Response::json("{\n\"a\": 1\r\n}")).when(&go));
    let urls = [("slow", slow.url("/")), ("quick", quick.url("/"))];
    let rest = format!(
        "defaults.timeout = \"60s\"\naggregates.default.deadline = \"60s\"\n\
         aggregates.default.calls = [\"slow\", \"quick\"]\n{rest}"
    );
    let gateway = Gateway::before(&urls, &rest).await;
    (gateway, go, [quick, slow])
}

#[actix_web::test]
async fn each_result_is_a_line_the_moment_it_is_settled_and_the_last_line_is_all_the_rest() {
    let (gateway, go, _upstreams) = quick_and_slow("").await;
    let (head, mut reader) = Reader::ask(&gateway, "/aggregate", &[LINES]).await;
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("cache-control", "no-store, no-transform"),
        ("incremental", "?1"),
        ("vary", "accept"),
        ("gather-mode", "concurrent"),
        ("gather-calls", "slow,quick"),
    ] {
        assert_eq!(head.header(name), Some(value));
    }
    assert!(head.header("x-request-id").is_some());

    let first = reader.line().await;
    assert_eq!(
        (&first["index"], &first["name"]),
        (&1.into(), &"quick".into())
    );
    assert_eq!(
        (&first["ok"], &first["body"]),
        (&true.into(), &"pong".into())
    );
    go.send_replace(true);
    let second = reader.line().await;
    assert_eq!(
        (&second["index"], &second["body"]["a"]),
        (&0.into(), &1.into())
    );
    let last = reader.line().await;
    assert_eq!(last["aggregate"], "default");
    assert_eq!(
        (&last["mode"], &last["outcome"]),
        (&"concurrent".into(), &"complete".into())
    );
    assert!(last["elapsed_ms"].as_f64() >= second["elapsed_ms"].as_f64());
    assert!(last["sequential_ms"].as_f64() > last["elapsed_ms"].as_f64());
    let timing = last["server_timing"].as_str().unwrap();
    assert!(
        timing.starts_with("total;dur=") && timing.contains("quick;dur="),
        "{timing}"
    );
    assert!(last.get("results").is_none() && last.get("type").is_none());
    assert_eq!(reader.next("\n").await, None);

    let counted =
        "gather_requests_total{aggregate=\"default\",mode=\"concurrent\",outcome=\"complete\"}";
    assert_eq!(gateway.metric(counted).await, 1.0);
    let timed = "gather_request_duration_seconds_count{aggregate=\"default\",mode=\"concurrent\"}";
    assert_eq!(gateway.metric(timed).await, 1.0);
    // Time that is spent waiting for the client would count as the gateway's.
    let overhead = "gather_overhead_seconds_count{aggregate=\"default\"}";
    assert_eq!(gateway.metric(overhead).await, 0.0);
    // The connection is good for another request.
    let (_, again) = Reader::over(reader.tcp, "/aggregate", &[LINES]).await;
    assert_eq!(again.lines().await.len(), 3);
}

#[actix_web::test]
async fn events_are_the_same_under_names() {
    let (gateway, go, _upstreams) = quick_and_slow("").await;
    let (head, mut reader) = Reader::ask(&gateway, "/aggregate", &[EVENTS]).await;
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(head.header("incremental"), Some("?1"));
    // A proxy that holds the head back until a byte of the body comes passes it on now.
    assert_eq!(reader.next("\n\n").await.unwrap(), ":\n\n");
    let first = reader.next("\n\n").await.unwrap();
    assert!(
        first.starts_with("event: result\ndata: {\"index\":1,\"name\":\"quick\","),
        "{first}"
    );
    go.send_replace(true);
    let second = reader.next("\n\n").await.unwrap();
    assert!(second.ends_with("\"body\":{ \"a\": 1  }}\n\n"), "{second}");
    let last = reader.next("\n\n").await.unwrap();
    assert!(
        last.starts_with("event: outcome\nid: end\ndata: {\"aggregate\":"),
        "{last}"
    );
    assert_eq!(reader.next("\n\n").await, None);
}

#[actix_web::test]
async fn a_browser_that_connects_again_after_the_end_is_told_to_stop() {
    let (gateway, _go, [quick, _slow]) = quick_and_slow("").await;
    let again = [EVENTS, ("Last-Event-ID", "end")];
    let answer = gateway.get_with("/aggregate", &again).await;
    assert_eq!((answer.status, &*answer.body), (204, &b""[..]));
    // An invalid request is refused, as it is without the field.
    for query in ["wait_for=null", "calls=nobody", "mode=compare"] {
        let answer = gateway
            .get_with(&format!("/aggregate?{query}"), &again)
            .await;
        answer.problem(400, "invalid-parameter");
    }
    assert_eq!(quick.requests().len(), 0, "nothing was run");
}

#[actix_web::test]
async fn both_runs_of_a_comparison_come_on_one_stream() {
    let (gateway, go, _upstreams) = quick_and_slow("aggregates.default.compare = true").await;
    go.send_replace(true);
    let (head, reader) = Reader::ask(&gateway, "/aggregate?mode=compare", &[LINES]).await;
    assert_eq!(head.header("gather-mode"), Some("compare"));
    let lines = reader.lines().await;
    let modes: Vec<_> = lines
        .iter()
        .map(|line| line["mode"].as_str().unwrap())
        .collect();
    assert_eq!(
        modes,
        [
            "sequential",
            "sequential",
            "concurrent",
            "concurrent",
            "compare"
        ]
    );
    let last = &lines[4];
    assert_eq!(last["outcome"], "complete");
    for run in ["sequential", "concurrent"] {
        assert_eq!(last[run]["mode"], run);
        assert_eq!(last[run]["outcome"], "complete");
        assert!(last[run].get("results").is_none());
    }
    assert!(last["speedup"].is_number());
    let sum = |run: &str| last[run]["sequential_ms"].as_f64().unwrap();
    let all = last["sequential_ms"].as_f64().unwrap();
    assert!((all - sum("sequential") - sum("concurrent")).abs() < 0.01);
    assert!(
        last["server_timing"]
            .as_str()
            .unwrap()
            .contains("concurrent.quick;dur=")
    );
}

#[actix_web::test]
async fn a_run_that_fails_says_so_as_a_problem_in_its_last_line() {
    let sick = Upstream::always(Response::new(503));
    let rest = "aggregates.default.calls = [\"sick\"]";
    let gateway = Gateway::before(&[("sick", sick.url("/"))], rest).await;
    let (head, reader) = Reader::ask(&gateway, "/aggregate", &[LINES]).await;
    assert_eq!(head.status, 200);
    let lines = reader.lines().await;
    assert_eq!(
        (&lines[0]["failure"], &lines[0]["status"]),
        (&"status".into(), &503.into())
    );
    let last = &lines[1];
    assert_eq!(
        (&last["outcome"], &last["status"]),
        (&"failed".into(), &502.into())
    );
    assert_eq!(last["type"], "urn:gather:problem:upstream-failed");
    assert!(last["title"].is_string() && last["detail"].is_string());
    assert_eq!(
        gateway
            .metric("gather_problems_total{type=\"upstream-failed\"}")
            .await,
        1.0
    );
}

#[actix_web::test]
async fn what_is_refused_is_a_problem_before_any_stream() {
    let (gateway, _go, [quick, _slow]) = quick_and_slow("server.max_in_flight = 1").await;
    for (target, status, kind) in [
        ("/aggregate?mode=compare", 400, "invalid-parameter"),
        ("/aggregate?calls=nobody", 400, "invalid-parameter"),
        ("/aggregate?wait_for=9", 400, "invalid-parameter"),
        ("/aggregate?nothing=1", 400, "unknown-parameter"),
        ("/aggregate/nobody", 404, "unknown-aggregate"),
    ] {
        for accept in [LINES, EVENTS] {
            gateway
                .get_with(target, &[accept])
                .await
                .problem(status, kind);
        }
    }
    assert_eq!(quick.requests().len(), 0);
    let (_, mut running) = Reader::ask(&gateway, "/aggregate", &[LINES]).await;
    running.line().await;
    gateway
        .get_with("/aggregate", &[LINES])
        .await
        .problem(503, "overloaded");
    drop(running);
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
}

#[actix_web::test]
async fn only_a_get_is_streamed_and_a_client_without_chunks_reads_to_the_end() {
    let (gateway, go, _upstreams) = quick_and_slow("").await;
    go.send_replace(true);
    let head = request(gateway.address, "HEAD", "/aggregate", &[LINES], b"").await;
    assert_eq!(head.header("content-type"), Some("application/json"));
    let mut tcp = gateway.connect().await;
    tcp.write_all(b"GET /aggregate HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    timeout(LONG, tcp.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = parse(&answer);
    assert_eq!(answer.text().lines().count(), 3, "{}", answer.text());
}

#[actix_web::test]
async fn a_client_that_leaves_a_stream_cancels_what_runs() {
    let (gateway, _go, [_quick, slow]) = quick_and_slow("").await;
    let (_, mut reader) = Reader::ask(&gateway, "/aggregate", &[LINES]).await;
    reader.line().await;
    // The quick call may be answered before the slow one has been sent.
    assert!(slow.wait_requests(1, LONG).await);
    drop(reader);
    let connection = slow.requests()[0].connection;
    assert!(slow.closed_at(connection, LONG).await.is_some());
    let cancelled =
        "gather_requests_total{aggregate=\"default\",mode=\"concurrent\",outcome=\"cancelled\"}";
    gateway.wait_metric(cancelled, 1.0).await;
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
}

#[actix_web::test]
async fn a_stream_in_flight_at_a_stop_goes_on_to_its_end() {
    let (mut gateway, go, _upstreams) = quick_and_slow("").await;
    let (_, mut reader) = Reader::ask(&gateway, "/aggregate", &[LINES]).await;
    reader.line().await;
    gateway.begin_stop();
    // The stop has begun once no connection is accepted any more.
    while TcpStream::connect(gateway.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.send_replace(true);
    assert_eq!(reader.lines().await.len(), 2);
}

#[actix_web::test]
async fn a_panic_in_a_stream_cuts_it_off_and_is_counted() {
    let (address, server) = serve();
    let target = "GET /aggregate/later HTTP/1.1\r\nHost: g\r\nAccept: text/event-stream\r\n\r\n";
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(target.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    // The server may cut the stream in any way, but must not end it in order.
    let _ = timeout(LONG, tcp.read_to_end(&mut text)).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK") && !text.ends_with("0\r\n\r\n"),
        "{text}"
    );
    let metrics = request(address, "GET", "/metrics", &[], b"").await;
    for line in ["gather_panics_total 1", "gather_requests_in_flight 0"] {
        assert!(
            metrics.text().lines().any(|known| known == line),
            "no {line}"
        );
    }
    server.stop(true).await;
}

#[actix_web::test]
async fn who_does_not_read_makes_the_calls_wait_and_who_reads_on_gets_them_all() {
    const CALLS: usize = 64;
    const SIZE: usize = 128 * 1024;
    let upstream = Upstream::always(Response::json(format!("\"{}\"", "x".repeat(SIZE))));
    let calls: Vec<String> = (0..CALLS)
        .map(|at| format!("{{ upstream = \"one\", name = \"call_{at}\" }}"))
        .collect();
    let gateway = Gateway::before(
        &[("one", upstream.url("/"))],
        &format!(
            "upstreams.one.breaker = {{ failures = 1 }}\n\
             aggregates.default.calls = [{}]\naggregates.default.mode = \"sequential\"\n\
             aggregates.default.deadline = \"60s\"",
            calls.join(", ")
        ),
    )
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let tcp = socket.connect(gateway.address).await.unwrap();
    let (_, mut reader) = Reader::over(tcp, "/aggregate", &[LINES]).await;
    reader.line().await;
    // The kernel takes some results for the client; then the calls stop.
    let mut asked = 0;
    let mut quiet = 0;
    while quiet < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = upstream.requests().len();
        quiet = if now == asked { quiet + 1 } else { 0 };
        asked = now;
    }
    assert!(
        asked < CALLS / 2,
        "{asked} calls for a client that does not read"
    );
    let lines = reader.lines().await;
    assert_eq!(lines.len(), CALLS, "all but the first, and the last line");
    assert!(lines[..CALLS - 1].iter().all(|line| line["ok"] == true));
    assert_eq!(lines[CALLS - 1]["outcome"], "complete");
}

#[actix_web::test]
async fn a_preference_that_held_is_named_in_a_stream_too() {
    let (gateway, _go, _upstreams) = quick_and_slow("").await;
    let headers = [LINES, ("Prefer", "wait=1")];
    let (head, reader) = Reader::ask(&gateway, "/aggregate", &headers).await;
    assert_eq!(head.header("preference-applied"), Some("wait=1"));
    let lines = reader.lines().await;
    assert_eq!(lines[1]["failure"], "deadline");
    assert_eq!(lines[2]["outcome"], "partial");
}
