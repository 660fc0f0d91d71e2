//! The log line of a request. It must not know how the request is answered.

use std::rc::Rc;

use actix_web::{
    dev::ServiceRequest,
    http::{Method, StatusCode},
};
use tokio::time::Instant;

use super::{account::Account, gateway::Shared, problem_kind::ProblemKind};
use crate::timing::Millis;

/// The target of these lines. People filter lines by it, so it stays when a file moves.
const TARGET: &str = "gather::api::guard";

/// The log line of one request. It is written once, also if the request is dropped because its client went away.
pub(super) struct Line {
    pub(super) account: Rc<Account>,
    method: Method,
    path: String,
    began: Instant,
    /// The status of a stream that has begun.
    pub(super) status: Option<StatusCode>,
    /// True until it is written.
    pub(super) open: bool,
}

impl Line {
    pub(super) fn start(request: &ServiceRequest, account: Rc<Account>) -> Self {
        Self {
            account,
            method: request.method().clone(),
            // The path alone, as a query may hold text that a log should not.
            path: request.path().to_owned(),
            began: Instant::now(),
            status: None,
            open: true,
        }
    }

    /// Counts a panic and writes the line of its request.
    pub(super) fn panicked(&mut self, shared: Option<&Shared>) {
        if let Some(shared) = shared {
            shared.metrics.panicked();
            shared.metrics.problem(ProblemKind::Internal);
        }
        self.finish(
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(ProblemKind::Internal),
        );
    }

    /// Writes the line of an answer.
    pub(super) fn finish(&mut self, status: StatusCode, problem: Option<ProblemKind>) {
        self.open = false;
        self.account.end_span(Some(status), false);
        let request_id = self.account.id.as_str();
        let (method, path) = (self.method.as_str(), self.path.as_str());
        let elapsed_ms = Millis(self.began.elapsed()).number();
        let status = status.as_u16();
        let problem = problem.map_or("", ProblemKind::name);
        let trace_id = self.account.trace_id();
        let trace_id = trace_id.as_deref();
        match self.account.summary() {
            Some(run) => tracing::info!(target: TARGET,
                request_id,
                trace_id,
                aggregate = &*run.aggregate,
                mode = run.mode,
                outcome = run.outcome,
                status,
                elapsed_ms,
                sequential_ms = Millis(run.sequential).number(),
                failed = (!run.failed.is_empty()).then_some(run.failed.as_str()),
                reason = run.reason.as_deref(),
                "aggregated"
            ),
            // A probe that asks for readiness every second would fill the log during a stop.
            None if status < 400 || problem == ProblemKind::NotReady.name() => {
                tracing::debug!(target: TARGET,
                    request_id, trace_id, method, path, status, elapsed_ms, "answered"
                );
            }
            None => {
                tracing::info!(target: TARGET,
                    request_id, trace_id, method, path, status, problem, elapsed_ms, "refused"
                );
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        self.account.end_span(self.status, true);
        let (request_id, path) = (self.account.id.as_str(), self.path.as_str());
        let trace_id = self.account.trace_id();
        let trace_id = trace_id.as_deref();
        let elapsed_ms = Millis(self.began.elapsed()).number();
        let outcome = "cancelled";
        match self.account.run() {
            Some((aggregate, mode)) => {
                tracing::info!(target: TARGET,
                    request_id,
                    trace_id,
                    aggregate,
                    mode,
                    outcome,
                    elapsed_ms,
                    "the client went away"
                );
            }
            None => tracing::info!(target: TARGET,
                request_id,
                trace_id,
                path,
                outcome,
                elapsed_ms,
                "the client went away"
            ),
        }
    }
}
