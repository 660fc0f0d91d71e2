//! The header fields of answers. It must not know which answer has which.

use serde_json::{Map, Value, json};

use super::components::reference;
use crate::{
    endpoint::Endpoint,
    fanout::{Blame, Verdict},
};

/// A field: its name, its description and its schema.
type Field = (&'static str, &'static str, Value);

/// Returns the fields that answers of aggregates may have.
fn of_runs() -> Vec<Field> {
    let millis = || json!({"type": "number", "minimum": 0, "examples": [2001.913]});
    let verdicts = [
        Verdict::Complete,
        Verdict::Partial,
        Verdict::Failed(Blame::Time),
    ]
    .map(Verdict::as_str);
    vec![
        (
            "Gather-Mode",
            "What was run.",
            json!({"type": "string", "enum": ["sequential", "concurrent", "compare"]}),
        ),
        (
            "Gather-Outcome",
            "The outcome; in a comparison the worse of the two.",
            json!({"type": "string", "enum": verdicts}),
        ),
        (
            "Gather-Elapsed",
            "Milliseconds of the run; in a comparison of both together.",
            millis(),
        ),
        (
            "Gather-Sequential",
            "Milliseconds, the sum of the calls' times; in a comparison of both together.",
            millis(),
        ),
        (
            "Server-Timing",
            "The time of the whole and of each call, with its status or class of failure (W3C Server Timing). Calls for which the \
             head has no room are counted by `_more`.",
            json!({"type": "string", "examples": ["total;dur=2001.9, users;dur=2001.4;desc=\"200\""]}),
        ),
        (
            "Gather-Calls",
            "In a stream: the names of the plan's calls, in order. Left out if the head has no room for all of them.",
            json!({"type": "string", "examples": ["users,orders"]}),
        ),
        (
            "Incremental",
            "Tells proxies to pass each piece of a stream on as it comes (RFC 10036).",
            json!({"type": "string", "enum": ["?1"]}),
        ),
        (
            "X-Accel-Buffering",
            "In a stream: keeps nginx from collecting small pieces.",
            json!({"type": "string", "enum": ["no"]}),
        ),
        (
            "Preference-Applied",
            "Present if the `wait` of `Prefer` was the bound that held (RFC 7240).",
            json!({"type": "string", "pattern": "^wait=[1-9][0-9]*$", "examples": ["wait=2"]}),
        ),
    ]
}

/// Returns the fields that other answers may have too.
fn of_any() -> Vec<Field> {
    let text = || json!({"type": "string"});
    vec![
        (
            "X-Request-Id",
            "The caller's, if it is 1 to 128 of `A-Z a-z 0-9 - _ . : ~ + / = @`, else a new one. Upstreams and the log have the \
             same.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9._:~+/=@-]{1,128}$", "examples": ["req-42"]}),
        ),
        (
            "Cache-Control",
            "Whether the answer may be kept.",
            json!({"type": "string", "enum": ["no-store", "no-store, no-transform", "no-cache"]}),
        ),
        (
            "Retry-After",
            "When to ask again, in seconds.",
            json!({"type": "integer", "minimum": 0, "examples": [1]}),
        ),
        (
            "Accept",
            "The types of a body that are taken.",
            json!({"type": "string", "examples": ["application/json"]}),
        ),
        (
            "Accept-Query",
            "The types of a QUERY that are taken (RFC 10008).",
            json!({"type": "string", "examples": ["\"application/json\""]}),
        ),
        (
            "Accept-Encoding",
            "The codings of a body that are taken.",
            json!({"type": "string", "enum": ["identity"]}),
        ),
        (
            "WWW-Authenticate",
            "The upstream's challenges, if its status is the answer's own.",
            json!({"type": "string", "examples": ["Bearer"]}),
        ),
        (
            "ETag",
            "Which version it is.",
            json!({"type": "string", "examples": ["W/\"5d2c8e0f1b7a9c34\""]}),
        ),
        ("Content-Security-Policy", "What the page may load.", text()),
        (
            "X-Content-Type-Options",
            "That the type is what it says.",
            json!({"type": "string", "enum": ["nosniff"]}),
        ),
        (
            "Referrer-Policy",
            "That no other page is told of this one.",
            json!({"type": "string", "enum": ["no-referrer"]}),
        ),
        (
            "Vary",
            "The fields of the request on which the answer depends.",
            text(),
        ),
        (
            "Content-Encoding",
            "For an answer of 1 KiB and more and for a stream, if the client takes it.",
            json!({"type": "string", "enum": ["br", "gzip"]}),
        ),
    ]
}

/// The component of a `Retry-After` that comes from an upstream.
pub(super) const PASSED_RETRY_AFTER: &str = "Retry-After.passed";

/// The component of a field that an upstream's answer has, and that goes to the client by its name.
const PASSED: &str = "Passed";

/// Adds the fields of upstreams' answers that go to the client: a problem has cookies alone. Fields of the gateway's
/// own stay.
pub(super) fn put_passed(fields: &mut Value, endpoint: &Endpoint, is_good: bool) {
    let Some(fields) = fields.as_object_mut() else {
        return;
    };
    for name in &endpoint.response_headers {
        let is_own = fields
            .keys()
            .any(|own| own.eq_ignore_ascii_case(name.as_str()));
        if !is_own && (is_good || *name == http::header::SET_COOKIE) {
            fields.insert(name.as_str().to_owned(), reference("headers", PASSED));
        }
    }
}

/// Returns the fields as components: each as a required field, and as an optional one.
pub(super) fn components() -> Map<String, Value> {
    let mut all = Map::new();
    for (name, description, schema) in of_runs().into_iter().chain(of_any()) {
        for (required, name) in [(true, name.to_owned()), (false, optional(name))] {
            let field = json!({"description": description, "required": required, "schema": schema});
            all.insert(name, field);
        }
    }
    all.insert(
        PASSED.to_owned(),
        json!({
            "description": "A field of an upstream's answer, as it came. A stream does not have it.",
            "required": false,
            "schema": {"type": "string"},
        }),
    );
    all.insert(
        PASSED_RETRY_AFTER.to_owned(),
        json!({
            "description": "The time to ask the upstream again, as it said itself: seconds, or a date.",
            "required": false,
            "schema": {"type": "string", "examples": ["30"]},
        }),
    );
    all
}

pub(super) fn optional(name: &str) -> String {
    format!("{name}.optional")
}

/// Returns the fields of an answer: those that it always has and those that it may have.
pub(super) fn of(always: &[&str], sometimes: &[&str]) -> Value {
    let always = always
        .iter()
        .map(|name| ((*name).to_owned(), reference("headers", name)));
    let sometimes = sometimes
        .iter()
        .map(|name| ((*name).to_owned(), reference("headers", &optional(name))));
    always.chain(sometimes).collect::<Map<_, _>>().into()
}
