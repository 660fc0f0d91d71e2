//! The parts of a request: query parameters and header fields. It must not know the answers.
//!
//! Generators name a type for each list of words, so lists are components: otherwise each operation would have its own.
//! No parameter has a `default`: generated clients would send it, and still send it after the configuration has
//! changed.

use http::HeaderName;
use serde_json::{Map, Value, json};

use super::{components::reference, surface::Surface};
use crate::{
    endpoint::{Endpoint, ParameterKind, PathParameter, Takes},
    fanout::PARAMETERS,
};

/// Any field value that is valid in a request (RFC 9110, section 5.5).
const FIELD_VALUE: &str = r"^[\t\x20-\x7e\x80-\xff]*$";

/// Fields that OpenAPI takes from elsewhere. It ignores a parameter with such a name.
const NO_PARAMETERS: [&str; 3] = ["accept", "authorization", "content-type"];

/// The pattern of a duration. It is stricter than the parser: no pattern adds up units, and no match here can pass a
/// year.
const DURATION: &str = "^[1-9][0-9]{0,6}(ms|s)$|^[1-9][0-9]{0,3}m$|^[1-9][0-9]{0,2}h$";

/// The fields that any aggregate reads, by the name of the component.
const OWN_FIELDS: [&str; 2] = ["X-Request-Id", "Prefer"];

/// Returns the fields that Gather itself reads.
pub(super) fn components() -> Map<String, Value> {
    let about = [
        "The request's id, kept if it is 1 to 128 of `A-Z a-z 0-9 - _ . : ~ + / = @`; any other is replaced.",
        "`wait=SECONDS` (RFC 7240) means the same as `timeout`; the shortest bound holds. Other values are ignored.",
    ];
    let examples = ["req-42", "wait=2"];
    let own = OWN_FIELDS.into_iter().zip(about.into_iter().zip(examples));
    let about = "The client's `ETag`. The answer is 304 if it is still the same (RFC 9110).";
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

/// Returns the parameters of a route about the gateway itself. `kept` is for one whose answers a client may keep.
pub(super) fn of_gateway(kept: bool) -> Value {
    let id = reference("parameters", "X-Request-Id");
    match kept {
        true => json!([id, reference("parameters", "If-None-Match")]),
        false => json!([id]),
    }
}

/// Returns true if the aggregate's own route has parameters.
pub(super) fn has_own(endpoint: &Endpoint) -> bool {
    !of_route(endpoint).is_empty()
}

/// Returns the parameters of the aggregate's own route.
fn of_route(endpoint: &Endpoint) -> &[PathParameter] {
    let route = endpoint.route.as_ref();
    route.map_or(&[], |route| &route.parameters)
}

/// Returns all parameters of an aggregate, on its own route or `by_name`.
pub(super) fn of_aggregate(endpoint: &Endpoint, by_name: bool) -> Value {
    let route = of_route(endpoint);
    let in_route = |name: &str| by_name && route.iter().any(|own| &*own.name == name);
    let mut all: Vec<_> = route.iter().map(|own| of_path(own, by_name)).collect();
    if endpoint.limits.parameters {
        let own = PARAMETERS.into_iter().filter(|name| !in_route(name));
        all.extend(own.map(|name| match name {
            "mode" => mode(endpoint),
            "concurrency" => concurrency(endpoint),
            "timeout" => timeout(endpoint),
            "wait_for" => wait_for(endpoint),
            _ => calls(endpoint),
        }));
    }
    all.extend(OWN_FIELDS.map(|name| reference("parameters", name)));
    let forwarded = endpoint.forward_query.iter();
    all.extend(forwarded.filter(|name| !in_route(name)).map(|name| {
        let takers = takers(endpoint, |takes| takes.query.iter().any(|own| **own == **name));
        json!({
            "name": name,
            "in": "query",
            "description": match takers {
                Some(takers) => format!("Goes into the requests of {takers}."),
                None => "Passed on as it comes, each time it is given, to the calls that take it.".to_owned(),
            },
            "style": "form",
            "explode": true,
            // Given once as a rule, so that it needs no list.
            "schema": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
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
            .map(|name| {
                let takers = takers(endpoint, |takes| takes.headers.contains(name));
                let about = match takers {
                    Some(takers) => format!("Goes into the requests of {takers}."),
                    None => "Passed on to the calls that take it.".to_owned(),
                };
                field(name.as_str(), &about, None)
            }),
    );
    all.into()
}

/// Returns the names of the calls whose references take something, if there are any.
fn takers(endpoint: &Endpoint, is_taken: impl Fn(&Takes) -> bool) -> Option<String> {
    let calls = endpoint.calls.iter().filter(|call| is_taken(&call.takes));
    let names: Vec<_> = calls.map(|call| format!("`{}`", call.name)).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Returns a parameter of a route, which is one of the query where the aggregate is asked for by its name.
fn of_path(parameter: &PathParameter, by_name: bool) -> Value {
    let (about, schema) = match parameter.kind {
        ParameterKind::Text => (
            "One segment. Any text but `.` and `..`.",
            json!({"type": "string", "minLength": 1}),
        ),
        ParameterKind::Int => (
            "One segment. An integer of 64 bits.",
            json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX}),
        ),
        ParameterKind::Uuid => (
            "One segment. A UUID (RFC 9562).",
            json!({"type": "string", "format": "uuid"}),
        ),
    };
    let (place, about) = match by_name {
        true => ("query", about.trim_start_matches("One segment. ")),
        false => ("path", about),
    };
    json!({
        "name": &*parameter.name,
        "in": place,
        "required": true,
        "description": about,
        "schema": schema,
    })
}

/// Returns the fields that are passed on and can't be parameters here.
pub(super) fn unsaid(endpoint: &Endpoint) -> Vec<&str> {
    let names = endpoint.forward_headers.iter().map(|name| name.as_str());
    names.filter(|name| NO_PARAMETERS.contains(name)).collect()
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

/// The words that parameters take, as components.
pub(super) fn schemas(surface: &Surface<'_>) -> Map<String, Value> {
    let once = ["sequential", "sync", "concurrent", "async"];
    let words = [
        (MODES, "How the calls follow one another.", &once[..]),
        (
            MODES_AND_COMPARE,
            "One call after another, all together, or both in turn.",
            &[&once[..], &["compare"]].concat(),
        ),
        (
            WAIT_FOR,
            "All calls, all that are not optional, or the first that succeeds.",
            &["all", "required", "first"],
        ),
        (
            WAIT_FOR_OPTIONAL,
            "All calls, or the first that succeeds; all of them are optional.",
            &["all", "first"],
        ),
    ];
    let words = words.into_iter().map(|(name, about, words)| {
        let schema = json!({"type": "string", "enum": words, "description": about});
        (name.to_owned(), schema)
    });
    let calls = surface.endpoints.iter().map(|endpoint| {
        let names: Vec<_> = endpoint.names().map(|name| &**name).collect();
        let about = format!("A call of `{}`.", endpoint.name);
        let schema = json!({"type": "string", "enum": names, "description": about});
        (call_of(endpoint), schema)
    });
    words.chain(calls).collect()
}

/// The component of the modes of an aggregate.
const MODES: &str = "RequestedMode";

/// The component of the modes of an aggregate that may be compared.
const MODES_AND_COMPARE: &str = "RequestedModeOrCompare";

/// The component of the words for the awaited condition.
const WAIT_FOR: &str = "WaitFor";

/// The same if no call is required.
const WAIT_FOR_OPTIONAL: &str = "WaitForOptional";

/// Returns the component of the names of an aggregate's calls. It has the name as configured, so no two are the same.
fn call_of(endpoint: &Endpoint) -> String {
    format!("{}_call", endpoint.name)
}

fn mode(endpoint: &Endpoint) -> Value {
    let mut about = "`sequential` (`sync`): each call starts when the one before has ended. `concurrent` (`async`): all at once, \
                     or at most `concurrency` at a time."
        .to_owned();
    let mut words = MODES;
    if endpoint.limits.compare {
        words = MODES_AND_COMPARE;
        about.push_str(" `compare`: both in turn under one deadline.");
    }
    about.push_str(&format!(" By default `{}`.", endpoint.rules.mode));
    query("mode", &about, &reference("schemas", words))
}

fn concurrency(endpoint: &Endpoint) -> Value {
    let about = format!(
        "At most this many calls at a time. More than {}, the configured bound, changes nothing.",
        endpoint.rules.concurrency
    );
    let schema = json!({"type": "integer", "minimum": 1, "maximum": u32::MAX});
    query("concurrency", &about, &schema)
}

fn calls(endpoint: &Endpoint) -> Value {
    json!({
        "name": "calls",
        "in": "query",
        "description": "These calls of the aggregate, in this order.",
        "style": "form",
        "explode": false,
        "schema": {
            "type": "array",
            "items": reference("schemas", &call_of(endpoint)),
            "minItems": 1,
            "uniqueItems": true,
        },
    })
}

fn timeout(endpoint: &Endpoint) -> Value {
    let deadline = humantime::format_duration(endpoint.rules.deadline);
    let about = format!(
        "Shortens the deadline of {deadline}. A number with a unit; several, such as `1m 30s`, are taken too."
    );
    let schema = json!({"type": "string", "pattern": DURATION, "examples": ["500ms", "2s"]});
    query("timeout", &about, &schema)
}

fn wait_for(endpoint: &Endpoint) -> Value {
    let words = match endpoint.has_required() {
        true => WAIT_FOR,
        false => WAIT_FOR_OPTIONAL,
    };
    let schema = json!({
        "anyOf": [
            reference("schemas", words),
            {"type": "integer", "minimum": 1, "maximum": endpoint.calls.len()},
        ],
    });
    let about = format!(
        "What ends the run: that all calls are settled, or all that are not optional, or that one or this many have succeeded; \
         no more than are made. By default `{}`.",
        endpoint.rules.completion
    );
    query("wait_for", &about, &schema)
}
