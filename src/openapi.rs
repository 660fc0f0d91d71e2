//! The OpenAPI document: what this gateway's public listener answers, with the aggregates that are configured. Made once, at
//! start, from the types of the answers (`compose::types`), the kinds of problems and what `Surface` says; examples are
//! written by what writes the answers. It must not know where the configuration comes from.
//!
//! It is written for those who generate clients from it: [`answers`] and [`parameters`] say what they make of what.

mod answers;
mod examples;
mod headers;
mod operations;
mod parameters;
mod passed;
mod problems;
mod streams;

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    api::ProblemKind,
    fanout::{Completion, Mode},
};

/// The version of OpenAPI that a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1, which nearly all programs read. It has no word for the messages of a stream.
    V3_1,
    /// 3.2, which has one: `itemSchema`.
    V3_2,
}

/// The facts that the document has to tell of, beside those that are the same everywhere.
#[derive(Debug, Clone)]
pub struct Surface {
    /// The aggregates, in the order in which they are shown.
    pub endpoints: Vec<Endpoint>,
    /// True if the operational routes are on the public listener.
    pub operations: bool,
    /// True if the console is there.
    pub console: bool,
    /// True if answers are compressed for clients that take it.
    pub compression: bool,
}

/// One aggregate as its clients see it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name.
    pub name: Arc<str>,
    /// The names of its calls, in plan order.
    pub calls: Vec<Arc<str>>,
    /// Some call of it is not optional.
    pub has_required: bool,
    /// The mode, if the caller names none.
    pub mode: Mode,
    /// At most this many calls at a time.
    pub concurrency: NonZeroUsize,
    /// The time of a whole request.
    pub deadline: Duration,
    /// The condition that is waited for, if the caller doesn't say.
    pub completion: Completion,
    /// True if `mode=compare` is allowed.
    pub compare: bool,
    /// The client's header fields that some call of it passes on; each once.
    pub forward_headers: Vec<HeaderName>,
    /// The query parameters that some call of it passes on; each once.
    pub forward_query: Vec<String>,
    /// The client's header fields that say for how many milliseconds it will wait.
    pub deadline_headers: Vec<HeaderName>,
    /// The upstreams' statuses that become the answer's own, in order, each with the first call that it may come from.
    pub pass_status: Vec<(StatusCode, Arc<str>)>,
}

/// The document, in the order in which a person reads it.
#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    security: Value,
    tags: Value,
    paths: Value,
    components: Value,
}

/// The document's text: JSON, which is YAML too.
#[must_use]
pub fn document(surface: &Surface, version: Version) -> Bytes {
    let mut schemas = schemas();
    schemas.extend(parameters::schemas(surface));
    let mut components = json!({
        "schemas": schemas,
        "responses": problems::responses(),
        "headers": headers::components(),
        "parameters": parameters::components(),
    });
    let paths = operations::paths(surface, version);
    let path_items = match version {
        Version::V3_1 => streams::path_items(surface),
        Version::V3_2 => None,
    };
    keep_what_is_used(&mut components, [Some(&paths), path_items.as_ref()]);
    if let Some(path_items) = path_items {
        components["pathItems"] = path_items;
    }
    let document = Document {
        openapi: match version {
            Version::V3_1 => "3.1.0",
            Version::V3_2 => "3.2.0",
        },
        info: json!({
            "title": "Gather",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": description(version),
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"},
        }),
        servers: json!([{"url": "/", "description": "The gateway that this document comes from."}]),
        security: json!([]),
        tags: json!([
            {"name": "aggregates", "description": "One request in, several upstream calls out, one answer back."},
            {"name": "gateway", "description": "What the gateway says of itself."},
        ]),
        paths,
        components,
    };
    // Values of our own making, with texts for keys: writing them can't fail.
    let mut text = serde_json::to_vec_pretty(&document).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

const DESCRIPTION: &str = "An aggregate's calls are made one after another or all at once, and the answer has the time of each. \
    Every answer outside 2xx is a problem (RFC 9457) whose `type` doesn't change; what no route takes is `not-found`, \
    `unknown-aggregate`, `method-not-allowed`, with `Allow`, or `method-not-implemented`. OPTIONS is a 204 with `Allow` \
    on every path. A parameter that nobody declares is refused by aggregates.";

fn description(version: Version) -> String {
    let streams = match version {
        Version::V3_1 => {
            " OpenAPI 3.1 can't describe a stream beside the whole answer: the path item `Streamed` among the components does, \
             for all aggregates."
        }
        Version::V3_2 => "",
    };
    format!("{DESCRIPTION}{streams}")
}

/// The schemas of answers, by name.
fn schemas() -> Map<String, Value> {
    use utoipa::ToSchema;

    use crate::compose::types::{
        Comparison, Run, StreamedComparison, StreamedOutcome, StreamedResult,
    };
    fn put<T: ToSchema>(all: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        all.push((T::name().into_owned(), T::schema()));
        T::schemas(all);
    }
    let mut all = Vec::new();
    put::<Run>(&mut all);
    put::<Comparison>(&mut all);
    put::<StreamedResult>(&mut all);
    put::<StreamedOutcome>(&mut all);
    put::<StreamedComparison>(&mut all);
    problems::put_schemas(&mut all);
    let mut all: Map<_, _> = all
        .into_iter()
        .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)))
        .collect();
    for schema in all.values_mut() {
        make_constants(schema);
    }
    // Some kinds are no route's own.
    all["Problem"]["examples"] = ProblemKind::ALL
        .into_iter()
        // It has members of its own.
        .filter(|kind| *kind != ProblemKind::NotReady)
        .map(examples::problem)
        .collect();
    all
}

/// Writes a list of one truth value as `const`, for which utoipa has no word. Generators make an enumeration of a list.
fn make_constants(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let word = match members
                .get("enum")
                .and_then(Value::as_array)
                .map(Vec::as_slice)
            {
                Some([word @ Value::Bool(_)]) => Some(word.clone()),
                _ => None,
            };
            if let Some(word) = word {
                members.remove("enum");
                members.insert("const".to_owned(), word);
            }
            members.values_mut().for_each(make_constants);
        }
        Value::Array(items) => items.iter_mut().for_each(make_constants),
        _ => {}
    }
}

/// A reference to a component.
fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// Takes out what no path leads to: not every gateway compares, or has its operational routes here.
fn keep_what_is_used(components: &mut Value, paths: [Option<&Value>; 2]) {
    let mut used = BTreeSet::new();
    let mut open = Vec::new();
    for paths in paths.into_iter().flatten() {
        references(paths, &mut open);
    }
    while let Some(pointer) = open.pop() {
        if let Some(found) = components.pointer(&pointer) {
            let mut more = Vec::new();
            references(found, &mut more);
            more.retain(|pointer| !used.contains(pointer));
            open.extend(more);
        }
        used.insert(pointer);
    }
    let kinds = components.as_object_mut().into_iter().flatten();
    for (kind, members) in kinds {
        if let Some(members) = members.as_object_mut() {
            members.retain(|name, _| used.contains(&format!("/{kind}/{name}")));
        }
    }
}

/// The pointers, from `components`, of all that `value` refers to.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            let pointer = target.and_then(|target| target.strip_prefix("#/components"));
            found.extend(pointer.map(str::to_owned));
            for member in members.values() {
                references(member, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                references(item, found);
            }
        }
        _ => {}
    }
}
