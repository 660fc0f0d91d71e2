//! The data of upstreams and calls that the spans of attempts have. It must not know spans.

use crate::{
    config::{Call, Services},
    telemetry::spans::{OwnTarget, SpanTargets, Target},
    upstream::{Request, Settings},
};

/// Returns the targets of a configuration.
pub(super) fn targets(services: &Services) -> SpanTargets {
    let upstreams = services.upstreams.iter();
    let upstreams = upstreams.map(|upstream| target(upstream, &upstream.request));
    let aggregates = services.aggregates.iter();
    let calls = aggregates.map(|aggregate| {
        let calls = aggregate.calls.iter();
        calls.filter_map(|call| own(call, services)).collect()
    });
    SpanTargets::new(upstreams, calls)
}

/// Returns the target of a call with a request of its own.
fn own<'a>(call: &'a Call, services: &'a Services) -> Option<OwnTarget<'a>> {
    Some(OwnTarget {
        call: &call.name,
        target: target(&services.upstreams[call.upstream.0], call.request.as_ref()?),
    })
}

fn target<'a>(upstream: &'a Settings, request: &'a Request) -> Target<'a> {
    let composed = request.composed.as_ref();
    Target {
        name: &upstream.service.name,
        host: upstream.service.address.host(),
        port: upstream.service.address.port(),
        url: upstream.service.address.url(&request.target),
        template: composed
            .and_then(|it| it.path.as_ref())
            .map(|path| path.pattern()),
        method: &request.method,
    }
}
