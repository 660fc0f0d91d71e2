//! The connections that serve more than one call. The others must cost nothing but themselves.

use std::time::Duration;

use crate::{
    pair::{CLOSED, Pair, shown},
    upstream::{Behaviour, Framing, Response, Upstream},
};

#[actix_web::test]
async fn calls_in_a_row_share_a_connection_and_the_metric_counts_what_the_upstream_saw() {
    let sick = Upstream::always(Response::pong());
    let pair = Pair::new(&sick.url("/"), "").await;
    for _ in 0..50 {
        pair.ask().await.succeeded("pong");
    }
    assert_eq!((sick.requests().len(), sick.connections()), (50, 1));
    assert_eq!(pair.well.connections(), 1);
    assert_eq!(pair.count("gather_connections_opened_total").await, 1.0);
    assert_eq!(pair.count("gather_resent_total").await, 0.0);
}

#[actix_web::test]
async fn an_upstream_that_announces_the_close_is_asked_on_a_new_connection_each_time() {
    let sick = Upstream::always(Response::pong().close());
    let pair = Pair::new(&sick.url("/"), "").await;
    for _ in 0..10 {
        pair.ask().await.succeeded("pong");
    }
    assert_eq!(sick.connections(), 10);
    assert_eq!(pair.count("gather_connections_opened_total").await, 10.0);
    assert_eq!(pair.count("gather_resent_total").await, 0.0);
}

#[actix_web::test]
async fn connections_that_nobody_needs_any_more_are_closed_though_nobody_asks() {
    let slow = Response::pong().delay(Duration::from_millis(100));
    let sick = Upstream::always(slow);
    let pair = Pair::new(&sick.url("/"), "").await;
    tokio::join!(pair.ask(), pair.ask(), pair.ask(), pair.ask());
    assert_eq!((sick.connections(), sick.open()), (4, 4));
    // The connection used last is used again, so that the others idle.
    for _ in 0..4 {
        pair.ask().await.succeeded("pong");
    }
    assert_eq!(sick.connections(), 4);
    let since = sick
        .requests()
        .iter()
        .skip(4)
        .map(|request| request.connection)
        .collect::<Vec<_>>();
    assert!(since.windows(2).all(|two| two[0] == two[1]), "{since:?}");
    let gone = sick.wait_closed(Duration::from_secs(10)).await;
    assert!(gone.is_some(), "{} still idle", sick.open());
}

#[actix_web::test]
async fn an_announced_close_is_believed_though_the_connection_stays_open() {
    for head in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\n",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\n",
        // HTTP/1.0 closes unless it says otherwise (RFC 9112, section 9.3).
        "HTTP/1.0 200 OK\r\n",
    ] {
        let answer = format!("{head}content-length: 2\r\n\r\nok");
        let sick = Upstream::always(Behaviour::Raw(answer.into()));
        let pair = Pair::new(&sick.url("/"), "method = \"POST\"").await;
        for asked in 1..=3 {
            pair.ask().await.succeeded("ok");
            assert_eq!(sick.connections(), asked, "{head}");
        }
    }
}

#[actix_web::test]
async fn a_small_body_of_a_failed_answer_does_not_cost_its_connection() {
    let unavailable = |body: &str, framing| {
        Response::json(body)
            .status(503)
            .reason("Service Unavailable")
            .framing(framing)
    };
    for response in [
        unavailable("", Framing::ContentLength),
        unavailable("{\"error\":\"busy\"}", Framing::ContentLength),
        unavailable("{\"error\":\"busy\"}", Framing::Chunked(5)),
        unavailable(&"x".repeat(15_000), Framing::ContentLength),
    ] {
        let sick = Upstream::always(response);
        let pair = Pair::new(&sick.url("/"), "").await;
        for _ in 0..20 {
            pair.ask().await.failed("status", "503 Service Unavailable");
        }
        assert_eq!((sick.requests().len(), sick.connections()), (20, 1));
    }
}

#[actix_web::test]
async fn a_large_or_slow_body_of_a_failed_answer_costs_its_connection_and_no_time() {
    // With these settings every 200 is a failure, so that its body is of no use.
    let settings = "success = [\"404\"]";
    for behaviour in [
        Behaviour::Endless(Framing::ContentLength),
        Behaviour::Endless(Framing::Chunked(1000)),
        Behaviour::Endless(Framing::CloseDelimited),
        Behaviour::HangInBody {
            declared: 10,
            sent: 3,
        },
        Behaviour::HangInBody {
            declared: 10_000_000,
            sent: 3,
        },
        Behaviour::Drip {
            every: Duration::from_millis(10),
            bytes_per: 1,
            body: vec![b'1'; 10_000],
        },
        Behaviour::Raw(b"HTTP/1.1 200 OK\r\n\r\nto the close".into()),
    ] {
        println!("{}", shown(&behaviour));
        let sick = Upstream::always(behaviour);
        let pair = Pair::new(&sick.url("/"), settings).await;
        let call = pair.ask().await;
        call.failed("status", "200 OK");
        let elapsed = call.json["elapsed_ms"].as_f64().unwrap();
        assert!(elapsed < 1000.0, "{elapsed}");
        assert!(sick.wait_closed(CLOSED).await.is_some());
    }
}

#[actix_web::test]
async fn a_burst_opens_connections_that_later_calls_share() {
    let sick = Upstream::always(Response::pong().delay(Duration::from_millis(50)));
    let pair = Pair::new(&sick.url("/"), "").await;
    for _ in 0..5 {
        let answer = pair.gateway.get("/aggregate/many").await;
        for name in ["sick_0", "sick_1", "sick_2"] {
            assert_eq!(answer.result(name), "ok");
        }
    }
    assert_eq!((sick.requests().len(), sick.connections()), (15, 3));
    assert_eq!(pair.count("gather_connections_opened_total").await, 3.0);
}
