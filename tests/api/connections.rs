//! Connections of clients: kept, closed on request, and pipelined.

use std::time::Duration;

use crate::{
    gateway::Gateway,
    talk::{End, Talk},
    upstream::{Behaviour, Response, Upstream},
};

/// Aggregates `slow`, `fast` and `failing`, whose one call answers with the path.
async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/failing" => Response::new(500).into(),
        path => {
            let delay = if path == "/slow" { 300 } else { 0 };
            let answer = Behaviour::from(Response::json(format!("\"{path}\"")));
            answer.after(Duration::from_millis(delay))
        }
    });
    let urls = ["slow", "fast", "failing"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = "aggregates.slow.calls = [\"slow\"]\naggregates.fast.calls = [\"fast\"]\n\
                aggregates.failing.calls = [\"failing\"]";
    (Gateway::before(&urls, rest).await, upstream)
}

#[actix_web::test]
async fn a_connection_serves_many_requests_whatever_their_answers() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    for (target, status) in [
        ("/aggregate/fast", 200),
        ("/aggregate/nobody", 404),
        ("/aggregate/fast?mode=x", 400),
        ("/aggregate/failing", 502),
        ("/nothing", 404),
        ("/aggregate", 404),
        ("/livez", 200),
        ("/aggregate/slow?timeout=50ms", 504),
        ("/aggregate/fast", 200),
    ] {
        talk.get(target).await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        assert_eq!(answer.header("connection"), None, "{target}");
    }
}

#[actix_web::test]
async fn every_request_of_a_connection_has_an_id_of_its_own() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        talk.get("/aggregate/fast").await;
        ids.push(talk.hear().await.header("x-request-id").unwrap().to_owned());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[actix_web::test]
async fn pipelined_requests_are_answered_in_order() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    let order = ["slow", "fast", "nobody", "failing", "fast", "slow", "fast"];
    let all = order.map(|name| format!("GET /aggregate/{name} HTTP/1.1\r\nHost: gather\r\n\r\n"));
    talk.say(all.concat()).await;
    for name in order {
        let answer = talk.hear().await;
        match name {
            "nobody" => _ = answer.problem(404, "unknown-aggregate"),
            "failing" => _ = answer.problem(502, "upstream-failed"),
            _ => assert_eq!(answer.json()["results"][0]["body"], format!("/{name}")),
        }
    }
}

#[actix_web::test]
async fn more_pipelined_requests_than_are_held_at_once_are_all_answered() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    let one = "GET /aggregate/fast HTTP/1.1\r\nHost: gather\r\n\r\n";
    talk.say(one.repeat(100)).await;
    for number in 0..100 {
        assert_eq!(talk.hear().await.status, 200, "{number}");
    }
}

#[actix_web::test]
async fn a_wish_to_close_is_granted() {
    let (gateway, _upstream) = gateway().await;
    for head in [
        "GET /aggregate/fast HTTP/1.1\r\nHost: gather\r\nConnection: close\r\n\r\n",
        "GET /aggregate/fast HTTP/1.0\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: gather\r\nConnection: close\r\n\r\n",
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(head).await;
        talk.hear().await;
        assert_eq!(talk.end().await, End::Closed, "{head}");
    }
}

#[actix_web::test]
async fn an_old_client_may_keep_its_connection_too() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    for _ in 0..2 {
        talk.say("GET /aggregate/fast HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .await;
        assert_eq!(talk.hear().await.status, 200);
    }
}

#[actix_web::test]
async fn pipelined_answers_have_a_body_unless_they_are_to_head() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    let ask = |method: &str| format!("{method} /livez HTTP/1.1\r\nHost: gather\r\n\r\n");
    let order = ["HEAD", "GET", "GET", "HEAD", "HEAD", "GET"];
    talk.say(order.map(ask).concat()).await;
    for method in order {
        let answer = match method {
            "HEAD" => talk.hear_head().await,
            _ => talk.hear().await,
        };
        let body = if method == "HEAD" {
            ""
        } else {
            "{\"alive\":true}"
        };
        assert_eq!((answer.status, answer.text()), (200, body), "{method}");
        assert_eq!(answer.header("connection"), None);
    }
}

#[actix_web::test]
async fn an_answer_to_head_leaves_the_connection_in_step() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    for _ in 0..2 {
        talk.say("HEAD /aggregate/fast HTTP/1.1\r\nHost: gather\r\n\r\n")
            .await;
        let head = talk.hear_head().await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        // A body left behind would be taken for this answer.
        talk.get("/livez").await;
        assert_eq!(talk.hear().await.text(), "{\"alive\":true}");
    }
}
