//! Empty chunked bodies, which HAProxy announces for a GET that it got by HTTP/2. They are read and skipped, and no
//! byte behind them is taken for a part of them (RFC 9112, section 7.1).

use std::time::Duration;

use crate::talk::{End, Talk, gateway};

fn head(method: &str) -> String {
    format!("{method} /aggregate HTTP/1.1\r\nHost: gather\r\nTransfer-Encoding: chunked\r\n\r\n")
}

/// All forms of a last chunk.
const EMPTY: [&str; 6] = [
    "0\r\n\r\n",
    "000\r\n\r\n",
    "0;a\r\n\r\n",
    "0 ; a = \"b;\\\"c\" ;d=e\r\n\r\n",
    "0\r\nDigest: x\r\n\r\n",
    "0000000000000000;a=b\r\nA: 1\r\nB: 2\r\n\r\n",
];

#[actix_web::test]
async fn an_empty_body_is_none_and_the_connection_is_kept() {
    let (gateway, _upstream) = gateway("").await;
    let mut talk = Talk::with(&gateway).await;
    for body in EMPTY {
        talk.say(head("GET") + body).await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, 200, "{body:?}: {}", answer.text());
        assert_eq!(answer.header("connection"), None);
        talk.say(head("HEAD") + body).await;
        assert_eq!(talk.hear_head().await.status, 200, "{body:?}");
        talk.say(head("OPTIONS") + body).await;
        assert_eq!(talk.hear_head().await.status, 204, "{body:?}");
    }
    talk.get("/aggregate").await;
    assert_eq!(talk.hear().await.status, 200);
}

#[actix_web::test]
async fn requests_behind_it_are_answered_one_by_one() {
    let (gateway, upstream) = gateway("").await;
    let mut talk = Talk::with(&gateway).await;
    let plain = "GET /aggregate/nobody HTTP/1.1\r\nHost: gather\r\n\r\n";
    let all = EMPTY.map(|body| head("GET") + body + plain).concat();
    talk.say(&all).await;
    for body in EMPTY {
        assert_eq!(talk.hear().await.status, 200, "{body:?}");
        talk.hear().await.problem(404, "unknown-aggregate");
    }
    assert_eq!(upstream.requests().len(), EMPTY.len());
}

#[actix_web::test]
async fn it_may_come_byte_by_byte() {
    let (gateway, _upstream) = gateway("").await;
    let mut talk = Talk::with(&gateway).await;
    talk.tcp.set_nodelay(true).unwrap();
    for body in EMPTY {
        talk.say(head("GET")).await;
        for byte in body.bytes() {
            tokio::time::sleep(Duration::from_millis(2)).await;
            talk.say([byte]).await;
        }
        assert_eq!(talk.hear().await.status, 200, "{body:?}");
    }
}

#[actix_web::test]
async fn it_has_the_time_of_the_head() {
    let (gateway, _upstream) = gateway("server.header_timeout = \"500ms\"").await;
    for before in ["", "GET /livez HTTP/1.1\r\nHost: gather\r\n\r\n"] {
        for (part, method) in [
            ("", "GET"),
            ("0", "GET"),
            ("0\r\n", "GET"),
            ("0\r\nA: b\r\n", "HEAD"),
        ] {
            let mut talk = Talk::with(&gateway).await;
            talk.say(format!("{before}{}{part}", head(method))).await;
            if !before.is_empty() {
                assert_eq!(talk.hear().await.status, 200);
            }
            if method == "HEAD" {
                assert_eq!(talk.hear_head().await.status, 408);
            } else {
                let problem = talk.hear().await.problem(408, "request-timeout");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("body"), "{detail}");
            }
            assert_eq!(talk.end().await, End::Closed);
        }
    }
}

#[actix_web::test]
async fn its_size_is_bounded() {
    let (gateway, upstream) = gateway("").await;
    for (body, status) in [
        (format!("0;{}\r\n\r\n", "a".repeat(70_000)), 431),
        (format!("0;{}", "a".repeat(70_000)), 431),
        (format!("0\r\nA: {}\r\n\r\n", "a".repeat(70_000)), 431),
        (format!("0\r\n{}\r\n", "A: b\r\n".repeat(99)), 431),
        ("0".repeat(70_000), 400),
    ] {
        let mut talk = Talk::with(&gateway).await;
        // The gateway may refuse before it has read everything.
        let bytes = head("GET") + &body;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut talk.tcp, bytes.as_bytes()).await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(talk.end().await, End::Closed);
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[actix_web::test]
async fn content_is_refused_at_its_first_digit_with_the_callers_id() {
    let (gateway, upstream) = gateway("").await;
    for body in ["5", "0f\r\n", "00000000000a;x\r\n", "F\r\nabc"] {
        let mut talk = Talk::with(&gateway).await;
        let head = head("GET").replace("Host:", "X-Request-Id: mine\r\nHost:");
        talk.say(head + body).await;
        let answer = talk.hear().await;
        answer.problem(400, "unexpected-body");
        assert_eq!(answer.header("x-request-id"), Some("mine"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(talk.end().await, End::Closed);
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[actix_web::test]
async fn who_waits_for_an_answer_before_the_body_gets_one() {
    let (gateway, _upstream) = gateway("").await;
    for (method, field, status) in [
        ("GET", "Expect: 100-continue\r\n", 400),
        ("POST", "Expect: 100-continue\r\n", 405),
        ("POST", "", 405),
        ("DELETE", "", 405),
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(head(method).replace("Host:", &format!("{field}Host:")))
            .await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, status, "{method} {field}");
        assert_eq!(talk.end().await, End::Closed);
    }
}
