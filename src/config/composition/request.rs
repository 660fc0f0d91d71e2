//! Checks the request of a call: path, query, header fields, body, and the conditions on it. A part without a reference
//! goes into the fixed request, so that it costs nothing later. It must not know other calls.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header, uri::PathAndQuery};

use super::{
    content, each,
    places::{Places, constant},
};
use crate::{
    config::{calls::RawCallTable, headers, mistake::KeyPath},
    exchange::{TRACE_PARENT, TRACE_STATE},
    upstream::{Composed, Request},
    values::{HeaderTemplate, Known, PathTemplate, QueryTemplate},
};

/// The fields that name the sender, the receiver or the trace of a request. A client must not choose them.
const FIXED: [HeaderName; 4] = [
    header::HOST,
    TRACE_PARENT,
    TRACE_STATE,
    HeaderName::from_static("cdn-loop"),
];

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Returns the request of a call, from that of its upstream; `None` if the call has nothing of its own.
pub(super) fn check(
    raw: &RawCallTable,
    upstream: &Request,
    place: &mut Places<'_, '_, '_>,
) -> Option<Request> {
    let is_in_each = raw.each.is_some() || place.review.is_refused(&place.at("each"));
    let known = place.known(is_in_each);
    let mut request = upstream.clone();
    let mut composed = Composed {
        call: place.own,
        when: place.condition("when", raw.when.as_deref(), &place.known(false)),
        each: each::check(raw, place),
        expect: place.condition(
            "expect",
            raw.expect.as_deref(),
            &Known {
                own_result: true,
                ..known
            },
        ),
        content: content::check(raw, &mut request, is_in_each, place),
        ..Composed::default()
    };
    set_path(raw, &mut request, &mut composed, &known, place);
    add_query(raw, &mut request, &mut composed, &known, place);
    lay_headers(raw, &mut request, &mut composed, &known, place);
    if raw.idempotency_key == Some(true) {
        composed.idempotency_key = true;
        let is_key = |name: &HeaderName| *name == IDEMPOTENCY_KEY;
        let written = raw.headers.iter().flat_map(|headers| headers.keys());
        let own = written.filter(|name| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY.as_str()));
        for name in own {
            let path = place.at("headers").key(name);
            let message = "is generated, as `idempotency_key` is true; take one of the two out";
            place.review.mistake(&path, message);
        }
        request.headers.retain(|(name, _)| !is_key(name));
        request.forward_headers.retain(|name| !is_key(name));
    }
    let decides = composed.when.is_some() || composed.each.is_some() || composed.expect.is_some();
    if composed.varies() || decides {
        request.composed = Some(Arc::new(composed));
    }
    has_own(raw).then_some(request)
}

/// Returns true if a call has a key that its request depends on.
fn has_own(raw: &RawCallTable) -> bool {
    let RawCallTable {
        upstream: _,
        name: _,
        optional: _,
        pass_status: _,
        path,
        query,
        headers,
        method,
        json,
        form,
        body,
        forward_body,
        after: _,
        when,
        each,
        concurrency: _,
        max: _,
        tolerate: _,
        expect,
        fallback: _,
        select: _,
        keep: _,
        drop: _,
        into: _,
        answer: _,
        idempotency_key,
    } = raw;
    let texts = [path, body, when, each, expect];
    texts.iter().any(|text| text.is_some())
        || query.is_some()
        || headers.is_some()
        || method.is_some()
        || json.is_some()
        || form.is_some()
        || *forward_body == Some(true)
        || *idempotency_key == Some(true)
}

/// Warns of a path that can be read, and is probably not meant.
fn warn_of_path(
    path: &KeyPath,
    text: &str,
    template: &PathTemplate,
    place: &mut Places<'_, '_, '_>,
) {
    if text.contains("${") {
        let message =
            "has a `$` before a reference, which is sent as it is; a reference is `{a.b}` alone";
        place.review.warning(path, message);
    }
    for list in template.lists() {
        let message = format!(
            "`{{{}}}` is a list, which skips the call: take one element, such as `[0]`, or add `join ','`",
            list.text
        );
        place.review.warning(path, message);
    }
}

/// Adds the call's path to that of the upstream's URL.
fn set_path(
    raw: &RawCallTable,
    request: &mut Request,
    composed: &mut Composed,
    known: &Known<'_>,
    place: &mut Places<'_, '_, '_>,
) {
    let Some(text) = &raw.path else { return };
    let path = place.at("path");
    if !text.starts_with('/') {
        let message = "expected a path that begins with `/`, such as \"/users/{path.id}\"; it is added to the upstream's url";
        place.review.mistake(&path, message);
        return;
    }
    let base = request.target.path().trim_end_matches('/');
    let Some(template) = place.taken(&path, PathTemplate::parse(base, text, known)) else {
        return;
    };
    place.note(&path, template.references());
    warn_of_path(&path, text, &template, place);
    if !template.is_constant() {
        composed.path = Some(template);
        return;
    }
    let mut target = Vec::new();
    if let Err(skipped) = constant(|scope| template.write(scope, &mut target)) {
        place.review.mistake(&path, skipped.to_string());
        return;
    }
    if let Some(query) = request.target.query() {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    set_target(target, request, &path, place);
}

/// Sets the path and the query of a request. `path` is the place that wrote the last of their bytes.
fn set_target(
    target: Vec<u8>,
    request: &mut Request,
    path: &KeyPath,
    place: &mut Places<'_, '_, '_>,
) {
    match PathAndQuery::try_from(target) {
        Ok(target) => request.target = target,
        Err(_) => place
            .review
            .mistake(path, "found a character that no URL has"),
    }
}

/// Adds the call's query parameters to those of the upstream's URL.
fn add_query(
    raw: &RawCallTable,
    request: &mut Request,
    composed: &mut Composed,
    known: &Known<'_>,
    place: &mut Places<'_, '_, '_>,
) {
    let table = place.at("query");
    let mut target = request.target.as_str().as_bytes().to_vec();
    let mut is_first = request.target.query().is_none();
    let mut is_longer = false;
    for (name, value) in raw.query.iter().flatten() {
        let path = table.key(name);
        if name.is_empty() {
            let message = "found an empty text, expected the name of a query parameter";
            place.review.mistake(&path, message);
        }
        place.warn_of_reference(&path, "a name", name);
        request.forward_query.retain(|forwarded| forwarded != name);
        for text in content::texts(value) {
            let parsed = QueryTemplate::parse(name, text, known);
            let Some(template) = place.taken(&path, parsed) else {
                continue;
            };
            place.note(&path, template.references());
            if !template.is_constant() {
                composed.query.push(template);
                continue;
            }
            is_longer = true;
            let written = constant(|scope| template.write(scope, &mut is_first, &mut target));
            if let Err(skipped) = written {
                place.review.mistake(&path, skipped.to_string());
            }
        }
    }
    if is_longer {
        set_target(target, request, &table, place);
    }
}

/// Lays the call's header fields over those of the upstream.
fn lay_headers(
    raw: &RawCallTable,
    request: &mut Request,
    composed: &mut Composed,
    known: &Known<'_>,
    place: &mut Places<'_, '_, '_>,
) {
    let table = place.at("headers");
    let mut taken = Vec::new();
    for (written, text) in raw.headers.iter().flatten() {
        let path = table.key(written);
        let Some(name) = headers::name(&path, written, place.review) else {
            continue;
        };
        if taken.contains(&name) {
            let message = format!("the header `{name}` is written twice");
            place.review.mistake(&path, message);
            continue;
        }
        taken.push(name.clone());
        let Some(template) = place.taken(&path, HeaderTemplate::parse(text, known)) else {
            continue;
        };
        place.note(&path, template.references());
        // In place of the upstream's own field, and of the client's.
        request.headers.retain(|(own, _)| *own != name);
        request.forward_headers.retain(|own| *own != name);
        if !template.is_constant() {
            if FIXED.contains(&name) {
                let message = format!(
                    "the header `{name}` takes a fixed text alone: it says who sends a request to whom, which no value may decide"
                );
                place.review.mistake(&path, message);
            }
            composed.headers.push((name, template));
            continue;
        }
        if let Some(message) = headers::missing(&name, text) {
            place.review.warning(&path, message);
        }
        match constant(|scope| template.value(scope)) {
            Ok(value) => request
                .headers
                .extend(value.map(|value| (name.clone(), sensitive(&name, value)))),
            Err(skipped) => place.review.mistake(&path, skipped.to_string()),
        }
    }
}

fn sensitive(name: &HeaderName, mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(!headers::is_shown(name));
    value
}
