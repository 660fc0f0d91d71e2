//! The bodies of clients: refused before they come, or read to their end, and the connection that goes on after them.

use crate::{
    gateway::{Gateway, request},
    talk::{End, Talk},
    upstream::{Response, Upstream},
};

const TYPED: (&str, &str) = ("Content-Type", "application/json");

async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let call = r#"{ upstream = "one", method = "POST", forward_body = true }"#;
    let rest = format!(
        r#"
        server.header_timeout = "500ms"
        aggregates.send = {{ path = "/send", methods = ["GET", "POST", "PUT", "DELETE"], max_request_body = "100B", calls = [{call}] }}
        aggregates.find = {{ path = "/find", methods = ["QUERY"], calls = [{call}] }}
        aggregates.none = {{ path = "/none", methods = ["POST"], calls = ["one"] }}
        "#
    );
    (Gateway::before(&urls, &rest).await, upstream)
}

/// Returns a request with a body of this length.
fn sized(method: &str, target: &str, fields: &str, length: usize) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: gather\r\n{fields}Content-Length: {length}\r\n\r\n"
    )
}

/// Returns the head of a request with a body in chunks.
fn chunked(method: &str, target: &str, fields: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: gather\r\n{fields}Transfer-Encoding: chunked\r\n\r\n"
    )
}

#[actix_web::test]
async fn a_body_is_read_and_the_connection_goes_on() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    let typed = "Content-Type: application/json\r\n";
    for (method, target) in [
        ("POST", "/send"),
        ("PUT", "/send"),
        ("POST", "/aggregate/send"),
        ("QUERY", "/find"),
        ("POST", "/find"),
        ("QUERY", "/aggregate/find"),
    ] {
        talk.say(sized(method, target, typed, 4) + "[42]").await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
        talk.say(chunked(method, target, typed) + "2\r\n[4\r\n2\r\n2]\r\n0\r\n\r\n")
            .await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
    }
    // A body that may be missing may also be empty.
    for empty in [
        sized("POST", "/send", "", 0),
        chunked("POST", "/send", "") + "0\r\n\r\n",
    ] {
        talk.say(empty).await;
        assert_eq!(talk.hear().await.status, 200);
    }
    // So may one that nobody takes.
    for (method, target) in [("POST", "/none"), ("DELETE", "/send")] {
        talk.say(chunked(method, target, "") + "0\r\n\r\n").await;
        assert_eq!(talk.hear().await.status, 200, "{method} {target}");
    }
    talk.get("/send").await;
    assert_eq!(talk.hear().await.status, 200);
}

#[actix_web::test]
async fn a_body_goes_on_as_it_came_with_its_type() {
    let (gateway, upstream) = gateway().await;
    let bytes = b"{ \"a\": 1.10,\xff }";
    for content_type in ["text/csv;x=1", "application/json"] {
        let length = bytes.len().to_string();
        let fields = [("Content-Type", content_type), ("Content-Length", &*length)];
        let answer = request(gateway.address, "POST", "/send", &fields, bytes).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let [request] = &upstream.take_requests()[..] else {
            panic!("one request")
        };
        assert_eq!(request.body, bytes);
        assert_eq!(request.header("content-type"), Some(content_type));
        assert_eq!(request.header_count("content-type"), 1);
    }
}

#[actix_web::test]
async fn parts_of_a_body_are_taken_only_from_json() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let rest = r#"
        [aggregates.search]
        path = "/search"
        methods = ["QUERY"]
        [[aggregates.search.calls]]
        upstream = "one"
        method = "POST"
        json = { most = "{body.most ?? 10}", words = "{body.words}" }
    "#;
    let gateway = Gateway::before(&urls, rest).await;
    let ask = async |method: &str, content_type: &str, body: &str| {
        let length = body.len().to_string();
        let fields = [("Content-Type", content_type), ("Content-Length", &*length)];
        request(gateway.address, method, "/search", &fields, body.as_bytes()).await
    };
    for method in ["QUERY", "POST"] {
        let answer = ask(method, "application/vnd.x+json", r#"{"words":[1.10, "é"]}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let [request] = &upstream.take_requests()[..] else {
            panic!("one request")
        };
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        assert_eq!(sent.replace(' ', ""), r#"{"most":10,"words":[1.10,"é"]}"#);
        for body in ["", "{", "{} {}", "\u{feff}{}", &"[".repeat(100)] {
            let problem = ask(method, "application/json", body).await;
            let problem = problem.problem(400, "invalid-body");
            assert!(!problem["detail"].as_str().unwrap().contains('['));
        }
        let plain = ask(method, "text/plain", "{}").await;
        plain.problem(415, "unsupported-media-type");
        assert_eq!(plain.header("accept"), Some("application/json"));
        assert_eq!(plain.header("accept-query"), Some("\"application/json\""));
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[actix_web::test]
async fn a_body_that_is_not_taken_is_refused_before_it_comes() {
    let (gateway, upstream) = gateway().await;
    let expect = "Expect: 100-continue\r\n";
    let typed = format!("{expect}Content-Type: application/json\r\n");
    let packed = format!("{typed}Content-Encoding: gzip\r\n");
    let twice = format!("{typed}Content-Type: text/plain\r\n");
    for (method, target, fields, length, status, kind) in [
        ("POST", "/none", &*typed, 2, 400, "unexpected-body"),
        ("DELETE", "/send", &typed, 2, 400, "unexpected-body"),
        ("GET", "/send", &typed, 2, 400, "unexpected-body"),
        ("POST", "/send", &typed, 101, 413, "body-too-large"),
        ("POST", "/send", &packed, 2, 415, "unsupported-media-type"),
        ("POST", "/send", &twice, 2, 415, "unsupported-media-type"),
        ("QUERY", "/find", expect, 2, 415, "unsupported-media-type"),
        ("QUERY", "/find", &typed, 70_000, 413, "body-too-large"),
        ("PATCH", "/send", &typed, 2, 405, "method-not-allowed"),
        ("PATCH", "/send", &typed, 300_000, 413, "body-too-large"),
        (
            "POST",
            "/send?colour=red",
            &typed,
            2,
            400,
            "unknown-parameter",
        ),
        ("POST", "/nothing", &typed, 2, 404, "not-found"),
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(sized(method, target, fields, length)).await;
        // It would hear `100 Continue` first.
        talk.hear().await.problem(status, kind);
        assert_eq!(talk.end().await, End::Closed, "{method} {target}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[actix_web::test]
async fn a_query_without_a_body_is_refused_and_told_what_is_taken() {
    let (gateway, upstream) = gateway().await;
    let query = async |fields: &[(&str, &str)]| {
        request(gateway.address, "QUERY", "/find", fields, b"").await
    };
    query(&[TYPED]).await.problem(400, "invalid-body");
    let untyped = query(&[]).await;
    untyped.problem(415, "unsupported-media-type");
    let options = request(gateway.address, "OPTIONS", "/find", &[], b"").await;
    assert_eq!(options.header("allow"), Some("POST, QUERY, OPTIONS"));
    let get = gateway.get("/find").await;
    get.problem(405, "method-not-allowed");
    for answer in [untyped, options, get] {
        assert_eq!(answer.header("accept-query"), Some("\"*/*\""));
    }
    assert_eq!(upstream.connections(), 0);
}

#[actix_web::test]
async fn chunks_beyond_the_limit_or_without_an_end_are_refused() {
    let (gateway, upstream) = gateway().await;
    for (chunks, status, kind) in [
        (
            format!("65\r\n{}\r\n0\r\n\r\n", "x".repeat(101)),
            413,
            "body-too-large",
        ),
        (
            format!("40\r\n{0}\r\n40\r\n{0}\r\n", "x".repeat(64)),
            413,
            "body-too-large",
        ),
        ("2\r\nabc\r\n0\r\n\r\n".to_owned(), 400, "malformed-request"),
        ("zz\r\n".to_owned(), 400, "malformed-request"),
        ("2\r\na".to_owned(), 408, "request-timeout"),
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(chunked("POST", "/send", "") + &chunks).await;
        talk.hear().await.problem(status, kind);
        assert_eq!(talk.end().await, End::Closed, "{chunks}");
    }
    for (method, target) in [("POST", "/none"), ("DELETE", "/send")] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(chunked(method, target, "") + "1\r\na\r\n0\r\n\r\n")
            .await;
        talk.hear().await.problem(400, "unexpected-body");
        assert_eq!(talk.end().await, End::Closed, "{method} {target}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[actix_web::test]
async fn a_client_that_waits_is_told_to_go_on_once_its_body_is_going_to_be_read() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    talk.say(sized("POST", "/send", "Expect: 100-continue\r\n", 4))
        .await;
    assert_eq!(talk.hear_head().await.status, 100);
    talk.say("[42]").await;
    assert_eq!(talk.hear().await.status, 200);
}

#[actix_web::test]
async fn a_body_is_charged_to_the_memory_before_it_comes() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        r#"
        upstreams.one.url = "{}"
        aggregates.send = {{ path = "/send", methods = ["POST"], max_request_body = "64MiB", calls = [{{ upstream = "one", method = "POST", forward_body = true }}] }}
        "#,
        upstream.url("/")
    );
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.memory = \"16MiB\"";
    let gateway = Gateway::start_with(server, &toml).await;
    for head in [
        sized("POST", "/send", "Expect: 100-continue\r\n", 60 << 20),
        chunked("POST", "/send", "Expect: 100-continue\r\n"),
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(head).await;
        talk.hear().await.problem(503, "overloaded");
    }
    let mut talk = Talk::with(&gateway).await;
    for _ in 0..3 {
        let length = 1 << 20;
        talk.say(sized("POST", "/send", "", length)).await;
        talk.say(vec![b'x'; length]).await;
        assert_eq!(talk.hear().await.status, 200);
    }
    assert_eq!(upstream.requests().len(), 3);
}
