//! Requests that no route takes: each is answered with a problem of a stable type, has a request id and is counted; and
//! none of them reaches an upstream.

use crate::{
    gateway::{Answer, Gateway, raw, request},
    talk::{End, Talk},
    upstream::{Response, Upstream},
};

async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"one\"]").await;
    (gateway, upstream)
}

/// Asserts a problem of this type, that the gateway has counted `count` of them, and that it still works.
async fn refused(gateway: &Gateway, answer: &Answer, status: u16, kind: &str, count: u32) {
    answer.problem(status, kind);
    let ids = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "x-request-id");
    assert_eq!(ids.count(), 1, "{answer:?}");
    let series = format!("gather_problems_total{{type=\"{kind}\"}}");
    assert_eq!(gateway.metric(&series).await, f64::from(count), "{series}");
    assert_eq!(gateway.aggregate("").await.status, 200);
}

#[actix_web::test]
async fn a_route_that_is_not_there_is_404() {
    let (gateway, _upstream) = gateway().await;
    for (count, target) in (1..).zip([
        "/",
        "/nothing",
        "/aggregate/",
        "/aggregates",
        "/AGGREGATE",
        "/aggregate/a/b",
        "//aggregate",
    ]) {
        let answer = gateway.get(target).await;
        refused(&gateway, &answer, 404, "not-found", count).await;
        assert!(
            answer.text().contains(&format!("`{target}`")),
            "{}",
            answer.text()
        );
    }
}

#[actix_web::test]
async fn an_aggregate_that_is_not_there_is_404_and_named() {
    let (gateway, _upstream) = gateway().await;
    for (count, (name, shown)) in (1..).zip([
        ("nobody", "nobody"),
        ("Default", "Default"),
        ("%C3%A9", "é"),
        ("a%20b%22", "a b\\\""),
        ("..%2Fmetrics", "../metrics"),
    ]) {
        let answer = gateway.get(&format!("/aggregate/{name}")).await;
        refused(&gateway, &answer, 404, "unknown-aggregate", count).await;
        assert!(
            answer.text().contains(&format!("`{shown}`")),
            "{}",
            answer.text()
        );
    }
}

#[actix_web::test]
async fn a_name_that_is_not_utf_8_is_a_problem_too() {
    let (gateway, _upstream) = gateway().await;
    let answer = gateway.get("/aggregate/%ff%00").await;
    refused(&gateway, &answer, 404, "unknown-aggregate", 1).await;
}

#[actix_web::test]
async fn another_method_is_405_and_says_which_are_allowed() {
    let (gateway, _upstream) = gateway().await;
    let mut count = 0;
    for target in [
        "/aggregate",
        "/aggregate/default",
        "/metrics",
        "/livez",
        "/readyz",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"] {
            count += 1;
            let headers = [("Content-Length", "0")];
            let answer = request(gateway.address, method, target, &headers, b"").await;
            refused(&gateway, &answer, 405, "method-not-allowed", count).await;
            assert_eq!(
                answer.header("allow"),
                Some("GET, HEAD"),
                "{method} {target}"
            );
        }
    }
}

#[actix_web::test]
async fn a_body_on_a_get_is_refused_by_length_and_by_chunks() {
    let (gateway, _upstream) = gateway().await;
    let mut count = 0;
    for method in ["GET", "HEAD"] {
        for (header, value, body) in [
            ("Content-Length", "4", "body"),
            ("Transfer-Encoding", "chunked", "4\r\nbody\r\n0\r\n\r\n"),
            ("Transfer-Encoding", "chunked", "0\r\n\r\n"),
        ] {
            count += 1;
            let headers = [(header, value)];
            let answer = request(
                gateway.address,
                method,
                "/aggregate",
                &headers,
                body.as_bytes(),
            )
            .await;
            if method == "GET" {
                refused(&gateway, &answer, 400, "unexpected-body", count).await;
            }
            assert_eq!(answer.status, 400);
        }
    }
    let empty = [("Content-Length", "0")];
    let answer = gateway.get_with("/aggregate", &empty).await;
    assert_eq!(answer.status, 200, "no body is no body: {}", answer.text());
}

#[actix_web::test]
async fn a_refused_body_is_never_taken_for_the_next_request() {
    let (gateway, upstream) = gateway().await;
    let smuggled = "GET /aggregate HTTP/1.1\r\nHost: gather\r\n\r\n";
    let chunked = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for (field, body) in [
        (format!("Content-Length: {}", smuggled.len()), smuggled),
        ("Transfer-Encoding: chunked".to_owned(), &chunked),
    ] {
        for method in ["GET", "POST"] {
            let mut talk = Talk::with(&gateway).await;
            talk.say(format!(
                "{method} /aggregate HTTP/1.1\r\nHost: gather\r\n{field}\r\n\r\n{body}"
            ))
            .await;
            let answer = talk.hear().await;
            assert!([400, 405].contains(&answer.status), "{answer:?}");
            talk.tcp.set_nodelay(true).unwrap();
            // Whether the gateway closes or goes on, there is no second answer to one request.
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut talk.tcp).await;
            assert_eq!(talk.end().await, End::Closed, "{method} {field}");
        }
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[actix_web::test]
async fn a_declared_body_beyond_the_limit_is_413() {
    let (gateway, _upstream) = gateway().await;
    let announce = async |method: &str, length: u64| {
        let mut talk = Talk::with(&gateway).await;
        let fields = format!("Host: gather\r\nContent-Length: {length}\r\n");
        talk.say(format!("{method} /aggregate HTTP/1.1\r\n{fields}\r\nxyz"))
            .await;
        talk.hear().await
    };
    for (count, method) in (1..).zip(["POST", "PUT", "GET"]) {
        let answer = announce(method, 262_145).await;
        refused(&gateway, &answer, 413, "body-too-large", count).await;
    }
    let answer = announce("POST", 262_144).await;
    refused(&gateway, &answer, 405, "method-not-allowed", 1).await;
}

#[actix_web::test]
async fn a_target_that_is_too_long_is_414() {
    let (gateway, _upstream) = gateway().await;
    let target = |bytes: usize| format!("/aggregate?{}", "x".repeat(bytes - "/aggregate?".len()));
    let answer = gateway.get(&target(8 * 1024)).await;
    answer.problem(400, "unknown-parameter");
    for (count, bytes) in (1..).zip([8 * 1024 + 1, 40_000, 100_000]) {
        let answer = gateway.get(&target(bytes)).await;
        refused(&gateway, &answer, 414, "uri-too-long", count).await;
        assert!(answer.body.len() < 500, "the target is not repeated");
    }
}

#[actix_web::test]
async fn a_head_of_200_kib_is_431_and_the_client_can_read_it() {
    let (gateway, upstream) = gateway().await;
    for count in 1..=5 {
        let field = "x".repeat(200 * 1024);
        let answer = gateway.get_with("/aggregate", &[("X-Large", &field)]).await;
        refused(&gateway, &answer, 431, "head-too-large", count).await;
    }
    assert_eq!(
        upstream.requests().len(),
        5,
        "those of the checks in between"
    );
}

#[actix_web::test]
async fn more_than_96_header_fields_are_431() {
    let (gateway, _upstream) = gateway().await;
    // `Host` and `Connection` are there already.
    let fields = |count: usize| vec![("X-Field", "1"); count - 2];
    assert_eq!(
        gateway.get_with("/aggregate", &fields(96)).await.status,
        200
    );
    let answer = gateway.get_with("/aggregate", &fields(97)).await;
    refused(&gateway, &answer, 431, "head-too-large", 1).await;
}

#[actix_web::test]
async fn what_is_not_http_is_400() {
    let (gateway, upstream) = gateway().await;
    for (count, bytes) in (1..).zip([
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /aggregate HTTP/2.0\r\nHost: gather\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost: gather\r\nBad Field: 1\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost: gather\r\nA: 1\r\n folded\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: -1\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /aggregate HTTP/1.1\r\nHost: gather\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /aggregate\u{1} HTTP/1.1\r\nHost: gather\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
    ]) {
        let answer = raw(gateway.address, bytes.as_bytes()).await;
        refused(&gateway, &answer, 400, "malformed-request", count).await;
        assert_eq!(answer.header("connection"), Some("close"), "{bytes:?}");
    }
    assert_eq!(
        upstream.requests().len(),
        13,
        "those of the checks in between"
    );
}

#[actix_web::test]
async fn a_fault_in_a_later_request_of_a_connection_is_answered_after_the_answers_before_it() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/livez").await;
    assert_eq!(talk.hear().await.status, 200);
    talk.say("GET /livez HTTP/1.1\r\nHost: gather\r\n\r\nnonsense\r\n\r\n")
        .await;
    assert_eq!(talk.hear().await.status, 200);
    talk.hear().await.problem(400, "malformed-request");
    assert_eq!(talk.end().await, End::Closed);
}

#[actix_web::test]
async fn a_head_request_that_fails_has_the_problems_headers_and_no_body() {
    let (gateway, _upstream) = gateway().await;
    let answer = request(gateway.address, "HEAD", "/nothing", &[], b"").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body, b"");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert!(answer.header("x-request-id").is_some());
}

#[actix_web::test]
async fn a_problem_carries_the_callers_request_id() {
    let (gateway, _upstream) = gateway().await;
    for target in ["/nothing", "/aggregate?mode=x", "/aggregate/nobody"] {
        let answer = gateway
            .get_with(target, &[("X-Request-Id", "req-42")])
            .await;
        assert_eq!(answer.header("x-request-id"), Some("req-42"), "{target}");
    }
}

#[actix_web::test]
async fn a_wish_for_another_protocol_is_passed_over() {
    let (gateway, _upstream) = gateway().await;
    for protocol in ["websocket", "h2c"] {
        let headers = [("Upgrade", protocol), ("Connection", "upgrade")];
        let answer = gateway.get_with("/aggregate", &headers).await;
        assert_eq!(answer.status, 200, "{protocol}: {answer:?}");
    }
    let mut talk = Talk::with(&gateway).await;
    talk.say("GET /aggregate HTTP/1.1\r\nHost: gather\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(talk.hear().await.status, 200, "no body, no `100 Continue`");
}

#[actix_web::test]
async fn a_target_in_absolute_form_is_its_path() {
    let (gateway, _upstream) = gateway().await;
    let answer = gateway
        .get("http://elsewhere.example/aggregate?mode=sync")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (method, target) in [("CONNECT", "elsewhere.example:443"), ("OPTIONS", "*")] {
        let answer = request(gateway.address, method, target, &[], b"").await;
        answer.problem(404, "not-found");
    }
}
