//! The state of the handlers: one worker's gateway, made of a generation of the configuration, and what the whole
//! process shares. It must not know how either is made.

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpRequest, web};
use bytes::Bytes;

use super::{deployment::Deployment, problem::Problem, problem_kind::ProblemKind, routes::Routes};
use crate::{
    console::Console,
    endpoint::Endpoint,
    exchange::{Charge, Memory, fixed},
    fanout::{Aggregate, AggregateId, Limit, Permit},
    readiness::Readiness,
    telemetry::{
        GenerationMetrics, Metrics,
        spans::{SpanTargets, Spans},
    },
};

/// One aggregate that this worker can run.
#[derive(Debug)]
pub struct Exposed<U> {
    /// The aggregate as clients see it.
    pub endpoint: Arc<Endpoint>,
    /// The aggregate as the core runs it.
    pub aggregate: Aggregate<U>,
}

/// The parts of a [`Gateway`]. All of them are of one generation of the configuration, except the two bounds.
#[derive(Debug)]
pub struct GatewayParts<U> {
    /// The aggregates, by their ids.
    pub exposed: Vec<Exposed<U>>,
    /// The paths of the public listener.
    pub routes: Routes,
    /// The OpenAPI document.
    pub document: Bytes,
    /// The console's files, if there is a console.
    pub console: Option<Arc<Console>>,
    /// The metrics of the aggregates and of their upstreams.
    pub metrics: Arc<GenerationMetrics>,
    /// The upstreams as spans show them.
    pub targets: Arc<SpanTargets>,
    /// The mark of this deployment. A request that comes from it is refused.
    pub deployment: Deployment,
    /// The bound on requests that are answered at a time, over all workers.
    pub in_flight: Arc<Limit>,
    /// The bound on the bytes that requests hold, over all workers.
    pub memory: Memory,
}

/// One worker's view of a generation of the configuration: everything that its handlers need. A worker takes it as a
/// whole.
#[derive(Debug)]
pub struct Gateway<U> {
    pub(super) exposed: Vec<Exposed<U>>,
    /// The ids by name, in the order of the names.
    by_name: Vec<(Arc<str>, AggregateId)>,
    /// The templates of the aggregates' own routes, by their ids.
    templates: Vec<Option<Rc<str>>>,
    pub(super) routes: Routes,
    pub(super) document: Bytes,
    pub(super) console: Option<Arc<Console>>,
    pub(super) metrics: Arc<GenerationMetrics>,
    pub(super) targets: Arc<SpanTargets>,
    in_flight: Arc<Limit>,
    memory: Rc<Memory>,
    pub(super) deployment: Deployment,
}

impl<U> Gateway<U> {
    /// Makes the gateway of one worker.
    #[must_use]
    pub fn new(parts: GatewayParts<U>) -> Rc<Self> {
        let exposed = parts.exposed.iter().enumerate();
        let mut by_name: Vec<_> = exposed
            .map(|(index, exposed)| (Arc::clone(&exposed.endpoint.name), AggregateId(index)))
            .collect();
        by_name.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let routes = parts.exposed.iter().map(|it| it.endpoint.route.as_ref());
        let templates = routes.map(|route| Some(route?.template().into()));
        Rc::new(Self {
            templates: templates.collect(),
            exposed: parts.exposed,
            by_name,
            routes: parts.routes,
            document: parts.document,
            console: parts.console,
            metrics: parts.metrics,
            targets: parts.targets,
            in_flight: parts.in_flight,
            memory: Rc::new(parts.memory),
            deployment: parts.deployment,
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<(AggregateId, &Exposed<U>)> {
        let by_name = &self.by_name;
        let found = by_name.binary_search_by(|(known, _)| (**known).cmp(name));
        let (_, id) = by_name[found.ok()?];
        Some((id, &self.exposed[id.0]))
    }

    /// Returns the aggregate with this id, which the gateway's own tables have.
    pub(super) fn exposed(&self, id: AggregateId) -> &Exposed<U> {
        &self.exposed[id.0]
    }

    /// Returns the template of an aggregate's own route, if it has one.
    pub(super) fn template(&self, id: AggregateId) -> Option<Rc<str>> {
        self.templates[id.0].clone()
    }

    /// Returns a permit for one request of this aggregate, for as long as its answer takes memory, and what it is
    /// charged for that. `head` is the size of a large head, which is held as long; 0 for any other.
    pub(super) fn admit(&self, id: AggregateId, head: usize) -> Result<(Permit, Charge), Problem> {
        let (size, free) = fixed(self.exposed[id.0].aggregate.calls.len());
        let permit = self.in_flight.acquire();
        let permit = permit.ok_or_else(|| self.shed(id, IN_FLIGHT))?;
        let charge = self.memory.admit(id.0, size, free);
        let mut charge = charge.ok_or_else(|| self.shed(id, TAKEN))?;
        if head > 0 {
            self.hold(id, &mut charge, head)?;
        }
        Ok((permit, charge))
    }

    /// Charges a request of this aggregate what it holds beside its fixed size.
    pub(super) fn hold(
        &self,
        id: AggregateId,
        charge: &mut Charge,
        size: usize,
    ) -> Result<(), Problem> {
        match charge.hold(size) {
            true => Ok(()),
            false => Err(self.shed(id, TAKEN)),
        }
    }

    #[cold]
    fn shed(&self, id: AggregateId, detail: &'static str) -> Problem {
        self.metrics.aggregate(id).shed();
        Problem::new(ProblemKind::Overloaded, detail)
    }
}

/// The detail of a refusal when too many requests are in flight.
const IN_FLIGHT: &str = "as many requests are in flight as the gateway takes; nothing was sent";
/// The detail of a refusal when there is no memory left.
const TAKEN: &str =
    "the requests in flight take all memory that the gateway has for them; nothing was sent";

/// The state of the process that every route of every listener can see.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The metrics of the process.
    pub metrics: Arc<Metrics>,
    /// The receiver of spans, if anything is traced.
    pub spans: Option<Arc<Spans>>,
    /// The stage of the process, which decides if it takes traffic.
    pub readiness: Arc<Readiness>,
    /// True if answers are compressed for clients that accept it.
    pub compression: bool,
    /// The memory that encoders of compressed answers are charged to.
    pub memory: Memory,
}

impl Shared {
    /// Returns the state that the request's listener has.
    pub(super) fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        let shared = request.app_data::<web::Data<Self>>();
        let shared = shared.map(|shared| shared.get_ref());
        shared.ok_or_else(not_set_up)
    }
}

/// Returns the problem of a listener that lacks its state, which would be a fault here.
pub(super) fn not_set_up() -> Problem {
    Problem::new(ProblemKind::Internal, "the listener was not set up")
}
