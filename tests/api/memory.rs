//! `server.memory`: the bytes that bodies and answers of all requests take together. Beyond it a request is refused
//! before anything is sent, and a body fails its call. Requests with small bodies are answered all the while.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    gateway::{Gateway, with_upstreams},
    overload::ask,
    upstream::{Behaviour, Framing, Response, Upstream},
};

const MIB: usize = 1 << 20;
const LONG: Duration = Duration::from_secs(30);

/// Starts a gateway. By name, its upstreams answer at once, never, with 6 MiB whole or in small chunks, with control
/// characters, without end, or with 256 KiB.
async fn gateway(memory: &str, rest: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/never" => Behaviour::HangBeforeHead,
        "/large" => Response::text(vec![b'x'; 6 * MIB]).into(),
        "/chunked" => Response::text(vec![b'x'; 6 * MIB])
            .framing(Framing::Chunked(100_000))
            .into(),
        "/controls" => Response::text(vec![1; 2 * MIB]).into(),
        "/endless" => Behaviour::Endless(Framing::Chunked(10_000)),
        "/part" => Response::json(format!("\"{}\"", "x".repeat(256 * 1024))).into(),
        _ => Response::pong().into(),
    });
    let names = ["small", "never", "large", "chunked", "controls", "endless"];
    let urls = names.map(|name| (name, upstream.url(&format!("/{name}"))));
    let aggregates = names.map(|name| format!("[aggregates.{name}]\ncalls = [\"{name}\"]\n"));
    let part = upstream.url("/part");
    let parts: Vec<_> = (0..40)
        .map(|at| format!("{{ upstream = \"part\", name = \"part_{at}\" }}"))
        .collect();
    let rest = format!(
        "upstreams.part.url = \"{part}\"\n[defaults]\ntimeout = \"60s\"\nmax_body = \"64MiB\"\n\
         retry = {{ attempts = 3, backoff = \"1ms\", on = [\"protocol\", \"too_large\", \"5xx\"] }}\n\
         breaker = {{ failures = 1, open_for = \"60s\" }}\n{}\
         [aggregates.parts]\ncalls = [{}]\nconcurrency = 2\n{rest}",
        aggregates.concat(),
        parts.join(", ")
    );
    let server = format!("server.workers = 2\nserver.grace = \"0s\"\nserver.memory = \"{memory}\"");
    let gateway = Gateway::start_with(&server, &with_upstreams(&urls, &rest)).await;
    (gateway, upstream)
}

/// Sends a request and returns once its answer has begun.
async fn slow(gateway: &Gateway, name: &str) -> TcpStream {
    let mut tcp = ask(gateway, name).await;
    let mut start = [0; 1024];
    tcp.read_exact(&mut start).await.unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200 OK\r\n"));
    tcp
}

async fn charged(gateway: &Gateway) -> usize {
    gateway.metric("gather_memory_bytes").await as usize
}

/// Waits until no memory is charged.
async fn until_free(gateway: &Gateway) {
    gateway.wait_metric("gather_memory_bytes", 0.0).await;
}

#[actix_web::test]
async fn a_request_for_which_there_is_no_memory_is_refused_before_anything_is_sent() {
    let (gateway, upstream) = gateway("1MiB", "").await;
    assert_eq!(
        gateway.metric("gather_memory_limit_bytes").await as usize,
        MIB
    );
    for _ in 0..3 {
        let held: Vec<_> = {
            let mut held = Vec::new();
            // Each request is charged the same, however it ends.
            held.push(ask(&gateway, "never").await);
            assert!(upstream.wait_requests(1, LONG).await);
            let each = charged(&gateway).await;
            assert!((16 << 10..64 << 10).contains(&each), "{each}");
            while held.len() < MIB / each {
                held.push(ask(&gateway, "never").await);
            }
            assert!(upstream.wait_requests(held.len(), LONG).await);
            held
        };
        for aggregate in ["small", "parts"] {
            let answer = gateway.get(&format!("/aggregate/{aggregate}")).await;
            let problem = answer.problem(503, "overloaded");
            assert_eq!(answer.header("retry-after"), Some("1"));
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("memory") && detail.contains("nothing was sent"));
            assert!(!detail.contains(|c: char| c.is_ascii_digit()), "{detail}");
        }
        assert_eq!(upstream.requests().len(), held.len());
        drop(held);
        until_free(&gateway).await;
        upstream.take_requests();
    }
    assert_eq!(gateway.get("/aggregate/small").await.status, 200);
    assert_eq!(
        gateway
            .metric("gather_shed_total{aggregate=\"small\"}")
            .await,
        3.0
    );
    assert_eq!(
        gateway
            .metric("gather_problems_total{type=\"overloaded\"}")
            .await,
        6.0
    );
}

#[actix_web::test]
async fn a_body_beyond_the_memory_fails_its_call_and_is_no_fault_of_the_upstream() {
    // Three quarters are for large bodies: two of 6 MiB, or one and the answer that it is in.
    let (gateway, upstream) = gateway("20MiB", "").await;
    for name in ["large", "chunked"] {
        let mut reader = slow(&gateway, "large").await;
        let answers = charged(&gateway).await;
        assert!((6 * MIB..7 * MIB).contains(&answers), "{answers}");
        upstream.take_requests();
        for times in 1..=3 {
            let answer = gateway.get(&format!("/aggregate/{name}")).await;
            let problem = answer.problem(502, "upstream-failed");
            assert_eq!(answer.result(name), "overload");
            assert_eq!(problem["results"][0]["status"], 200);
            let detail = problem["results"][0]["detail"].as_str().unwrap();
            assert!(detail.contains("memory"), "{detail}");
            // The call is not retried and is counted once. Its circuit stays closed.
            assert_eq!(upstream.take_requests().len(), 1);
            let labels = format!("result=\"overload\",upstream=\"{name}\"");
            let attempts = format!("gather_attempts_total{{{labels}}}");
            assert_eq!(gateway.metric(&attempts).await, f64::from(times));
            let circuit = format!("gather_circuit_state{{upstream=\"{name}\"}}");
            assert_eq!(gateway.metric(&circuit).await, 0.0);
            let small = gateway.get("/aggregate/small").await;
            assert_eq!(small.status, 200);
            upstream.take_requests();
        }
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"}]}"));
        until_free(&gateway).await;
        assert_eq!(gateway.get(&format!("/aggregate/{name}")).await.status, 200);
    }
}

#[actix_web::test]
async fn bodies_without_end_and_text_that_grows_in_the_answer_stop_at_the_memory() {
    let (gateway, _upstream) = gateway("16MiB", "").await;
    for name in ["endless", "controls"] {
        let answer = gateway.get(&format!("/aggregate/{name}")).await;
        answer.problem(502, "upstream-failed");
        assert_eq!(answer.result(name), "overload");
        until_free(&gateway).await;
    }
}

#[actix_web::test]
async fn both_runs_of_a_comparison_are_held_together() {
    let (gateway, _upstream) = gateway(
        "36MiB",
        "[aggregates.both]\ncalls = [\"large\"]\ncompare = true",
    )
    .await;
    assert_eq!(
        gateway.get("/aggregate/both?mode=compare").await.status,
        200
    );
    until_free(&gateway).await;
    let _reader = slow(&gateway, "large").await;
    let answer = gateway.get("/aggregate/both?mode=compare").await;
    answer.problem(502, "upstream-failed");
    let text = answer.text();
    assert_eq!(text.matches("\"failure\":\"overload\"").count(), 1);
}

#[actix_web::test]
async fn a_stream_takes_no_more_than_what_its_client_has_not_taken() {
    let (gateway, _upstream) = gateway("4MiB", "").await;
    let lines = [("accept", "application/x-ndjson")];
    let streamed = gateway.get_with("/aggregate/parts", &lines).await;
    assert_eq!(streamed.text().matches("\"ok\":true").count(), 40);
    until_free(&gateway).await;
    // As a whole, the answer would take five times that.
    let whole = gateway.get("/aggregate/parts").await;
    assert!(whole.text().contains("\"failure\":\"overload\""));
    until_free(&gateway).await;

    // A client that doesn't read holds the results that wait for it, and no more.
    let mut reader = gateway.connect().await;
    let head = "GET /aggregate/parts HTTP/1.1\r\nHost: a\r\nAccept: application/x-ndjson\r\n\r\n";
    reader.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 1024];
    reader.read_exact(&mut start).await.unwrap();
    let held = charged(&gateway).await;
    assert!((256 << 10..3 * MIB).contains(&held), "{held}");
    drop(reader);
    until_free(&gateway).await;
}

#[actix_web::test]
async fn an_answer_leaves_as_it_is_where_an_encoder_finds_no_memory() {
    for (memory, coding) in [("2MiB", None), ("32MiB", Some("br"))] {
        let compressed = "[aggregates.part]\ncalls = [\"part\"]";
        let (gateway, _upstream) = gateway(
            &format!("{memory}\"\nserver.compression = true\nserver.header_timeout = \"5s"),
            compressed,
        )
        .await;
        let answer = gateway
            .get_with("/aggregate/part", &[("accept-encoding", "br")])
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-encoding"), coding, "{memory}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        until_free(&gateway).await;
    }
}

#[actix_web::test]
async fn a_large_head_counts_for_as_long_as_its_request_is_in_flight() {
    const HEAD: usize = 60_000;
    let (gateway, upstream) = gateway("1MiB", "").await;
    let field = "a".repeat(HEAD);
    let request = format!("GET /aggregate/never HTTP/1.1\r\nHost: a\r\nX-Field: {field}\r\n\r\n");
    let mut held = Vec::new();
    let mut taken = 0;
    // Three quarters of a MiB are for everything beyond a request's fixed size.
    for _ in 0..20 {
        let mut tcp = gateway.connect().await;
        tcp.write_all(request.as_bytes()).await.unwrap();
        if !upstream
            .wait_requests(taken + 1, Duration::from_millis(200))
            .await
        {
            let mut start = [0; 12];
            tcp.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 503");
            break;
        }
        taken += 1;
        held.push(tcp);
    }
    assert!((7..14).contains(&taken), "{taken} of 20 were taken");
    assert!(charged(&gateway).await >= taken * HEAD);
    assert_eq!(gateway.aggregate("/small").await.status, 200);
    drop(held);
    until_free(&gateway).await;
}
