//! Checks `each` of a call with the keys that go with it, and `fallback`. It must not know the request.

use bytes::Bytes;
use serde_json::Value;

use super::places::Places;
use crate::{
    config::{
        call_values::RawTolerance, calls::RawCallTable, defaults, mistake::KeyPath, review::Review,
        values::count,
    },
    upstream::{EachSettings, Tolerance},
    values::Reference,
};

/// Returns the settings of a call with one request for each element of a list.
pub(super) fn check(raw: &RawCallTable, place: &mut Places<'_, '_, '_>) -> Option<EachSettings> {
    let path = place.at("each");
    let Some(text) = raw.each.as_deref() else {
        if !place.review.is_refused(&path) {
            refuse_without(raw, place);
        }
        return None;
    };
    let known = place.known(false);
    let inner = text.trim();
    let inner = inner
        .strip_prefix('{')
        .and_then(|inner| inner.strip_suffix('}'));
    let Some(inner) = inner else {
        let expected = "expected one reference to a list, such as \"{orders.body.items}\"";
        let is_bare = Reference::parse(text.trim(), &known).is_ok();
        let message = match is_bare {
            true => format!("{expected}; did you mean \"{{{}}}\"?", text.trim()),
            false => expected.to_owned(),
        };
        place.review.mistake(&path, message);
        return None;
    };
    let list = match Reference::parse(inner.trim(), &known) {
        Ok(list) => list,
        Err(error) => {
            place.review.mistake(&path, error.to_string());
            return None;
        }
    };
    place.note(&path, [&list].into_iter());
    let max = raw.max.map_or(defaults::EACH_MAX, |max| max.0);
    Some(EachSettings {
        list,
        concurrency: count(raw.concurrency, defaults::EACH_CONCURRENCY),
        max,
        tolerate: match raw.tolerate {
            Some(RawTolerance::Count(count)) => Tolerance::Count(count),
            Some(RawTolerance::Percent(percent)) => Tolerance::Share(percent / 100.0),
            None => Tolerance::Count(0),
        },
    })
}

fn refuse_without(raw: &RawCallTable, place: &mut Places<'_, '_, '_>) {
    for (key, is_set) in [
        ("concurrency", raw.concurrency.is_some()),
        ("max", raw.max.is_some()),
        ("tolerate", raw.tolerate.is_some()),
    ] {
        if is_set {
            let path = place.at(key);
            let message = "is only for a call with `each`, which makes one request for each element of a list";
            place.review.mistake(&path, message);
        }
    }
}

/// Returns the bytes of `fallback`, if there is one.
pub(super) fn fallback(
    path: &KeyPath,
    raw: &RawCallTable,
    review: &mut Review<'_>,
) -> Option<Bytes> {
    let value = raw.fallback.as_ref()?;
    let path = path.key("fallback");
    if let Some(text) = reference_in(value) {
        let message = format!(
            "{text:?} is sent as it is: a fallback has no references; write the value itself"
        );
        review.warning(&path, message);
    }
    if has_large_number(value) {
        // A TOML file can't have it, so the configuration in force could not be written.
        let message = "found a number that is too large, expected one of at most 63 bits";
        review.mistake(&path, message);
    }
    serde_json::to_vec(value).ok().map(Bytes::from)
}

/// Returns a text that looks as if it was meant as a reference.
fn reference_in(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => {
            let inner = text
                .strip_prefix('{')
                .and_then(|inner| inner.strip_suffix('}'))?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
            let is_reference = inner.contains('.') && inner.chars().all(is_name);
            is_reference.then_some(text)
        }
        Value::Array(values) => values.iter().find_map(reference_in),
        Value::Object(members) => members.values().find_map(reference_in),
        _ => None,
    }
}

fn has_large_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_i64().is_none() && number.as_u64().is_some(),
        Value::Array(values) => values.iter().any(has_large_number),
        Value::Object(members) => members.values().any(has_large_number),
        _ => false,
    }
}
