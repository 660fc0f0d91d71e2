//! Checks the body of a call's request: `json`, `form`, `body` or `forward_body`, and the method that it goes with. It
//! must not know the rest of the request.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::Value;

use super::places::{Places, constant};
use crate::{
    config::{
        call_values::{PairValue, Pairs},
        calls::RawCallTable,
    },
    endpoint::is_query,
    upstream::{Content, Request},
    values::{FormTemplate, JsonTemplate},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Sets the method and a fixed body of `request`, and returns a body that is made from values.
pub(super) fn check(
    raw: &RawCallTable,
    request: &mut Request,
    in_each: bool,
    place: &mut Places<'_, '_, '_>,
) -> Option<Content> {
    if let Some(method) = raw.method {
        request.method = method.into();
    }
    let method = request.method.clone();
    let takes_body = ![Method::GET, Method::HEAD].contains(&method);
    if !takes_body {
        request.body = None;
    }
    let given = given(raw);
    let is_method_known = !place.review.is_refused(&place.at("method"));
    if is_query(&method) && given.is_empty() && request.body.is_none() {
        let path = place.at("method");
        let message = "QUERY asks with its body; set `json`, `form`, `body` or `forward_body`";
        place.review.mistake(&path, message);
    }
    for key in given.iter().filter(|_| is_method_known && !takes_body) {
        let path = place.at(key);
        let message = format!("{method} takes no body; set `method = \"POST\"` or another");
        place.review.mistake(&path, message);
    }
    if let [first, rest @ ..] = given.as_slice() {
        for key in rest {
            let path = place.at(key);
            let message = format!("a request has one body, and `{first}` is it; take one out");
            place.review.mistake(&path, message);
        }
    }
    if let Some(text) = &raw.body {
        place.warn_of_reference(&place.at("body"), "a fixed body", text);
        request.body = Some(Bytes::from(text.clone()));
    }
    if raw.forward_body == Some(true) {
        return forward(request, place);
    }
    if let Some(json) = &raw.json {
        return self::json(json, request, in_each, place);
    }
    form(raw.form.as_ref()?, request, in_each, place)
}

/// Returns the keys that give a body.
fn given(raw: &RawCallTable) -> Vec<&'static str> {
    let all = [
        ("json", raw.json.is_some()),
        ("form", raw.form.is_some()),
        ("body", raw.body.is_some()),
        ("forward_body", raw.forward_body == Some(true)),
    ];
    let given = all.into_iter().filter(|(_, is_given)| *is_given);
    given.map(|(key, _)| key).collect()
}

fn forward(request: &mut Request, place: &mut Places<'_, '_, '_>) -> Option<Content> {
    if !place.facts.has_body {
        let path = place.at("forward_body");
        let message = "no client sends a body here: the methods of the aggregate are for requests without one; set \
                       `methods = [\"POST\"]` or another in the aggregate";
        place.review.mistake(&path, message);
    }
    place.uses.takes.body = true;
    request.body = None;
    // The type comes with the body.
    let is_type = |name: &HeaderName| *name == header::CONTENT_TYPE;
    request.headers.retain(|(name, _)| !is_type(name));
    request.forward_headers.retain(|name| !is_type(name));
    Some(Content::Forward)
}

fn json(
    json: &Value,
    request: &mut Request,
    in_each: bool,
    place: &mut Places<'_, '_, '_>,
) -> Option<Content> {
    let path = place.at("json");
    let known = place.known(in_each);
    for name in names(json) {
        place.warn_of_reference(&path, "a name", name);
    }
    let template = place.taken(&path, JsonTemplate::parse(json, &known))?;
    place.note(&path, template.references());
    set_type(request, JSON);
    request.body = None;
    if !template.is_constant() {
        return Some(Content::Json(template));
    }
    let mut body = Vec::new();
    match constant(|scope| template.write(scope, &mut body)) {
        Ok(()) => request.body = Some(Bytes::from(body)),
        Err(skipped) => place.review.mistake(&path, skipped.to_string()),
    }
    None
}

/// Returns the names of all members.
fn names(json: &Value) -> Vec<&str> {
    match json {
        Value::Array(values) => values.iter().flat_map(names).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| [vec![name.as_str()], names(value)].concat())
            .collect(),
        _ => Vec::new(),
    }
}

fn form(
    pairs: &Pairs,
    request: &mut Request,
    in_each: bool,
    place: &mut Places<'_, '_, '_>,
) -> Option<Content> {
    let path = place.at("form");
    let known = place.known(in_each);
    let mut is_whole = true;
    let mut all = Vec::new();
    for (name, value) in pairs {
        let path = path.key(name);
        place.warn_of_reference(&path, "a name", name);
        for text in texts(value) {
            let pair = [(name.clone(), text.to_owned())];
            // Each alone, so that a mistake has the path of its pair.
            match place.taken(&path, FormTemplate::parse(&pair, &known)) {
                Some(template) => place.note(&path, template.references()),
                None => is_whole = false,
            }
            all.extend(pair);
        }
    }
    let template = FormTemplate::parse(&all, &known).ok();
    let template = template.filter(|_| is_whole)?;
    set_type(request, FORM);
    request.body = None;
    if !template.is_constant() {
        return Some(Content::Form(template));
    }
    let mut body = Vec::new();
    match constant(|scope| template.write(scope, &mut body)) {
        Ok(()) => request.body = Some(Bytes::from(body)),
        Err(skipped) => place.review.mistake(&path, skipped.to_string()),
    }
    None
}

/// Returns the texts of a pair, without those that were refused.
pub(super) fn texts(value: &PairValue) -> Vec<&str> {
    match value {
        PairValue::One(text) => vec![text],
        PairValue::Several(all) => all.iter().flatten().map(|text| text.0.as_str()).collect(),
    }
}

/// Sets the type of a body, unless the configuration gives one.
fn set_type(request: &mut Request, value: HeaderValue) {
    let is_type = |name: &HeaderName| *name == header::CONTENT_TYPE;
    request.forward_headers.retain(|name| !is_type(name));
    if !request.headers.iter().any(|(name, _)| is_type(name)) {
        request.headers.push((header::CONTENT_TYPE, value));
    }
}
