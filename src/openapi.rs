//! The OpenAPI document: the answers of this gateway's public listener, with the aggregates that are configured. It is
//! made once, at start, from the types of the answers (`compose::types`), the kinds of problems and the `Surface`. The
//! code that writes the answers also writes the examples. It must not know where the configuration comes from.
//!
//! It is written for those who generate clients from it: `answers` and `parameters` say what they make of what.

mod aggregates;
mod answers;
mod bodies;
mod components;
mod examples;
mod headers;
mod operations;
mod parameters;
mod passed;
mod problems;
mod schemas;
mod shapes;
mod streams;
mod surface;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

pub use self::surface::{Surface, Version};
use self::{components::keep_what_is_used, schemas::schemas};

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
pub fn document(surface: &Surface<'_>, version: Version) -> Bytes {
    let mut schemas = schemas(surface);
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
    // These are values of our own making, with texts for keys: writing them can't fail.
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
