//! The bodies of answers that are no report: a merged object, or the value of an expression. What upstreams send can't
//! be known, so each part may be any JSON. It must not know the problems.

use serde_json::{Map, Value, json};

use super::components::reference;
use crate::{
    compose::{ERRORS, Place, Shape},
    endpoint::{Endpoint, EndpointCall},
};

/// Returns the schema of an answer's own value; `None` if the answer is a report.
pub(super) fn value(endpoint: &Endpoint) -> Option<Value> {
    match &endpoint.shape {
        Shape::Report => None,
        Shape::Merge => Some(merged(endpoint)),
        Shape::Value(_) => {
            Some(json!({"description": "A value that is computed from the results of all calls."}))
        }
    }
}

fn merged(endpoint: &Endpoint) -> Value {
    let mut text =
        "The bodies of the calls, each in its place. The member of a call that failed is missing, \
                    unless it has a fallback."
            .to_owned();
    let mut all = object();
    for call in endpoint.calls.iter().filter(|call| !call.shape.is_hidden) {
        match &call.shape.into {
            None => put(&mut all, &[call.name.as_ref().into()], call),
            Some(Place::At(names)) => put(&mut all, names, call),
            Some(Place::Spread) => text.push_str(&format!(
                " The members of the body of `{}` stand here too.",
                call.name
            )),
        }
    }
    all["properties"][ERRORS] = json!({
        "type": "array",
        "description": "The calls that failed, if any did.",
        "items": reference("schemas", "CallFailure"),
    });
    all["description"] = text.into();
    all
}

fn object() -> Value {
    json!({"type": "object", "properties": Map::new()})
}

/// Adds the property of a call at this place. Objects on the way to it are made.
fn put(all: &mut Value, place: &[Box<str>], call: &EndpointCall) {
    let Some((last, way)) = place.split_last() else {
        return;
    };
    let mut object_here = all;
    for name in way {
        let inner = &mut object_here["properties"][&**name];
        if inner.is_null() {
            *inner = object();
        }
        object_here = inner;
    }
    object_here["properties"][&**last] =
        json!({"description": format!("Of the call `{}`.", call.name)});
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header;

    use super::*;
    use crate::{
        endpoint::{Takes, fixture},
        openapi::{Surface, Version, document},
    };

    /// Returns the document of an aggregate with these places. A call without one has a body that never leaves.
    fn described(places: &[(&'static str, Option<Place>)], compare: bool) -> Value {
        let mut endpoint = fixture::endpoint(&["GET"], None, Takes::default());
        endpoint.shape = Shape::Merge;
        endpoint.limits.compare = compare;
        endpoint.response_headers = vec![header::SET_COOKIE];
        let one = endpoint.calls.remove(0);
        for (name, place) in places {
            let mut call = one.clone();
            call.name = (*name).into();
            call.shape.is_hidden = place.is_none();
            call.shape.into.clone_from(place);
            endpoint.calls.push(call);
        }
        let endpoints = [Arc::new(endpoint)];
        let surface = Surface {
            endpoints: &endpoints,
            operations: false,
            console: false,
            compression: false,
        };
        serde_json::from_slice(&document(&surface, Version::V3_2)).unwrap()
    }

    fn at(names: &[&str]) -> Option<Place> {
        Some(Place::At(names.iter().map(|name| (*name).into()).collect()))
    }

    #[test]
    fn a_merged_answer_has_a_property_for_each_place_and_the_errors() {
        let places = [
            ("users", at(&["user", "profile"])),
            ("plan", at(&["user", "plan"])),
            ("login", None),
            ("page", Some(Place::Spread)),
        ];
        let document = described(&places, false);
        let good = &document["paths"]["/aggregate/home"]["get"]["responses"]["200"];
        let content = &good["content"]["application/json"];
        let properties = &content["schema"]["properties"];
        let names: Vec<_> = properties.as_object().unwrap().keys().collect();
        assert_eq!(names, ["errors", "user"]);
        let inner = properties["user"]["properties"].as_object().unwrap();
        assert_eq!(inner.keys().collect::<Vec<_>>(), ["plan", "profile"]);
        let failure = &document["components"]["schemas"]["CallFailure"];
        assert_eq!(failure["required"], json!(["name", "failure", "detail"]));
        let example = &content["examples"]["complete"]["value"];
        let expected = json!({"user": {"profile": "pong", "plan": "pong"}});
        assert_eq!(*example, expected);
        assert!(good["headers"]["set-cookie"].is_object());
        let lines = &good["content"]["application/x-ndjson"]["examples"]["complete"];
        let lines = lines["serializedValue"].as_str().unwrap();
        assert!(lines.contains(",\"value\":{\"user\":{"), "{lines}");
    }

    #[test]
    fn a_body_that_never_leaves_is_no_required_member() {
        for (place, is_required) in [(at(&["users"]), true), (None, false)] {
            let document = described(&[("users", place)], true);
            let succeeded = &document["components"]["schemas"]["Succeeded"]["allOf"];
            let required = succeeded[1]["required"].as_array().unwrap();
            assert_eq!(
                required.contains(&json!("body")),
                is_required,
                "{required:?}"
            );
            let good = &document["paths"]["/aggregate/home"]["get"]["responses"]["200"];
            let schema = &good["content"]["application/json"]["schema"];
            assert_eq!(schema["anyOf"].as_array().unwrap().len(), 2);
        }
    }
}
