//! A generation: everything that follows from the upstreams and aggregates of a configuration, in one value. Each
//! worker builds its gateway from it. It must not know listeners, nor when a generation takes the place of another.

use std::{cell::OnceCell, rc::Rc, sync::Arc};

use bytes::Bytes;

use super::{
    calls::{PreparedCall, calls, requests_to},
    deployment,
    endpoints::endpoints,
    reach::{Reach, UpstreamObserver},
    targets::targets,
    upstreams::{Upstream, upstreams},
};
use crate::{
    api::{Deployment, Exposed, Gateway, GatewayParts, OptionalRoutes, Routes},
    config::{Server, Services},
    console::{Console, Facts},
    endpoint::Endpoint,
    exchange::Memory,
    fanout::{Aggregate, Call, Limit},
    openapi::{Surface, Version as OpenApiVersion, document},
    telemetry::{GenerationMetrics, Metrics, spans::SpanTargets},
    upstream::{self, Adapter, Roots, Spare, Wire},
};

/// The version in which a gateway serves its OpenAPI document.
const SERVED: OpenApiVersion = OpenApiVersion::V3_1;

/// The part of the process that a generation shows to clients and to those who operate it.
#[derive(Clone, Copy)]
pub(super) struct ProcessView<'a> {
    /// The public listener.
    pub(super) server: &'a Server,
    /// True if the operational routes are on the public listener.
    pub(super) operations: bool,
    /// The families from which the metrics are resolved.
    pub(super) metrics: &'a Arc<Metrics>,
    /// True if requests may be traced.
    pub(super) traced: bool,
}

/// The bounds of the process, over all workers and generations.
#[derive(Clone)]
pub(super) struct ProcessBounds {
    /// The requests that are answered at a time.
    pub(super) in_flight: Arc<Limit>,
    /// The bytes that requests hold.
    pub(super) memory: Memory,
}

/// Everything that follows from the upstreams and aggregates of a configuration. All workers share it.
pub(super) struct Generation {
    /// By the aggregates' ids.
    endpoints: Vec<Arc<Endpoint>>,
    /// By the upstreams' ids.
    upstreams: Vec<Upstream>,
    /// By the aggregates' ids, each in plan order.
    calls: Vec<Vec<PreparedCall>>,
    /// Lost when the gateway itself lacks something for connections to any upstream.
    gateway_reach: Arc<Reach>,
    routes: Routes,
    document: Bytes,
    console: Option<Arc<Console>>,
    metrics: Arc<GenerationMetrics>,
    targets: Arc<SpanTargets>,
    deployment: Deployment,
}

/// The ways to one upstream from one worker.
struct Ways {
    wire: Rc<Wire>,
    /// The adapter for the upstream's own request. It is made for the first call that sends that.
    shared: OnceCell<Rc<Adapter>>,
}

impl Generation {
    /// Makes everything ready. `roots` is asked only if an upstream relies on it.
    ///
    /// # Errors Fails if the TLS settings of an upstream can't be used, if no thread can be started to look names up,
    /// or if two routes would match the same requests.
    pub(super) fn new(
        services: Services,
        process: ProcessView<'_>,
        roots: impl FnOnce() -> Roots,
    ) -> anyhow::Result<Self> {
        let ProcessView {
            server, operations, ..
        } = process;
        let endpoints = endpoints(&services, &server.deadline_headers);
        let optional = OptionalRoutes {
            operations,
            console: server.console,
        };
        let console = server
            .console
            .then(|| Arc::new(console(&endpoints, &services.upstreams, operations)));
        let metrics = process.metrics.resolve(
            endpoints.iter().map(|endpoint| &*endpoint.name),
            services.each().map(|(id, it)| {
                // The longest time of those that its calls have.
                let timeouts = requests_to(&services, id).map(|request| request.timeout);
                (
                    &*it.service.name,
                    timeouts.max().unwrap_or(it.request.timeout),
                )
            }),
        );
        let targets = match process.traced {
            true => targets(&services),
            false => SpanTargets::default(),
        };
        let deployment = deployment::of(&services.aggregates, &services.upstreams);
        let upstreams = upstreams(&services, &deployment, roots)?;
        let aggregates = services.aggregates.iter();
        Ok(Self {
            routes: Routes::public(optional, &endpoints)?,
            document: described(server, operations, &endpoints, SERVED),
            console,
            metrics: Arc::new(metrics),
            targets: Arc::new(targets),
            calls: aggregates
                .map(|aggregate| calls(aggregate, &upstreams, &deployment))
                .collect(),
            upstreams,
            gateway_reach: Arc::new(Reach::of_all()),
            deployment,
            endpoints,
        })
    }

    /// Makes a gateway for the calling thread, with pools of its own.
    pub(super) fn gateway(&self, bounds: ProcessBounds) -> Rc<Gateway<Adapter>> {
        let spare = Rc::default();
        let upstreams = self.upstreams.iter();
        let ways: Vec<_> = upstreams
            .map(|upstream| Ways {
                wire: self.wire(upstream, &spare),
                shared: OnceCell::new(),
            })
            .collect();
        let exposed = self.endpoints.iter().zip(&self.calls);
        let exposed = exposed.map(|(endpoint, calls)| Exposed {
            aggregate: self.aggregate(endpoint, calls, &ways),
            endpoint: Arc::clone(endpoint),
        });
        Gateway::new(GatewayParts {
            exposed: exposed.collect(),
            routes: self.routes.clone(),
            document: self.document.clone(),
            console: self.console.clone(),
            metrics: Arc::clone(&self.metrics),
            targets: Arc::clone(&self.targets),
            deployment: self.deployment.clone(),
            in_flight: bounds.in_flight,
            memory: bounds.memory,
        })
    }

    fn wire(&self, upstream: &Upstream, spare: &Rc<Spare>) -> Rc<Wire> {
        let observer = Rc::new(UpstreamObserver {
            metrics: Arc::clone(self.metrics.upstream(upstream.id)),
            policy: Arc::clone(&upstream.policy),
            reach: Arc::clone(&upstream.reach),
            gateway_reach: Arc::clone(&self.gateway_reach),
        });
        let resends = Rc::clone(&observer);
        Rc::new(Wire::new(&upstream.service, observer, resends, spare))
    }

    fn aggregate(
        &self,
        endpoint: &Endpoint,
        calls: &[PreparedCall],
        ways: &[Ways],
    ) -> Aggregate<Adapter> {
        let calls = endpoint.calls.iter().zip(calls).map(|(call, prepared)| {
            let upstream = &self.upstreams[call.id.0];
            let Ways { wire, shared } = &ways[call.id.0];
            let (adapter, request) = match &prepared.request {
                Some(own) => (Rc::new(Adapter::new(wire, own)), own),
                None => {
                    let request = &upstream.request;
                    let adapter = shared.get_or_init(|| Rc::new(Adapter::new(wire, request)));
                    (Rc::clone(adapter), request)
                }
            };
            let request = request.request();
            Call {
                name: Arc::clone(&call.name),
                id: call.id,
                upstream: adapter,
                need: call.need,
                repeatable: request.repeatable(),
                timeout: request.timeout,
                policy: Arc::clone(&upstream.policy),
                after: call.after.clone(),
                fallback: prepared.fallback.clone(),
                is_read: prepared.is_read,
            }
        });
        Aggregate {
            name: Arc::clone(&endpoint.name),
            calls: calls.collect(),
            rules: endpoint.rules,
        }
    }
}

/// Makes the console's files. `metrics` says whether its listener has `/metrics`.
fn console(
    endpoints: &[Arc<Endpoint>],
    upstreams: &[upstream::Settings],
    metrics: bool,
) -> Console {
    let services = upstreams.iter().map(|upstream| &upstream.service);
    let broken = services.filter(|service| service.policy.breaker.is_some());
    let breakers: Vec<_> = broken.map(|service| &*service.name).collect();
    Console::new(&Facts {
        metrics,
        breakers: &breakers,
        endpoints,
    })
}

/// Returns the OpenAPI document of a gateway with this configuration. `operations` says whether the operational
/// routes are on the public listener.
#[must_use]
pub fn openapi(
    server: &Server,
    operations: bool,
    services: &Services,
    version: OpenApiVersion,
) -> Bytes {
    let endpoints = endpoints(services, &server.deadline_headers);
    described(server, operations, &endpoints, version)
}

fn described(
    server: &Server,
    operations: bool,
    endpoints: &[Arc<Endpoint>],
    version: OpenApiVersion,
) -> Bytes {
    let surface = Surface {
        endpoints,
        operations,
        console: server.console,
        compression: server.compression,
    };
    document(&surface, version)
}
