//! The metrics after requests and attempts.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use tokio::time::Instant;

use super::*;
use crate::fanout::{
    AggregateId, Blame, Body, CallResult, Cause, Event, Failure, FailureKind, Mode, Observer as _,
    Outcome, Refusal, Reply, UpstreamId, Verdict,
};

const DEFAULT: AggregateId = AggregateId(0);
const TIMEOUT: Duration = Duration::from_secs(5);

/// The metrics of a generation with one aggregate, `default`, and one upstream, `users`.
fn metrics() -> GenerationMetrics {
    let metrics = Arc::new(Metrics::new(&["not-found"]).unwrap());
    metrics.resolve(["default"], [("users", TIMEOUT)])
}

fn line(metrics: &GenerationMetrics, start: &str) -> String {
    let text = String::from_utf8(metrics.process().encode().unwrap()).unwrap();
    let found = text.lines().find(|line| line.starts_with(start));
    found
        .unwrap_or_else(|| panic!("no {start} in\n{text}"))
        .to_owned()
}

/// Returns the outcome of a run in concurrent mode without calls.
fn complete() -> Outcome {
    Outcome {
        mode: Mode::Concurrent,
        verdict: Verdict::Complete,
        elapsed: Duration::ZERO,
        results: Vec::new(),
        positions: None,
    }
}

/// Returns the end of an attempt of one millisecond.
fn finished(status: Option<StatusCode>, result: Result<(), FailureKind>) -> Event<'static> {
    Event::AttemptFinished {
        call: 0,
        upstream: UpstreamId(0),
        attempt: 1,
        elapsed: Duration::from_millis(1),
        cause: Cause::First,
        status,
        result,
    }
}

#[test]
fn every_series_is_there_before_the_first_request() {
    let metrics = metrics();
    let series = r#"gather_attempts_total{result="invalid_body",upstream="users"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 0"));
    for reason in ["budget", "breaker", "limit", "deadline"] {
        let labels = format!("{{reason=\"{reason}\",upstream=\"users\"}}");
        let series = format!("gather_extra_attempts_refused_total{labels}");
        assert_eq!(line(&metrics, &series), format!("{series} 0"));
    }
    let series =
        r#"gather_requests_total{aggregate="default",mode="sequential",outcome="partial"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 0"));
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the time of day, which others compare"
)]
fn the_start_is_the_moment_in_which_the_metrics_were_made_and_stays_it() {
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        since.as_secs_f64()
    };
    let before = now();
    let metrics = metrics();
    let after = now();
    let start = || {
        let line = line(&metrics, "gather_start_time_seconds ");
        let (_, value) = line.split_once(' ').unwrap();
        value.parse::<f64>().unwrap()
    };
    let first = start();
    assert!(
        (before..=after).contains(&first),
        "{before} {first} {after}"
    );
    assert_eq!(start().to_bits(), first.to_bits());
}

#[test]
fn a_dropped_request_counts_as_cancelled_and_leaves_no_gauge_behind() {
    let metrics = metrics();
    let guard = metrics.request(DEFAULT, Mode::Concurrent, Instant::now());
    assert_eq!(
        line(&metrics, "gather_requests_in_flight"),
        "gather_requests_in_flight 1"
    );
    drop(guard);
    assert_eq!(
        line(&metrics, "gather_requests_in_flight"),
        "gather_requests_in_flight 0"
    );
    let series =
        r#"gather_requests_total{aggregate="default",mode="concurrent",outcome="cancelled"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 1"));
}

#[test]
fn a_finished_request_counts_by_its_verdict_and_mode() {
    let metrics = metrics();
    metrics
        .request(DEFAULT, Mode::Sequential, Instant::now())
        .finish(&Outcome {
            mode: Mode::Sequential,
            verdict: Verdict::Partial,
            elapsed: Duration::ZERO,
            results: Vec::new(),
            positions: None,
        });
    let series =
        r#"gather_requests_total{aggregate="default",mode="sequential",outcome="partial"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 1"));
}

#[test]
fn only_calls_that_ran_to_their_end_count_as_time_saved() {
    let metrics = metrics();
    let call = |result| CallResult::new("users", Duration::ZERO, Duration::from_secs(1), result);
    let cut = |kind| call(Err(Failure::new(kind, "cut off")));
    let good = || call(Ok(Reply::new(StatusCode::OK, Body::Empty)));
    metrics
        .request(DEFAULT, Mode::Concurrent, Instant::now())
        .finish(&Outcome {
            mode: Mode::Concurrent,
            verdict: Verdict::Complete,
            elapsed: Duration::from_secs(1),
            results: vec![
                good(),
                good(),
                cut(FailureKind::Cancelled),
                cut(FailureKind::Deadline),
            ],
            positions: None,
        });
    let series = "gather_sequential_seconds_total{aggregate=\"default\"}";
    assert_eq!(line(&metrics, series), format!("{series} 2"));
    let series = "gather_concurrent_saved_seconds_total{aggregate=\"default\"}";
    assert_eq!(line(&metrics, series), format!("{series} 1"));
}

#[test]
fn a_run_that_failed_has_saved_nothing() {
    let metrics = metrics();
    let late = || {
        let late = Err(Failure::new(FailureKind::Deadline, "late"));
        CallResult::new("users", Duration::ZERO, Duration::from_secs(1), late)
    };
    metrics
        .request(DEFAULT, Mode::Concurrent, Instant::now())
        .finish(&Outcome {
            mode: Mode::Concurrent,
            verdict: Verdict::Failed(Blame::Time),
            elapsed: Duration::from_secs(1),
            results: vec![late(), late()],
            positions: None,
        });
    for name in ["sequential", "concurrent_saved"] {
        let series = format!("gather_{name}_seconds_total{{aggregate=\"default\"}}");
        assert_eq!(line(&metrics, &series), format!("{series} 0"));
    }
}

#[test]
fn a_retry_or_a_hedge_counts_when_it_is_sent_and_not_when_it_is_announced() {
    let metrics = metrics();
    let observer = metrics.observer();
    let (call, upstream) = (0, UpstreamId(0));
    observer.observe(&Event::Retry {
        call,
        upstream,
        after: FailureKind::Connect,
        pause: Duration::ZERO,
    });
    observer.observe(&Event::Hedge {
        call,
        upstream,
        after: Duration::ZERO,
    });
    let counted = || {
        ["gather_retries_total", "gather_hedges_total"].map(|name| {
            let line = line(&metrics, &format!("{name}{{upstream=\"users\"}}"));
            line.split_whitespace().last().unwrap().to_owned()
        })
    };
    assert_eq!(counted(), ["0", "0"]);
    for (attempt, cause) in [(1, Cause::First), (2, Cause::Retry), (3, Cause::Hedge)] {
        observer.observe(&Event::AttemptStarted {
            call,
            upstream,
            attempt,
            cause,
        });
    }
    assert_eq!(counted(), ["1", "1"]);
}

#[test]
fn cancelled_attempts_count_but_do_not_blur_the_latency() {
    let metrics = metrics();
    let observer = metrics.observer();
    for result in [Ok(()), Err(FailureKind::Cancelled)] {
        let upstream = UpstreamId(0);
        observer.observe(&Event::AttemptStarted {
            call: 0,
            upstream,
            attempt: 1,
            cause: Cause::First,
        });
        observer.observe(&finished(None, result));
    }
    let series = r#"gather_attempts_total{result="cancelled",upstream="users"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 1"));
    let series = r#"gather_attempt_duration_seconds_count{upstream="users"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 1"));
    let series = r#"gather_attempts_in_flight{upstream="users"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 0"));
}

#[test]
fn a_failure_of_the_status_counts_by_the_class_of_the_status() {
    let metrics = metrics();
    let observer = metrics.observer();
    for (status, result) in [
        (204, Err(FailureKind::Status)),
        (302, Err(FailureKind::Status)),
        (401, Err(FailureKind::Status)),
        (404, Err(FailureKind::Status)),
        (500, Err(FailureKind::Status)),
        (777, Err(FailureKind::Status)),
        // The status was good, but the body was not valid.
        (200, Err(FailureKind::InvalidBody)),
        (404, Ok(())),
    ] {
        let status = StatusCode::from_u16(status).ok();
        observer.observe(&finished(status, result));
    }
    for (result, count) in [
        ("status_2xx", 1),
        ("status_3xx", 1),
        ("status_4xx", 2),
        ("status_5xx", 2),
        ("invalid_body", 1),
        ("ok", 1),
    ] {
        let series = format!("gather_attempts_total{{result=\"{result}\",upstream=\"users\"}}");
        assert_eq!(line(&metrics, &series), format!("{series} {count}"));
    }
    let text = String::from_utf8(metrics.process().encode().unwrap()).unwrap();
    assert!(!text.contains("result=\"status\""), "it has a class");
}

#[test]
fn refused_extra_attempts_count_by_their_reason() {
    let metrics = metrics();
    let observer = metrics.observer();
    for (cause, reason) in [
        (Cause::Hedge, Refusal::Budget),
        (Cause::Retry, Refusal::Budget),
        (Cause::Retry, Refusal::Deadline),
    ] {
        observer.observe(&Event::ExtraRefused {
            call: 0,
            upstream: UpstreamId(0),
            cause,
            reason,
        });
    }
    for (reason, count) in [("budget", 2), ("breaker", 0), ("limit", 0), ("deadline", 1)] {
        let labels = format!("{{reason=\"{reason}\",upstream=\"users\"}}");
        let series = format!("gather_extra_attempts_refused_total{labels}");
        assert_eq!(line(&metrics, &series), format!("{series} {count}"));
    }
}

#[test]
fn a_problem_counts_under_the_name_of_its_id() {
    let metrics = metrics();
    metrics.process().problem(ProblemId(0));
    let series = r#"gather_problems_total{type="not-found"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 1"));
}

#[test]
fn a_name_that_is_resolved_again_counts_on_in_the_same_series() {
    let metrics = Arc::new(Metrics::new(&[]).unwrap());
    let first = metrics.resolve(["home", "search"], [("users", TIMEOUT), ("mail", TIMEOUT)]);
    // The ids are different now.
    let second = metrics.resolve(["new", "home"], [("mail", TIMEOUT)]);
    first.aggregate(AggregateId(0)).shed();
    second.aggregate(AggregateId(1)).shed();
    first.upstream(UpstreamId(1)).opened();
    second.upstream(UpstreamId(0)).opened();
    for generation in [&first, &second] {
        for series in [
            r#"gather_shed_total{aggregate="home"}"#,
            r#"gather_connections_opened_total{upstream="mail"}"#,
        ] {
            assert_eq!(line(generation, series), format!("{series} 2"));
        }
    }
    let series = r#"gather_shed_total{aggregate="new"}"#;
    assert_eq!(line(&second, series), format!("{series} 0"));
}

#[test]
fn a_request_of_an_old_generation_ends_in_the_same_series() {
    let metrics = Arc::new(Metrics::new(&[]).unwrap());
    let first = metrics.resolve(["home"], []);
    let guard = first.request(AggregateId(0), Mode::Concurrent, Instant::now());
    let second = metrics.resolve(["home"], []);
    let gauge = "gather_requests_in_flight";
    assert_eq!(line(&second, gauge), format!("{gauge} 1"));
    guard.finish(&complete());
    assert_eq!(line(&second, gauge), format!("{gauge} 0"));
    let series = r#"gather_requests_total{aggregate="home",mode="concurrent",outcome="complete"}"#;
    assert_eq!(line(&second, series), format!("{series} 1"));
}

#[test]
fn a_name_that_is_gone_keeps_its_last_values_and_counts_on_when_it_is_back() {
    let metrics = Arc::new(Metrics::new(&[]).unwrap());
    metrics
        .resolve(["old"], [])
        .aggregate(AggregateId(0))
        .shed();
    let second = metrics.resolve(["new"], []);
    let series = r#"gather_shed_total{aggregate="old"}"#;
    assert_eq!(line(&second, series), format!("{series} 1"));
    let third = metrics.resolve(["new", "old"], []);
    third.aggregate(AggregateId(1)).shed();
    assert_eq!(line(&third, series), format!("{series} 2"));
}

#[test]
fn the_timeout_of_an_upstream_is_that_of_the_last_generation() {
    let metrics = Arc::new(Metrics::new(&[]).unwrap());
    let first = metrics.resolve([], [("users", TIMEOUT)]);
    let series = r#"gather_attempt_timeout_seconds{upstream="users"}"#;
    assert_eq!(line(&first, series), format!("{series} 5"));
    let second = metrics.resolve([], [("users", Duration::from_millis(250))]);
    assert_eq!(line(&second, series), format!("{series} 0.25"));
}

#[test]
fn an_exemplar_outlives_the_generation_of_its_request() {
    let metrics = Arc::new(Metrics::new(&[]).unwrap());
    let exemplars = || {
        let text = metrics.encode_open_metrics().unwrap();
        let lines = text.lines().filter(|line| line.contains("trace_id="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let begin = |generation: &GenerationMetrics, trace| {
        generation
            .request(AggregateId(0), Mode::Concurrent, Instant::now())
            .recorded_as(Some(trace))
            .finish(&complete());
    };
    begin(&metrics.resolve(["home"], []), 7);
    let second = metrics.resolve(["search", "home"], []);
    let kept = exemplars();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let start = r#"gather_request_duration_seconds_bucket{aggregate="home",mode="concurrent""#;
    assert!(kept[0].starts_with(start), "{kept:?}");
    assert!(kept[0].contains("00000007"), "{kept:?}");
    begin(&second, 8);
    assert_eq!(exemplars().len(), 2, "one for each name");
}
