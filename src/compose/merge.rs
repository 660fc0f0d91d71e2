//! The merged answer: one object with the part of each call's body in its place, in plan order, and the failures of
//! calls. It has each member once. It must not know how the answer is sent.

use std::borrow::Cow;

use super::{
    json,
    shape::Place,
    shaping::Shaping,
    spread::Spread,
    written::{put, string},
};
use crate::fanout::{Body, CallResult, FailureKind, Outcome};

/// The name of the member that lists the failures. No call and no upstream has another use for it.
pub const ERRORS: &str = "errors";

/// Appends the merged answer. A call without a part has no member.
pub fn merged(json: &mut Vec<u8>, outcome: &Outcome, shaping: &Shaping<'_>) {
    let calls = outcome.results.iter().enumerate();
    let room = |(position, call)| json::room(call, Some((shaping, position)));
    json.reserve(calls.map(room).sum());
    let positions: Vec<_> = (0..outcome.results.len()).collect();
    let objects: Vec<_> = positions
        .iter()
        .filter(|&&position| shaping.place(position) == Some(&Place::Spread))
        .filter_map(|&position| {
            let object = object(&outcome.results[position], position, shaping)?;
            Some((position, object))
        })
        .collect();
    let (mut spread, mut misfits) = (Spread::default(), Vec::new());
    for (position, object) in &objects {
        if spread.add(object).is_err() {
            misfits.push(*position);
        }
    }
    let mut merge = Merge {
        outcome,
        shaping,
        spreading: objects.iter().map(|&(position, _)| position).collect(),
        spread: Spread::default(),
        misfits,
    };
    if !objects.is_empty() {
        let named = positions
            .iter()
            .filter_map(|&position| merge.name(position, 0));
        spread.settle(&named.chain([ERRORS]).collect::<Vec<_>>());
        merge.spread = spread;
    }
    json.push(b'{');
    merge.level(json, 0, &positions);
    merge.errors(json);
    json.push(b'}');
}

/// Returns the part of a call's body that is to be spread, if it has one. A whole body is not copied.
fn object<'r>(
    call: &'r CallResult,
    position: usize,
    shaping: &Shaping<'_>,
) -> Option<Cow<'r, [u8]>> {
    if let Ok(reply) = &call.result
        && let Body::Json(bytes) = &reply.body
        && shaping.changed(position).is_none()
    {
        return Some(Cow::Borrowed(bytes));
    }
    let mut part = Vec::new();
    shaping
        .part(position, call, &mut part)
        .then_some(Cow::Owned(part))
}

struct Merge<'a, 'j> {
    outcome: &'a Outcome,
    shaping: &'a Shaping<'a>,
    /// The positions of the calls whose parts are spread, in order.
    spreading: Vec<usize>,
    spread: Spread<'j>,
    /// Those of them whose parts are no objects.
    misfits: Vec<usize>,
}

impl Merge<'_, '_> {
    /// Returns the name of a call's place at this depth. A body that never leaves has none.
    fn name(&self, position: usize, depth: usize) -> Option<&str> {
        if self.shaping.shape(position)?.is_hidden {
            return None;
        }
        match self.shaping.place(position) {
            None if depth == 0 => Some(&self.outcome.results[position].name),
            Some(Place::At(names)) => names.get(depth).map(|name| &**name),
            None | Some(Place::Spread) => None,
        }
    }

    /// Appends the members at this depth. The calls at `positions` have the names before it in common.
    fn level(&self, json: &mut Vec<u8>, depth: usize, positions: &[usize]) {
        for (at, &position) in positions.iter().enumerate() {
            let Some(name) = self.name(position, depth) else {
                self.members(json, position);
                continue;
            };
            let before = json.len();
            let is_written = if self.name(position, depth + 1).is_none() {
                key(json, name);
                let call = &self.outcome.results[position];
                self.shaping.part(position, call, json)
            } else {
                let within = |&&other: &&usize| {
                    self.name(other, depth) == Some(name) && self.name(other, depth + 1).is_some()
                };
                if positions[..at].iter().any(|other| within(&other)) {
                    continue;
                }
                let within: Vec<_> = positions[at..].iter().filter(within).copied().collect();
                key(json, name);
                json.push(b'{');
                let start = json.len();
                self.level(json, depth + 1, &within);
                let is_empty = json.len() == start;
                json.push(b'}');
                !is_empty
            };
            if !is_written {
                json.truncate(before);
            }
        }
    }

    /// Appends the members of a part that is spread.
    fn members(&self, json: &mut Vec<u8>, position: usize) {
        let Some(object) = self.spreading.iter().position(|other| *other == position) else {
            return;
        };
        for (name, value) in self.spread.of(object) {
            comma(json);
            json.push(b'"');
            json.extend_from_slice(name);
            json.extend_from_slice(b"\":");
            json.extend_from_slice(value);
        }
    }

    /// Appends the failures of calls as the last member, if there are any.
    fn errors(&self, json: &mut Vec<u8>) {
        let before = json.len();
        key(json, ERRORS);
        json.push(b'[');
        let start = json.len();
        for (position, call) in self.outcome.results.iter().enumerate() {
            let (kind, status, detail) = match &call.result {
                Err(failure) if failure.kind != FailureKind::Omitted => {
                    (failure.kind, failure.status, &*failure.detail)
                }
                Ok(reply) if self.misfits.contains(&position) => {
                    (FailureKind::Unexpected, Some(reply.status), NO_OBJECT)
                }
                _ => continue,
            };
            if json.len() > start {
                json.push(b',');
            }
            json.extend_from_slice(b"{\"name\":");
            string(json, &call.name);
            put(json, format_args!(",\"failure\":\"{kind}\""));
            if let Some(status) = status {
                put(json, format_args!(",\"status\":{}", status.as_u16()));
            }
            json.extend_from_slice(b",\"detail\":");
            string(json, detail);
            json.push(b'}');
        }
        if json.len() == start {
            json.truncate(before);
        } else {
            json.push(b']');
        }
    }
}

/// The reason why a part that is to be spread is not in the answer.
const NO_OBJECT: &str = "the value is no object, so it has no members that can stand in the answer";

/// Appends a member's name, after a comma unless it is the object's first.
fn key(json: &mut Vec<u8>, name: &str) {
    comma(json);
    string(json, name);
    json.push(b':');
}

fn comma(json: &mut Vec<u8>) {
    // No value ends with a brace that opens one.
    if json.last() != Some(&b'{') {
        json.push(b',');
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
