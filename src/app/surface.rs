//! The parts of the configuration that the OpenAPI document tells of.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, StatusCode};

use crate::{
    config,
    fanout::Need,
    openapi::{Endpoint, Surface, Version as OpenApiVersion, document},
    upstream,
};

/// The version in which a gateway serves its document.
pub(super) const SERVED: OpenApiVersion = OpenApiVersion::V3_1;

/// The OpenAPI document of a gateway that is configured like this; `operations` says whether the operational routes are on
/// the public listener.
#[must_use]
pub fn openapi(
    server: &config::Server,
    operations: bool,
    aggregates: &[config::Aggregate],
    upstreams: &[upstream::Settings],
    version: OpenApiVersion,
) -> Bytes {
    let surface = Surface {
        endpoints: aggregates
            .iter()
            .map(|aggregate| Endpoint {
                deadline_headers: server.deadline_headers.clone(),
                ..endpoint(aggregate, upstreams)
            })
            .collect(),
        operations,
        console: server.console,
        compression: server.compression,
    };
    document(&surface, version)
}

fn endpoint(aggregate: &config::Aggregate, upstreams: &[upstream::Settings]) -> Endpoint {
    let called = || {
        let calls = aggregate.calls.iter();
        calls.map(|call| &upstreams[call.upstream.0].request)
    };
    Endpoint {
        name: aggregate.name.clone(),
        calls: aggregate
            .calls
            .iter()
            .map(|call| call.name.clone())
            .collect(),
        has_required: aggregate
            .calls
            .iter()
            .any(|call| call.need == Need::Required),
        mode: aggregate.rules.mode,
        concurrency: aggregate.rules.concurrency,
        deadline: aggregate.rules.deadline,
        completion: aggregate.rules.completion,
        compare: aggregate.compare,
        forward_headers: forward_headers(called()),
        forward_query: forward_query(called()),
        deadline_headers: Vec::new(),
        pass_status: pass_status(&aggregate.calls),
    }
}

/// The statuses that become the answer's own, in order, each with the first call that it may come from.
fn pass_status(calls: &[config::Call]) -> Vec<(StatusCode, Arc<str>)> {
    let calls = calls.iter().filter(|call| call.need == Need::Required);
    let mut all: Vec<_> = calls
        .flat_map(|call| {
            let statuses = call.pass_status.iter();
            statuses.map(|status| (*status, Arc::clone(&call.name)))
        })
        .collect();
    // A stable sort: the first call stays the first.
    all.sort_by_key(|(status, _)| *status);
    all.dedup_by_key(|(status, _)| *status);
    all
}

/// The client's query parameters that some of these requests take, each once.
pub(super) fn forward_query<'a>(
    requests: impl Iterator<Item = &'a upstream::Request>,
) -> Vec<String> {
    let mut names: Vec<_> = requests
        .flat_map(|request| request.forward_query.iter().cloned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The client's header fields that some of these requests take, each once.
pub(super) fn forward_headers<'a>(
    requests: impl Iterator<Item = &'a upstream::Request>,
) -> Vec<HeaderName> {
    let mut names: Vec<_> = requests
        .flat_map(|request| request.forward_headers.iter().cloned())
        .collect();
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}
