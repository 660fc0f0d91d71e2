//! `aggregates.NAME.max_body`: a bound on all bodies of one request together, while they come.

use std::time::Duration;

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Behaviour, Framing, Response, Upstream},
};

const FRAMINGS: [Framing; 4] = [
    Framing::ContentLength,
    Framing::Chunked(100),
    Framing::CloseDelimited,
    Framing::Http10,
];

/// A part of the detail about a body that exceeds 1 KiB together with others.
const TOGETHER: &str = "together larger than 1024 bytes";

/// Starts a gateway with the calls `a`, `b`, `c` of one upstream, in this order.
async fn three(upstream: &Upstream, upstream_settings: &str, settings: &str) -> Gateway {
    let calls = ["a", "b", "c"].map(|name| format!("{{ upstream = \"one\", name = \"{name}\" }}"));
    Gateway::start(&format!(
        "[upstreams.one]\nurl = \"{}\"\n{upstream_settings}\n\
         [aggregates.default]\nmode = \"sequential\"\ncompare = true\ncalls = [{}]\n{settings}",
        upstream.url("/"),
        calls.join(", ")
    ))
    .await
}

fn body(length: usize, framing: Framing) -> Behaviour {
    Response::text("x".repeat(length)).framing(framing).into()
}

fn results(answer: &Answer) -> [String; 3] {
    ["a", "b", "c"].map(|name| answer.result(name))
}

fn detail(answer: &Answer, at: usize) -> String {
    let detail = &answer.json()["results"][at]["detail"];
    detail
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.text()))
        .to_owned()
}

#[actix_web::test]
async fn bodies_that_fill_it_are_taken_and_one_byte_more_is_not() {
    for framing in FRAMINGS {
        let upstream =
            Upstream::queue([body(500, framing), body(525, framing), body(524, framing)]);
        let gateway = three(&upstream, "", "max_body = \"1KiB\"").await;
        let answer = gateway.aggregate("").await;
        // A failed body has given back the bytes that it had drawn.
        assert_eq!(results(&answer), ["ok", "too_large", "ok"], "{framing:?}");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["outcome"], "partial");
        assert_eq!(answer.json()["results"][1]["status"], 200);
        assert!(detail(&answer, 1).contains(TOGETHER), "{}", answer.text());
    }
}

#[actix_web::test]
async fn beyond_it_the_rest_is_too_large_however_it_comes_and_is_not_read_on() {
    for framing in FRAMINGS {
        let upstream = Upstream::start(move |_| Behaviour::Endless(framing));
        let settings = "max_body = \"64KiB\"\nmode = \"concurrent\"";
        let gateway = Gateway::start(&format!(
            "[upstreams.one]\nurl = \"{}\"\n\
             [aggregates.default]\ncalls = [\"one\", {{ upstream = \"one\", name = \"two\" }}]\n{settings}",
            upstream.url("/")
        ))
        .await;
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.result("one"), "too_large", "{framing:?}");
        assert_eq!(answer.result("two"), "too_large", "{framing:?}");
        let gone = upstream.wait_closed(Duration::from_secs(10)).await;
        assert!(gone.is_some(), "{framing:?}: it is still read");
    }
}

#[actix_web::test]
async fn a_declared_length_beyond_what_is_left_fails_before_a_byte_of_it_has_come() {
    let head = |length| Behaviour::HangInBody {
        declared: length,
        sent: 0,
    };
    let upstream = Upstream::queue([body(500, Framing::ContentLength), head(525)]);
    let gateway = three(&upstream, "", "max_body = \"1KiB\"").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(results(&answer), ["ok", "too_large", "too_large"]);
    assert!(detail(&answer, 1).contains(TOGETHER), "{}", answer.text());
}

#[actix_web::test]
async fn which_limit_was_hit_is_said() {
    let upstream = Upstream::queue([
        body(500, Framing::Chunked(50)),
        body(601, Framing::Chunked(50)),
        body(600, Framing::Chunked(50)),
    ]);
    let gateway = three(&upstream, "max_body = \"600B\"", "max_body = \"1KiB\"").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(results(&answer), ["ok", "too_large", "too_large"]);
    // 500 and 525 bytes are too many together, before 601 are too many alone.
    assert!(detail(&answer, 1).contains(TOGETHER), "{}", answer.text());
    let alone = three(&upstream, "max_body = \"599B\"", "max_body = \"1KiB\"").await;
    let answer = alone.aggregate("?calls=a").await;
    assert_eq!(
        detail(&answer, 0),
        "the upstream's body is larger than 599 bytes"
    );
}

#[actix_web::test]
async fn what_a_failed_attempt_drew_is_there_for_the_next() {
    let cut = Behaviour::CutLength {
        declared: 900,
        sent: 800,
    };
    let upstream = Upstream::queue([
        cut.clone(),
        cut,
        body(900, Framing::ContentLength),
        body(124, Framing::Chunked(1)),
        Response::json("not JSON").body("x".repeat(0)).into(),
    ]);
    let retries = "retry = { attempts = 3, backoff = \"1ms\" }";
    let gateway = three(&upstream, retries, "max_body = \"1KiB\"").await;
    let answer = gateway.aggregate("?calls=a,b").await;
    assert_eq!(answer.result("a"), "ok", "{}", answer.text());
    assert_eq!(answer.result("b"), "ok", "{}", answer.text());
    assert_eq!(answer.json()["results"][0]["attempts"], 3);
}

#[actix_web::test]
async fn what_the_loser_of_a_hedge_drew_is_there_for_the_next_call() {
    let upstream = Upstream::queue([
        Behaviour::HangInBody {
            declared: 400,
            sent: 300,
        },
        body(400, Framing::ContentLength),
        body(624, Framing::ContentLength),
    ]);
    let gateway = three(
        &upstream,
        "hedge = { after = \"50ms\" }",
        "max_body = \"1KiB\"",
    )
    .await;
    let answer = gateway.aggregate("?calls=a,b").await;
    assert_eq!(answer.result("a"), "ok", "{}", answer.text());
    assert_eq!(answer.result("b"), "ok", "{}", answer.text());
    assert_eq!(answer.json()["results"][0]["attempts"], 2);
}

#[actix_web::test]
async fn both_runs_of_a_comparison_share_it_as_both_are_held() {
    for (length, second) in [(512, "ok"), (513, "too_large")] {
        let upstream = Upstream::always(body(length, Framing::Chunked(100)));
        let gateway = three(&upstream, "", "max_body = \"1KiB\"").await;
        let answer = gateway.aggregate("?mode=compare&calls=a").await;
        let json = answer.json();
        assert_eq!(json["sequential"]["results"][0]["ok"], true, "{json}");
        let call = &json["concurrent"]["results"][0];
        let found = call["failure"].as_str().unwrap_or("ok");
        assert_eq!(found, second, "{json}");
    }
}
