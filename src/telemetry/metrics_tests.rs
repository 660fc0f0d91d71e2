//! The metrics after what has happened.

use super::*;
use http::StatusCode;

use crate::fanout::{Blame, Body, CallResult, Cause, Failure, Refusal, Reply};

fn metrics() -> Metrics {
    Metrics::new(&Names {
        aggregates: &["default"],
        upstreams: &["users"],
        problems: &["not-found"],
    })
    .unwrap()
}

fn line(metrics: &Metrics, start: &str) -> String {
    let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
    let found = text.lines().find(|line| line.starts_with(start));
    found
        .unwrap_or_else(|| panic!("no {start} in\n{text}"))
        .to_owned()
}

/// The end of an attempt of one millisecond.
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
    let guard = metrics.request(0, Mode::Concurrent, Instant::now());
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
        .request(0, Mode::Sequential, Instant::now())
        .finish(&Outcome {
            mode: Mode::Sequential,
            verdict: Verdict::Partial,
            elapsed: Duration::ZERO,
            results: Vec::new(),
        });
    let series =
        r#"gather_requests_total{aggregate="default",mode="sequential",outcome="partial"}"#;
    assert_eq!(line(&metrics, series), format!("{series} 1"));
}

#[test]
fn only_calls_that_ran_to_their_end_count_as_time_saved() {
    let metrics = metrics();
    let call = |result| CallResult {
        name: "users".into(),
        start: Duration::ZERO,
        elapsed: Duration::from_secs(1),
        attempts: 1,
        hedges: 0,
        result,
    };
    let cut = |kind| call(Err(Failure::new(kind, "cut off")));
    let good = || {
        call(Ok(Reply {
            status: StatusCode::OK,
            body: Body::Empty,
        }))
    };
    metrics
        .request(0, Mode::Concurrent, Instant::now())
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
        });
    let series = "gather_sequential_seconds_total{aggregate=\"default\"}";
    assert_eq!(line(&metrics, series), format!("{series} 2"));
    let series = "gather_concurrent_saved_seconds_total{aggregate=\"default\"}";
    assert_eq!(line(&metrics, series), format!("{series} 1"));
}

#[test]
fn a_run_that_failed_has_saved_nothing() {
    let metrics = metrics();
    let late = || CallResult {
        name: "users".into(),
        start: Duration::ZERO,
        elapsed: Duration::from_secs(1),
        attempts: 1,
        hedges: 0,
        result: Err(Failure::new(FailureKind::Deadline, "late")),
    };
    metrics
        .request(0, Mode::Concurrent, Instant::now())
        .finish(&Outcome {
            mode: Mode::Concurrent,
            verdict: Verdict::Failed(Blame::Time),
            elapsed: Duration::from_secs(1),
            results: vec![late(), late()],
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
        // It was answered with a good status, and its body was no good.
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
    let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
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

/// The bucket that a time falls into, from its lower bound to its upper one.
fn bucket(seconds: f64) -> (f64, f64) {
    let place = DURATIONS.partition_point(|&bound| bound < seconds);
    (DURATIONS[place - 1], DURATIONS[place])
}

#[test]
fn services_of_123_and_203_ms_are_told_apart_and_so_are_all_that_are_half_as_slow_again() {
    let (fast, slow) = (bucket(0.123), bucket(0.203));
    assert!(
        fast.1 < slow.0,
        "{fast:?} {slow:?}: a bucket is between them"
    );
    // From 50 ms to 1 s no bucket is wider than a quarter of its upper bound, so any percentile is that exact.
    let within = DURATIONS
        .windows(2)
        .filter(|it| it[0] >= 0.05 && it[1] <= 1.0);
    let widths: Vec<_> = within.map(|it| it[1] / it[0]).collect();
    assert!(widths.len() > 10, "{widths:?}");
    assert!(widths.iter().all(|&width| width <= 1.3), "{widths:?}");
    for millis in 50..650 {
        let seconds = f64::from(millis) / 1000.0;
        let (one, other) = (bucket(seconds + 0.000_5), bucket(seconds * 1.5));
        assert!(one.1 < other.1, "{millis} ms: {one:?} {other:?}");
    }
}

#[test]
fn four_fifths_of_a_usual_timeout_is_a_bound() {
    for timeout in [0.1, 0.2, 0.25, 0.4, 0.5, 0.8, 1.0, 2.5, 5.0] {
        let limit: f64 = timeout * 0.8;
        let is_bound = DURATIONS.iter().any(|bound| (bound - limit).abs() < 1e-9);
        assert!(is_bound, "{limit} of {timeout}");
    }
}

#[test]
fn a_verdict_is_counted_under_its_own_name() {
    for verdict in [
        Verdict::Complete,
        Verdict::Partial,
        Verdict::Failed(Blame::Time),
    ] {
        assert_eq!(OUTCOMES[place(verdict)], verdict.as_str());
    }
    assert_eq!(OUTCOMES[CANCELLED], "cancelled");
    assert_eq!(OUTCOMES[PASSED], "passed");
}
