//! Properties of every expression over every value: the parser and the evaluation end without a panic and within their
//! bounds, and what they write is JSON. An expression within another has the same value. One that is a reference has
//! that of the reference. It must not know who makes the expressions.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::{
    Expression, MOST_BYTES,
    fixture::{self, Request},
    write::MOST_WRITTEN,
};
use crate::values::{Part, Root};

/// Reads `bytes` as an expression, a line with a NUL, and the body of an answer. Without a NUL the body is one of its
/// own.
///
/// # Panics
/// Panics if a property does not hold.
pub fn expressions(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (source, body) = text.split_once('\0').unwrap_or((&text, BODY));
    let expression = match fixture::parse(source) {
        Ok(expression) => expression,
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "a refusal has a reason");
            assert!(mistakes.iter().all(|mistake| !mistake.0.is_empty()));
            return;
        }
    };
    assert!(source.len() <= MOST_BYTES);
    assert_eq!(expression.source(), source);
    let body = match serde_json::from_str::<&RawValue>(body) {
        Ok(body) => body.get(),
        Err(_) => BODY,
    };
    let mut request = Request::new(Bytes::from(body.to_owned()));
    let json = check(&expression, &request);
    check_reference(source, json.as_deref(), &request);
    check_within(source, json.as_deref(), &request);
    let has_item = expression
        .references()
        .any(|reference| reference.root == Root::Item);
    if let Some(json) = json
        && !has_item
    {
        request.item = json.into();
        check_same(&format!("({source}\n)==item"), &request);
    }
}

/// The body that is taken if there is no other.
const BODY: &str = r#"{"id":7,"name":"Ann","plan":"pro","items":[{"id":1,"price":1.5},{"id":2,"price":-0.0}],
    "big":12345678901234567890,"huge":1e400,"none":null,"tags":["a","\u00e9","\ud83d\ude00"],"x-y":{"a":{"b":[]}}}"#;

/// Checks the value of an expression, and returns it.
fn check(expression: &Expression, request: &Request) -> Option<Vec<u8>> {
    let scope = request.scope();
    let mut out = b"before".to_vec();
    let written = expression.write(&scope, &mut out);
    assert!(out.starts_with(b"before"));
    let json = &out[6..];
    match &written {
        Ok(()) => {
            assert!(!json.is_empty() && json.len() <= MOST_WRITTEN);
            let json = std::str::from_utf8(json).expect("UTF-8");
            serde_json::from_str::<&RawValue>(json).expect("JSON");
        }
        Err(reason) => {
            assert!(json.is_empty(), "nothing is written beside {reason}");
            assert!(!reason.0.is_empty());
        }
    }
    let mut again = Vec::new();
    assert_eq!(expression.write(&scope, &mut again), written);
    assert_eq!(again, json, "it is the same each time");
    match expression.is_true(&scope) {
        Ok(value) => assert_eq!(json, value.to_string().as_bytes()),
        Err(_) => {
            let is_bool = matches!(serde_json::from_slice(json), Ok(Value::Bool(_)));
            assert!(!is_bool, "true and false are conditions");
        }
    }
    written.is_ok().then_some(again)
}

/// Checks that an expression which is a reference has the bytes that the reference leads to, and the same if it goes the
/// steps into a body itself.
fn check_reference(source: &str, json: Option<&[u8]>, request: &Request) {
    let Ok(reference) = fixture::reference(source) else {
        return;
    };
    let found = reference.find(&request.scope()).ok();
    let found = found.map(|value| {
        let mut json = Vec::new();
        value.json(&mut json);
        json
    });
    assert_eq!(found.as_deref().map(<[u8]>::trim_ascii), json);
    let root = match reference.root {
        Root::Body | Root::Item => reference.name().to_owned(),
        Root::Call(_, Part::Body) => format!("{}.body", reference.name()),
        _ => return,
    };
    let steps = &reference.text[root.len()..];
    if let Ok(expression) = fixture::parse(&format!("dyn({root}){steps}")) {
        let mut out = Vec::new();
        let written = expression.write(&request.scope(), &mut out);
        assert_eq!(written.ok().map(|()| &*out), json);
    }
}

/// Checks that an expression has the same value, or none, within a list, and that it is equal to itself. A line's end
/// also ends a comment.
fn check_within(source: &str, json: Option<&[u8]>, request: &Request) {
    if let Ok(list) = fixture::parse(&format!("[{source}\n]")) {
        let mut out = Vec::new();
        let written = list.write(&request.scope(), &mut out);
        match (&written, json) {
            (Ok(()), Some(json)) => assert_eq!(out, [b"[", json, b"]"].concat()),
            (Ok(()), None) => panic!("a list has an element without a value"),
            (Err(reason), Some(_)) => assert!(is_bound(&reason.0), "{reason}"),
            (Err(_), None) => {}
        }
    }
    if json.is_some() {
        check_same(&format!("({source}\n)==({source}\n)"), request);
    }
}

/// Checks that a comparison is true. It may be longer or deeper than an expression can be, or take too much.
fn check_same(source: &str, request: &Request) {
    if let Ok(comparison) = fixture::parse(source) {
        let is_same = comparison.is_true(&request.scope());
        assert_ne!(is_same, Ok(false), "it is not equal to itself");
    }
}

/// Returns true if a reason is a bound, which a longer expression may reach first.
fn is_bound(reason: &str) -> bool {
    let bounds = ["takes too much", "larger than 16 MiB", "nested too deep"];
    bounds.iter().any(|bound| reason.contains(bound))
}
