//! Requests that RFC 9112 and RFC 9110 forbid, as raw bytes. Each is refused with a 400-class problem or by a close,
//! none of its bytes reach an upstream, and the gateway goes on.

mod table;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Duration, timeout},
};

use crate::{
    gateway::{Gateway, parse},
    talk::{End, Talk},
    upstream::{Response, Upstream},
};

use table::{all, body, field, host, line, target};

/// A time longer than any refusal takes.
const LONG: Duration = Duration::from_secs(30);

/// Sends these bytes, closes, and returns everything that comes back. A reset ends it too.
async fn exchange(gateway: &Gateway, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(gateway.address).await.unwrap();
    let mut answer = Vec::new();
    let talk = async {
        // The gateway may refuse before it has read everything.
        let _ = tcp.write_all(bytes).await;
        let _ = tcp.read_to_end(&mut answer).await;
    };
    timeout(LONG, talk).await.expect("it is ended");
    answer
}

#[actix_web::test]
async fn none_is_answered_but_by_a_refusal_and_none_is_passed_on() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"one\"]").await;
    let cases = all();
    assert_eq!(cases.len(), 207, "docs/reliability.md says so");
    for (name, bytes) in cases {
        let answer = exchange(&gateway, &bytes).await;
        let shown = String::from_utf8_lossy(&answer);
        assert_eq!(shown.matches("HTTP/1.1 ").count(), 1, "{name}: {shown}");
        let answer = parse(&answer);
        let refusals = [400, 414, 431, 501, 505];
        assert!(refusals.contains(&answer.status), "{name}: {shown}");
        let kind = answer.json()["type"].clone();
        let kind = kind.as_str().unwrap().rsplit(':').next().unwrap();
        answer.problem(answer.status, kind);
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
        assert_eq!(upstream.connections(), 0, "{name}: passed on");
        assert_eq!(gateway.get("/livez").await.status, 200, "{name}");
    }
    assert_eq!(gateway.aggregate("").await.status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[actix_web::test]
async fn the_same_behind_a_good_request_is_refused_behind_its_answer() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"one\"]").await;
    for (name, bytes) in all() {
        let good = b"GET /livez HTTP/1.1\r\nHost: gather\r\n\r\n";
        let answer = exchange(&gateway, &[&good[..], &bytes].concat()).await;
        let shown = String::from_utf8_lossy(&answer);
        assert_eq!(shown.matches("HTTP/1.1 ").count(), 2, "{name}: {shown}");
        assert!(shown.starts_with("HTTP/1.1 200 OK\r\n"), "{name}: {shown}");
        let is_refused = ["HTTP/1.1 4", "HTTP/1.1 5"]
            .iter()
            .any(|refusal| shown.contains(refusal));
        assert!(is_refused, "{name}: {shown}");
        assert_eq!(upstream.connections(), 0, "{name}: passed on");
    }
}

#[actix_web::test]
async fn what_is_odd_but_valid_is_taken() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"one\"]").await;
    for (name, bytes) in [
        (
            "empty lines before it",
            [b"\r\n\r\n", &target("/aggregate")[..]].concat(),
        ),
        (
            "an absolute target",
            target("http://elsewhere.example:8080/aggregate?mode=sync"),
        ),
        (
            "an absolute target in capitals",
            target("HTTP://GATHER/aggregate"),
        ),
        ("an escape in the path", target("/aggregat%65")),
        ("a Host with a port", host("host:gather:80")),
        ("a Host that is an address", host("HOST: [::1]:8080")),
        ("a Host with an empty port", host("Host: gather:")),
        ("a length of 0", field("Content-Length: 0")),
        ("version 1.2", line("GET /aggregate HTTP/1.2")),
        ("version 1.9", line("GET /aggregate HTTP/1.9")),
        (
            "a head of 100 fields",
            field("A: b\r\n".repeat(97) + "A: b"),
        ),
        (
            "an empty body in chunks",
            body("GET", "Transfer-Encoding: chunked", "0\r\n\r\n"),
        ),
        ("an empty value", field("A:")),
        ("a value with spaces around it", field("A: \t b \t ")),
        ("a value that is not ASCII", field("A: é")),
        (
            "a name of all that a name may have",
            field("!#$%&'*+-.^_`|~09AZaz: odd"),
        ),
        (
            "HTTP/1.0 without a Host",
            b"GET /aggregate HTTP/1.0\r\n\r\n".to_vec(),
        ),
        ("an expectation", field("Expect: 100-continue")),
        ("an unknown expectation", field("Expect: more")),
        (
            "a head of almost 64 KiB",
            field(format!("A: {}", "x".repeat(65_000))),
        ),
        (
            "what browsers do not encode",
            target("/aggregate?mode=async|"),
        ),
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(&bytes).await;
        let answer = talk.hear().await;
        let browser = name == "what browsers do not encode";
        let status = if browser { 400 } else { 200 };
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        if browser {
            answer.problem(400, "invalid-parameter");
        }
    }
}

#[actix_web::test]
async fn a_body_is_never_asked_for() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"one\"]").await;
    for (method, status) in [("GET", 400), ("POST", 405)] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(body(
            method,
            "Expect: 100-continue\r\nContent-Length: 5",
            "",
        ))
        .await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, status, "the first answer is the last");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(talk.end().await, End::Closed);
    }
    assert_eq!(upstream.connections(), 0);
}
