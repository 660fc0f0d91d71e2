//! The calls of an aggregate, made ready: the requests that are their own, and whose bodies are read later. It must not
//! know threads, nor how a request is sent.

use bytes::Bytes;

use super::{
    endpoints::{passes, request_of},
    upstreams::Upstream,
};
use crate::{
    api::Deployment,
    compose::Shape,
    config::{Aggregate, Call, Services},
    fanout::UpstreamId,
    upstream::{PreparedRequest, Request},
    values::{Part, Reference, Root},
};

/// One call, as all workers make it.
pub(super) struct PreparedCall {
    /// Its own request; `None` if it sends its upstream's.
    pub(super) request: Option<PreparedRequest>,
    /// The JSON value that stands for its body if it fails.
    pub(super) fallback: Option<Bytes>,
    /// True if something reads its body after it has settled.
    pub(super) is_read: bool,
}

/// Makes the calls of an aggregate ready, in plan order.
pub(super) fn calls(
    aggregate: &Aggregate,
    upstreams: &[Upstream],
    deployment: &Deployment,
) -> Vec<PreparedCall> {
    let read = read(aggregate);
    let calls = aggregate.calls.iter().zip(read);
    calls
        .map(|(call, is_read)| PreparedCall {
            request: call.request.clone().map(|request| {
                let passed = match passes(call) {
                    true => call.pass_status.clone(),
                    false => Vec::new(),
                };
                PreparedRequest::new(request)
                    .passing(deployment.member())
                    .advising(passed, &upstreams[call.upstream.0].service)
            }),
            fallback: call.fallback.clone(),
            is_read,
        })
        .collect()
}

/// Returns the requests that calls send to an upstream.
pub(super) fn requests_to(services: &Services, id: UpstreamId) -> impl Iterator<Item = &Request> {
    let calls = services.aggregates.iter().flat_map(|it| &it.calls);
    let calls = calls.filter(move |call| call.upstream == id);
    calls.map(|call| request_of(call, services))
}

/// Returns for each call if something reads its body after it has settled: another call, or the answer's shape. A
/// `select` is done as the result settles.
fn read(aggregate: &Aggregate) -> Vec<bool> {
    let is_merged = |call: &Call| matches!(aggregate.shape, Shape::Merge) && !call.shape.is_hidden;
    let mut read: Vec<_> = aggregate.calls.iter().map(is_merged).collect();
    let mut note = |reference: &Reference| {
        if let Root::Call(call, Part::Body) = reference.root
            && let Some(is_read) = read.get_mut(call)
        {
            *is_read = true;
        }
    };
    for (index, call) in aggregate.calls.iter().enumerate() {
        let request = call.request.as_ref();
        let composed = request.and_then(|request| request.composed.as_ref());
        let of_others = |reference: &&Reference| reference.call() != Some(index);
        // `expect` judges the own reply before the call has settled.
        let references = composed.iter().flat_map(|composed| composed.references());
        references.filter(of_others).for_each(&mut note);
    }
    if let Shape::Value(expression) = &aggregate.shape {
        expression.references().for_each(&mut note);
    }
    read
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
