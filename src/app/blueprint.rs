//! The parts that all workers share, from which each builds a gateway of its own. Knows nothing of listeners.

use std::{num::NonZeroUsize, rc::Rc, sync::Arc};

use http::{HeaderName, StatusCode};

use super::{
    deployment, surface,
    watch::{Counting, Reach},
};
use crate::{
    api::{Deployment, Exposed, Gateway, PassStatus},
    config,
    exchange::Memory,
    fanout::{Aggregate, Call, Limit, Need, Policy, UpstreamId},
    telemetry::{GenerationMetrics, spans::SpanTargets},
    upstream::{
        self, Adapter, PreparedRequest, PreparedService, Roots, Sessions, Unprepared, Wire,
    },
};

/// The parts from which every worker builds its gateway.
pub(super) struct Blueprint {
    aggregates: Vec<config::Aggregate>,
    upstreams: Vec<Prepared>,
    policies: Vec<Arc<Policy>>,
    reach: Vec<Arc<Reach>>,
    supply: Arc<Reach>,
    in_flight: Arc<Limit>,
    deployment: Deployment,
    deadline_headers: Arc<[HeaderName]>,
    metrics: Arc<GenerationMetrics>,
    targets: Arc<SpanTargets>,
}

/// An upstream: a service, and the request that its calls send.
struct Prepared {
    service: PreparedService,
    request: PreparedRequest,
}

impl Blueprint {
    pub(super) fn new(
        aggregates: Vec<config::Aggregate>,
        upstreams: Vec<upstream::Settings>,
        metrics: Arc<GenerationMetrics>,
        targets: Arc<SpanTargets>,
        roots: impl FnOnce() -> Roots,
        max_in_flight: NonZeroUsize,
    ) -> anyhow::Result<Self> {
        let deployment = deployment::of(&aggregates, &upstreams);
        let sessions = Sessions::of(upstreams.iter().map(|upstream| &upstream.service), roots)?;
        let policies = upstreams
            .iter()
            .map(|upstream| Arc::new(Policy::new(upstream.service.policy.clone())))
            .collect();
        let reach = upstreams
            .iter()
            .map(|upstream| Arc::new(Reach::of(&upstream.service.name)))
            .collect();
        let mut host_names = upstream::Names::default();
        let upstreams = upstreams
            .into_iter()
            .enumerate()
            .map(|(place, upstream::Settings { service, request })| {
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
                    .advising(passed_on(&aggregates, place), &service);
                Ok(Prepared { service, request })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            aggregates,
            upstreams,
            policies,
            reach,
            supply: Arc::new(Reach::of_all()),
            in_flight: Arc::new(Limit::new(max_in_flight)),
            deployment,
            deadline_headers: Arc::default(),
            metrics,
            targets,
        })
    }

    /// The same, where callers say in these header fields for how many milliseconds they will wait.
    pub(super) fn heeding(mut self, deadline_headers: &[HeaderName]) -> Self {
        self.deadline_headers = deadline_headers.into();
        self
    }

    /// A gateway for the calling thread, with pools of its own.
    pub(super) fn gateway(&self, memory: &Memory) -> Rc<Gateway<Adapter>> {
        let spare = Rc::default();
        let adapters: Vec<_> = self
            .upstreams
            .iter()
            .enumerate()
            .map(|(index, prepared)| {
                let counting = Rc::new(Counting {
                    metrics: Arc::clone(self.metrics.upstream(UpstreamId(index))),
                    policy: Arc::clone(&self.policies[index]),
                    reach: Arc::clone(&self.reach[index]),
                    supply: Arc::clone(&self.supply),
                });
                let resends = Rc::clone(&counting);
                let wire = Rc::new(Wire::new(&prepared.service, counting, resends, &spare));
                Rc::new(Adapter::new(&wire, &prepared.request))
            })
            .collect();
        let exposed = self
            .aggregates
            .iter()
            .map(|aggregate| self.expose(aggregate, &adapters))
            .collect();
        let in_flight = Arc::clone(&self.in_flight);
        let (memory, deployment) = (memory.clone(), self.deployment.clone());
        let (metrics, targets) = (Arc::clone(&self.metrics), Arc::clone(&self.targets));
        Gateway::new(exposed, metrics, targets, in_flight, memory, deployment)
    }

    fn expose(&self, aggregate: &config::Aggregate, adapters: &[Rc<Adapter>]) -> Exposed<Adapter> {
        let called: Vec<_> = aggregate
            .calls
            .iter()
            .map(|call| self.upstreams[call.upstream.0].request.request())
            .collect();
        let calls = aggregate
            .calls
            .iter()
            .zip(&called)
            .map(|(call, request)| Call {
                name: Arc::clone(&call.name),
                id: call.upstream,
                upstream: Rc::clone(&adapters[call.upstream.0]),
                need: call.need,
                repeatable: request.repeatable(),
                timeout: request.timeout,
                policy: Arc::clone(&self.policies[call.upstream.0]),
            })
            .collect();
        Exposed {
            compare: aggregate.compare,
            max_body: aggregate.max_body,
            forward_headers: surface::forward_headers(called.iter().copied()),
            forward_query: called
                .iter()
                .flat_map(|request| request.forward_query.iter().cloned())
                .collect(),
            deadline_headers: Arc::clone(&self.deadline_headers),
            pass_status: aggregate
                .calls
                .iter()
                .filter(|call| passes(call))
                .map(|call| PassStatus {
                    call: Arc::clone(&call.name),
                    statuses: call.pass_status.as_slice().into(),
                })
                .collect(),
            aggregate: Aggregate {
                name: Arc::clone(&aggregate.name),
                calls,
                rules: aggregate.rules,
            },
        }
    }
}

/// Tells whether a status of this call can be the answer's own.
fn passes(call: &config::Call) -> bool {
    call.need == Need::Required && !call.pass_status.is_empty()
}

/// The statuses of the upstream at `place` that some call hands on.
fn passed_on(aggregates: &[config::Aggregate], place: usize) -> Vec<StatusCode> {
    let calls = aggregates.iter().flat_map(|aggregate| &aggregate.calls);
    let calls = calls.filter(|call| call.upstream.0 == place && passes(call));
    let mut statuses: Vec<_> = calls
        .flat_map(|call| call.pass_status.iter().copied())
        .collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}
