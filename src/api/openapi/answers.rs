//! What an aggregate answers: its run whole or as a stream, or the problem of one that failed.

use serde_json::{Map, Value, json};

use super::{Endpoint, Surface, examples, headers, reference};
use crate::{
    api::error::ProblemKind,
    compose::{END, Framing},
    fanout::Blame,
};

/// What every answer says that is whole.
pub(super) const WHOLE: [&str; 5] = [
    "Gather-Mode",
    "Gather-Outcome",
    "Gather-Elapsed",
    "Gather-Sequential",
    "Server-Timing",
];

/// What all that an aggregate answers says.
pub(super) const ALWAYS: [&str; 2] = ["X-Request-Id", "Cache-Control"];

/// The answers of runs, by status; to HEAD they have no body and are no streams.
pub(super) fn of(endpoint: &Endpoint, surface: &Surface, head: bool) -> Map<String, Value> {
    let compressed = compressed(surface);
    let mut all = Map::new();
    all.insert("200".to_owned(), good(endpoint, compressed, head));
    if !head {
        let description =
            "The stream of events was over: it was asked for with `Last-Event-ID: end`.";
        let headers = headers::of(&["X-Request-Id"], &[]);
        all.insert(
            "204".to_owned(),
            json!({"description": description, "headers": headers}),
        );
    }
    for (status, blame, description) in [
        (
            "502",
            Blame::Upstream,
            "`upstream-failed`: what was waited for did not come; the run is beside the problem. Or `loop-detected`: an upstream \
             leads back to this gateway; nothing was sent.",
        ),
        (
            "504",
            Blame::Time,
            "`upstream-timeout`: what was waited for did not come in time; the run is beside the problem.",
        ),
    ] {
        let mut always = ALWAYS.to_vec();
        let mut sometimes = [&["Preference-Applied"], compressed].concat();
        let mut schema = either(endpoint, "FailedRun", "FailedComparison");
        let mut cases = json!({"failed": {"value": examples::failure(endpoint, blame)}});
        match blame {
            Blame::Time => always.extend(WHOLE),
            Blame::Upstream => {
                // A loop is a problem without a run.
                sometimes.extend(WHOLE);
                schema = json!({"anyOf": [schema, reference("schemas", "Problem")]});
                cases["loop"] = json!({"value": examples::problem(ProblemKind::LoopDetected)});
            }
        }
        let mut response =
            json!({"description": description, "headers": headers::of(&always, &sometimes)});
        if !head {
            response["content"] =
                json!({"application/problem+json": {"schema": schema, "examples": cases}});
        }
        all.insert(status.to_owned(), response);
    }
    all
}

/// What an answer may say that is compressed for some clients.
pub(super) const fn compressed(surface: &Surface) -> &'static [&'static str] {
    match surface.compression {
        true => &["Vary", "Content-Encoding"],
        false => &[],
    }
}

fn good(endpoint: &Endpoint, compressed: &[&str], head: bool) -> Value {
    let description = "What came of it: `complete`, or `partial` where some call failed.";
    if head {
        let always = [&WHOLE[..], &ALWAYS].concat();
        let sometimes = [&["Preference-Applied"], compressed].concat();
        return json!({"description": description, "headers": headers::of(&always, &sometimes)});
    }
    // A stream has in its last message what is not known at its beginning.
    let always = [&ALWAYS[..], &["Gather-Mode"]].concat();
    let mut sometimes = WHOLE.to_vec();
    sometimes.retain(|name| !always.contains(name));
    sometimes.extend([
        "Gather-Calls",
        "Incremental",
        "X-Accel-Buffering",
        "Preference-Applied",
    ]);
    sometimes.extend(["Vary", "Content-Encoding"].iter().filter(|name| {
        // A stream depends on `Accept`, whether or not anything is compressed.
        **name == "Vary" || compressed.contains(name)
    }));
    let mut whole = json!({
        "schema": either(endpoint, "Run", "Comparison"),
        "examples": {"complete": {"value": examples::run(endpoint)}},
    });
    if endpoint.compare {
        whole["examples"]["compare"] = json!({"value": examples::comparison(endpoint)});
    }
    json!({
        "description": description,
        "headers": headers::of(&always, &sometimes),
        "content": {
            "application/json": whole,
            "application/x-ndjson": stream(endpoint, Framing::Lines),
            "text/event-stream": stream(endpoint, Framing::Events),
        },
    })
}

/// What a run is, or a comparison where the aggregate may be compared.
pub(super) fn either(endpoint: &Endpoint, run: &str, comparison: &str) -> Value {
    match endpoint.compare {
        true => {
            json!({"oneOf": [reference("schemas", run), reference("schemas", comparison)]})
        }
        false => reference("schemas", run),
    }
}

/// A stream. OpenAPI 3.1 has no word for what its messages are (3.2 has `itemSchema`), so the text's content is described as
/// the sequence of them.
fn stream(endpoint: &Endpoint, framing: Framing) -> Value {
    let (ends, names): (_, &[_]) = match endpoint.compare {
        true => (
            "`StreamedOutcome` or, of `mode=compare`, a `StreamedComparison`",
            &["StreamedResult", "StreamedOutcome", "StreamedComparison"],
        ),
        false => ("`StreamedOutcome`", &["StreamedResult", "StreamedOutcome"]),
    };
    let messages: Vec<_> = names
        .iter()
        .map(|name| reference("schemas", name))
        .collect();
    let messages = json!({"anyOf": messages});
    let about = match framing {
        Framing::Lines => {
            "A line for each call the moment it is settled, a `StreamedResult`, and a last one for all the rest, a"
        }
        Framing::Events => {
            "An event `result` for each call the moment it is settled, a `StreamedResult`, and last an event `outcome`, a"
        }
    };
    let about = format!("{about} {ends}. Without it the stream was cut off.");
    let schema = match framing {
        Framing::Lines => json!({
            "type": "string",
            "contentMediaType": framing.media_type(),
            "contentSchema": {"type": "array", "items": messages},
            "description": about,
        }),
        // The whole text, or what programs make of each event: they look here for that, having no other place before 3.2.
        Framing::Events => json!({
            "type": ["string", "object"],
            "properties": {
                "event": {"type": "string", "enum": ["result", "outcome"]},
                "id": {"type": "string", "enum": [END]},
                "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": messages},
            },
            "required": ["event", "data"],
            "description": about,
        }),
    };
    json!({
        "schema": schema,
        "examples": {"complete": {"value": examples::stream(endpoint, framing)}},
    })
}
