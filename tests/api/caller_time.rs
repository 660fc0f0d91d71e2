//! `server.deadline_headers`: callers tell how long they wait, and no call goes on for longer.

use std::time::{Duration, Instant};

use crate::{
    deadlines::{SOON, late},
    gateway::{Gateway, with_upstreams},
    upstream::{Behaviour, Response, Upstream},
};

const ENVOYS: &str = "x-envoy-expected-rq-timeout-ms";
const OTHER: &str = "X-Left-Ms";

const IGNORED: &str = "gather_deadline_headers_ignored_total";

/// Starts a gateway that reads two such fields, before an upstream that always answers in this way.
async fn gateway(behaviour: Behaviour, settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(behaviour);
    let server = format!(
        "server.workers = 1\nserver.grace = \"0s\"\nserver.deadline_headers = [\"{ENVOYS}\", \"{OTHER}\"]"
    );
    let rest = format!(
        "upstreams.one.timeout = \"60s\"\n[aggregates.default]\ncalls = [\"one\"]\ncompare = true\n{settings}"
    );
    let text = with_upstreams(&[("one", upstream.url("/"))], &rest);
    (Gateway::start_with(&server, &text).await, upstream)
}

async fn silent(settings: &str) -> (Gateway, Upstream) {
    gateway(Behaviour::HangBeforeHead, settings).await
}

#[actix_web::test]
async fn no_call_goes_on_for_a_caller_that_has_given_up() {
    let (gateway, upstream) = silent("deadline = \"60s\"").await;
    let since = Instant::now();
    let answer = gateway.get_with("/aggregate", &[(ENVOYS, "150")]).await;
    late(&answer, since, Duration::from_millis(150));
    let closed = upstream.wait_closed(Duration::from_secs(10)).await;
    assert!(closed.is_some(), "the call goes on though nobody waits");
    assert_eq!(gateway.metric(IGNORED).await, 0.0);
}

#[actix_web::test]
async fn a_caller_can_not_lengthen_the_deadline() {
    let (gateway, _upstream) = silent("deadline = \"150ms\"").await;
    for time in ["60000", "18446744073709551615", "0"] {
        let since = Instant::now();
        let answer = gateway.get_with("/aggregate", &[(ENVOYS, time)]).await;
        late(&answer, since, Duration::from_millis(150));
    }
    assert_eq!(gateway.metric(IGNORED).await, 0.0);
}

#[actix_web::test]
async fn the_shortest_of_all_bounds_holds() {
    let (gateway, _upstream) = silent("deadline = \"60s\"").await;
    let long = "30000";
    for (query, fields, least, applied) in [
        ("", &[(ENVOYS, long), (OTHER, "150")][..], 150, None),
        ("", &[(ENVOYS, "150"), (OTHER, long)], 150, None),
        (
            "",
            &[(ENVOYS, long), (ENVOYS, "150"), (ENVOYS, long)],
            150,
            None,
        ),
        ("", &[(ENVOYS, "soon"), (ENVOYS, "150")], 150, None),
        ("?timeout=150ms", &[(ENVOYS, long)], 150, None),
        ("?timeout=30s", &[(ENVOYS, "150")], 150, None),
        ("", &[(ENVOYS, "150"), ("Prefer", "wait=30")], 150, None),
        (
            "",
            &[(ENVOYS, long), ("Prefer", "wait=1")],
            1000,
            Some("wait=1"),
        ),
        (
            "?timeout=150ms",
            &[(ENVOYS, long), ("Prefer", "wait=1")],
            150,
            None,
        ),
    ] {
        let since = Instant::now();
        let target = format!("/aggregate{query}");
        let answer = gateway.get_with(&target, fields).await;
        late(&answer, since, Duration::from_millis(least));
        assert_eq!(answer.header("preference-applied"), applied, "{fields:?}");
    }
}

#[actix_web::test]
async fn a_value_that_is_no_number_of_milliseconds_is_ignored_and_counted() {
    let (gateway, _upstream) = gateway(Response::pong().into(), "deadline = \"60s\"").await;
    let nonsense = [
        "",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x1",
        "1ms",
        "1s",
        "soon",
        "1 0",
        "1, 2",
        "18446744073709551616",
        "\u{e9}",
        "\u{661}",
    ];
    for (count, value) in nonsense.iter().enumerate() {
        let answer = gateway.get_with("/aggregate", &[(ENVOYS, value)]).await;
        assert_eq!(answer.status, 200, "{value:?}: {}", answer.text());
        let ignored = gateway.metric(IGNORED).await;
        assert_eq!(ignored, (count + 1) as f64, "{value:?}");
    }
    let both = [
        (ENVOYS, "soon"),
        (ENVOYS, "later"),
        (OTHER, "never"),
        (OTHER, "30000"),
    ];
    assert_eq!(gateway.get_with("/aggregate", &both).await.status, 200);
    assert_eq!(gateway.metric(IGNORED).await, (nonsense.len() + 3) as f64);
    let none = [(ENVOYS, "0"), (OTHER, "30000")];
    assert_eq!(gateway.get_with("/aggregate", &none).await.status, 200);
    assert_eq!(gateway.metric(IGNORED).await, (nonsense.len() + 3) as f64);
}

#[actix_web::test]
async fn a_comparison_has_the_callers_time_for_both_runs() {
    let (gateway, _upstream) = silent("deadline = \"60s\"").await;
    let since = Instant::now();
    let answer = gateway
        .get_with("/aggregate?mode=compare", &[(ENVOYS, "200")])
        .await;
    let problem = answer.problem(504, "upstream-timeout");
    for mode in ["sequential", "concurrent"] {
        let failure = &problem[mode]["results"][0]["failure"];
        assert_eq!(failure, "deadline", "{problem}");
    }
    assert!(since.elapsed() < SOON);
}

#[actix_web::test]
async fn a_stream_ends_with_the_callers_time() {
    let (gateway, _upstream) = silent("deadline = \"60s\"").await;
    for media_type in ["application/x-ndjson", "text/event-stream"] {
        for query in ["", "?mode=compare"] {
            let since = Instant::now();
            let headers = [("Accept", media_type), (OTHER, "150")];
            let target = format!("/aggregate{query}");
            let answer = gateway.get_with(&target, &headers).await;
            assert_eq!(answer.status, 200);
            let text = answer.dechunked();
            assert!(text.contains("\"failure\":\"deadline\""), "{text}");
            assert!(
                text.contains("urn:gather:problem:upstream-timeout"),
                "{text}"
            );
            let took = since.elapsed();
            assert!(
                (Duration::from_millis(150)..SOON).contains(&took),
                "{took:?}"
            );
        }
    }
}

#[actix_web::test]
async fn the_field_goes_upstream_only_where_a_call_declares_it() {
    let upstream = Upstream::always(Response::pong());
    let urls = ["told", "other"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let server = format!(
        "server.workers = 1\nserver.grace = \"0s\"\nserver.deadline_headers = [\"{ENVOYS}\"]"
    );
    let rest = format!(
        "upstreams.told.forward_headers = [\"{ENVOYS}\"]\naggregates.default.calls = [\"told\", \"other\"]"
    );
    let gateway = Gateway::start_with(&server, &with_upstreams(&urls, &rest)).await;
    let answer = gateway.get_with("/aggregate", &[(ENVOYS, "30000")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for request in upstream.requests() {
        let told = (request.path() == "/told").then_some("30000");
        assert_eq!(request.header(ENVOYS), told, "{}", request.path());
    }
}

#[actix_web::test]
async fn without_the_setting_the_field_means_nothing() {
    let upstream =
        Upstream::always(Behaviour::from(Response::pong()).after(Duration::from_millis(50)));
    let urls = [("one", upstream.url("/"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"one\"]").await;
    for time in ["1", "soon"] {
        let answer = gateway.get_with("/aggregate", &[(ENVOYS, time)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(gateway.metric(IGNORED).await, 0.0);
}
