//! The answers of an aggregate: its run, whole or as a stream, or the problem of a run that failed. It must not know
//! the aggregate's parameters.
//!
//! Generated clients make one type of all successful answers of an operation. So these are only answers that a client
//! gets without asking by hand: before OpenAPI 3.2 no stream, and never the 204 that ends an `EventSource`.

use serde_json::{Map, Value, json};

use super::{
    components::reference,
    examples, headers, shapes, streams,
    surface::{Surface, Version},
};
use crate::{api::ProblemKind, endpoint::Endpoint, fanout::Blame};

/// The fields of every answer that is whole.
pub(super) const WHOLE: [&str; 5] = [
    "Gather-Mode",
    "Gather-Outcome",
    "Gather-Elapsed",
    "Gather-Sequential",
    "Server-Timing",
];

/// The fields of every answer of an aggregate.
pub(super) const ALWAYS: [&str; 2] = ["X-Request-Id", "Cache-Control"];

/// Returns the answers of runs, by status. Answers to HEAD have no body and are not streams.
pub(super) fn of(
    endpoint: &Endpoint,
    surface: &Surface<'_>,
    version: Version,
    head: bool,
) -> Map<String, Value> {
    let compressed = compressed(surface);
    let mut all = Map::new();
    let good = match head {
        true => good_head(compressed),
        false => good(endpoint, compressed, version),
    };
    all.insert("200".to_owned(), good);
    for (status, blame, description) in [
        (
            "502",
            Blame::Upstream,
            "`upstream-failed`: the awaited calls did not succeed. The problem has the run's members too. Or `loop-detected`: an upstream \
             leads back to this gateway; nothing was sent.",
        ),
        (
            "504",
            Blame::Time,
            "`upstream-timeout`: the awaited calls did not succeed in time. The problem has the run's members too.",
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
    for (status, response) in &mut all {
        headers::put_passed(&mut response["headers"], endpoint, status == "200");
    }
    all
}

/// The fields of an answer that may be compressed.
pub(super) const fn compressed(surface: &Surface<'_>) -> &'static [&'static str] {
    match surface.compression {
        true => &["Vary", "Content-Encoding"],
        false => &[],
    }
}

const GOOD: &str = "The outcome: `complete`, or `partial` if some call failed.";

fn good_head(compressed: &[&str]) -> Value {
    let always = [&WHOLE[..], &ALWAYS].concat();
    let sometimes = [&["Preference-Applied"], compressed].concat();
    json!({"description": GOOD, "headers": headers::of(&always, &sometimes)})
}

fn good(endpoint: &Endpoint, compressed: &[&str], version: Version) -> Value {
    // A stream has the fields that are unknown at its beginning in its last message.
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
        // A stream depends on `Accept`, even if nothing is compressed.
        **name == "Vary" || compressed.contains(name)
    }));
    let mut content = Map::from_iter([("application/json".to_owned(), whole(endpoint))]);
    if version == Version::V3_2 {
        content.extend(streams::of(endpoint));
    }
    json!({
        "description": format!("{GOOD} {}", streams::ABOUT),
        "headers": headers::of(&always, &sometimes),
        "content": content,
    })
}

/// Returns the body of an answer that is whole, in its shape.
fn whole(endpoint: &Endpoint) -> Value {
    let schema = match shapes::value(endpoint) {
        None => either(endpoint, "Run", "Comparison"),
        Some(value) if endpoint.limits.compare => {
            json!({"anyOf": [value, reference("schemas", "Comparison")]})
        }
        Some(value) => value,
    };
    let mut whole = json!({"schema": schema});
    if let Some(example) = examples::run(endpoint) {
        whole["examples"]["complete"] = json!({"value": example});
    }
    if endpoint.limits.compare {
        whole["examples"]["compare"] = json!({"value": examples::comparison(endpoint)});
    }
    whole
}

/// Returns the schema of a run, or of a run or a comparison if the aggregate may be compared.
pub(super) fn either(endpoint: &Endpoint, run: &str, comparison: &str) -> Value {
    match endpoint.limits.compare {
        true => {
            json!({"oneOf": [reference("schemas", run), reference("schemas", comparison)]})
        }
        false => reference("schemas", run),
    }
}
