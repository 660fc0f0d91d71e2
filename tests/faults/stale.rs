//! Pooled connections that the upstream has closed. A request on one of them is sent again, once, on a new connection,
//! if its method allows that.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::{
    pair::Pair,
    upstream::{Behaviour, Response, Upstream},
};

fn stale_next_time() -> Behaviour {
    Behaviour::CloseOnNextRequest(Response::pong())
}

#[actix_web::test]
async fn a_thousand_calls_to_an_upstream_that_closes_after_every_answer_all_succeed() {
    let sick = Upstream::always(Behaviour::CloseAfterAnswer(Response::pong()));
    let pair = Pair::new(&sick.url("/"), "").await;
    for _ in 0..1000 {
        let answer = pair.gateway.aggregate("").await;
        assert_eq!(
            (
                answer.result("sick").as_str(),
                answer.result("well").as_str()
            ),
            ("ok", "ok"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(pair.attempts("ok").await, 1000.0);
    assert_eq!(sick.connections(), 1000);
    pair.assert_idle().await;
}

#[actix_web::test]
async fn a_request_on_a_stale_connection_is_sent_once_more_on_a_new_one() {
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let sick = Upstream::always(stale_next_time());
        let settings = format!("method = \"{method}\"");
        let pair = Pair::new(&sick.url("/"), &settings).await;
        for _ in 0..3 {
            let call = pair.ask().await;
            call.succeeded("pong");
            assert_eq!(call.json["attempts"], 1, "it is no retry");
        }
        // The second and the third call each met the stale connection of the call before.
        assert_eq!((sick.requests().len(), sick.connections()), (5, 3));
        assert_eq!(pair.count("gather_resent_total").await, 2.0);
        assert_eq!(pair.count("gather_connections_opened_total").await, 3.0);
        assert_eq!(pair.attempts("ok").await, 3.0);
    }
}

#[actix_web::test]
async fn a_body_is_sent_again_whole() {
    let sick = Upstream::always(stale_next_time());
    let body = "b".repeat(100_000);
    let settings = format!("method = \"PUT\"\nbody = \"{body}\"");
    let pair = Pair::new(&sick.url("/"), &settings).await;
    for _ in 0..2 {
        pair.ask().await.succeeded("pong");
    }
    let requests = sick.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.body == body.as_bytes())
    );
    assert_eq!(pair.count("gather_resent_total").await, 1.0);
}

#[actix_web::test]
async fn one_new_connection_is_enough_however_many_are_stale() {
    let answered = AtomicUsize::new(0);
    let sick = Upstream::start(move |_| {
        // The first three requests come together, so that three connections are opened.
        if answered.fetch_add(1, Ordering::Relaxed) < 3 {
            stale_next_time().after(Duration::from_millis(100))
        } else {
            Response::pong().into()
        }
    });
    let pair = Pair::new(&sick.url("/"), "").await;
    let answer = pair.gateway.get("/aggregate/many").await;
    assert_eq!(answer.status, 200);
    assert_eq!(sick.connections(), 3);
    pair.ask().await.succeeded("pong");
    assert_eq!((sick.requests().len(), sick.connections()), (5, 4));
    assert_eq!(pair.count("gather_resent_total").await, 1.0);
    // The others were closed with it, as they are not trusted any more.
    pair.ask().await.succeeded("pong");
    assert_eq!((sick.requests().len(), sick.connections()), (6, 4));
    assert_eq!(pair.count("gather_resent_total").await, 1.0);
}

#[actix_web::test]
async fn a_method_that_may_act_twice_is_not_sent_again() {
    for method in ["POST", "PATCH"] {
        let sick = Upstream::always(stale_next_time());
        let settings = format!("method = \"{method}\"\nbody = \"1\"");
        let pair = Pair::new(&sick.url("/"), &settings).await;
        pair.ask().await.succeeded("pong");
        pair.ask()
            .await
            .failed("protocol", "closed the connection without an answer");
        assert_eq!((sick.requests().len(), sick.connections()), (2, 1));
        assert_eq!(pair.count("gather_resent_total").await, 0.0);
    }
}

#[actix_web::test]
async fn an_upstream_that_closes_on_the_new_connection_too_is_asked_no_third_time() {
    let sick = Upstream::queue([stale_next_time(), Behaviour::CloseBeforeHead]);
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.succeeded("pong");
    pair.ask()
        .await
        .failed("protocol", "closed the connection without an answer");
    assert_eq!((sick.requests().len(), sick.connections()), (3, 2));
    assert_eq!(pair.count("gather_resent_total").await, 1.0);
}

#[actix_web::test]
async fn what_has_begun_to_answer_is_not_asked_again() {
    for broken in [
        Behaviour::CloseInHead,
        Behaviour::RawThenClose(b"HTTP/1.1 100 Continue\r\n\r\n".into()),
        Behaviour::CutLength {
            declared: 10,
            sent: 3,
        },
        Behaviour::RawThenClose(b"HTT".into()),
    ] {
        let sick = Upstream::queue([Response::pong().into(), broken]);
        let pair = Pair::new(&sick.url("/"), "").await;
        pair.ask().await.succeeded("pong");
        pair.ask().await.failed("protocol", "");
        assert_eq!((sick.requests().len(), sick.connections()), (2, 1));
        assert_eq!(pair.count("gather_resent_total").await, 0.0);
    }
}

#[actix_web::test]
async fn an_upstream_that_has_gone_is_a_connect_failure_and_back_again_no_failure_at_all() {
    let sick = Upstream::always(stale_next_time());
    let address = sick.addr();
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.succeeded("pong");
    drop(sick);
    pair.ask().await.failed("connect", "refused the connection");
    // The port may have another owner now, who answers.
    let Ok(listener) = std::net::TcpListener::bind(address) else {
        return;
    };
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut tcp, _) = listener.accept().unwrap();
        let _ = tcp.read(&mut [0; 4096]).unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback")
            .unwrap();
    });
    pair.ask().await.succeeded("back");
    server.join().unwrap();
}

#[actix_web::test]
async fn the_second_try_stays_within_the_calls_time() {
    let sick = Upstream::queue([stale_next_time(), Behaviour::HangBeforeHead]);
    let pair = Pair::new(&sick.url("/"), "timeout = \"200ms\"").await;
    pair.ask().await.succeeded("pong");
    pair.ask().await.failed("timeout", "");
    assert_eq!(pair.count("gather_resent_total").await, 1.0);
}
