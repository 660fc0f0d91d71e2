//! The paths of the public listener. Those about the gateway itself have GET and HEAD. It must not know what is in the
//! answers.

use serde_json::{Map, Value, json};

use super::{
    aggregates, headers, parameters,
    problems::{self, Route},
    surface::{Surface, Version},
};
use crate::{
    api::DOCUMENT,
    telemetry::{OPEN_METRICS, TEXT_FORMAT},
};

/// Returns all paths.
pub(super) fn paths(surface: &Surface<'_>, version: Version) -> Value {
    let mut paths = Map::new();
    for endpoint in surface.endpoints {
        aggregates::put(&mut paths, endpoint, surface, version);
    }
    if surface.operations {
        paths.insert("/metrics".to_owned(), metrics(surface));
        paths.insert("/livez".to_owned(), alive());
        paths.insert("/readyz".to_owned(), ready());
    }
    if surface.console {
        paths.insert("/console".to_owned(), console(surface));
    }
    paths.insert(DOCUMENT.to_owned(), description(surface));
    paths.into()
}

/// A route that answers about the gateway itself: its name, its purpose, and its 200.
struct About {
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    route: Route,
    good: &'static str,
    headers: Value,
    content: Value,
    /// True if a client may ask if its copy is still the same.
    kept: bool,
}

impl About {
    fn item(self) -> Value {
        let operation = |head: bool| {
            let mut responses = problems::of(self.route, head);
            let mut good = json!({"description": self.good, "headers": self.headers});
            if !head {
                good["content"] = self.content.clone();
            }
            responses.insert("200".to_owned(), good);
            if self.kept {
                let same = "The client has it already.";
                let same = json!({"description": same, "headers": self.headers});
                responses.insert("304".to_owned(), same);
            }
            let (id, summary) = match head {
                true => (
                    format!("head_{}", self.id),
                    format!("{}, without a body", self.summary),
                ),
                false => (self.id.to_owned(), self.summary.to_owned()),
            };
            json!({
                "operationId": id,
                "summary": summary,
                "description": self.description,
                "tags": ["gateway"],
                "responses": responses,
            })
        };
        let parameters = parameters::of_gateway(self.kept);
        json!({"parameters": parameters, "get": operation(false), "head": operation(true)})
    }
}

fn metrics(surface: &Surface<'_>) -> Value {
    let text = |media_type: &str, example: &str| {
        json!({
            "schema": {"type": "string", "contentMediaType": media_type},
            "example": example,
        })
    };
    let compressed: &[&str] = match surface.compression {
        true => &["Content-Encoding"],
        false => &[],
    };
    let sample = "# HELP gather_requests_in_flight Requests that are being answered.\n\
                  # TYPE gather_requests_in_flight gauge\ngather_requests_in_flight 0\n";
    About {
        id: "metrics",
        summary: "Metrics for Prometheus",
        description: "Prometheus' text format, or OpenMetrics if `Accept` asks for it.",
        route: Route::Other,
        good: "All metrics.",
        headers: headers::of(&["X-Request-Id", "Vary"], compressed),
        content: json!({
            TEXT_FORMAT: text(TEXT_FORMAT, sample),
            OPEN_METRICS: text(OPEN_METRICS, &format!("{sample}# EOF\n")),
        }),
        kept: false,
    }
    .item()
}

fn alive() -> Value {
    About {
        id: "livez",
        summary: "Whether the process answers",
        description: "For a supervisor that restarts a process if it hangs.",
        route: Route::Other,
        good: "It does.",
        headers: headers::of(&["X-Request-Id", "Cache-Control"], &[]),
        content: yes("alive"),
        kept: false,
    }
    .item()
}

fn ready() -> Value {
    About {
        id: "readyz",
        summary: "Whether the gateway takes traffic",
        description: "503 while it starts, and from the moment a stop begins.",
        route: Route::Readiness,
        good: "It does.",
        headers: headers::of(&["X-Request-Id", "Cache-Control"], &[]),
        content: yes("ready"),
        kept: false,
    }
    .item()
}

/// Returns an object whose one member is true.
fn yes(member: &str) -> Value {
    json!({"application/json": {
        "schema": {
            "type": "object",
            "properties": {member: {"type": "boolean", "const": true}},
            "required": [member],
        },
        "example": {member: true},
    }})
}

fn console(surface: &Surface<'_>) -> Value {
    let always = [
        "X-Request-Id",
        "Cache-Control",
        "ETag",
        "Content-Security-Policy",
        "X-Content-Type-Options",
        "Referrer-Policy",
    ];
    let compressed: &[&str] = match surface.compression {
        true => &["Vary", "Content-Encoding"],
        false => &[],
    };
    About {
        id: "console",
        summary: "A page that runs aggregates and draws them",
        description: "What it is made of is below it.",
        route: Route::Other,
        good: "The page.",
        headers: headers::of(&always, compressed),
        content: json!({"text/html; charset=utf-8": {"schema": {"type": "string"}}}),
        kept: true,
    }
    .item()
}

fn description(surface: &Surface<'_>) -> Value {
    let compressed: &[&str] = match surface.compression {
        true => &["Vary", "Content-Encoding"],
        false => &[],
    };
    About {
        id: "openapi",
        summary: "This document",
        description: "OpenAPI 3.1, with the aggregates that are configured. `gather openapi` prints the same.",
        route: Route::Other,
        good: "The document.",
        headers: headers::of(&["X-Request-Id", "Cache-Control"], compressed),
        content: json!({"application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "openapi": {"type": "string", "pattern": "^3\\.1\\."},
                    "info": {"type": "object"},
                    "paths": {"type": "object"},
                },
                "required": ["openapi", "info", "paths"],
            },
        }}),
        kept: false,
    }
    .item()
}
