//! Requests that no route takes. Each is answered with a problem of a stable type, has a request id and is counted.
//! None of them reaches an upstream.

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
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"] {
            count += 1;
            let headers = [("Content-Length", "0")];
            let answer = request(gateway.address, method, target, &headers, b"").await;
            refused(&gateway, &answer, 405, "method-not-allowed", count).await;
            assert_eq!(
                answer.header("allow"),
                Some("GET, HEAD, OPTIONS"),
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
            ("Transfer-Encoding", "chunked", "00a"),
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
            // The gateway may close or go on. In either case there is no second answer to one request.
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
async fn more_than_100_header_fields_are_431_and_the_number_is_said() {
    let (gateway, _upstream) = gateway().await;
    // `Host` and `Connection` are there already.
    let fields = |count: usize| vec![("X-Field", "1"); count - 2];
    for count in [96, 97, 100] {
        let answer = gateway.get_with("/aggregate", &fields(count)).await;
        assert_eq!(answer.status, 200, "{count}");
    }
    let answer = gateway.get_with("/aggregate", &fields(101)).await;
    refused(&gateway, &answer, 431, "head-too-large", 1).await;
    assert!(answer.text().contains("at most 100 "), "{}", answer.text());
}

#[actix_web::test]
async fn the_most_header_fields_are_a_setting_and_all_of_them_are_read() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "upstreams.one = {{ url = \"{}\", forward_headers = [\"x-first\", \"x-last\", \"x-named\"] }}\n\
         aggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.max_headers = 1000";
    let gateway = Gateway::start_with(server, &toml).await;
    let many = "A: b\r\n".repeat(994);
    let last = "Host: gather\r\nConnection: x-named, Upgrade\r\nUpgrade: h2c\r\nX-Named: 3\r\nX-Last: 2\r\n";
    let mut talk = Talk::with(&gateway).await;
    // The connection is kept, and its requests stay apart.
    for _ in 0..2 {
        talk.say(format!(
            "GET /aggregate HTTP/1.1\r\nX-First: 1\r\n{many}{last}\r\n"
        ))
        .await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("connection"), None);
    }
    for request in upstream.requests() {
        assert_eq!(request.header("x-first"), Some("1"));
        assert_eq!(request.header("x-last"), Some("2"));
        assert_eq!(request.header("x-named"), None, "it ends here");
    }
    for (end, status) in [
        ("Connection: close\r\n", 200),
        ("Content-Length: 5\r\n\r\nabcde", 400),
        ("A: b\r\n", 431),
    ] {
        let fields = format!(
            "X-First: 1\r\n{many}{}{end}",
            last.replace("X-Last: 2\r\n", "")
        );
        let fields = match status {
            431 => fields.replace("X-First: 1", "X-First: 1\r\nA: b"),
            _ => fields,
        };
        let mut talk = Talk::with(&gateway).await;
        talk.say(format!("GET /aggregate HTTP/1.1\r\n{fields}\r\n"))
            .await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, status, "{end:?}: {}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"), "{end:?}");
        assert_eq!(talk.end().await, End::Closed, "{end:?}");
    }
}

#[actix_web::test]
async fn what_is_not_http_is_400() {
    let (gateway, upstream) = gateway().await;
    for (count, bytes) in (1..).zip([
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /aggregate HTTP/1.10\r\nHost: gather\r\n\r\n",
        "GET /aggregate http/1.1\r\nHost: gather\r\n\r\n",
        "GET /aggregate HTTP/2\r\nHost: gather\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost: \t\r\n\r\n",
        "GET /aggregate HTTP/1.1\r\nHost: :80\r\n\r\n",
        "GET /aggregate HTTP/1.0\r\nHost:\r\n\r\n",
        "GET http:///aggregate HTTP/1.1\r\nHost: gather\r\n\r\n",
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
        20,
        "those of the checks in between"
    );
}

#[actix_web::test]
async fn another_version_of_http_is_505_and_a_later_one_of_http_1_is_1_1() {
    let (gateway, _upstream) = gateway().await;
    for (count, head) in (1..).zip([
        "GET /aggregate HTTP/2.0\r\nHost: gather\r\n\r\n",
        "GET /aggregate HTTP/3.0\r\n\r\n",
        "GET /aggregate HTTP/0.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
    ]) {
        let answer = raw(gateway.address, head.as_bytes()).await;
        refused(&gateway, &answer, 505, "version-not-supported", count).await;
        assert_eq!(answer.header("connection"), Some("close"), "{head:?}");
    }
    let mut talk = Talk::with(&gateway).await;
    for minor in 2..=9 {
        talk.say(format!(
            "GET /aggregate HTTP/1.{minor}\r\nHost: gather\r\n\r\n"
        ))
        .await;
        let answer = talk.hear().await;
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
    let answer = raw(gateway.address, b"GET /aggregate HTTP/1.2\r\n\r\n").await;
    refused(&gateway, &answer, 400, "malformed-request", 1).await;
}

#[actix_web::test]
async fn a_head_request_that_is_refused_by_its_head_alone_has_no_body_either() {
    let (gateway, _upstream) = gateway().await;
    let large = "x".repeat(70_000);
    for (rest, status) in [
        ("/aggregate HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "/aggregate HTTP/1.1\r\nHost: gather\r\nA : b\r\n\r\n".to_owned(),
            400,
        ),
        (
            "/aggregate\0 HTTP/1.1\r\nHost: gather\r\n\r\n".to_owned(),
            400,
        ),
        (format!("/{large} HTTP/1.1\r\n\r\n"), 414),
        (
            format!("/ HTTP/1.1\r\nHost: gather\r\nA: {large}\r\n\r\n"),
            431,
        ),
        (format!("/ HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)), 431),
        (
            "/aggregate HTTP/2.0\r\nHost: gather\r\n\r\n".to_owned(),
            505,
        ),
        (
            "/aggregate HTTP/1.1\r\nHost: gather\r\nTransfer-Encoding: chunked\r\n\r\nx".to_owned(),
            400,
        ),
    ] {
        let heard = async |method: &str, before: &str| {
            let mut talk = Talk::with(&gateway).await;
            // The gateway may refuse before it has read everything.
            let bytes = format!("{before}{method} {rest}");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut talk.tcp, bytes.as_bytes()).await;
            talk
        };
        let get = heard("GET", "").await.hear().await;
        for before in ["", "\r\n"] {
            let mut talk = heard("HEAD", before).await;
            let head = talk.hear_head().await;
            assert_eq!(head.status, status, "{head:?}");
            assert_eq!(talk.end().await, End::Closed, "nothing follows");
            for field in [
                "content-length",
                "content-type",
                "cache-control",
                "connection",
            ] {
                assert_eq!(head.header(field), get.header(field), "{field}");
            }
            assert!(head.header("x-request-id").is_some());
        }
        // This method begins like HEAD, but is another one.
        assert!(!heard("HEADS", "").await.hear().await.body.is_empty());
    }
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
async fn a_wish_for_a_close_and_an_expectation_are_no_hindrance() {
    let (gateway, _upstream) = gateway().await;
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
}
