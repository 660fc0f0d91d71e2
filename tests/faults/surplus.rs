//! Bytes that follow an answer unasked. They never reach the next call, because their connection isn't used again.

use std::time::Duration;

use crate::{
    gateway::Gateway,
    pair::{CLOSED, Pair, raw},
    upstream::{Behaviour, Response, Upstream},
};

/// Returns an answer by length, one in chunks, and two without a body, each with the result of its call.
fn answers() -> Vec<(Vec<u8>, serde_json::Value)> {
    vec![
        (raw("content-length: 6\r\n", "\"good\""), "good".into()),
        (
            raw(
                "transfer-encoding: chunked\r\n",
                "6\r\n\"good\"\r\n0\r\n\r\n",
            ),
            "good".into(),
        ),
        (
            b"HTTP/1.1 204 No Content\r\n\r\n".into(),
            serde_json::Value::Null,
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into(),
            serde_json::Value::Null,
        ),
    ]
}

fn surpluses() -> Vec<Vec<u8>> {
    vec![
        // These bytes could pass for an answer.
        raw("content-length: 8\r\n", "\"forged\""),
        b"\r\n".into(),
        b"x".into(),
        b"HTTP/1.1 100 Continue\r\n\r\n".into(),
        // This is more than is read at once.
        [
            raw("content-length: 8\r\n", "\"forged\""),
            vec![b'x'; 100_000],
        ]
        .concat(),
    ]
}

/// Asks three times. Every answer is the good one, and each has come on a connection of its own.
async fn never_used_again(behaviour: Behaviour, expected: &serde_json::Value, pause: Duration) {
    let sick = Upstream::always(behaviour);
    let pair = Pair::new(&sick.url("/"), "").await;
    for asked in 1..=3 {
        pair.ask().await.succeeded(expected.clone());
        tokio::time::sleep(pause).await;
        assert_eq!(sick.connections(), asked);
    }
    assert_eq!(pair.count("gather_resent_total").await, 0.0);
}

#[actix_web::test]
async fn surplus_in_the_same_packet_costs_the_connection_and_no_call() {
    for (answer, expected) in answers() {
        for surplus in surpluses() {
            println!("{:?}", String::from_utf8_lossy(&answer));
            let bytes = [answer.clone(), surplus].concat();
            never_used_again(Behaviour::Raw(bytes), &expected, Duration::ZERO).await;
        }
    }
}

#[actix_web::test]
async fn surplus_that_comes_later_costs_the_connection_and_no_call() {
    for (answer, expected) in answers() {
        let behaviour = Behaviour::Parts {
            every: Duration::from_millis(1),
            parts: vec![answer, raw("content-length: 8\r\n", "\"forged\"")],
        };
        // The pause is long enough for the surplus to come, or there would be nothing to notice.
        never_used_again(behaviour, &expected, Duration::from_millis(150)).await;
    }
}

#[actix_web::test]
async fn surplus_after_a_failed_answer_costs_the_connection_too() {
    for fields in [
        "content-length: 2\r\n\r\nno",
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut bytes = format!("HTTP/1.1 503 Service Unavailable\r\n{fields}").into_bytes();
        bytes.extend(raw("content-length: 8\r\n", "\"forged\""));
        let sick = Upstream::always(Behaviour::Raw(bytes));
        let pair = Pair::new(&sick.url("/"), "").await;
        for asked in 1..=5 {
            pair.ask().await.failed("status", "503");
            assert_eq!(sick.connections(), asked);
        }
    }
}

#[actix_web::test]
async fn an_answer_that_comes_in_two_halves_cannot_split_its_surplus_over_two_calls() {
    // The first half of a forged answer comes with the good one. The second half comes while the next call is under
    // way.
    for (answer, expected) in answers() {
        let forged = raw("content-length: 8\r\n", "\"forged\"");
        let (start, rest) = forged.split_at(20);
        let sick = Upstream::always(Behaviour::Parts {
            every: Duration::from_millis(30),
            parts: vec![[&answer[..], start].concat(), rest.into()],
        });
        let pair = Pair::new(&sick.url("/"), "").await;
        for _ in 0..3 {
            pair.ask().await.succeeded(expected.clone());
        }
        assert_eq!(sick.connections(), 3);
        // They are closed when the pool comes across them, and the last one is closed with the gateway.
        drop(pair);
        assert!(sick.wait_closed(5 * CLOSED).await.is_some());
    }
}

/// A number above the reads that tokio lets a task do in a row.
const MANY: usize = 300;

#[actix_web::test]
async fn however_many_connections_idle_none_is_used_on_which_something_came_or_that_has_ended() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let forged = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    for behaviour in [
        Behaviour::Parts {
            every: Duration::from_millis(200),
            parts: vec![answer.into(), forged.into()],
        },
        Behaviour::CloseAfterAnswer(Response::new(200).body("ok")),
    ] {
        let sick = Upstream::always(behaviour);
        let calls: Vec<_> = (0..MANY)
            .map(|number| format!("{{ upstream = \"sick\", name = \"sick_{number}\" }}"))
            .collect();
        let gateway = Gateway::start(&format!(
            "upstreams.sick = {{ url = \"{}\", method = \"POST\" }}\naggregates.default.calls = [{}]",
            sick.url("/"),
            calls.join(",")
        ))
        .await;
        for _ in 0..2 {
            let answer = gateway.aggregate("").await.json();
            for call in answer["results"].as_array().unwrap() {
                assert_eq!(call["body"], "ok", "{call}");
            }
            // This waits until all bytes have come.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
