//! The schemas of answers, made from their types. It must not know which route gives which.

use serde_json::{Map, Value};

use super::{
    examples,
    problems::{self, put},
    surface::Surface,
};
use crate::{
    api::ProblemKind,
    compose::types::{
        CallFailure, Comparison, Run, StreamedComparison, StreamedOutcome, StreamedResult,
    },
};

/// Returns the schemas of answers, by name.
pub(super) fn schemas(surface: &Surface<'_>) -> Map<String, Value> {
    let mut all = Vec::new();
    put::<Run>(&mut all);
    put::<Comparison>(&mut all);
    put::<CallFailure>(&mut all);
    put::<StreamedResult>(&mut all);
    put::<StreamedOutcome>(&mut all);
    put::<StreamedComparison>(&mut all);
    problems::put_schemas(&mut all);
    let mut all: Map<_, _> = all
        .into_iter()
        .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)))
        .collect();
    for schema in all.values_mut() {
        make_constants(schema);
    }
    let mut calls = surface
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.calls);
    if calls.any(|call| call.shape.is_hidden) {
        let parts = all["Succeeded"]["allOf"].as_array_mut();
        for part in parts.into_iter().flatten() {
            if let Some(required) = part.get_mut("required").and_then(Value::as_array_mut) {
                // A body that never leaves has no member.
                required.retain(|name| name != "body");
            }
        }
    }
    // Some kinds belong to no route.
    all["Problem"]["examples"] = ProblemKind::ALL
        .into_iter()
        // It has members of its own.
        .filter(|kind| *kind != ProblemKind::NotReady)
        .map(examples::problem)
        .collect();
    all
}

/// Writes a list of one truth value as `const`, which utoipa can't express. Generators make an enumeration of a list.
fn make_constants(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let word = match members
                .get("enum")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
            {
                Some([word @ Value::Bool(_)]) => Some(word.clone()),
                _ => None,
            };
            if let Some(word) = word {
                members.remove("enum");
                members.insert("const".to_owned(), word);
            }
            members.values_mut().for_each(make_constants);
        }
        Value::Array(items) => items.iter_mut().for_each(make_constants),
        _ => {}
    }
}
