//! What a request may say: query parameters and header fields.

use http::HeaderName;
use serde_json::{Map, Value, json};

use super::{Endpoint, reference};
use crate::fanout::Completion;

/// Any field value that is no malformed request (RFC 9110, section 5.5).
const FIELD_VALUE: &str = r"^[\t\x20-\x7e\x80-\xff]*$";

/// Fields that OpenAPI takes from elsewhere: a parameter of such a name is to be ignored.
const NO_PARAMETERS: [&str; 3] = ["accept", "authorization", "content-type"];

/// What a duration looks like, as far as it can be said: no pattern adds up units, and none below can pass a year.
const DURATION: &str = "^[1-9][0-9]{0,6}(ms|s)$|^[1-9][0-9]{0,3}m$|^[1-9][0-9]{0,2}h$";

/// The fields that any aggregate reads, by the name of the component.
const OWN_FIELDS: [&str; 3] = ["X-Request-Id", "Prefer", "Last-Event-ID"];

/// The fields that Gather itself reads.
pub(super) fn components() -> Map<String, Value> {
    let about = [
        "The request's id, kept if it is 1 to 128 of `A-Z a-z 0-9 - _ . : ~ + / = @`; any other is replaced.",
        "`wait=SECONDS` (RFC 7240) means the same as `timeout`; the shortest bound holds. What says nothing useful is ignored.",
        "Where it is `end` and the request is for events, the stream was over: 204, and nothing is run.",
    ];
    let examples = ["req-42", "wait=2", "end"];
    let own = OWN_FIELDS.into_iter().zip(about.into_iter().zip(examples));
    let about = "The `ETag` that the client has: 304 where it is still the one (RFC 9110).";
    own.chain([("If-None-Match", (about, "W/\"0\""))])
        .map(|(name, (about, example))| (name.to_owned(), field(name, about, Some(example))))
        .collect()
}

fn field(name: &str, description: &str, example: Option<&str>) -> Value {
    let mut field = json!({
        "name": name,
        "in": "header",
        "description": description,
        "schema": {"type": "string", "pattern": FIELD_VALUE},
    });
    if let Some(example) = example {
        field["example"] = example.into();
    }
    field
}

/// What a route takes that says something of the gateway; `kept` is for one whose answers a client may keep.
pub(super) fn of_gateway(kept: bool) -> Value {
    let id = reference("parameters", "X-Request-Id");
    match kept {
        true => json!([id, reference("parameters", "If-None-Match")]),
        false => json!([id]),
    }
}

/// All that an aggregate takes.
pub(super) fn of_aggregate(endpoint: &Endpoint) -> Value {
    let mut all = vec![
        mode(endpoint),
        concurrency(endpoint),
        calls(endpoint),
        timeout(endpoint),
        wait_for(endpoint),
    ];
    all.extend(OWN_FIELDS.map(|name| reference("parameters", name)));
    all.extend(endpoint.forward_query.iter().map(|name| {
        json!({
            "name": name,
            "in": "query",
            "description": "Passed on as it comes, each time it is given, to the calls that take it.",
            "style": "form",
            "explode": true,
            "schema": {"type": "array", "items": {"type": "string"}},
        })
    }));
    let about = "The whole milliseconds for which the caller will wait: they shorten the deadline as `timeout` does. `0` is no bound; \
                 what is no number is ignored.";
    let of_callers = endpoint.deadline_headers.iter();
    all.extend(of_callers.map(|name| field(name.as_str(), about, Some("250"))));
    let is_known = |name: &str| {
        let of_callers = endpoint.deadline_headers.iter().map(HeaderName::as_str);
        let known = NO_PARAMETERS.iter().chain(&OWN_FIELDS).copied();
        known
            .chain(of_callers)
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    let forwarded = endpoint.forward_headers.iter();
    all.extend(
        forwarded
            .filter(|name| !is_known(name.as_str()))
            .map(|name| field(name.as_str(), "Passed on to the calls that take it.", None)),
    );
    all.into()
}

/// The fields that are passed on and can't be parameters here.
pub(super) fn unsaid(endpoint: &Endpoint) -> Vec<&str> {
    let names = endpoint.forward_headers.iter().map(|name| name.as_str());
    names.filter(|name| NO_PARAMETERS.contains(name)).collect()
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn mode(endpoint: &Endpoint) -> Value {
    let mut modes = vec!["sequential", "sync", "concurrent", "async"];
    let mut about = "`sequential` (`sync`): each call starts when the one before has ended. `concurrent` (`async`): all at once, \
                     or at most `concurrency` at a time."
        .to_owned();
    if endpoint.compare {
        modes.push("compare");
        about.push_str(" `compare`: both in turn under one deadline.");
    }
    let default = endpoint.mode.as_str();
    let schema = json!({"type": "string", "enum": modes, "default": default});
    query("mode", &about, &schema)
}

fn concurrency(endpoint: &Endpoint) -> Value {
    let most = endpoint.concurrency;
    let about = format!(
        "At most this many calls at a time. More than {most}, the configured bound, changes nothing."
    );
    let schema = json!({"type": "integer", "minimum": 1, "maximum": u32::MAX, "default": most});
    query("concurrency", &about, &schema)
}

fn calls(endpoint: &Endpoint) -> Value {
    let names: Vec<_> = endpoint.calls.iter().map(|name| &**name).collect();
    json!({
        "name": "calls",
        "in": "query",
        "description": "These calls of the aggregate, in this order.",
        "style": "form",
        "explode": false,
        "schema": {
            "type": "array",
            "items": {"type": "string", "enum": names},
            "minItems": 1,
            "uniqueItems": true,
        },
    })
}

fn timeout(endpoint: &Endpoint) -> Value {
    let deadline = humantime::format_duration(endpoint.deadline);
    let about = format!(
        "Shortens the deadline of {deadline}. A number with a unit; several, such as `1m 30s`, are taken too."
    );
    let schema = json!({"type": "string", "pattern": DURATION, "examples": ["500ms", "2s"]});
    query("timeout", &about, &schema)
}

fn wait_for(endpoint: &Endpoint) -> Value {
    let default = match endpoint.completion {
        Completion::Quorum(needed) if needed.get() > 1 => json!(needed),
        completion => json!(completion.to_string()),
    };
    let words: &[&str] = match endpoint.has_required {
        true => &["all", "required", "first"],
        false => &["all", "first"],
    };
    let schema = json!({
        "anyOf": [
            {"type": "string", "enum": words},
            {"type": "integer", "minimum": 1, "maximum": endpoint.calls.len()},
        ],
        "default": default,
    });
    let about = "What ends the run: that all calls are settled, or all that are not optional, or that one or this many have succeeded; no more than are made.";
    query("wait_for", about, &schema)
}
