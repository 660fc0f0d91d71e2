//! A generation: everything that follows from the upstreams and aggregates of a configuration, in one value. Each
//! worker builds its gateway from it. It must not know listeners, nor when a generation takes the place of another.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;

use super::{
    deployment,
    endpoints::{endpoints, passed_on},
    reach::{Reach, UpstreamObserver},
};
use crate::{
    api::{Deployment, Exposed, Gateway, GatewayParts, OptionalRoutes, Routes},
    config::{Server, Services},
    console::{Console, Facts},
    endpoint::Endpoint,
    exchange::Memory,
    fanout::{Aggregate, Call, Limit, Policy, UpstreamId},
    openapi::{Surface, Version as OpenApiVersion, document},
    telemetry::{
        GenerationMetrics, Metrics,
        spans::{SpanTargets, Target},
    },
    upstream::{
        self, Adapter, PreparedRequest, PreparedService, Roots, Sessions, Spare, Unprepared, Wire,
    },
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
    /// Lost when the gateway itself lacks something for connections to any upstream.
    gateway_reach: Arc<Reach>,
    routes: Routes,
    document: Bytes,
    console: Option<Arc<Console>>,
    metrics: Arc<GenerationMetrics>,
    targets: Arc<SpanTargets>,
    deployment: Deployment,
}

/// The state of one upstream that all workers share.
struct Upstream {
    id: UpstreamId,
    service: PreparedService,
    /// The request that its calls send.
    request: PreparedRequest,
    policy: Arc<Policy>,
    /// Lost when no connection to this upstream can be made.
    reach: Arc<Reach>,
}

impl Generation {
    /// Makes everything ready. `roots` is asked only if an upstream relies on it.
    ///
    /// # Errors
    /// Fails if the TLS settings of an upstream can't be used, if no thread can be started to look names up, or if two routes
    /// would match the same requests.
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
            services
                .upstreams
                .iter()
                .map(|it| (&*it.service.name, it.request.timeout)),
        );
        let targets = match process.traced {
            true => services.upstreams.iter().map(target).collect(),
            false => SpanTargets::default(),
        };
        let deployment = deployment::of(&services.aggregates, &services.upstreams);
        Ok(Self {
            routes: Routes::public(optional, &endpoints)?,
            document: described(server, operations, &endpoints, SERVED),
            console,
            metrics: Arc::new(metrics),
            targets: Arc::new(targets),
            upstreams: upstreams(services, &deployment, roots)?,
            gateway_reach: Arc::new(Reach::of_all()),
            deployment,
            endpoints,
        })
    }

    /// Makes a gateway for the calling thread, with pools of its own.
    pub(super) fn gateway(&self, bounds: ProcessBounds) -> Rc<Gateway<Adapter>> {
        let spare = Rc::default();
        let upstreams = self.upstreams.iter();
        let adapters: Vec<_> = upstreams
            .map(|upstream| self.adapter(upstream, &spare))
            .collect();
        let exposed = self.endpoints.iter().map(|endpoint| Exposed {
            aggregate: self.aggregate(endpoint, &adapters),
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

    fn adapter(&self, upstream: &Upstream, spare: &Rc<Spare>) -> Rc<Adapter> {
        let observer = Rc::new(UpstreamObserver {
            metrics: Arc::clone(self.metrics.upstream(upstream.id)),
            policy: Arc::clone(&upstream.policy),
            reach: Arc::clone(&upstream.reach),
            gateway_reach: Arc::clone(&self.gateway_reach),
        });
        let resends = Rc::clone(&observer);
        let wire = Rc::new(Wire::new(&upstream.service, observer, resends, spare));
        Rc::new(Adapter::new(&wire, &upstream.request))
    }

    fn aggregate(&self, endpoint: &Endpoint, adapters: &[Rc<Adapter>]) -> Aggregate<Adapter> {
        let calls = endpoint.calls.iter().map(|call| {
            let upstream = &self.upstreams[call.id.0];
            let request = upstream.request.request();
            Call {
                name: Arc::clone(&call.name),
                id: call.id,
                upstream: Rc::clone(&adapters[call.id.0]),
                need: call.need,
                repeatable: request.repeatable(),
                timeout: request.timeout,
                policy: Arc::clone(&upstream.policy),
                after: call.after.clone(),
                fallback: None,
                is_read: false,
            }
        });
        Aggregate {
            name: Arc::clone(&endpoint.name),
            calls: calls.collect(),
            rules: endpoint.rules,
        }
    }
}

/// Makes the upstreams ready, in the order of their ids.
fn upstreams(
    services: Services,
    deployment: &Deployment,
    roots: impl FnOnce() -> Roots,
) -> anyhow::Result<Vec<Upstream>> {
    let all = services.upstreams.iter().map(|upstream| &upstream.service);
    let sessions = Sessions::of(all, roots)?;
    let mut host_names = upstream::Names::default();
    let each = services.each();
    let ids: Vec<_> = each.map(|(id, _)| (id, passed_on(&services, id))).collect();
    let upstreams = services.upstreams.into_iter().zip(ids);
    upstreams
        .map(|(upstream::Settings { service, request }, (id, passed))| {
            let policy = Arc::new(Policy::new(service.policy.clone()));
            let reach = Arc::new(Reach::of(&service.name));
            let name = Arc::clone(&service.name);
            let service = PreparedService::new(service, &sessions, &mut host_names);
            let service = service.map_err(|error| match error {
                Unprepared::Tls(_) => {
                    anyhow::Error::new(error).context(format!("upstreams.{name}.tls"))
                }
                Unprepared::Threads(_) => error.into(),
            })?;
            let request = PreparedRequest::new(request)
                .passing(deployment.member())
                .advising(passed, &service);
            Ok(Upstream {
                id,
                service,
                request,
                policy,
                reach,
            })
        })
        .collect()
}

/// Returns the data of an upstream that its spans have.
fn target(upstream: &upstream::Settings) -> Target<'_> {
    Target {
        name: &upstream.service.name,
        host: upstream.service.address.host(),
        port: upstream.service.address.port(),
        url: upstream.url(),
        method: &upstream.request.method,
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
