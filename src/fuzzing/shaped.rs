//! Properties of every shaped answer, whatever upstreams sent. A merged answer is one JSON object with each of its
//! members once. A report with parts of bodies is JSON, and has no body that never leaves.

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::value::RawValue;

use crate::{
    compose::{self, CallShape, Framing, Place, Select, Shaping},
    exchange::ClientContext,
    fanout::{Body, CallResult, Failure, FailureKind, Mode, Outcome, Reply, Verdict},
    pick::{self, Path, Prune},
    upstream::properties::classify,
    values::{Part, Reference, Root},
};

/// The byte that ends one upstream's part of the input.
const SEPARATOR: u8 = 0x1e;

/// Reads `bytes` as the answers of upstreams, each up to a record separator. The first byte chooses the shape, and the
/// rest is the body. A body that is no JSON is a text, or the call failed.
///
/// # Panics
/// Panics if a property does not hold.
pub fn shaped(bytes: &[u8]) {
    let parts = bytes.split(|byte| *byte == SEPARATOR).take(8);
    let (mut results, mut shapes) = (Vec::new(), Vec::new());
    for (index, part) in parts.enumerate() {
        let (choice, body) = part.split_first().unwrap_or((&0, &[]));
        shapes.push(shape(*choice, index));
        results.push(call(index, body, *choice));
    }
    let client = ClientContext::new(HeaderValue::from_static("id"));
    let shaping = Shaping::new(&client, shapes.iter().enumerate().collect());
    let outcome = Outcome {
        mode: Mode::Concurrent,
        verdict: Verdict::Partial,
        elapsed: Duration::ZERO,
        results,
        positions: None,
    };
    let mut merged = Vec::new();
    compose::merged(&mut merged, &outcome, &shaping);
    let names = names(&merged);
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "a member stands twice");

    let mut report = vec![b'{'];
    compose::members(&mut report, "home", &outcome, Some(&shaping));
    report.push(b'}');
    let (_, results) = pick::members(&report).last().expect("results");
    check(&report);
    for (shown, (call, shape)) in pick::elements(results).zip(outcome.results.iter().zip(&shapes)) {
        let has_body = pick::members(shown).any(|(name, _)| name == b"body");
        let may_have = call.result.is_ok() || call.fallback().is_some();
        assert_eq!(has_body, may_have && !shape.is_hidden);
    }
    for (index, call) in outcome.results.iter().enumerate() {
        let mut line = Vec::new();
        Framing::Lines.result(&mut line, None, index, call, Some(&shaping));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        check(&line);
    }
}

fn call(index: usize, body: &[u8], choice: u8) -> CallResult {
    let body = Bytes::copy_from_slice(body);
    let json = classify(Some("application/json"), None, body.clone());
    let text = classify(Some("text/plain"), None, body);
    let mut fallback = None;
    let result = match (json, text) {
        (Ok(Body::Json(json)), _) if choice >= 0x80 => {
            fallback = Some(json);
            Err(Failure::new(FailureKind::Timeout, "late"))
        }
        (Ok(body), _) | (Err(_), Ok(body)) if choice & 0x40 == 0 => {
            Ok(Reply::new(StatusCode::OK, body))
        }
        _ => Err(Failure::new(FailureKind::InvalidBody, "not JSON")),
    };
    let name = format!("call_{index}");
    CallResult::new(name, Duration::ZERO, Duration::ZERO, result).with(fallback, None)
}

/// Returns one of the shapes. No two calls have the same place.
fn shape(choice: u8, index: usize) -> CallShape {
    let path = |text| vec![Path::parse(text).expect("a path")];
    let select = |text: &str| {
        Some(Select::Reference(Reference {
            text: text.into(),
            root: Root::Call(index, Part::Body),
            path: Path::parse(text).expect("a path"),
        }))
    };
    let mut shape = CallShape::default();
    match choice & 0x0f {
        0 => {}
        1 | 8 => shape.into = Some(Place::Spread),
        2 => shape.prune = Prune::keep(&path("a[*].b")).ok(),
        3 => shape.prune = Prune::drop(&path("a.b")).ok(),
        4 => shape.select = select("a"),
        5 => {
            shape.select = select("a[*]");
            shape.prune = Prune::keep(&path("[*].b")).ok();
        }
        6 => shape.into = Some(Place::At(["x".into(), format!("{index}").into()].into())),
        7 => shape.is_hidden = true,
        _ => {
            shape.into = Some(Place::Spread);
            shape.prune = Prune::drop(&path("b")).ok();
        }
    }
    shape
}

/// Checks that this is one JSON value.
fn check(json: &[u8]) {
    if let Err(error) = serde_json::from_slice::<&RawValue>(json) {
        panic!("{error}: {}", String::from_utf8_lossy(json));
    }
}

/// Returns the names of an object's members, decoded.
fn names(json: &[u8]) -> Vec<Cow<'_, [u8]>> {
    check(json);
    assert_eq!(pick::kind(json), pick::Kind::Object);
    let names = pick::members(json).map(|(name, _)| match pick::name(name) {
        Some(text) => Cow::Owned(text.into_owned().into_bytes()),
        None => Cow::Borrowed(name),
    });
    names.collect()
}
