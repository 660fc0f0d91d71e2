//! The choices of a request: `mode`, `concurrency`, `calls` and `wait_for`. Each takes effect on the wire, and not only
//! in the answer's words.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Behaviour, Response, Upstream},
};

/// The time for each call. It is so long that calls at the same time are seen as such even on a busy machine.
const DELAY: Duration = Duration::from_millis(150);

/// Starts a gateway with three calls `a`, `b` and `c`, each a path of one upstream. `settings` are the aggregate's.
async fn three(settings: &str) -> (Gateway, Arrivals) {
    let arrivals = Arc::<Mutex<Vec<_>>>::default();
    let upstream = Upstream::start({
        let arrivals = Arc::clone(&arrivals);
        move |_| {
            arrivals.lock().unwrap().push(Instant::now());
            Behaviour::from(Response::pong()).after(DELAY)
        }
    });
    let urls = ["a", "b", "c"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = format!("[aggregates.default]\ncalls = [\"a\", \"b\", \"c\"]\n{settings}");
    let gateway = Gateway::before(&urls, &rest).await;
    (gateway, Arrivals { upstream, arrivals })
}

/// An upstream, and the times at which its requests came.
struct Arrivals {
    upstream: Upstream,
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

impl Arrivals {
    /// Returns the most requests that it had at the same time since the last call.
    fn most_at_a_time(&self) -> usize {
        let arrivals = std::mem::take(&mut *self.arrivals.lock().unwrap());
        let at = |now: &Instant| {
            let under_way = |came: &&Instant| **came <= *now && *now < **came + DELAY;
            arrivals.iter().filter(under_way).count()
        };
        arrivals.iter().map(at).max().unwrap_or(0)
    }
}

fn names(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let results = json["results"].as_array().unwrap().iter();
    results
        .map(|call| call["name"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn every_name_of_a_mode_is_taken_and_is_what_happens() {
    let (gateway, upstream) = three("").await;
    for (name, mode, at_a_time) in [
        ("sequential", "sequential", 1),
        ("sync", "sequential", 1),
        ("concurrent", "concurrent", 3),
        ("async", "concurrent", 3),
    ] {
        let answer = gateway.aggregate(&format!("?mode={name}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["mode"], mode, "{name}");
        assert_eq!(answer.header("gather-mode"), Some(mode), "{name}");
        assert_eq!(upstream.most_at_a_time(), at_a_time, "{name}");
    }
}

#[actix_web::test]
async fn a_sequential_plan_asks_one_after_the_other_in_plan_order() {
    let (gateway, upstream) = three("mode = \"sequential\"").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.header("gather-mode"), Some("sequential"));
    assert_eq!(upstream.most_at_a_time(), 1);
    let asked: Vec<_> = upstream
        .upstream
        .requests()
        .into_iter()
        .map(|r| r.target)
        .collect();
    assert_eq!(asked, ["/a", "/b", "/c"]);
}

#[actix_web::test]
async fn comparing_is_refused_where_it_is_not_set_and_nothing_is_sent() {
    let (gateway, upstream) = three("").await;
    let problem = gateway.aggregate("?mode=compare").await;
    let problem = problem.problem(400, "invalid-parameter");
    assert_eq!(problem["parameter"], "mode");
    assert_eq!(upstream.upstream.connections(), 0);
}

#[actix_web::test]
async fn comparing_takes_the_other_parameters_for_both_runs() {
    let (gateway, upstream) = three("compare = true").await;
    let answer = gateway.aggregate("?mode=compare&calls=c,a").await;
    let json = answer.json();
    for mode in ["sequential", "concurrent"] {
        let results = json[mode]["results"].as_array().unwrap();
        let names: Vec<_> = results.iter().map(|call| &call["name"]).collect();
        assert_eq!(names, ["c", "a"], "{json}");
        assert_eq!(json[mode]["mode"], mode, "{json}");
    }
    assert_eq!(upstream.upstream.requests().len(), 4);
}

#[actix_web::test]
async fn concurrency_bounds_how_many_calls_run_at_a_time() {
    for (query, at_a_time) in [("?concurrency=1", 1), ("?concurrency=2", 2), ("", 3)] {
        let (gateway, upstream) = three("").await;
        let answer = gateway.aggregate(query).await;
        assert_eq!(upstream.most_at_a_time(), at_a_time, "{query}");
        assert_eq!(answer.header("gather-mode"), Some("concurrent"));
    }
}

#[actix_web::test]
async fn concurrency_can_not_be_raised_above_the_configured_one() {
    let (gateway, upstream) = three("concurrency = 2").await;
    let answer = gateway.aggregate("?concurrency=3").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.most_at_a_time(), 2);
    assert_eq!(
        gateway.aggregate("?concurrency=1000000").await.status,
        200,
        "more than there is to do is no mistake"
    );
}

#[actix_web::test]
async fn a_subset_of_the_calls_is_made_in_the_order_given() {
    let (gateway, upstream) = three("").await;
    for (query, expected) in [
        ("?calls=b", &["b"][..]),
        ("?calls=c,a", &["c", "a"]),
        ("?calls=b%2Ca", &["b", "a"]),
        ("?calls=c&calls=a", &["c", "a"]),
        ("?calls=c,a&calls=b", &["c", "a", "b"]),
        ("?calls=c,b,a", &["c", "b", "a"]),
    ] {
        let before = upstream.upstream.requests().len();
        let answer = gateway.aggregate(query).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(names(&answer), expected, "{query}");
        assert_eq!(upstream.upstream.requests().len() - before, expected.len());
    }
    let before = upstream.upstream.requests().len();
    gateway.aggregate("?calls=c,a&mode=sync").await;
    let asked: Vec<_> = upstream.upstream.requests().split_off(before);
    let asked: Vec<_> = asked.iter().map(|request| request.path()).collect();
    assert_eq!(asked, ["/c", "/a"]);
}

#[actix_web::test]
async fn a_call_that_is_unknown_or_repeated_is_named_and_nothing_is_sent() {
    let (gateway, upstream) = three("").await;
    for (query, named) in [
        ("?calls=a,nobody", "`nobody`"),
        ("?calls=a,b,a", "`a`"),
        ("?calls=A", "`A`"),
        ("?calls=a,%20b", "` b`"),
        ("?calls=a,,b", "`a,,b`"),
        ("?calls=a,", "`a,`"),
    ] {
        let problem = gateway.aggregate(query).await;
        let problem = problem.problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], "calls", "{query}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(named) && detail.contains("`calls`"),
            "{query}: {detail}"
        );
    }
    assert_eq!(upstream.upstream.connections(), 0);
}

/// Starts an upstream that answers at `/fast`, and never at any other path.
fn fast_and_silent() -> Upstream {
    Upstream::start(|request| match request.path() {
        "/fast" => Response::pong().into(),
        "/failing" => Response::new(500).into(),
        _ => Behaviour::HangBeforeHead,
    })
}

#[actix_web::test]
async fn waiting_for_the_first_ends_the_plan_and_cancels_the_others_on_the_wire() {
    let upstream = fast_and_silent();
    let urls = [
        ("slow", upstream.url("/slow")),
        ("fast", upstream.url("/fast")),
    ];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"slow\", \"fast\"]").await;
    for query in ["?wait_for=first", "?wait_for=1"] {
        let answer = gateway.aggregate(query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("gather-outcome"), Some("complete"));
        assert_eq!(answer.result("fast"), "ok");
        assert_eq!(answer.result("slow"), "cancelled");
        assert_eq!(names(&answer), ["slow", "fast"], "plan order");
        gateway
            .wait_metric("gather_attempts_in_flight{upstream=\"slow\"}", 0.0)
            .await;
    }
    drop(gateway);
    assert!(
        upstream
            .wait_closed(Duration::from_secs(10))
            .await
            .is_some()
    );
}

#[actix_web::test]
async fn a_cancelled_call_is_off_the_wire_while_the_gateway_goes_on() {
    // Every connection but the slow call's closes by itself, so that only that one could stay open.
    let upstream = Upstream::start(|request| match request.path() {
        "/fast" => Response::pong().close().into(),
        _ => Behaviour::HangBeforeHead,
    });
    let urls = [
        ("slow", upstream.url("/slow")),
        ("fast", upstream.url("/fast")),
    ];
    let rest = "aggregates.default = { calls = [\"slow\", \"fast\"], wait_for = \"first\" }";
    let gateway = Gateway::before(&urls, rest).await;
    assert_eq!(gateway.aggregate("").await.result("slow"), "cancelled");
    let closed = upstream.wait_closed(Duration::from_secs(10)).await;
    assert!(closed.is_some(), "{} connections are open", upstream.open());
}

#[actix_web::test]
async fn a_number_of_successes_is_waited_for_and_no_more() {
    let upstream = fast_and_silent();
    let urls = [
        ("slow", upstream.url("/slow")),
        ("fast_1", upstream.url("/fast")),
        ("failing", upstream.url("/failing")),
        ("fast_2", upstream.url("/fast")),
    ];
    let rest = "aggregates.default = { calls = [\"slow\", \"fast_1\", \"failing\", \"fast_2\"], \
                wait_for = \"first\" }";
    let gateway = Gateway::before(&urls, rest).await;

    let answer = gateway.aggregate("?wait_for=2").await;
    assert_eq!(answer.header("gather-outcome"), Some("complete"));
    for name in ["fast_1", "fast_2"] {
        assert_eq!(answer.result(name), "ok", "{}", answer.text());
    }
    assert_eq!(answer.result("slow"), "cancelled");

    let all = gateway.aggregate("?wait_for=all&timeout=200ms").await;
    assert_eq!(
        all.header("gather-outcome"),
        Some("partial"),
        "the parameter goes over the configured `first`"
    );
    assert_eq!(all.result("slow"), "deadline");
}

#[actix_web::test]
async fn a_number_that_can_no_longer_be_reached_fails_the_plan_at_once() {
    let upstream = fast_and_silent();
    let urls = [
        ("slow", upstream.url("/slow")),
        ("failing", upstream.url("/failing")),
    ];
    let gateway =
        Gateway::before(&urls, "aggregates.default.calls = [\"slow\", \"failing\"]").await;
    let answer = gateway.aggregate("?wait_for=2").await;
    let problem = answer.problem(502, "upstream-failed");
    assert_eq!(problem["results"][0]["failure"], "cancelled", "{problem}");
    assert_eq!(problem["results"][1]["failure"], "status", "{problem}");
}

#[actix_web::test]
async fn more_successes_than_calls_are_refused() {
    let (gateway, upstream) = three("").await;
    for query in [
        "?wait_for=4",
        "?wait_for=2&calls=a",
        "?wait_for=18446744073709551615",
    ] {
        let problem = gateway.aggregate(query).await;
        let problem = problem.problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], "wait_for", "{query}: {problem}");
    }
    assert_eq!(upstream.upstream.connections(), 0);
}

#[actix_web::test]
async fn a_subset_too_small_for_the_configured_number_is_the_fault_of_calls() {
    let (gateway, upstream) = three("wait_for = 2").await;
    let problem = gateway.aggregate("?calls=a").await;
    let problem = problem.problem(400, "invalid-parameter");
    assert_eq!(problem["parameter"], "calls", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("`calls`") && detail.contains('2'),
        "{detail}"
    );
    assert_eq!(upstream.upstream.connections(), 0);
    assert_eq!(gateway.aggregate("?calls=a&wait_for=1").await.status, 200);
}

#[actix_web::test]
async fn optional_calls_do_not_hold_up_an_answer_that_waits_for_the_required_ones() {
    let upstream = fast_and_silent();
    let urls = ["fast", "silent"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = "aggregates.default = { calls = [\"fast\", { upstream = \"silent\", optional = true }], \
                wait_for = \"required\" }";
    let gateway = Gateway::before(&urls, rest).await;
    for query in ["", "?wait_for=required"] {
        let answer = gateway.aggregate(query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        assert_eq!(json["outcome"], "complete", "{json}");
        assert_eq!(json["results"][0]["ok"], true, "{json}");
        assert_eq!(json["results"][1]["failure"], "cancelled", "{json}");
    }
    let answer = gateway.aggregate("?calls=silent").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["parameter"], "calls");
    let answer = gateway.aggregate("?calls=silent&wait_for=required").await;
    assert_eq!(answer.json()["parameter"], "wait_for");
}
