//! The answers of an aggregate whose status is an upstream's (`pass_status`). They stand beside those of the gateway,
//! or are joined with those that have the same status. It must not know why a status is passed on.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    answers::{self, ALWAYS, WHOLE},
    components::reference,
    examples, headers, problems,
    surface::Surface,
};
use crate::{
    api::ProblemKind,
    endpoint::{Endpoint, PassStatus},
};

/// The name of the example, which is the problem's.
const NAME: &str = ProblemKind::UpstreamStatus.name();

/// Adds these answers to `responses`. Answers to HEAD have no body.
pub(super) fn put(
    responses: &mut Map<String, Value>,
    endpoint: &Endpoint,
    surface: &Surface<'_>,
    head: bool,
) {
    for (status, call) in by_status(endpoint) {
        let own = response(endpoint, surface, status, call, head);
        let both = match responses.remove(status.as_str()) {
            Some(before) => joined(resolved(before), own),
            None => own,
        };
        responses.insert(status.as_str().to_owned(), both);
    }
}

/// Returns the statuses that become the answer's own, in order, each with the first call that it may come from.
fn by_status(endpoint: &Endpoint) -> BTreeMap<StatusCode, &str> {
    let mut all = BTreeMap::new();
    for PassStatus { call, statuses } in &endpoint.pass_status {
        for status in statuses {
            all.entry(*status).or_insert(&**call);
        }
    }
    all
}

fn response(
    endpoint: &Endpoint,
    surface: &Surface<'_>,
    status: StatusCode,
    call: &str,
    head: bool,
) -> Value {
    let always = [&ALWAYS[..], &WHOLE].concat();
    let compressed = answers::compressed(surface);
    let sometimes = [&["Preference-Applied", "WWW-Authenticate"], compressed].concat();
    let mut response = json!({
        "description": "`upstream-status`: a call that is not optional was answered with this status. The problem has the run's members too.",
        "headers": headers::of(&always, &sometimes),
    });
    headers::put_passed(&mut response["headers"], endpoint, false);
    response["headers"]["Retry-After"] = reference("headers", headers::PASSED_RETRY_AFTER);
    if !head {
        let schema = answers::either(endpoint, "FailedRun", "FailedComparison");
        let example = examples::passed(endpoint, status, call);
        response["content"] = json!({"application/problem+json": {
            "schema": schema,
            "examples": {NAME: {"value": example}},
        }});
    }
    response
}

/// Returns the response itself, even if this is a reference to one.
fn resolved(response: Value) -> Value {
    let name = response["$ref"]
        .as_str()
        .and_then(|to| to.rsplit('/').next());
    match name {
        Some(name) => problems::responses().remove(name).unwrap_or_default(),
        None => response,
    }
}

/// Joins two answers with the same status.
fn joined(before: Value, own: Value) -> Value {
    let kind = "application/problem+json";
    let text = |response: &Value| {
        let text = response["description"].as_str().unwrap_or_default();
        text.to_owned()
    };
    let mut both = json!({
        "description": format!("{} Or {}", text(&before), text(&own)),
        "headers": joined_fields(&before["headers"], &own["headers"]),
    });
    if let Some(content) = own["content"][kind].as_object() {
        let theirs = &before["content"][kind];
        let mut examples = theirs["examples"].clone();
        examples[NAME] = content["examples"][NAME].clone();
        let schema = json!({"anyOf": [theirs["schema"], content["schema"]]});
        both["content"] = json!({kind: {"schema": schema, "examples": examples}});
    }
    both
}

/// Joins the fields of both. A field that only one of them always has becomes optional.
fn joined_fields(before: &Value, own: &Value) -> Value {
    let mut all = Map::new();
    for fields in [before, own] {
        for name in fields.as_object().into_iter().flat_map(Map::keys) {
            let field = if before[name] == own[name] || name == "Retry-After" {
                own[name].clone()
            } else {
                reference("headers", &headers::optional(name))
            };
            all.insert(name.clone(), field);
        }
    }
    all.into()
}
