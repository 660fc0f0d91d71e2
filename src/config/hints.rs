//! Says more of a mistake where it is known what is meant by it: a key that stands in another table, goes by another name or
//! is not there yet. Knows nothing of values.

use super::{
    mistake::{KeyPath, Step},
    spelling::Keys,
    stray::variable,
};

/// The word on an unknown key that has another name here, if it is one that people write.
pub(super) fn other_name(path: &KeyPath) -> Option<String> {
    let keys: Vec<_> = path.steps().iter().filter_map(key).collect();
    let word = match keys.as_slice() {
        ["aggregates", name, "path" | "paths" | "route" | "url"] => {
            let at = match *name {
                "default" => String::new(),
                name => format!("/{name}"),
            };
            return Some(format!(
                "an aggregate has no path of its own yet: this one is answered at /aggregate{at}"
            ));
        }
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

/// The word on an unknown key that belongs in another table, or was set by a variable with an underscore too few.
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
