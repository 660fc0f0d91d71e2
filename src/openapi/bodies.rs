//! The bodies of requests for aggregates. It must not know the answers.

use http::Method;
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, EndpointCall, may_have_body};

/// Returns the body of an operation with this method, if some call takes one.
pub(super) fn of(endpoint: &Endpoint, method: &Method) -> Option<Value> {
    if !may_have_body(method) || !endpoint.takes_body() {
        return None;
    }
    let most = bytesize::ByteSize(endpoint.limits.max_request_body as u64);
    let mut about = format!("At most {most}.");
    let names = |takes: fn(&EndpointCall) -> bool| {
        let calls = endpoint.calls.iter().filter(|call| takes(call));
        let names: Vec<_> = calls.map(|call| format!("`{}`", call.name)).collect();
        names.join(", ")
    };
    let whole = names(|call| call.takes.body);
    if !whole.is_empty() {
        about.push_str(&format!(" It goes on as it came: {whole}."));
    }
    let parts = names(|call| call.takes.json);
    let is_json = !parts.is_empty();
    if is_json {
        about.push_str(&format!(
            " Parts of it go into requests: {parts}. A type that ends in `+json` is taken too."
        ));
    } else {
        about.push_str(" Any type is taken.");
    }
    let content = match is_json {
        true => json!({"application/json": {"schema": {}}}),
        // A client generator knows the first, and a reader the second.
        false => json!({"application/octet-stream": {}, "*/*": {}}),
    };
    let is_required = is_json || endpoint.queries(method);
    Some(json!({"description": about, "required": is_required, "content": content}))
}
