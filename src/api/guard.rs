//! The one middleware, around every route: the request's id, what no route takes, panics, the log line, and the
//! problems' counter.

use std::{
    cell::{Cell, OnceCell},
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, AcceptEncoding, Header as _},
    },
    middleware::Next,
    web,
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::{
    compress::compressed,
    error::{Problem, ProblemKind},
    gateway::Shared,
    methods,
    request_id::{self, RequestId},
    trace,
};
use crate::{
    compose::Comparison,
    fanout::{FailureKind, Outcome},
    readiness::Stage,
    telemetry::spans::{Answered, RequestTrace},
    timing::Millis,
};

/// The largest declared body that is answered as "not taken here" and not as too large.
const MAX_BODY: u64 = 256 * 1024;

/// The log line's words on an aggregate, left by its handler.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    pub(super) aggregate: Arc<str>,
    pub(super) mode: &'static str,
    pub(super) outcome: &'static str,
    pub(super) sequential: std::time::Duration,
    /// The calls that failed, as `name:class` or `name:status=404`, with commas between them.
    pub(super) failed: String,
}

impl Summary {
    pub(super) fn of(aggregate: &Arc<str>, outcome: &Outcome) -> Self {
        Self {
            aggregate: aggregate.clone(),
            mode: outcome.mode.as_str(),
            outcome: outcome.verdict.as_str(),
            sequential: outcome.sequential(),
            failed: Self::failed([outcome]),
        }
    }

    pub(super) fn of_both(aggregate: &Arc<str>, runs: Comparison<'_>) -> Self {
        Self {
            aggregate: aggregate.clone(),
            mode: "compare",
            outcome: runs.verdict().as_str(),
            sequential: runs.all(),
            failed: Self::failed([runs.sequential, runs.concurrent]),
        }
    }

    /// Names and classes of the calls that failed by themselves, and the statuses that were the failures.
    pub(super) fn failed<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> String {
        let mut text = String::new();
        let calls = outcomes.into_iter().flat_map(|outcome| &outcome.results);
        for call in calls {
            if let Err(failure) = &call.result
                && !failure.kind.is_given_up()
            {
                let comma = if text.is_empty() { "" } else { "," };
                // Writing to a String can't fail.
                let _ = write!(text, "{comma}{}:{}", call.name, failure.kind);
                if let (FailureKind::Status, Some(status)) = (failure.kind, failure.status) {
                    let _ = write!(text, "={}", status.as_u16());
                }
            }
        }
        text
    }
}

/// The size of a large head, in bytes. The request's memory is charged for it, as its fields are not copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LargeHead(pub(crate) usize);

/// The notes that the guard and a request's handler leave each other: one entry among the request's extensions.
#[derive(Debug)]
pub(crate) struct Account {
    /// The request's id.
    pub(crate) id: RequestId,
    /// The aggregate and the mode, for the log line of a client that doesn't wait for it.
    running: OnceCell<(Arc<str>, &'static str)>,
    /// The size of its head where that is large, in bytes; else 0.
    pub(super) head: usize,
    /// The request's end, for the log line.
    summary: OnceCell<Summary>,
    /// True if the answer goes on after its head.
    streamed: Cell<bool>,
    /// Its trace, where anything is traced.
    pub(super) trace: Option<Box<RequestTrace>>,
    /// The route that runs an aggregate: what makes the request one to record.
    route: Cell<Option<&'static str>>,
}

impl Account {
    /// Says that it is a request for an aggregate, and by which route it came.
    pub(super) fn set_route(&self, route: &'static str) {
        self.route.set(Some(route));
    }

    /// Says what is about to run, once.
    pub(super) fn set_run(&self, aggregate: &Arc<str>, mode: &'static str) {
        // A handler runs one thing; the first word stands.
        let _ = self.running.set((Arc::clone(aggregate), mode));
    }

    /// Says that what comes of it will be known at the end of the answer's body only.
    pub(super) fn streams(&self) {
        self.streamed.set(true);
    }

    /// The aggregate that it asks for, once that is known.
    pub(crate) fn aggregate(&self) -> Option<&str> {
        self.running.get().map(|(aggregate, _)| &**aggregate)
    }

    /// The id of its trace, for the log.
    fn trace_id(&self) -> Option<String> {
        self.trace.as_ref().map(|trace| trace.id())
    }

    /// Records the request's own span, if it is one for an aggregate.
    fn end_span(&self, status: Option<StatusCode>, cancelled: bool) {
        if let (Some(trace), Some(route)) = (&self.trace, self.route.get()) {
            let running = self.running.get();
            trace.end(&Answered {
                route,
                status,
                cancelled,
                run: running.map(|(aggregate, mode)| (&**aggregate, *mode)),
                outcome: self.summary.get().map(|summary| summary.outcome),
            });
        }
    }

    /// Says what came of it, once.
    pub(super) fn set_summary(&self, summary: Summary) {
        let _ = self.summary.set(summary);
    }
}

/// Runs a request with an id, a log line and no way to take the worker down.
///
/// # Errors
/// Never but after a panic, whose answer is the error's own.
pub async fn guard(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let data = request.app_data::<web::Data<Shared>>().cloned();
    let shared = data.as_ref().map(|data| data.get_ref());
    let id = RequestId::of(request.headers().get(request_id::NAME));
    let spans = shared.and_then(|shared| shared.spans.as_ref());
    let head = request
        .extensions()
        .get::<LargeHead>()
        .map_or(0, |head| head.0);
    let account = Rc::new(Account {
        trace: spans.map(|spans| Box::new(trace::begin(spans, &request, &id))),
        route: Cell::new(None),
        id,
        running: OnceCell::new(),
        summary: OnceCell::new(),
        streamed: Cell::new(false),
        head,
    });
    request.extensions_mut().insert(Rc::clone(&account));
    let mut line = Line::start(&request, account);
    let last = announces_body(&request);

    if let Some(problem) = refusal(&request, last) {
        // Its client may be sending into the tunnel already: none of that may be taken for a request.
        let last = last || *request.method() == Method::CONNECT;
        let mut response = request.into_response(problem.error_response());
        conclude(&mut response, shared, last, &mut line);
        return Ok(response);
    }
    let Ok(result) = AssertUnwindSafe(next.call(request)).catch_unwind().await else {
        line.panicked(shared);
        return Err(Panicked(line.account.id.clone()).into());
    };
    let mut response = result?;
    if let Some(shared) = shared.filter(|shared| shared.compression) {
        let (request, answer) = response.into_parts();
        let accept = || AcceptEncoding::parse(&request).ok();
        let answer = compressed(request.headers(), accept, answer, &shared.memory);
        response = ServiceResponse::new(request, answer);
    }
    conclude(&mut response, shared, last, &mut line);
    if line.open {
        return Ok(response.map_body(|_, body| BoxBody::new(Told { body, line, data })));
    }
    Ok(response)
}

/// Adds the fields that every answer gets, whatever it is.
fn conclude<B>(
    response: &mut ServiceResponse<B>,
    shared: Option<&Shared>,
    last: bool,
    line: &mut Line,
) {
    let kind = response
        .response()
        .extensions()
        .get::<ProblemKind>()
        .copied();
    let head = response.response_mut().head_mut();
    head.headers_mut()
        .insert(request_id::NAME, line.account.id.0.clone());
    // A client that keeps its connection would otherwise meet a closed one.
    if last || shared.is_some_and(|shared| shared.readiness.stage() == Stage::Stopping) {
        head.set_connection_type(actix_http::ConnectionType::Close);
    }
    if let (Some(shared), Some(kind)) = (shared, kind) {
        shared.metrics.problem(kind);
    }
    if kind.is_some() || !line.account.streamed.get() {
        line.finish(response.status(), kind);
    }
    line.status = Some(response.status());
}

/// A streamed answer, whose log line is written at its end.
struct Told {
    body: BoxBody,
    line: Line,
    data: Option<web::Data<Shared>>,
}

impl MessageBody for Told {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        let body = Pin::new(&mut this.body);
        let Ok(polled) = catch_unwind(AssertUnwindSafe(|| body.poll_next(cx))) else {
            this.line
                .panicked(this.data.as_ref().map(|data| data.get_ref()));
            // It has begun, so all that is left to say is that it is not whole.
            return Poll::Ready(Some(Err("a handler panicked".into())));
        };
        if matches!(polled, Poll::Ready(None)) && this.line.open {
            this.line.finish(StatusCode::OK, None);
        }
        polled
    }
}

/// Tells whether a body is to follow the request's head. No route reads it, so no request can follow it.
fn announces_body(request: &ServiceRequest) -> bool {
    declared(request) > 0 || request.headers().contains_key(header::TRANSFER_ENCODING)
}

/// The length of the request's body, as far as it is declared.
fn declared(request: &ServiceRequest) -> u64 {
    let length = request.headers().get(header::CONTENT_LENGTH);
    length
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// The problem with what no route takes.
fn refusal(request: &ServiceRequest, has_body: bool) -> Option<Problem> {
    if methods::reads(request.method()) && !has_body {
        return None;
    }
    let unknown = methods::not_implemented(request.method());
    unknown.or_else(|| refused_body(request).filter(|_| has_body))
}

/// A body that is too large, or that goes with a method which has none here.
#[cold]
fn refused_body(request: &ServiceRequest) -> Option<Problem> {
    let declared = declared(request);
    if declared > MAX_BODY {
        return Some(Problem::new(
            ProblemKind::BodyTooLarge,
            format!("the request announces a body of {declared} bytes; no route takes one"),
        ));
    }
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return Some(Problem::new(
            ProblemKind::UnexpectedBody,
            format!(
                "{} takes no body here; send parameters in the query",
                request.method()
            ),
        ));
    }
    None
}

/// The log line of one request; written once, also when the request is dropped because its client went away.
struct Line {
    account: Rc<Account>,
    method: Method,
    path: String,
    began: Instant,
    /// Of a stream that has begun.
    status: Option<StatusCode>,
    open: bool,
}

impl Line {
    fn start(request: &ServiceRequest, account: Rc<Account>) -> Self {
        Self {
            account,
            method: request.method().clone(),
            // The path alone: a query may hold what a log should not.
            path: request.path().to_owned(),
            began: Instant::now(),
            status: None,
            open: true,
        }
    }

    /// Counts a panic and writes the line of what it left.
    fn panicked(&mut self, shared: Option<&Shared>) {
        if let Some(shared) = shared {
            shared.metrics.panicked();
            shared.metrics.problem(ProblemKind::Internal);
        }
        self.finish(
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(ProblemKind::Internal),
        );
    }

    fn finish(&mut self, status: StatusCode, problem: Option<ProblemKind>) {
        self.open = false;
        self.account.end_span(Some(status), false);
        let request_id = self.account.id.as_str();
        let (method, path) = (self.method.as_str(), self.path.as_str());
        let elapsed_ms = Millis(self.began.elapsed()).number();
        let status = status.as_u16();
        let problem = problem.map_or("", ProblemKind::name);
        let trace_id = self.account.trace_id();
        let trace_id = trace_id.as_deref();
        match self.account.summary.get() {
            Some(run) => tracing::info!(
                request_id,
                trace_id,
                aggregate = &*run.aggregate,
                mode = run.mode,
                outcome = run.outcome,
                status,
                elapsed_ms,
                sequential_ms = Millis(run.sequential).number(),
                failed = (!run.failed.is_empty()).then_some(run.failed.as_str()),
                "aggregated"
            ),
            // Whoever asks for readiness every second would fill the log at a stop.
            None if status < 400 || problem == ProblemKind::NotReady.name() => {
                tracing::debug!(
                    request_id, trace_id, method, path, status, elapsed_ms, "answered"
                );
            }
            None => {
                tracing::info!(
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
        match self.account.running.get() {
            Some((aggregate, mode)) => {
                let aggregate = &**aggregate;
                tracing::info!(
                    request_id,
                    trace_id,
                    aggregate,
                    mode,
                    outcome,
                    elapsed_ms,
                    "the client went away"
                );
            }
            None => tracing::info!(
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

/// The answer to a request whose handler panicked.
#[derive(Debug)]
struct Panicked(RequestId);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a handler panicked")
    }
}

impl ResponseError for Panicked {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse {
        let problem = Problem::new(
            ProblemKind::Internal,
            "the gateway made a mistake; its log has more under this request's id",
        );
        let mut response = problem.error_response();
        response
            .headers_mut()
            .insert(request_id::NAME, self.0.0.clone());
        response
    }
}
