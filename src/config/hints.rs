//! Adds a hint to a mistake whose meaning is known: a key of another table, a key with another name here, or one that
//! does not exist yet. It must not know values.

use super::{
    mistake::{KeyPath, Step},
    spelling::Keys,
    stray::variable,
};

/// Returns the hint for an unknown key that people write for another name.
pub(super) fn other_name(path: &KeyPath) -> Option<String> {
    let keys: Vec<_> = path.steps().iter().filter_map(key).collect();
    let word = match keys.as_slice() {
        ["aggregates", _, "paths" | "route" | "url"] => {
            "the route of an aggregate is its `path`, such as \"/users/{id:int}/home\""
        }
        ["aggregates", _, "method"] => "the methods of an aggregate are listed in `methods`",
        ["aggregates", _, "calls", key] => other_name_of_call(key)?,
        ["aggregates", _, "timeout"] => "the time of an aggregate is its `deadline`",
        ["aggregates", _, "upstreams"] => "the upstreams of an aggregate are listed in `calls`",
        ["upstreams", _, "deadline"] => {
            "the time of one attempt is its `timeout`, and an aggregate has a `deadline`"
        }
        ["upstreams", _, "path" | "host" | "port"] => {
            "`url` has host, port and path, such as \"http://users:8080/ping\""
        }
        ["server" | "admin", "port" | "host" | "address" | "bind"] => {
            "`listen` has the address and the port, such as \"0.0.0.0:8080\""
        }
        _ => return None,
    };
    Some(word.to_owned())
}

/// Returns the hint for a key of a call that other gateways have.
fn other_name_of_call(key: &str) -> Option<&'static str> {
    let word = match key {
        "url" | "uri" | "endpoint" => {
            "the path of a call is its `path`, after the `url` of its upstream"
        }
        "params" | "parameters" => "the query parameters of a call are its `query`",
        "depends_on" | "needs" | "wait_for" => "the calls to wait for are listed in `after`",
        "if" | "condition" | "skip" => "the condition of a call is its `when`",
        "foreach" | "for_each" | "items" => "the list for one request an element is `each`",
        "default" => "the value that stands for a failed call's body is its `fallback`",
        "pick" | "extract" | "target" => "the part of a body for the answer is its `select`",
        "data" | "payload" => "the body of a call is its `json`, `form` or `body`",
        _ => return None,
    };
    Some(word)
}

/// Returns the hint for an unknown key that belongs in another table, or that a variable with an underscore too few
/// set.
pub(super) fn other_place(path: &KeyPath, by_variable: bool) -> Option<String> {
    let keys: Vec<_> = path.steps().iter().filter_map(key).collect();
    let known = Keys::of_the_file();
    if by_variable {
        let words: Vec<_> = keys.iter().flat_map(|key| key.split('_')).collect();
        let meant = known.spelt(&words).as_ref().and_then(variable);
        if let Some(meant) = meant {
            return Some(format!("did you mean {meant}?"));
        }
    }
    match keys.as_slice() {
        [key] => {
            let table = known.table_of(key)?;
            Some(format!("`{key}` belongs in [{table}]"))
        }
        ["aggregates", _, key] | ["aggregates", _, "calls", key] if known.has("Upstream", key) => {
            Some(format!(
                "`{key}` is a setting of an upstream: [upstreams.NAME] or [defaults]"
            ))
        }
        ["upstreams", _, key] if known.has("Aggregate", key) => Some(format!(
            "`{key}` is a setting of an aggregate: [aggregates.NAME]"
        )),
        ["upstreams" | "aggregates", _, key] if known.has("Call", key) => Some(format!(
            "`{key}` is a setting of a call: calls = [{{ upstream = \"…\", {key} = … }}]"
        )),
        _ => None,
    }
}

fn key(step: &Step) -> Option<&str> {
    match step {
        Step::Key(key) => Some(key),
        Step::Index(_) => None,
    }
}
