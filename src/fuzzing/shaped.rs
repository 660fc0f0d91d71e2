//! Properties of every shaped answer, whatever upstreams sent. A merged answer is one JSON object with each of its
//! members once, and has the same parts as the report. So has a stream. A report with parts of bodies is JSON, and has
//! no body that never leaves.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::value::RawValue;

use crate::{
    compose::{self, CallShape, Framing, Place, Select, Shaping},
    exchange::ClientContext,
    fanout::{Body, CallResult, Failure, FailureKind, Mode, Outcome, Reply, Verdict},
    pick::{self, Kind, Path, Prune},
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
    let mut report = vec![b'{'];
    compose::members(&mut report, "home", &outcome, Some(&shaping));
    report.push(b'}');
    check(&report);
    let (_, shown) = pick::members(&report).last().expect("results");
    let shown = pick::elements(shown).map(|result| {
        let mut members = pick::members(result);
        let body = members.find(|(name, _)| *name == b"body");
        body.map(|(_, value)| value)
    });
    let parts: Vec<_> = shown.collect();
    for (part, (call, shape)) in parts.iter().zip(outcome.results.iter().zip(&shapes)) {
        let may_have = call.result.is_ok() || call.fallback().is_some();
        assert_eq!(part.is_some(), may_have && !shape.is_hidden);
    }

    let mut merged = Vec::new();
    compose::merged(&mut merged, &outcome, &shaping);
    check_merged(&merged, &outcome, &shapes, &parts);
    for (index, call) in outcome.results.iter().enumerate() {
        let mut line = Vec::new();
        Framing::Lines.result(&mut line, None, index, call, Some(&shaping));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        check(&line);
        let body = members(&line).find(|(name, _)| *name == named("body"));
        let shown = body.map(|(_, value)| value.to_vec());
        assert_eq!(shown, parts[index].map(in_one_line));
    }
}

/// Returns JSON with spaces for its line ends.
fn in_one_line(json: &[u8]) -> Vec<u8> {
    let byte = |byte: &u8| {
        if matches!(byte, b'\n' | b'\r') {
            b' '
        } else {
            *byte
        }
    };
    json.iter().map(byte).collect()
}

/// Checks that a merged answer has each part once and in its place, and nothing else.
fn check_merged(merged: &[u8], outcome: &Outcome, shapes: &[CallShape], parts: &[Option<&[u8]>]) {
    let (mut placed, mut spread, mut nested) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut faults = outcome
        .results
        .iter()
        .filter(|call| call.result.is_err())
        .count();
    for (index, (shape, part)) in shapes.iter().zip(parts).enumerate() {
        match (&shape.into, part) {
            (Some(Place::Spread), Some(part)) => {
                let is_misfit = !matches!(pick::kind(part), Kind::Object | Kind::Null);
                faults += usize::from(is_misfit && outcome.results[index].result.is_ok());
                spread.extend(members(part));
            }
            (Some(Place::At(_)), Some(part)) => {
                nested.extend([format!(",\"{index}\":").as_bytes(), part].concat());
            }
            (None, _) if !shape.is_hidden => {
                placed.insert(named(&format!("call_{index}")), *part);
            }
            _ => {}
        }
    }
    let is_within =
        |shape: &CallShape| matches!(shape.into, Some(Place::At(_))) && !shape.is_hidden;
    if let Some(first) = nested.first_mut() {
        *first = b'{';
        nested.push(b'}');
    }
    if shapes.iter().any(is_within) {
        placed.insert(named("x"), (!nested.is_empty()).then_some(&*nested));
    }
    placed.insert(named("errors"), None);
    let mut expected: BTreeMap<_, _> = spread
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .collect();
    expected.extend(placed);

    check(merged);
    assert_eq!(pick::kind(merged), Kind::Object);
    let mut found = BTreeMap::new();
    for (name, value) in members(merged) {
        assert_eq!(
            found.insert(name, Some(value)),
            None,
            "a member stands twice"
        );
    }
    let errors = found.insert(named("errors"), None).flatten();
    assert_eq!(
        errors.map_or(0, |errors| pick::elements(errors).count()),
        faults
    );
    expected.retain(|name, value| value.is_some() || *name == named("errors"));
    assert_eq!(found, expected);
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
        9 => {
            shape.is_hidden = true;
            shape.into = Some(Place::Spread);
        }
        10 => {
            shape.is_hidden = true;
            shape.into = Some(Place::At(["x".into(), format!("{index}").into()].into()));
        }
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

/// The name of a member as it reads. One that is no text is an error, with what is written.
type Name = Result<String, Vec<u8>>;

/// Returns the members of an object.
fn members(json: &[u8]) -> impl Iterator<Item = (Name, &[u8])> {
    pick::members(json).map(|(written, value)| {
        let name = pick::name(written).map(Cow::into_owned);
        (name.ok_or_else(|| written.to_vec()), value)
    })
}

fn named(name: &str) -> Name {
    Ok(name.to_owned())
}
