//! Properties of every expression over every value: the parser and the evaluation end without a panic and within their
//! bounds, and what they write is JSON. It must not know who makes the expressions.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::{
    Expression, MOST_BYTES,
    fixture::{self, Request},
    write::MOST_WRITTEN,
};

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
    check(&expression, &Request::new(Bytes::from(body.to_owned())));
}

/// The body that is taken if there is no other.
const BODY: &str = r#"{"id":7,"name":"Ann","plan":"pro","items":[{"id":1,"price":1.5},{"id":2,"price":-0.0}],
    "big":12345678901234567890,"huge":1e400,"none":null,"tags":["a","\u00e9","\ud83d\ude00"],"x-y":{"a":{"b":[]}}}"#;

fn check(expression: &Expression, request: &Request) {
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
}
