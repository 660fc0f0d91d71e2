//! Statuses: those that count as success, and the others, which are never followed, retried or hidden.

use crate::{
    pair::{Pair, fails, succeeds},
    upstream::{Behaviour, Framing, Response, Upstream},
};

#[actix_web::test]
async fn every_status_that_is_no_success_is_a_status_failure_that_names_it() {
    for (status, reason) in [
        (300, "300 Multiple Choices"),
        (304, "304 Not Modified"),
        (400, "400 Bad Request"),
        (401, "401 Unauthorized"),
        (404, "404 Not Found"),
        (418, "418 I'm a teapot"),
        (429, "429 Too Many Requests"),
        (500, "500 Internal Server Error"),
        (502, "502 Bad Gateway"),
        (503, "503 Service Unavailable"),
        (504, "504 Gateway Timeout"),
        (599, "599"),
    ] {
        let sick = Upstream::always(Response::json("{\"secret\": 1}").status(status));
        let pair = Pair::new(&sick.url("/"), "").await;
        let call = pair.ask().await;
        call.failed("status", &format!("upstream answered {reason}"));
        assert_eq!(call.json["status"], status);
        assert!(!call.answer.text().contains("secret"));
        assert_eq!(sick.requests().len(), 1, "{status} is not asked again");
    }
}

#[actix_web::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let target = Upstream::always(Response::pong());
    for status in [301, 302, 303, 307, 308] {
        let redirect = Response::new(status).header("location", &target.url("/stolen"));
        let sick = Upstream::always(redirect);
        let settings = "headers = { x-api-key = \"hunter2\" }";
        let pair = Pair::new(&sick.url("/"), settings).await;
        let call = pair.ask().await;
        call.failed("status", &status.to_string());
        assert_eq!(sick.requests().len(), 1);
    }
    assert_eq!(target.connections(), 0, "nobody went there");
}

#[actix_web::test]
async fn success_may_be_extended_and_narrowed() {
    let sick = Upstream::start(|request| match request.path() {
        "/404" => Response::json("{\"found\":false}").status(404).into(),
        _ => Response::json("\"created\"").status(201).into(),
    });
    let settings = "success = [\"2xx\", \"404\"]";
    let pair = Pair::new(&sick.url("/404"), settings).await;
    let call = pair.ask().await;
    call.succeeded(serde_json::json!({"found": false}));
    assert_eq!(call.json["status"], 404);

    let pair = Pair::new(&sick.url("/201"), "success = [\"200\"]").await;
    let call = pair.ask().await;
    call.failed("status", "201 Created");
}

#[actix_web::test]
async fn interim_answers_are_left_out_and_the_final_one_counts() {
    let last =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 6\r\n\r\n\"pong\"";
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
        "HTTP/1.1 102 Processing\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n",
    ] {
        succeeds(Behaviour::Raw(format!("{interim}{last}").into()), "pong").await;
        let parts = vec![interim.into(), last.into()];
        let every = std::time::Duration::from_millis(20);
        succeeds(Behaviour::Parts { every, parts }, "pong").await;
    }
}

#[actix_web::test]
async fn an_interim_answer_does_not_cost_the_connection() {
    let answer = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let sick = Upstream::always(Behaviour::Raw(answer.into()));
    let pair = Pair::new(&sick.url("/"), "").await;
    for _ in 0..5 {
        pair.ask().await.succeeded("ok");
    }
    assert_eq!(sick.connections(), 1);
}

#[actix_web::test]
async fn interim_answers_without_end_break_the_protocol() {
    let one = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let without_end = "interim answers without end";
    fails(Behaviour::Raw(one.repeat(200)), "", "protocol", without_end).await;
    // Sent one by one, they are just as many.
    let slowly = Behaviour::Parts {
        every: std::time::Duration::from_millis(5),
        parts: vec![one; 1000],
    };
    fails(slowly, "", "protocol", without_end).await;
}

#[actix_web::test]
async fn an_upstream_that_switches_protocols_or_has_a_status_below_100_breaks_the_protocol() {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
    fails(
        Behaviour::Raw(switch.into()),
        "",
        "protocol",
        "switched protocols",
    )
    .await;
    for status in ["000", "099"] {
        let head = format!("HTTP/1.1 {status} Odd\r\ncontent-length: 0\r\n\r\n");
        let none = "not one of HTTP";
        fails(Behaviour::Raw(head.into()), "", "protocol", none).await;
    }
}

#[actix_web::test]
async fn a_status_from_600_on_is_a_failure_as_a_5xx_is() {
    for status in [600, 765, 999] {
        for body in [&b"{\"secret\": 1}"[..], b""] {
            let sick = Upstream::always(Response::json(body).status(status));
            let settings = "breaker = { failures = 2, open_for = \"20s\" }";
            let pair = Pair::new(&sick.url("/"), settings).await;
            for _ in 0..2 {
                let call = pair.ask().await;
                call.failed("status", &format!("upstream answered {status}"));
                assert_eq!(call.json["status"], status);
            }
            assert_eq!(sick.connections(), 1, "{status}");
            assert_eq!(pair.attempts("status_5xx").await, 2.0);
            pair.ask().await.failed("circuit_open", "");
        }
    }
    let sick = Upstream::queue([
        Response::json("1").status(600).into(),
        Behaviour::from(Response::pong()),
    ]);
    let settings = "retry = { attempts = 2, backoff = \"1ms\", on = [\"5xx\"] }";
    let pair = Pair::new(&sick.url("/"), settings).await;
    pair.ask().await.succeeded("pong");
}

#[actix_web::test]
async fn a_205_has_no_content_however_it_is_framed() {
    for (fields, body, connections) in [
        ("content-length: 0\r\n", "", 1),
        ("", "", 3),
        ("content-length: 5\r\n", "hello", 3),
        ("transfer-encoding: chunked\r\n", "0\r\n\r\n", 3),
    ] {
        let answer = format!(
            "HTTP/1.1 205 Reset Content\r\ncontent-type: application/json\r\n{fields}\r\n{body}"
        );
        let sick = Upstream::always(Behaviour::Raw(answer.into()));
        let pair = Pair::new(&sick.url("/"), "").await;
        for _ in 0..3 {
            let call = pair.ask().await;
            call.succeeded(serde_json::Value::Null);
            assert_eq!(call.json["status"], 205);
        }
        assert_eq!(sick.connections(), connections, "{fields}");
    }
}

#[actix_web::test]
async fn answers_without_a_body_end_with_their_head_whatever_they_declare() {
    for (status, fields) in [
        ("204 No Content", ""),
        ("204 No Content", "content-length: 5\r\n"),
        ("204 No Content", "transfer-encoding: chunked\r\n"),
        ("304 Not Modified", "content-length: 5\r\n"),
    ] {
        let head = format!("HTTP/1.1 {status}\r\n{fields}\r\n");
        let sick = Upstream::always(Behaviour::Raw(head.into()));
        let pair = Pair::new(&sick.url("/"), "success = [\"2xx\", \"304\"]").await;
        let call = pair.ask().await;
        call.succeeded(serde_json::Value::Null);
    }
}

#[actix_web::test]
async fn an_answer_to_head_has_no_body() {
    for framing in [Framing::ContentLength, Framing::Chunked(2)] {
        let sick = Upstream::always(Response::pong().framing(framing));
        let pair = Pair::new(&sick.url("/"), "method = \"HEAD\"").await;
        for _ in 0..3 {
            pair.ask().await.succeeded(serde_json::Value::Null);
        }
        assert_eq!(sick.requests()[0].method, "HEAD");
        assert_eq!(sick.connections(), 1, "and its connection is good");
    }
}
