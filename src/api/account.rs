//! The notes that the guard, a request's handler and its connection leave each other: one entry among the request's
//! extensions. It must not know who reads them.

use std::{
    cell::{Cell, OnceCell},
    rc::Rc,
    sync::Arc,
};

use actix_web::http::StatusCode;

use super::{request_id::RequestId, summary::Summary};
use crate::{
    exchange::Trace,
    telemetry::spans::{Answered, PlanShape, RequestTrace, SpanObserver, SpanTargets},
};

/// The size of a large head, in bytes. The request's memory is charged for it, as its fields are not copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LargeHead(pub(crate) usize);

/// The route of a request, as a template.
#[derive(Debug, Clone)]
pub(super) enum RouteName {
    /// A path of Gather's own.
    Own(&'static str),
    /// The route of an aggregate.
    Configured(Rc<str>),
}

impl RouteName {
    fn as_str(&self) -> &str {
        match self {
            Self::Own(route) => route,
            Self::Configured(route) => route,
        }
    }
}

/// The notes that the guard and a request's handler leave each other: one entry among the request's extensions.
#[derive(Debug)]
pub(crate) struct Account {
    /// The request's id.
    pub(crate) id: RequestId,
    /// The aggregate and the mode, for the log line of a client that doesn't wait for it.
    running: OnceCell<(Arc<str>, &'static str)>,
    /// The size of its head if that is large, in bytes; otherwise 0.
    pub(super) head: usize,
    /// The request's end, for the log line.
    summary: OnceCell<Summary>,
    /// True if the answer goes on after its head.
    streamed: Cell<bool>,
    /// Its trace, if anything is traced.
    recorder: Option<Box<RequestTrace>>,
    /// The route that runs an aggregate. Only such a request is recorded.
    route: OnceCell<RouteName>,
}

impl Account {
    /// Begins the account of a request.
    pub(super) fn new(id: RequestId, recorder: Option<Box<RequestTrace>>, head: usize) -> Self {
        Self {
            id,
            running: OnceCell::new(),
            head,
            summary: OnceCell::new(),
            streamed: Cell::new(false),
            recorder,
            route: OnceCell::new(),
        }
    }

    /// Notes that it is a request for an aggregate, and the route by which it came, once.
    pub(super) fn set_route(&self, route: RouteName) {
        let _ = self.route.set(route);
    }

    /// Notes what is about to run, once.
    pub(super) fn set_run(&self, aggregate: &Arc<str>, mode: &'static str) {
        // A handler runs one thing, so the first note stands.
        let _ = self.running.set((Arc::clone(aggregate), mode));
    }

    /// Notes that its outcome is known only at the end of the answer's body.
    pub(super) fn set_streamed(&self) {
        self.streamed.set(true);
    }

    /// Returns true if the answer goes on after its head.
    pub(super) fn is_streamed(&self) -> bool {
        self.streamed.get()
    }

    /// Returns the aggregate and the mode, once they are known.
    pub(super) fn run(&self) -> Option<(&str, &'static str)> {
        let (aggregate, mode) = self.running.get()?;
        Some((aggregate, mode))
    }

    /// Returns the request's end, once it is known.
    pub(super) fn summary(&self) -> Option<&Summary> {
        self.summary.get()
    }

    /// Returns the aggregate that it asks for, once that is known.
    pub(crate) fn aggregate(&self) -> Option<&str> {
        self.run().map(|(aggregate, _)| aggregate)
    }

    /// Returns the trace that goes upstream, if anything is traced.
    pub(super) fn trace(&self) -> Option<Rc<Trace>> {
        self.recorder
            .as_ref()
            .map(|recorder| Rc::clone(recorder.trace()))
    }

    /// Returns the id under which its run is recorded, if it is.
    pub(super) fn recorded_id(&self) -> Option<u128> {
        let trace = self.recorder.as_ref()?.trace();
        trace.is_sampled().then(|| trace.id())
    }

    /// Returns the observer that records a run, if it is recorded.
    pub(super) fn observer<'a, 'n>(
        &'a self,
        plan: PlanShape<impl Iterator<Item = &'n str>>,
        targets: &'a SpanTargets,
    ) -> Option<SpanObserver<'a>> {
        self.recorder.as_ref()?.observer(plan, targets)
    }

    /// Returns the id of its trace, for the log.
    pub(super) fn trace_id(&self) -> Option<String> {
        self.recorder.as_ref().map(|recorder| recorder.id())
    }

    /// Records the request's own span, if it is one for an aggregate.
    pub(super) fn end_span(&self, status: Option<StatusCode>, cancelled: bool) {
        if let (Some(recorder), Some(route)) = (&self.recorder, self.route.get()) {
            recorder.end(&Answered {
                route: route.as_str(),
                status,
                cancelled,
                run: self.run(),
                outcome: self.summary.get().map(|summary| summary.outcome),
            });
        }
    }

    /// Notes its end, once.
    pub(super) fn set_summary(&self, summary: Summary) {
        let _ = self.summary.set(summary);
    }
}
