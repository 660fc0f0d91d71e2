//! The paths of aggregates: by their names, and their own routes, with an operation for each method. It must not know
//! what is in the answers.

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    answers, bodies, parameters, passed,
    problems::{self, Route},
    surface::{Surface, Version},
};
use crate::{
    api::AGGREGATE,
    endpoint::{DEFAULT, Endpoint},
};

/// Adds the paths of an aggregate.
pub(super) fn put(
    paths: &mut Map<String, Value>,
    endpoint: &Endpoint,
    surface: &Surface<'_>,
    version: Version,
) {
    let item = |id: &str, by_name| {
        let operations = Operations {
            endpoint,
            surface,
            version,
        };
        operations.item(id, by_name)
    };
    if &*endpoint.name == DEFAULT {
        paths.insert(AGGREGATE.to_owned(), item("aggregate", true));
    }
    let id = format!("aggregate_{}", endpoint.name);
    let by_name = format!("{AGGREGATE}/{}", endpoint.name);
    paths.insert(by_name, item(&id, true));
    if let Some(route) = &endpoint.route {
        let id = format!("route_{}", endpoint.name);
        paths.insert(route.template(), item(&id, false));
    }
}

/// The operations of an aggregate.
struct Operations<'a> {
    endpoint: &'a Endpoint,
    surface: &'a Surface<'a>,
    version: Version,
}

impl Operations<'_> {
    /// Returns the item of a path. Operations have ids that end with `id`.
    fn item(&self, id: &str, by_name: bool) -> Value {
        let mut item = Map::new();
        let parameters = parameters::of_aggregate(self.endpoint, by_name);
        item.insert("parameters".to_owned(), parameters);
        for method in &self.endpoint.methods {
            match method.as_str() {
                "GET" => {
                    item.insert("get".to_owned(), self.operation(id, &Method::GET));
                    item.insert("head".to_owned(), self.operation(id, &Method::HEAD));
                }
                "QUERY" => {
                    if self.version == Version::V3_2 {
                        item.insert("query".to_owned(), self.operation(id, method));
                    }
                    item.insert("post".to_owned(), self.operation(id, &Method::POST));
                }
                name => {
                    item.insert(name.to_ascii_lowercase(), self.operation(id, method));
                }
            }
        }
        item.into()
    }

    fn operation(&self, id: &str, method: &Method) -> Value {
        let Self {
            endpoint,
            surface,
            version,
        } = *self;
        let is_head = *method == Method::HEAD;
        let body = bodies::of(endpoint, method);
        let route = match (&body, parameters::has_own(endpoint)) {
            (Some(_), _) => Route::WithBody,
            (None, true) => Route::WithParameters,
            (None, false) => Route::Aggregate,
        };
        let mut responses = answers::of(endpoint, surface, version, is_head);
        responses.extend(problems::of(route, is_head));
        passed::put(&mut responses, endpoint, surface, is_head);
        let id = match *method {
            Method::GET => id.to_owned(),
            _ => format!("{}_{id}", method.as_str().to_ascii_lowercase()),
        };
        let name = &endpoint.name;
        let summary = match is_head {
            true => format!("Run `{name}` and answer without a body"),
            false => format!("Run `{name}`"),
        };
        let mut operation = json!({
            "operationId": id,
            "summary": summary,
            "description": self.about(method),
            "tags": ["aggregates"],
            "responses": responses,
        });
        if let Some(body) = body {
            operation["requestBody"] = body;
        }
        operation
    }

    fn about(&self, method: &Method) -> String {
        let endpoint = self.endpoint;
        let mut about = format!("Calls: {}.", shortened(endpoint));
        let unsaid = parameters::unsaid(endpoint);
        if !unsaid.is_empty() {
            about.push_str(&format!(
                " Passed on too: the header fields {}.",
                unsaid.join(", ")
            ));
        }
        if *method == Method::POST && endpoint.takes_query() {
            about.push_str(match self.version {
                Version::V3_1 => {
                    " QUERY (RFC 10008), which OpenAPI 3.1 can't describe, does the same."
                }
                Version::V3_2 => " QUERY does the same, where no proxy is in its way.",
            });
        }
        about
    }
}

/// Lists the calls' names, as many as a person reads.
fn shortened(endpoint: &Endpoint) -> String {
    const SHOWN: usize = 20;
    let names = endpoint.names().take(SHOWN);
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let more = endpoint.calls.len().saturating_sub(SHOWN);
    match more {
        0 => names.join(", "),
        _ => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
#[path = "aggregates_tests.rs"]
mod tests;
