//! The state that the handlers of one worker share: the aggregates as they are exposed, and the process-wide observers.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use actix_web::{HttpRequest, web};
use bytes::Bytes;
use http::HeaderName;

use super::{
    deployment::Deployment, passed::PassStatus, problem::Problem, problem_kind::ProblemKind,
};
use crate::{
    exchange::{Charge, Memory, fixed},
    fanout::{Aggregate, AggregateId, Limit, Permit},
    readiness::Readiness,
    telemetry::{
        GenerationMetrics, Metrics,
        spans::{SpanTargets, Spans},
    },
};

/// One aggregate as clients can ask for it.
#[derive(Debug)]
pub struct Exposed<U> {
    /// The core's side of it.
    pub aggregate: Aggregate<U>,
    /// True if `mode=compare` may double the load.
    pub compare: bool,
    /// The most bytes of bodies that one request holds.
    pub max_body: usize,
    /// The client's header fields that some call of it passes on.
    pub forward_headers: Vec<HeaderName>,
    /// The query parameters that some call of it passes on.
    pub forward_query: HashSet<String>,
    /// The client's header fields that say for how many milliseconds it will wait.
    pub deadline_headers: Arc<[HeaderName]>,
    /// The calls of which some statuses become the answer's own; none of them is optional.
    pub pass_status: Vec<PassStatus>,
}

/// One worker's aggregates by name.
#[derive(Debug)]
pub struct Gateway<U> {
    pub(super) exposed: Vec<Exposed<U>>,
    by_name: HashMap<Arc<str>, AggregateId>,
    pub(super) metrics: Arc<GenerationMetrics>,
    pub(super) targets: Arc<SpanTargets>,
    in_flight: Arc<Limit>,
    memory: Rc<Memory>,
    pub(super) deployment: Deployment,
}

impl<U> Gateway<U> {
    /// The order of `exposed` is that of the aggregates' ids, by which `metrics` was resolved. All workers share `in_flight`, which bounds the
    /// requests that are answered at a time, and `memory`, which bounds what they hold. Requests that `deployment` has
    /// sent itself are refused.
    #[must_use]
    pub fn new(
        exposed: Vec<Exposed<U>>,
        metrics: Arc<GenerationMetrics>,
        targets: Arc<SpanTargets>,
        in_flight: Arc<Limit>,
        memory: Memory,
        deployment: Deployment,
    ) -> Rc<Self> {
        let by_name = exposed
            .iter()
            .enumerate()
            .map(|(index, exposed)| (Arc::clone(&exposed.aggregate.name), AggregateId(index)))
            .collect();
        Rc::new(Self {
            exposed,
            by_name,
            metrics,
            targets,
            in_flight,
            memory: Rc::new(memory),
            deployment,
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<(AggregateId, &Exposed<U>)> {
        let id = *self.by_name.get(name)?;
        Some((id, &self.exposed[id.0]))
    }

    /// Returns a permit for one request of this aggregate, for as long as its answer takes memory, and what it is charged
    /// for that. `head` is the size of a large head, which is held as long; 0 for any other.
    pub(super) fn admit(&self, id: AggregateId, head: usize) -> Result<(Permit, Charge), Problem> {
        let (size, free) = fixed(self.exposed[id.0].aggregate.calls.len());
        let permit = self.in_flight.acquire();
        let permit = permit.ok_or_else(|| self.shed(id, IN_FLIGHT))?;
        let charge = self.memory.admit(id.0, size, free);
        let mut charge = charge.ok_or_else(|| self.shed(id, TAKEN))?;
        if head > 0 && !charge.hold(head) {
            return Err(self.shed(id, TAKEN));
        }
        Ok((permit, charge))
    }

    #[cold]
    fn shed(&self, id: AggregateId, detail: &'static str) -> Problem {
        self.metrics.aggregate(id).shed();
        Problem::new(ProblemKind::Overloaded, detail)
    }
}

/// The reasons to refuse a request.
const IN_FLIGHT: &str = "as many requests are in flight as the gateway takes; nothing was sent";
const TAKEN: &str =
    "the requests in flight take all memory that the gateway has for them; nothing was sent";

/// The state that every route can see.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Records spans, where anything is traced.
    pub spans: Option<Arc<Spans>>,
    /// Tells whether traffic is taken.
    pub readiness: Arc<Readiness>,
    /// True if answers are compressed for those who take it.
    pub compression: bool,
    /// The memory that encoders of compressed answers are charged to.
    pub memory: Memory,
    /// The OpenAPI document.
    pub document: Bytes,
}

impl Shared {
    /// The value that the request's listener has.
    pub(super) fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        let shared = request.app_data::<web::Data<Self>>();
        let shared = shared.map(|shared| shared.get_ref());
        shared.ok_or_else(|| Problem::new(ProblemKind::Internal, "the listener was not set up"))
    }
}
