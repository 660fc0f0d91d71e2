//! Time: a call's own and its plan's, and the cost for the upstream when either is over.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use crate::{
    pair::{CLOSED, Pair, SOON, shown},
    upstream::{Behaviour, Framing, Response, Upstream},
};

/// Returns all behaviours of an upstream that never come to an end.
fn endless() -> Vec<Behaviour> {
    let hour = Duration::from_secs(3600);
    let drip = |every| Behaviour::Drip {
        every,
        bytes_per: 1,
        body: vec![b'1'; 10_000],
    };
    vec![
        Behaviour::HangBeforeHead,
        Behaviour::HangInHead,
        Behaviour::HangInBody {
            declared: 10,
            sent: 3,
        },
        drip(Duration::from_millis(20)),
        Response::pong().delay(hour).into(),
        Behaviour::Raw(b"HTTP/1.1 100 Continue\r\n\r\n".into()),
        Behaviour::Raw(b"HTTP/1.1 200 OK\r\n\r\nhalf".into()),
        Behaviour::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n".into()),
        Behaviour::Raw(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n".into(),
        ),
    ]
}

#[actix_web::test]
async fn an_upstream_that_comes_to_no_end_is_a_timeout_after_the_calls_own_time() {
    for behaviour in endless() {
        println!("{}", shown(&behaviour));
        let sick = Upstream::always(behaviour);
        let pair = Pair::new(&sick.url("/"), "timeout = \"150ms\"").await;
        let call = pair.ask().await;
        call.failed("timeout", "no complete answer within 150ms");
        assert!(call.json["elapsed_ms"].as_f64().unwrap() >= 149.0);
        assert!(sick.wait_closed(CLOSED).await.is_some(), "it is let go");
        assert_eq!(pair.attempts("timeout").await, 1.0);
    }
}

#[actix_web::test]
async fn the_plans_deadline_ends_what_the_calls_own_time_would_not() {
    for behaviour in endless() {
        println!("{}", shown(&behaviour));
        let sick = Upstream::always(behaviour);
        let pair = Pair::with("", &sick.url("/"), "", "deadline = \"150ms\"").await;
        let call = pair.ask().await;
        call.failed("deadline", "time was over");
        assert!(sick.wait_closed(CLOSED).await.is_some(), "it is let go");
        assert_eq!(pair.attempts("deadline").await, 1.0);
    }
}

/// Returns the behaviours that come to no end after their head, each with the status in it.
fn answered() -> Vec<(Behaviour, u16)> {
    let raw = |head: &str| Behaviour::Raw(format!("HTTP/1.1 {head}").into());
    vec![
        (raw("200 OK\r\ncontent-length: 10\r\n\r\nhalf"), 200),
        (
            raw("201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"),
            201,
        ),
        (raw("206 Partial Content\r\n\r\nto the close"), 206),
    ]
}

#[actix_web::test]
async fn a_timeout_or_a_deadline_after_the_head_has_its_status() {
    for (behaviour, status) in answered() {
        for (settings, aggregate, failure) in [
            ("timeout = \"150ms\"", "", "timeout"),
            ("", "deadline = \"150ms\"", "deadline"),
        ] {
            let sick = Upstream::always(behaviour.clone());
            let pair = Pair::with("", &sick.url("/"), settings, aggregate).await;
            let call = pair.ask().await;
            call.failed(failure, "");
            assert_eq!(call.json["status"], status, "{}", shown(&behaviour));
        }
    }
    for behaviour in [
        Behaviour::HangBeforeHead,
        Behaviour::HangInHead,
        Behaviour::Raw(b"HTTP/1.1 103 Early Hints\r\n\r\n".into()),
    ] {
        let sick = Upstream::always(behaviour.clone());
        let pair = Pair::with("", &sick.url("/"), "timeout = \"150ms\"", "").await;
        let call = pair.ask().await;
        call.failed("timeout", "");
        assert_eq!(call.json.get("status"), None, "{}", shown(&behaviour));
    }
}

#[actix_web::test]
async fn of_two_attempts_side_by_side_the_one_that_was_answered_says_the_status() {
    let half = Behaviour::Raw(b"HTTP/1.1 202 Accepted\r\ncontent-length: 9\r\n\r\nhalf".into());
    for order in [
        [half.clone(), Behaviour::HangBeforeHead],
        [Behaviour::HangBeforeHead, half],
    ] {
        let sick = Upstream::queue(order);
        let settings = "hedge = { after = \"20ms\" }";
        let pair = Pair::with("", &sick.url("/"), settings, "deadline = \"300ms\"").await;
        let call = pair.ask().await;
        call.failed("deadline", "");
        assert_eq!(call.json["attempts"], 2);
        assert_eq!(call.json["status"], 202);
    }
}

#[actix_web::test]
async fn a_client_can_only_shorten_the_deadline() {
    let sick = Upstream::always(Behaviour::HangBeforeHead);
    let pair = Pair::with("", &sick.url("/"), "", "deadline = \"300ms\"").await;
    for query in ["?timeout=100ms", "?timeout=1h"] {
        let call = pair.ask_with(query).await;
        call.failed("deadline", "");
        let elapsed = call.json["elapsed_ms"].as_f64().unwrap();
        let least = if query.contains("1h") { 299.0 } else { 99.0 };
        assert!(elapsed >= least, "{query}: {elapsed}");
    }
}

#[actix_web::test]
async fn a_slow_but_steady_body_is_no_fault() {
    let sick = Upstream::always(Behaviour::Drip {
        every: Duration::from_millis(10),
        bytes_per: 1,
        body: b"[1,2]".to_vec(),
    });
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.succeeded(serde_json::json!([1, 2]));
}

#[actix_web::test]
async fn an_answer_that_is_too_late_does_not_reach_the_next_call() {
    let late = Behaviour::from(Response::json("\"late\"")).after(Duration::from_millis(300));
    let sick = Upstream::queue([late, Response::pong().into()]);
    let pair = Pair::new(&sick.url("/"), "timeout = \"150ms\"").await;
    pair.ask().await.failed("timeout", "");
    pair.ask().await.succeeded("pong");
    assert_eq!(sick.connections(), 2, "the late one's is not used again");
}

#[actix_web::test]
async fn a_client_that_goes_away_closes_the_upstreams_connections() {
    for framing in [None, Some(Framing::Chunked(10))] {
        let sick = Upstream::always(match framing {
            None => Behaviour::HangBeforeHead,
            Some(_) => Behaviour::HangInBody {
                declared: 10,
                sent: 3,
            },
        });
        let pair = Pair::new(&sick.url("/"), "").await;
        let mut client = pair.gateway.connect().await;
        client
            .write_all(b"GET /aggregate HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        assert!(sick.wait_requests(1, SOON).await);
        let since = Instant::now();
        drop(client);
        assert!(sick.wait_closed(CLOSED).await.is_some());
        assert!(since.elapsed() < CLOSED);
        pair.assert_idle().await;
        assert_eq!(pair.attempts("cancelled").await, 1.0);
    }
}
