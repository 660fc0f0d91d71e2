//! The answer of an aggregate: its members and their order, its headers, and the order of its results.

use std::time::Duration;

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Behaviour, Response, Upstream},
};

/// Replaces every time in the text: milliseconds with three decimals by `N`, with one decimal by `T`.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|next: char| next.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number
            .find(|next: char| !next.is_ascii_digit() && next != '.')
            .unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        masked.push_str(before);
        masked.push_str(match number.split_once('.') {
            Some((_, decimals)) if decimals.len() == 3 => "N",
            Some((_, decimals)) if decimals.len() == 1 => "T",
            _ => number,
        });
        rest = after;
    }
    masked + rest
}

fn headers(answer: &Answer) -> Vec<&str> {
    let mut names: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    names
}

/// Two calls: one that answers and one that fails with 503.
async fn half() -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/up" => Response::pong().into(),
        _ => Response::new(503).into(),
    });
    let urls = [("up", upstream.url("/up")), ("down", upstream.url("/down"))];
    let rest = "aggregates.default = { calls = [\"up\", \"down\"], compare = true }";
    (Gateway::before(&urls, rest).await, upstream)
}

#[actix_web::test]
async fn a_partial_answer_reads_as_documented() {
    let (gateway, _upstream) = half().await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200);
    insta::assert_snapshot!(masked(answer.text()), @r#"{"aggregate":"default","mode":"concurrent","outcome":"partial","elapsed_ms":N,"sequential_ms":N,"results":[{"name":"up","ok":true,"status":200,"start_ms":N,"elapsed_ms":N,"attempts":1,"body":"pong"},{"name":"down","ok":false,"status":503,"start_ms":N,"elapsed_ms":N,"attempts":1,"failure":"status","detail":"upstream answered 503 Service Unavailable"}]}"#);
}

#[actix_web::test]
async fn a_failed_answer_is_a_problem_with_the_same_members() {
    let (gateway, _upstream) = half().await;
    let answer = gateway.aggregate("?calls=down").await;
    assert_eq!(answer.status, 502);
    insta::assert_snapshot!(masked(answer.text()), @r#"{"type":"urn:gather:problem:upstream-failed","title":"Upstream failed","status":502,"detail":"the awaited calls can't succeed: see the results","aggregate":"default","mode":"concurrent","outcome":"failed","elapsed_ms":N,"sequential_ms":N,"results":[{"name":"down","ok":false,"status":503,"start_ms":N,"elapsed_ms":N,"attempts":1,"failure":"status","detail":"upstream answered 503 Service Unavailable"}]}"#);
}

#[actix_web::test]
async fn a_comparison_reads_as_documented() {
    let (gateway, _upstream) = half().await;
    let answer = gateway.aggregate("?mode=compare&calls=up").await;
    assert_eq!(answer.status, 200);
    let text = masked(answer.text());
    let (text, speedup) = text.rsplit_once("\"speedup\":").unwrap();
    insta::assert_snapshot!(text, @r#"{"aggregate":"default","mode":"compare","sequential":{"aggregate":"default","mode":"sequential","outcome":"complete","elapsed_ms":N,"sequential_ms":N,"results":[{"name":"up","ok":true,"status":200,"start_ms":N,"elapsed_ms":N,"attempts":1,"body":"pong"}]},"concurrent":{"aggregate":"default","mode":"concurrent","outcome":"complete","elapsed_ms":N,"sequential_ms":N,"results":[{"name":"up","ok":true,"status":200,"start_ms":N,"elapsed_ms":N,"attempts":1,"body":"pong"}]},"#);
    speedup.strip_suffix('}').unwrap().parse::<f64>().unwrap();
}

#[actix_web::test]
async fn every_answer_has_every_header_whether_it_succeeds_or_not() {
    let (gateway, upstream) = half().await;
    drop(upstream);
    let silent = Upstream::always(Behaviour::HangBeforeHead);
    let rest = "aggregates.default = { calls = [\"one\"], deadline = \"100ms\", compare = true }";
    let late = Gateway::before(&[("one", silent.url("/"))], rest).await;
    let (answering, _upstream) = half().await;

    for (answer, status, outcome, mode) in [
        (
            answering.aggregate("?calls=up").await,
            200,
            "complete",
            "concurrent",
        ),
        (
            answering.aggregate("?mode=sync").await,
            200,
            "partial",
            "sequential",
        ),
        (gateway.aggregate("").await, 502, "failed", "concurrent"),
        (
            late.aggregate("?mode=sync").await,
            504,
            "failed",
            "sequential",
        ),
        (
            answering.aggregate("?calls=up&mode=compare").await,
            200,
            "complete",
            "compare",
        ),
        (
            gateway.aggregate("?mode=compare").await,
            502,
            "failed",
            "compare",
        ),
        (
            late.aggregate("?mode=compare").await,
            504,
            "failed",
            "compare",
        ),
    ] {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(
            headers(&answer),
            [
                "cache-control",
                "connection",
                "content-length",
                "content-type",
                "date",
                "gather-elapsed",
                "gather-mode",
                "gather-outcome",
                "gather-sequential",
                "server-timing",
                "x-request-id",
            ],
            "{status} {mode}"
        );
        assert_eq!(answer.header("gather-mode"), Some(mode));
        assert_eq!(answer.header("gather-outcome"), Some(outcome));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let kind = if status == 200 {
            "application/json"
        } else {
            "application/problem+json"
        };
        assert_eq!(answer.header("content-type"), Some(kind));
        for name in ["gather-elapsed", "gather-sequential"] {
            assert_eq!(masked(answer.header(name).unwrap()), "N", "{name}");
        }
    }
}

#[actix_web::test]
async fn headers_and_body_tell_the_same_times() {
    let (gateway, _upstream) = half().await;
    let answer = gateway.aggregate("").await;
    let text = answer.text();
    for (name, member) in [
        ("gather-elapsed", "elapsed_ms"),
        ("gather-sequential", "sequential_ms"),
    ] {
        let told = answer.header(name).unwrap();
        assert!(
            text.contains(&format!("\"{member}\":{told}")),
            "{told}: {text}"
        );
    }
    let json = answer.json();
    let sum: f64 = json["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["elapsed_ms"].as_f64().unwrap())
        .sum();
    let told = json["sequential_ms"].as_f64().unwrap();
    // Each time is cut after its third decimal.
    assert!((told - sum).abs() < 0.01, "{told} is not {sum}");
}

#[actix_web::test]
async fn server_timing_lists_every_call_in_plan_order_with_its_status_or_failure() {
    let (gateway, _upstream) = half().await;
    let timing = |answer: &Answer| masked(answer.header("server-timing").unwrap());
    assert_eq!(
        timing(&gateway.aggregate("").await),
        "total;dur=T, up;dur=T;desc=\"200\", down;dur=T;desc=\"status\""
    );
    assert_eq!(
        timing(&gateway.aggregate("?calls=down").await),
        "total;dur=T, down;dur=T;desc=\"status\""
    );
    assert_eq!(
        timing(&gateway.aggregate("?mode=compare&calls=down,up").await),
        "total;dur=T, sequential;dur=T, concurrent;dur=T, \
         sequential.down;dur=T;desc=\"status\", sequential.up;dur=T;desc=\"200\", \
         concurrent.down;dur=T;desc=\"status\", concurrent.up;dur=T;desc=\"200\""
    );
}

#[actix_web::test]
async fn results_stand_in_plan_order_whatever_the_order_of_arrival() {
    let upstream = Upstream::start(|request| {
        let delay = match request.path() {
            "/a" => 250,
            "/b" => 150,
            _ => 10,
        };
        let path = format!("\"{}\"", request.path());
        Behaviour::from(Response::json(path)).after(Duration::from_millis(delay))
    });
    let urls = ["a", "b", "c"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = "aggregates.default.calls = [\"a\", \"b\", \"c\"]";
    let gateway = Gateway::before(&urls, rest).await;
    for (query, order) in [("", ["a", "b", "c"]), ("?calls=b,c,a", ["b", "c", "a"])] {
        let json = gateway.aggregate(query).await.json();
        for (place, name) in order.into_iter().enumerate() {
            let call = &json["results"][place];
            assert_eq!(call["name"], name, "{json}");
            assert_eq!(call["body"], format!("/{name}"), "{json}");
        }
    }
}

#[actix_web::test]
async fn a_comparison_with_a_failed_call_claims_no_speedup() {
    let (gateway, _upstream) = half().await;
    let json = gateway.aggregate("?mode=compare").await.json();
    assert!(json["speedup"].is_null(), "{json}");
    assert_eq!(json["sequential"]["outcome"], "partial");
    assert_eq!(json["concurrent"]["outcome"], "partial");
}

#[actix_web::test]
async fn an_aggregate_by_its_name_is_the_same_as_the_default_by_none() {
    let upstream = Upstream::always(Response::pong());
    let rest = "aggregates.default.calls = [\"one\"]\naggregates.other.calls = [\"one\", { upstream = \"one\", name = \"two\" }]";
    let gateway = Gateway::before(&[("one", upstream.url("/"))], rest).await;
    for (target, name, calls) in [
        ("/aggregate", "default", 1),
        ("/aggregate/default", "default", 1),
        ("/aggregate/other?mode=sync", "other", 2),
    ] {
        let json = gateway.get(target).await.json();
        assert_eq!(json["aggregate"], name);
        assert_eq!(json["results"].as_array().unwrap().len(), calls);
    }
}

#[actix_web::test]
async fn a_head_request_gets_the_headers_of_a_get_and_no_body() {
    let (gateway, upstream) = half().await;
    let answer = crate::gateway::request(gateway.address, "HEAD", "/aggregate", &[], b"").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, b"");
    assert_eq!(answer.header("gather-outcome"), Some("partial"));
    assert!(
        answer
            .header("content-length")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            > 100
    );
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(
        upstream.requests()[0].method,
        "GET",
        "the upstream's own setting"
    );
}
