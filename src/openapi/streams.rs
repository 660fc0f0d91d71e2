//! The streams of aggregates. It must not know how they are sent.
//!
//! OpenAPI 3.2 has `itemSchema` for the messages of a stream, so each stream is among its operation's answers. With
//! 3.1, programs would take it for one more body of the same answer. So there a path item among the components
//! describes the streams of all aggregates. It is on no path, and generated clients have only its types.

use serde_json::{Map, Value, json};

use super::{components::reference, examples, surface::Surface};
use crate::compose::{END, Framing};
use crate::endpoint::Endpoint;

/// The way to get a stream, and the one answer that only a client of streams meets.
pub(super) const ABOUT: &str = "Where `Accept` names `application/x-ndjson` or `text/event-stream`, it is a stream: each \
    result the moment it is settled, and last an outcome. An `EventSource` that comes back to a stream that was over, with \
    `Last-Event-ID: end`, gets a 204 and stops; nothing is run.";

const FRAMINGS: [Framing; 2] = [Framing::Lines, Framing::Events];

/// Returns an aggregate's streams by their media types, as OpenAPI 3.2 has them.
pub(super) fn of(endpoint: &Endpoint) -> Map<String, Value> {
    FRAMINGS
        .into_iter()
        .map(|framing| {
            let example = examples::stream(endpoint, framing);
            let stream = json!({
                "itemSchema": message(framing, endpoint.limits.compare),
                "examples": {"complete": {"serializedValue": example}},
            });
            (framing.media_type().to_owned(), stream)
        })
        .collect()
}

/// The path items that describe streams in OpenAPI 3.1; none where there is no aggregate.
pub(super) fn path_items(surface: &Surface<'_>) -> Option<Value> {
    let first = surface.endpoints.first()?;
    let compare = surface
        .endpoints
        .iter()
        .any(|endpoint| endpoint.limits.compare);
    let content: Map<_, _> = FRAMINGS
        .into_iter()
        .map(|framing| {
            let stream = json!({
                "schema": {
                    "type": "string",
                    "contentMediaType": framing.media_type(),
                    "contentSchema": {"type": "array", "items": message(framing, compare)},
                },
                "examples": {"complete": {"value": examples::stream(first, framing)}},
            });
            (framing.media_type().to_owned(), stream)
        })
        .collect();
    let operation = json!({
        "operationId": "streamed",
        "summary": "Run an aggregate and stream its results",
        "description": "Any aggregate, if `Accept` names one of these types. Everything else is as on its path.",
        "responses": {"200": {"description": "A stream.", "content": content}},
    });
    Some(json!({"Streamed": {"get": operation}}))
}

/// Returns a message of a stream. `compare` adds those of `mode=compare`.
fn message(framing: Framing, compare: bool) -> Value {
    match framing {
        Framing::Lines => line(compare),
        Framing::Events => event(compare),
    }
}

fn line(compare: bool) -> Value {
    let mut items = vec![reference("schemas", "StreamedResult")];
    items.extend(outcomes(compare));
    json!({
        "description": "A line for each call at the moment when it is settled, and a last line for everything else. Without that one the \
                        stream was cut off.",
        "anyOf": items,
    })
}

fn event(compare: bool) -> Value {
    let data =
        |schema: Value| json!({"contentMediaType": "application/json", "contentSchema": schema});
    let outcome = match &outcomes(compare)[..] {
        [only] => only.clone(),
        several => json!({"anyOf": several}),
    };
    json!({
        "type": "object",
        "description": "An event `result` for each call the moment it is settled, and last an event `outcome`. Without that \
                        one the stream was cut off.",
        "properties": {
            "event": {"type": "string", "enum": ["result", "outcome"]},
            "id": {"type": "string"},
            "data": {"type": "string"},
        },
        "required": ["event", "data"],
        "oneOf": [
            {
                "properties": {
                    "event": {"const": "result"},
                    "data": data(reference("schemas", "StreamedResult")),
                },
                "required": ["event"],
            },
            {
                "properties": {
                    "event": {"const": "outcome"},
                    "id": {"const": END},
                    "data": data(outcome),
                },
                "required": ["event", "id"],
            },
        ],
    })
}

/// Returns the possible last messages.
fn outcomes(compare: bool) -> Vec<Value> {
    let names: &[_] = match compare {
        true => &["StreamedOutcome", "StreamedComparison"],
        false => &["StreamedOutcome"],
    };
    names
        .iter()
        .map(|name| reference("schemas", name))
        .collect()
}
