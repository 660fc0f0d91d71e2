//! The kept connections that a request may use. A request that may not be sent twice uses only connections that are
//! open, as far as that is known. `stale` has the requests that can be sent again.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    gateway::Gateway,
    pair::Pair,
    upstream::{Behaviour, Response, Upstream},
};

const POST: &str = "method = \"POST\"\nbody = \"1\"";

/// An idle time after which a connection takes no POST any more, if `keep_alive` is two seconds.
const NOT_YOUNG: Duration = Duration::from_millis(600);

/// A time longer than any wait here.
const LONG: Duration = Duration::from_secs(10);

async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[actix_web::test]
async fn no_post_is_lost_where_every_other_is_answered_500_and_then_closed_without_a_word() {
    let answered = AtomicUsize::new(0);
    let sick = Upstream::start(move |_| {
        if answered.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            Response::pong().into()
        } else {
            Behaviour::CloseOnNextRequest(Response::new(500))
        }
    });
    let gateway = before(&sick, POST, 1).await;
    for index in 0..300 {
        let answer = gateway.aggregate("").await;
        let wanted = if index % 2 == 0 { "ok" } else { "status" };
        assert_eq!(
            answer.result("call_0"),
            wanted,
            "{index}: {}",
            answer.text()
        );
    }
    // A good answer's connection served the next call, and a failed answer's connection served none.
    assert_eq!((sick.requests().len(), sick.connections()), (300, 150));
}

#[actix_web::test]
async fn no_post_is_lost_around_the_close_of_a_server_that_keeps_connections_for_two_seconds() {
    let last = Mutex::new(HashMap::new());
    // The upstream closes at the very moment when the next request comes.
    let sick = Upstream::start(move |request| {
        let before = last
            .lock()
            .unwrap()
            .insert(request.connection, Instant::now());
        match before {
            Some(before) if before.elapsed() >= Duration::from_millis(1900) => {
                Behaviour::CloseBeforeHead
            }
            _ => Response::pong().into(),
        }
    });
    let gateway = before(&sick, POST, 70).await;
    for round in 0..3 {
        if round > 0 {
            pause(Duration::from_millis(2_000)).await;
        }
        let answer = gateway.aggregate("").await;
        for index in 0..70 {
            let result = answer.result(&format!("call_{index}"));
            assert_eq!(result, "ok", "{}", answer.text());
        }
    }
    assert_eq!(sick.requests().len(), 210);
}

#[actix_web::test]
async fn a_post_takes_a_kept_connection_only_while_it_is_young() {
    for (method, connections) in [("POST", 2), ("PATCH", 2), ("GET", 1), ("PUT", 1)] {
        let sick = Upstream::always(Response::pong());
        let settings = format!("method = \"{method}\"\nkeep_alive = \"2s\"");
        let pair = Pair::new(&sick.url("/"), &settings).await;
        for _ in 0..3 {
            pair.ask().await.succeeded("pong");
        }
        assert_eq!(sick.connections(), 1, "{method}");
        pause(NOT_YOUNG).await;
        pair.ask().await.succeeded("pong");
        assert_eq!(sick.connections(), connections, "{method}");
        assert_eq!(pair.count("gather_resent_total").await, 0.0);
    }
}

#[actix_web::test]
async fn after_a_refusal_a_post_is_sent_on_a_new_connection_and_a_get_on_the_same() {
    for status in [400, 404, 429, 500, 503] {
        for (method, connections) in [("POST", 3), ("GET", 1)] {
            let sick = Upstream::always(Response::new(status));
            // The status counts as success here, and is a refusal nevertheless.
            let settings = format!("method = \"{method}\"\nsuccess = [\"2xx\", \"404\"]");
            let pair = Pair::new(&sick.url("/"), &settings).await;
            for _ in 0..3 {
                assert_eq!(pair.ask().await.json["status"], status);
            }
            assert_eq!(sick.connections(), connections, "{method} {status}");
            if method == "POST" {
                assert!(sick.wait_closed(LONG).await.is_some(), "{status}");
            }
        }
    }
}

#[actix_web::test]
async fn after_a_body_that_may_not_have_been_read_a_post_is_sent_on_a_new_connection() {
    for (method, size, connections) in [
        ("POST", 16 * 1024, 1),
        ("POST", 100_000, 3),
        ("PUT", 100_000, 1),
    ] {
        let sick = Upstream::always(Response::pong());
        let settings = format!("method = \"{method}\"\nbody = \"{}\"", "b".repeat(size));
        let pair = Pair::new(&sick.url("/"), &settings).await;
        for _ in 0..3 {
            pair.ask().await.succeeded("pong");
        }
        assert_eq!(sick.connections(), connections, "{method} {size}");
    }
}

#[actix_web::test]
async fn an_early_refusal_is_the_answer_though_a_reset_follows_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // The body is never read, so that the kernel resets the connection on its close.
    let server = std::thread::spawn(move || {
        for index in 0..60 {
            let (mut tcp, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                tcp.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let status = ["404 Not Found", "401 Unauthorized"][index % 2];
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\ngone");
            tcp.write_all(answer.as_bytes()).unwrap();
        }
    });
    let settings = format!("method = \"POST\"\nbody = \"{}\"", "b".repeat(300_000));
    let pair = Pair::new(&url, &settings).await;
    for _ in 0..60 {
        pair.ask().await.failed("status", "upstream answered 40");
    }
    server.join().unwrap();
}

#[actix_web::test]
async fn a_server_that_says_how_long_it_keeps_a_connection_is_believed_with_a_margin() {
    for (said, connections) in [
        (None, 1),
        (Some("timeout=1"), 2),
        (Some("Timeout=\"1\", max=100"), 2),
        (Some("max=7; TIMEOUT=1"), 2),
        (Some("timeout=60"), 1),
        (Some("timeout=soon"), 1),
        (Some("timeout=99999999999999999999999"), 1),
        // If the connection takes no other request, there is nothing to wait for.
        (Some("timeout=0"), 3),
        (Some("timeout=5, max=0"), 3),
    ] {
        let mut response = Response::pong();
        if let Some(said) = said {
            response = response
                .header("Connection", "keep-alive")
                .header("Keep-Alive", said);
        }
        let sick = Upstream::always(response);
        let pair = Pair::new(&sick.url("/"), "keep_alive = \"30s\"").await;
        pair.ask().await.succeeded("pong");
        pair.ask().await.succeeded("pong");
        pause(NOT_YOUNG).await;
        pair.ask().await.succeeded("pong");
        assert_eq!(sick.connections(), connections, "{said:?}");
        assert_eq!(pair.count("gather_resent_total").await, 0.0);
    }
}

#[actix_web::test]
async fn a_connection_whose_server_keeps_it_for_a_shorter_time_is_closed_before_the_others() {
    let sick = Upstream::start(|request| match request.connection {
        1 | 2 => Response::pong().delay(Duration::from_millis(100)).into(),
        _ => Response::pong()
            .delay(Duration::from_millis(200))
            .header("keep-alive", "timeout=1")
            .into(),
    });
    let gateway = before(&sick, "keep_alive = \"1h\"", 3).await;
    assert_eq!(gateway.aggregate("").await.status, 200);
    assert_eq!((sick.connections(), sick.open()), (3, 3));
    assert!(sick.closed_at(3, LONG).await.is_some());
    assert_eq!(sick.open(), 2);
}

#[actix_web::test]
async fn an_upstream_sets_how_long_its_connections_wait() {
    let sick = Upstream::always(Response::pong());
    let pair = Pair::new(&sick.url("/"), "keep_alive = \"100ms\"").await;
    pair.ask().await.succeeded("pong");
    assert!(sick.wait_closed(LONG).await.is_some());
    pair.ask().await.succeeded("pong");
    assert_eq!(sick.connections(), 2);
}

#[actix_web::test]
async fn an_upstream_whose_connections_may_not_wait_gets_a_new_one_each_time() {
    for method in ["GET", "POST"] {
        let sick = Upstream::always(Response::pong());
        let settings = format!("method = \"{method}\"\nkeep_alive = \"0s\"");
        let pair = Pair::new(&sick.url("/"), &settings).await;
        for _ in 0..5 {
            pair.ask().await.succeeded("pong");
        }
        assert_eq!(sick.connections(), 5);
        assert!(sick.wait_closed(LONG).await.is_some());
        assert_eq!(pair.count("gather_connections_opened_total").await, 5.0);
    }
}

/// A body that belongs to an earlier 204, left before the next answer.
fn left_over() -> Behaviour {
    let bytes = b"gone\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate";
    Behaviour::Raw(bytes.into())
}

#[actix_web::test]
async fn what_was_left_over_before_an_answer_costs_an_idempotent_call_only_a_new_connection() {
    for (method, resent) in [("GET", true), ("PUT", true), ("POST", false)] {
        let sick = Upstream::queue([
            Response::new(204).into(),
            left_over(),
            Response::pong().into(),
        ]);
        let pair = Pair::new(&sick.url("/"), &format!("method = \"{method}\"")).await;
        pair.ask().await.succeeded(serde_json::Value::Null);
        let call = pair.ask().await;
        if resent {
            call.succeeded("pong");
            assert_eq!(call.json["attempts"], 1, "it is no retry");
            assert_eq!((sick.requests().len(), sick.connections()), (3, 2));
        } else {
            call.failed("protocol", "not valid HTTP");
            assert_eq!((sick.requests().len(), sick.connections()), (2, 1));
        }
        let counted = f64::from(u8::from(resent));
        assert_eq!(pair.count("gather_resent_total").await, counted);
    }
}

#[actix_web::test]
async fn what_is_no_answer_on_a_new_connection_is_a_failure() {
    let sick = Upstream::queue([left_over(), Response::pong().into()]);
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.failed("protocol", "not valid HTTP");
    assert_eq!((sick.requests().len(), sick.connections()), (1, 1));
    // A call is sent again only once, so the second such answer is a failure too.
    let sick = Upstream::queue([Response::pong().into(), left_over(), left_over()]);
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.succeeded("pong");
    pair.ask().await.failed("protocol", "not valid HTTP");
    assert_eq!((sick.requests().len(), sick.connections()), (3, 2));
}

/// Starts a gateway whose one aggregate asks this upstream this many times, all at once.
async fn before(sick: &Upstream, settings: &str, calls: usize) -> Gateway {
    let calls: Vec<_> = (0..calls)
        .map(|index| format!("{{ upstream = \"sick\", name = \"call_{index}\" }}"))
        .collect();
    let text = format!(
        "[upstreams.sick]\nurl = \"{}\"\ntimeout = \"20s\"\n{settings}\n\
         [aggregates.default]\ncalls = [{}]\ndeadline = \"30s\"\n",
        sick.url("/"),
        calls.join(", ")
    );
    Gateway::start(&text).await
}
