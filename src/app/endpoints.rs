//! The aggregates of a configuration as their clients see them. It must not know who reads them.

use std::sync::Arc;

use http::{HeaderName, StatusCode};

use crate::{
    config::{Aggregate, Call, Services},
    endpoint::{Endpoint, EndpointCall, PassStatus},
    fanout::{Need, UpstreamId},
    upstream::Request,
};

/// Returns the aggregates, in the order of their ids. Callers say in `deadline_headers` for how many milliseconds
/// they will wait.
pub(super) fn endpoints(
    services: &Services,
    deadline_headers: &[HeaderName],
) -> Vec<Arc<Endpoint>> {
    let deadline_headers: Arc<[HeaderName]> = deadline_headers.into();
    let aggregates = services.aggregates.iter();
    let endpoint = |aggregate| endpoint(aggregate, services, Arc::clone(&deadline_headers));
    aggregates.map(endpoint).map(Arc::new).collect()
}

fn endpoint(
    aggregate: &Aggregate,
    services: &Services,
    deadline_headers: Arc<[HeaderName]>,
) -> Endpoint {
    let requests = || {
        let calls = aggregate.calls.iter();
        calls.map(|call| request_of(call, services))
    };
    let calls = aggregate.calls.iter().map(|call| EndpointCall {
        name: Arc::clone(&call.name),
        id: call.upstream,
        upstream: Arc::clone(&services.upstreams[call.upstream.0].service.name),
        need: call.need,
        after: call.after.clone(),
        shape: call.shape.clone(),
        takes: call.takes.clone(),
    });
    let passing = aggregate.calls.iter().filter(|call| passes(call));
    Endpoint {
        name: Arc::clone(&aggregate.name),
        calls: calls.collect(),
        rules: aggregate.rules,
        limits: aggregate.limits,
        forward_headers: forward_headers(requests(), &aggregate.calls),
        forward_query: forward_query(requests(), &aggregate.calls),
        deadline_headers,
        pass_status: passing
            .map(|call| PassStatus {
                call: Arc::clone(&call.name),
                statuses: call.pass_status.as_slice().into(),
            })
            .collect(),
        route: aggregate.route.clone(),
        methods: aggregate.methods.clone(),
        shape: aggregate.shape.clone(),
        response_headers: aggregate.response_headers.clone(),
    }
}

/// Returns the request that a call sends: its own, or its upstream's.
pub(super) fn request_of<'a>(call: &'a Call, services: &'a Services) -> &'a Request {
    let shared = || &services.upstreams[call.upstream.0].request;
    call.request.as_ref().unwrap_or_else(shared)
}

/// Returns true if a status of this call can be the answer's own.
pub(super) fn passes(call: &Call) -> bool {
    call.need == Need::Required && !call.pass_status.is_empty()
}

/// Returns the statuses of an upstream's own request that some call hands on, each once.
pub(super) fn passed_on(services: &Services, id: UpstreamId) -> Vec<StatusCode> {
    let calls = services.aggregates.iter().flat_map(|it| &it.calls);
    let calls = calls.filter(|call| call.upstream == id && call.request.is_none() && passes(call));
    let mut statuses: Vec<_> = calls
        .flat_map(|call| call.pass_status.iter().copied())
        .collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// Returns the client's query parameters that some of these requests pass on, or some call's references take, in order,
/// each once.
fn forward_query<'a>(requests: impl Iterator<Item = &'a Request>, calls: &[Call]) -> Vec<String> {
    let taken = calls.iter().flat_map(|call| &call.takes.query);
    let mut names: Vec<_> = requests
        .flat_map(|request| request.forward_query.iter().cloned())
        .chain(taken.map(|name| name.to_string()))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the client's header fields that some of these requests pass on, or some call's references take, in order,
/// each once.
fn forward_headers<'a>(
    requests: impl Iterator<Item = &'a Request>,
    calls: &[Call],
) -> Vec<HeaderName> {
    let taken = calls
        .iter()
        .flat_map(|call| call.takes.headers.iter().cloned());
    let mut names: Vec<_> = requests
        .flat_map(|request| request.forward_headers.iter().cloned())
        .chain(taken)
        .collect();
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}
