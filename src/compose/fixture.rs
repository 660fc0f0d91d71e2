//! Outcomes for the tests of shaped answers. It must not know the tests.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::shape::{CallShape, Place};
use crate::{
    exchange::ClientContext,
    fanout::{Body, CallResult, Failure, FailureKind, Mode, Outcome, Reply, Verdict},
    pick::{Path, Prune},
};

/// A JSON text that is lost in parts if it is made into values: long and odd numbers, escapes, order and duplicates.
pub(super) const ODD: &str =
    r#"{"z":12345678901234567890,"e":1e400,"a":[1.10,-0],"\u00e9":"\u00e9","z":{"b":1,"b":2}}"#;

/// A call that succeeded with this body.
pub(super) fn sent(name: &str, body: Body) -> CallResult {
    let reply = Reply::new(StatusCode::OK, body);
    CallResult::new(name, Duration::ZERO, Duration::from_millis(2), Ok(reply))
}

/// A call that succeeded with this JSON.
pub(super) fn json(name: &str, body: &str) -> CallResult {
    sent(name, Body::Json(Bytes::copy_from_slice(body.as_bytes())))
}

/// A call that succeeded with this text.
pub(super) fn text(name: &str, text: &'static str) -> CallResult {
    let content_type = Some("text/plain".into());
    let text = Bytes::from_static(text.as_bytes());
    sent(name, Body::Text { content_type, text })
}

/// A call that failed. A `fallback` may stand for its body.
pub(super) fn failed(name: &str, kind: FailureKind, fallback: Option<&'static str>) -> CallResult {
    let mut call = sent(name, Body::Empty);
    call = call.with(
        fallback.map(|json| Bytes::from_static(json.as_bytes())),
        None,
    );
    call.result = Err(Failure::new(kind, "because"));
    call
}

pub(super) fn outcome(results: Vec<CallResult>) -> Outcome {
    Outcome {
        mode: Mode::Concurrent,
        verdict: Verdict::Complete,
        elapsed: Duration::from_millis(2),
        results,
        positions: None,
    }
}

pub(super) fn client() -> ClientContext {
    ClientContext::new(HeaderValue::from_static("id"))
}

/// A shape with this place: `.`, or names with dots between them.
pub(super) fn into(place: &str) -> CallShape {
    let place = match place {
        "." => Place::Spread,
        names => Place::At(names.split('.').map(Into::into).collect()),
    };
    CallShape {
        into: Some(place),
        ..CallShape::default()
    }
}

/// A shape whose body never leaves.
pub(super) fn hidden() -> CallShape {
    CallShape {
        is_hidden: true,
        ..CallShape::default()
    }
}

/// A shape with these members alone.
pub(super) fn keep(path: &str) -> CallShape {
    CallShape {
        prune: Prune::keep(&[Path::parse(path).unwrap()]).ok(),
        ..CallShape::default()
    }
}

/// A shape without this member.
pub(super) fn drop(path: &str) -> CallShape {
    CallShape {
        prune: Prune::drop(&[Path::parse(path).unwrap()]).ok(),
        ..CallShape::default()
    }
}
