//! Methods other than GET and HEAD. OPTIONS lists the methods of a route, a route refuses the known ones, and the
//! gateway refuses all others (RFC 9110, sections 9.3.7, 15.5.6 and 15.6.2). None of them runs an aggregate.

use crate::{
    gateway::{Gateway, request},
    talk::{End, Talk},
    upstream::{Response, Upstream},
};

const ALLOWED: Option<&str> = Some("GET, HEAD, OPTIONS");

async fn gateway(rest: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let rest = format!("aggregates.default.calls = [\"one\"]\n{rest}");
    (Gateway::before(&urls, &rest).await, upstream)
}

#[actix_web::test]
async fn options_says_what_a_route_takes_and_keeps_the_connection() {
    let (gateway, upstream) = gateway("").await;
    let mut talk = Talk::with(&gateway).await;
    for target in [
        "*",
        "/aggregate",
        "/aggregate?mode=sync&unknown=1",
        "/aggregate/default",
        "http://gather/aggregate",
        "/metrics",
        "/livez",
        "/readyz",
        "/openapi.json",
        "/console",
        "/console/",
        "/console/app.js",
        "/console/aggregates",
    ] {
        talk.say(format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: gather\r\nX-Request-Id: mine\r\n\r\n"
        ))
        .await;
        // An answer without a body has no length either.
        let answer = talk.hear_head().await;
        assert_eq!(answer.status, 204, "{target}");
        assert_eq!(answer.header("allow"), ALLOWED, "{target}");
        assert_eq!(answer.header("x-request-id"), Some("mine"), "{target}");
        for field in ["connection", "content-length", "transfer-encoding"] {
            assert_eq!(answer.header(field), None, "{target}");
        }
    }
    talk.get("/livez").await;
    assert_eq!(talk.hear().await.status, 200);
    assert_eq!(upstream.connections(), 0, "nothing was run");
    let runs =
        "gather_requests_total{aggregate=\"default\",mode=\"concurrent\",outcome=\"complete\"}";
    assert_eq!(gateway.metric(runs).await, 0.0);
}

#[actix_web::test]
async fn options_of_what_is_not_there_is_404() {
    let (gateway, _upstream) = gateway("").await;
    for (target, kind) in [
        ("/", "not-found"),
        ("/nothing", "not-found"),
        ("/aggregate/", "not-found"),
        ("/console/nothing", "not-found"),
        ("/aggregate/nobody", "unknown-aggregate"),
    ] {
        for method in ["OPTIONS", "POST"] {
            let answer = request(gateway.address, method, target, &[], b"").await;
            answer.problem(404, kind);
        }
    }
}

#[actix_web::test]
async fn the_admin_listener_answers_options_too() {
    let (gateway, _upstream) = gateway("admin.listen = \"127.0.0.1:0\"").await;
    for (address, target, status) in [
        (gateway.operations, "*", 204),
        (gateway.operations, "/metrics", 204),
        (gateway.operations, "/readyz", 204),
        (gateway.operations, "/aggregate", 404),
        (gateway.address, "*", 204),
        (gateway.address, "/metrics", 404),
    ] {
        let answer = request(address, "OPTIONS", target, &[], b"").await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("allow"), ALLOWED.filter(|_| status == 204));
    }
}

#[actix_web::test]
async fn options_with_a_body_is_refused_and_the_last_of_its_connection() {
    let (gateway, upstream) = gateway("").await;
    let smuggled = "GET /aggregate HTTP/1.1\r\nHost: gather\r\n\r\n";
    for target in ["*", "/aggregate"] {
        for body in [
            format!("Content-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
                smuggled.len()
            ),
        ] {
            let mut talk = Talk::with(&gateway).await;
            talk.say(format!(
                "OPTIONS {target} HTTP/1.1\r\nHost: gather\r\n{body}"
            ))
            .await;
            talk.hear().await.problem(400, "unexpected-body");
            assert_eq!(talk.end().await, End::Closed);
        }
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[actix_web::test]
async fn a_method_that_nobody_knows_is_501_whatever_its_length() {
    let (gateway, upstream) = gateway("").await;
    let mut talk = Talk::with(&gateway).await;
    for method in ["FOO", "get", "PROPFIND", "M-SEARCH", &"x".repeat(32)] {
        for target in ["/aggregate", "/livez", "/nothing"] {
            talk.say(format!(
                "{method} {target} HTTP/1.1\r\nHost: gather\r\n\r\n"
            ))
            .await;
            let answer = talk.hear().await;
            answer.problem(501, "method-not-implemented");
            assert_eq!(answer.header("connection"), None);
        }
    }
    for (method, target) in [
        ("x".repeat(33), "/aggregate".to_owned()),
        ("X".repeat(9_000), "/aggregate".to_owned()),
        ("x".repeat(60_000), "/aggregate".to_owned()),
        ("x".repeat(33), format!("/{}", "y".repeat(9_000))),
        ("GET&".to_owned(), "/aggregate".to_owned()),
    ] {
        let answer = request(gateway.address, &method, &target, &[], b"").await;
        answer.problem(501, "method-not-implemented");
        assert!(answer.body.len() < 500, "the method is not repeated");
    }
    let count = gateway
        .metric("gather_problems_total{type=\"method-not-implemented\"}")
        .await;
    assert_eq!(count, 20.0);
    let answer = request(gateway.address, &"(".repeat(9_000), "/", &[], b"").await;
    answer.problem(400, "malformed-request");
    assert_eq!(upstream.requests().len(), 0);
}

#[actix_web::test]
async fn a_tunnel_is_501_and_what_is_sent_into_it_is_no_request() {
    let (gateway, upstream) = gateway("").await;
    for target in ["gather:80", "elsewhere.example:443", "[::1]:8080"] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n\
             GET /aggregate HTTP/1.1\r\nHost: gather\r\n\r\n"
        ))
        .await;
        let answer = talk.hear().await;
        answer.problem(501, "method-not-implemented");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(talk.end().await, End::Closed);
    }
    for target in ["/aggregate", "gather", ":80", "http://gather:80/"] {
        let answer = request(gateway.address, "CONNECT", target, &[], b"").await;
        answer.problem(400, "malformed-request");
    }
    assert_eq!(upstream.requests().len(), 0);
}
