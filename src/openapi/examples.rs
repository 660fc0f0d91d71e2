//! Examples, written by the code that writes the real answers, so that they can't drift from them. It must not know
//! where they are shown.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::{
    api::{LONGEST_LIST, Problem, ProblemKind, QueryError, looped},
    compose::{self, CallShape, Comparison, Framing, Shape, Shaping},
    edge::Fault,
    endpoint::Endpoint,
    fanout::{
        Blame, Body, CallResult, Completion, Failure, FailureKind, Mode, Outcome, Reply, Verdict,
    },
    timing::server_timing,
};

/// Returns an example of a problem of this kind.
pub(super) fn problem(kind: ProblemKind) -> Value {
    let problem = match kind {
        ProblemKind::MalformedRequest => Fault::Target.problem(),
        ProblemKind::MethodNotImplemented => Fault::UnknownMethod.problem(),
        ProblemKind::VersionNotSupported => Fault::OtherVersion.problem(),
        ProblemKind::RequestTimeout => Fault::Late.problem(),
        ProblemKind::UriTooLong => Fault::TargetTooLong.problem(),
        ProblemKind::HeadTooLarge => Fault::TooLarge.problem(),
        ProblemKind::UnknownParameter => QueryError::Unknown {
            name: "colour".to_owned(),
        }
        .into(),
        ProblemKind::RepeatedParameter => QueryError::Repeated {
            name: "mode".into(),
        }
        .into(),
        ProblemKind::EmptyParameter => QueryError::Empty {
            name: "timeout".into(),
        }
        .into(),
        ProblemKind::InvalidParameter => QueryError::Invalid {
            name: "timeout".into(),
            found: "-1".to_owned(),
            expected: "a duration above zero such as `500ms` or `2s`",
        }
        .into(),
        ProblemKind::MissingParameter => QueryError::Missing { name: "id".into() }.into(),
        ProblemKind::InvalidBody => Problem::new(
            kind,
            "a call takes a part of the body as JSON, but it is wrong at line 1, column 9",
        ),
        ProblemKind::UnsupportedMediaType => Problem::new(
            kind,
            "the body has no `Content-Type`, expected `application/json`",
        ),
        ProblemKind::NotReady => Problem::new(kind, "the gateway is stopping")
            .with_members(b"\"ready\":false,\"reason\":\"stopping\"".to_vec()),
        ProblemKind::UnexpectedBody => Problem::new(kind, "GET takes no body"),
        ProblemKind::BodyTooLarge => Problem::new(
            kind,
            "the request announces a body of 300000 bytes; no route takes one",
        ),
        ProblemKind::NotFound => Problem::new(kind, "there is nothing at `/agregate`"),
        ProblemKind::UnknownAggregate => Problem::new(kind, "no aggregate is named `home`"),
        ProblemKind::MethodNotAllowed => {
            Problem::new(kind, "`/aggregate` can be read with GET, not with POST")
        }
        ProblemKind::Internal => Problem::new(
            kind,
            "the gateway made a mistake; its log has more under this request's id",
        ),
        ProblemKind::Overloaded => Problem::new(
            kind,
            "as many requests are in flight as the gateway takes; nothing was sent",
        ),
        ProblemKind::UpstreamFailed => Blame::Upstream.into(),
        ProblemKind::LoopDetected => looped(),
        ProblemKind::UpstreamTimeout => Blame::Time.into(),
        ProblemKind::UpstreamStatus => Problem::passed("users", StatusCode::UNAUTHORIZED),
    };
    parsed(&problem.json())
}

/// Returns a successful run of `endpoint`, as an answer shows it. `None` if that is computed from what upstreams send.
pub(super) fn run(endpoint: &Endpoint) -> Option<Value> {
    let outcome = outcome(endpoint, endpoint.rules.mode, None);
    value(endpoint, &outcome).or_else(|| {
        let is_report = matches!(endpoint.shape, Shape::Report);
        is_report.then(|| object(|json| members(json, endpoint, &outcome)))
    })
}

/// Returns a merged answer, if `endpoint` has such.
fn value(endpoint: &Endpoint, outcome: &Outcome) -> Option<Value> {
    if !matches!(endpoint.shape, Shape::Merge) {
        return None;
    }
    let mut json = Vec::new();
    shaped(endpoint, |shaping| {
        if let Some(shaping) = shaping {
            compose::merged(&mut json, outcome, shaping);
        }
    });
    Some(parsed(&json))
}

/// Writes a run as a report.
fn members(json: &mut Vec<u8>, endpoint: &Endpoint, outcome: &Outcome) {
    shaped(endpoint, |shaping| {
        compose::members(json, &endpoint.name, outcome, shaping);
    });
}

/// Gives `write` the shaping of an example: places, and bodies that never leave. The parts of bodies can't be known.
fn shaped<R>(endpoint: &Endpoint, write: impl FnOnce(Option<&Shaping<'_>>) -> R) -> R {
    if !endpoint.is_shaped() {
        return write(None);
    }
    let calls = endpoint.calls.iter().take(SHOWN);
    let shapes: Vec<_> = calls
        .map(|call| CallShape {
            into: call.shape.into.clone(),
            is_hidden: call.shape.is_hidden,
            ..CallShape::default()
        })
        .collect();
    write(Some(&Shaping::of_example(
        shapes.iter().enumerate().collect(),
    )))
}

/// Returns a successful comparison.
pub(super) fn comparison(endpoint: &Endpoint) -> Value {
    let [sequential, concurrent] = Mode::ALL.map(|mode| outcome(endpoint, mode, None));
    let runs = Comparison {
        sequential: &sequential,
        concurrent: &concurrent,
    };
    shaped(endpoint, |shaping| {
        object(|json| compose::comparison(json, &endpoint.name, runs, shaping))
    })
}

/// Returns a failed run, as a problem.
pub(super) fn failure(endpoint: &Endpoint, blame: Blame) -> Value {
    let outcome = outcome(endpoint, endpoint.rules.mode, Some(blame));
    object(|json| {
        Problem::from(blame).members(json);
        json.push(b',');
        members(json, endpoint, &outcome);
    })
}

/// Returns a run whose answer has the status of this call, as a problem.
pub(super) fn passed(endpoint: &Endpoint, status: StatusCode, call: &str) -> Value {
    // Where a few successes are enough, all have to fail.
    let failed = match endpoint.rules.completion {
        Completion::All | Completion::Required => None,
        Completion::Quorum(_) => Some(Blame::Upstream),
    };
    let mut outcome = outcome(endpoint, endpoint.rules.mode, failed);
    let place = endpoint.names().position(|name| **name == *call);
    let last = outcome.results.len().saturating_sub(1);
    if let Some(result) = outcome.results.get_mut(place.unwrap_or(0).min(last)) {
        let reason = status.canonical_reason().unwrap_or_default();
        let detail = format!("upstream answered {} {reason}", status.as_u16());
        let failure = Failure::new(FailureKind::Status, detail.trim_end().to_owned());
        result.name = call.into();
        result.result = Err(failure.with_status(status));
    }
    outcome.verdict = match outcome.results.iter().any(|call| call.result.is_ok()) {
        true => Verdict::Partial,
        false => Verdict::Failed(Blame::Upstream),
    };
    object(|json| {
        Problem::passed(call, status).members(json);
        json.push(b',');
        members(json, endpoint, &outcome);
    })
}

/// Returns a stream of one successful run.
pub(super) fn stream(endpoint: &Endpoint, framing: Framing) -> String {
    let outcome = outcome(endpoint, endpoint.rules.mode, None);
    let mut text = Vec::new();
    for (index, call) in outcome.results.iter().enumerate() {
        shaped(endpoint, |shaping| {
            framing.result(&mut text, None, index, call, shaping);
        });
    }
    let timing = server_timing(outcome.elapsed, &outcome, LONGEST_LIST);
    framing.outcome(&mut text, |json| {
        compose::summary(json, &endpoint.name, &outcome);
        json.extend_from_slice(b",\"server_timing\":");
        compose::string(json, &timing);
        if let Some(value) = value(endpoint, &outcome) {
            json.extend_from_slice(format!(",\"value\":{value}").as_bytes());
        }
    });
    String::from_utf8_lossy(&text).into_owned()
}

/// The most calls that an example shows.
const SHOWN: usize = 3;

/// Makes a run of the first calls of `endpoint`. Each takes longer than the one before it.
fn outcome(endpoint: &Endpoint, mode: Mode, failed: Option<Blame>) -> Outcome {
    let calls = endpoint.names().take(SHOWN);
    let needed = match endpoint.rules.completion {
        Completion::All | Completion::Required => SHOWN,
        Completion::Quorum(needed) => needed.get(),
    };
    let mut results: Vec<CallResult> = Vec::new();
    for (place, name) in calls.enumerate() {
        let is_needed = place < needed;
        let start = match (mode, results.last()) {
            (Mode::Sequential, Some(before)) => {
                before.start + before.elapsed + Duration::from_micros(12)
            }
            _ => Duration::from_micros(41),
        };
        let mut elapsed = Duration::from_micros(20_402 + 7_316 * place as u64);
        if !is_needed {
            let last = results.get(needed - 1).map(|last| last.elapsed);
            elapsed = match mode {
                Mode::Sequential => Duration::ZERO,
                Mode::Concurrent => last.unwrap_or_default(),
            };
        }
        let result = match failed {
            Some(Blame::Time) => Err(Failure::new(
                FailureKind::Timeout,
                "no whole answer within the attempt's time",
            )),
            Some(Blame::Upstream) => Err(Failure::new(
                FailureKind::Status,
                "upstream answered 503 Service Unavailable",
            )
            .with_status(StatusCode::SERVICE_UNAVAILABLE)),
            None if is_needed => Ok(Reply::new(
                StatusCode::OK,
                Body::Json(Bytes::from_static(b"\"pong\"")),
            )),
            None => Err(Failure::new(
                FailureKind::Cancelled,
                "the calls that were waited for had settled",
            )),
        };
        results.push(CallResult {
            attempts: u32::from(is_needed || mode == Mode::Concurrent),
            ..CallResult::new(Arc::clone(name), start, elapsed, result)
        });
    }
    let ends = results.iter().map(|call| call.start + call.elapsed);
    Outcome {
        mode,
        verdict: failed.map_or(Verdict::Complete, Verdict::Failed),
        elapsed: ends.max().unwrap_or_default() + Duration::from_micros(60),
        results,
        positions: None,
    }
}

fn object(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut json = vec![b'{'];
    write(&mut json);
    json.push(b'}');
    parsed(&json)
}

/// Parses JSON that is written here. A test reads all of it.
fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}
