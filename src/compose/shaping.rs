//! The part of a call's body that goes into an answer: selected, then with only some of its members. Bytes that a
//! reference or a path leads to are copied as they are. It must not know where the part stands in the answer.

use std::{borrow::Cow, slice};

use super::{
    shape::{CallShape, Place, Select},
    written::{put, string, value},
};
use crate::{
    exchange::ClientContext,
    expression::{Expression, Unevaluated},
    fanout::{Body, CallResult, Earlier, Outcome},
    pick::{self, Kind},
    values::{Reference, Scope, Value},
};

/// The shapes of the calls of one plan, and the client's request, as a shape may refer to it.
#[derive(Debug)]
pub struct Shaping<'a> {
    /// `None` in an example.
    client: Option<&'a ClientContext>,
    /// The index of each call in the aggregate and its shape, in plan order.
    calls: Vec<(usize, &'a CallShape)>,
}

impl<'a> Shaping<'a> {
    /// Makes it of the calls in plan order, each with its index in the aggregate.
    #[must_use]
    pub fn new(client: &'a ClientContext, calls: Vec<(usize, &'a CallShape)>) -> Self {
        Self {
            client: Some(client),
            calls,
        }
    }

    /// Makes it for an example, which has no client. No part can be selected then.
    #[must_use]
    pub fn of_example(calls: Vec<(usize, &'a CallShape)>) -> Self {
        Self {
            client: None,
            calls,
        }
    }

    /// Returns the shape of the call at this position of the plan.
    pub(super) fn shape(&self, position: usize) -> Option<&'a CallShape> {
        self.calls.get(position).map(|&(_, shape)| shape)
    }

    /// Returns the shape of the call at this position of the plan, unless its body goes into the answer as it came.
    pub(super) fn changed(&self, position: usize) -> Option<&'a CallShape> {
        self.shape(position).filter(|shape| !shape.is_plain())
    }

    /// Returns the configured place of the call at this position of the plan.
    pub(super) fn place(&self, position: usize) -> Option<&'a Place> {
        self.shape(position)?.into.as_ref()
    }

    /// Appends the value of `expression` over all results.
    ///
    /// # Errors
    /// Fails if it can't be evaluated, and says why.
    pub fn computed(
        &self,
        json: &mut Vec<u8>,
        expression: &Expression,
        outcome: &Outcome,
    ) -> Result<(), Unevaluated> {
        let Some(client) = self.client else {
            return Err(Unevaluated("there is no request".to_owned()));
        };
        let scope = Scope {
            client,
            earlier: outcome.earlier(),
            own: None,
            item: None,
        };
        expression.write(&scope, json)
    }

    /// Appends the part of a call's body, one JSON value. Returns false, with nothing appended, if the answer has none
    /// of it: it never leaves, or the call failed and nothing stands for its body.
    pub(super) fn part(&self, position: usize, call: &CallResult, out: &mut Vec<u8>) -> bool {
        let Some(&(index, shape)) = self.calls.get(position) else {
            return false;
        };
        if shape.is_hidden || (call.result.is_err() && call.fallback().is_none()) {
            return false;
        }
        let json = whole_json(call);
        match (&shape.select, &shape.prune, self.client) {
            (None, None, _) => whole(call, out),
            // A list of what may leave can't be held against text, so none of it leaves.
            (_, Some(_), _) if json.is_none() => out.extend_from_slice(NULL),
            (None, Some(prune), _) => prune.write(&prunable(call, json.unwrap_or(NULL)), out),
            (Some(select), prune, Some(client)) => {
                let own = Own::of(index, call);
                let scope = own.scope(client);
                match prune {
                    None => select.write(&scope, out),
                    Some(prune) => prune.write(&prunable(call, &select.value(&scope)), out),
                }
            }
            (Some(_), _, None) => out.extend_from_slice(NULL),
        }
        true
    }
}

const NULL: &[u8] = b"null";

/// A call's own result, as a shape refers to it: it may refer to no other call.
struct Own<'r> {
    index: usize,
    call: &'r CallResult,
    /// The places of a failed call's result, which is found by its index.
    positions: Vec<Option<usize>>,
}

impl<'r> Own<'r> {
    fn of(index: usize, call: &'r CallResult) -> Self {
        let mut positions = Vec::new();
        if call.result.is_err() {
            positions.resize(index + 1, None);
            positions[index] = Some(0);
        }
        Self {
            index,
            call,
            positions,
        }
    }

    fn scope<'s>(&'s self, client: &'s ClientContext) -> Scope<'s> {
        let (own, earlier) = match &self.call.result {
            Ok(reply) => (Some((self.index, reply)), Earlier::NONE),
            Err(_) => {
                let results = slice::from_ref(self.call);
                (None, Earlier::over(results, Some(&self.positions)))
            }
        };
        Scope {
            client,
            earlier,
            own,
            item: None,
        }
    }
}

impl Select {
    /// Appends the part, one JSON value. It is null if there is none.
    fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Reference(reference) => out.extend_from_slice(&found(reference, scope)),
            Self::Expression(expression) => {
                if expression.write(scope, out).is_err() {
                    out.extend_from_slice(NULL);
                }
            }
        }
    }

    /// Returns the part, one JSON value. It is null if there is none.
    fn value<'s>(&self, scope: &Scope<'s>) -> Cow<'s, [u8]> {
        match self {
            Self::Reference(reference) => found(reference, scope),
            Self::Expression(_) => {
                let mut json = Vec::new();
                self.write(scope, &mut json);
                Cow::Owned(json)
            }
        }
    }
}

/// Returns the JSON value at a reference. It is null if there is none.
fn found<'s>(reference: &Reference, scope: &Scope<'s>) -> Cow<'s, [u8]> {
    let mut json = Vec::new();
    match reference.find(scope) {
        Err(_) => return Cow::Borrowed(NULL),
        Ok(Value::Json(bytes)) => return Cow::Borrowed(bytes),
        Ok(Value::List(items)) => {
            list(&mut json, &items, |json, item| json.extend_from_slice(item))
        }
        Ok(Value::Text(text)) => string(&mut json, &text),
        Ok(Value::Texts(texts)) => list(&mut json, &texts, |json, text| string(json, text)),
        Ok(Value::Number(number)) => put(&mut json, format_args!("{number}")),
        Ok(Value::Bool(value)) => put(&mut json, format_args!("{value}")),
    }
    Cow::Owned(json)
}

fn list<T>(json: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    json.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write(json, item);
    }
    json.push(b']');
}

/// Appends the whole body of a call, or its fallback, as one JSON value.
fn whole(call: &CallResult, out: &mut Vec<u8>) {
    match (&call.result, call.fallback()) {
        (Ok(reply), _) => value(out, &reply.body),
        (Err(_), Some(fallback)) => out.extend_from_slice(fallback),
        (Err(_), None) => out.extend_from_slice(NULL),
    }
}

/// Returns the whole body of a call, or its fallback, if it is JSON.
fn whole_json(call: &CallResult) -> Option<&[u8]> {
    match (&call.result, call.fallback()) {
        (Ok(reply), _) => match &reply.body {
            Body::Json(bytes) => Some(bytes),
            Body::Empty | Body::Text { .. } | Body::Binary { .. } => None,
        },
        (Err(_), fallback) => fallback.map(|json| &**json),
    }
}

/// Returns the JSON to prune. Of a call with `each`, an element that is no JSON is a text in its list, and becomes null
/// as a whole body does.
fn prunable<'j>(call: &CallResult, json: &'j [u8]) -> Cow<'j, [u8]> {
    let is_text = |element: &[u8]| pick::kind(element) == Kind::Text;
    let is_list = call.result.is_ok() && call.each().is_some();
    if !is_list || !pick::elements(json).any(is_text) {
        return Cow::Borrowed(json);
    }
    let elements = pick::elements(json);
    let elements = elements.map(|element| if is_text(element) { NULL } else { element });
    let mut without = Vec::with_capacity(json.len());
    list(
        &mut without,
        &elements.collect::<Vec<_>>(),
        |json, element| {
            json.extend_from_slice(element);
        },
    );
    Cow::Owned(without)
}

#[cfg(test)]
#[path = "shaping_tests.rs"]
mod tests;
