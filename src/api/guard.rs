//! The one middleware, around every route: the request's id, refusals that hold for all routes, panics, the log line,
//! and the problems' counter. It must not know what a route answers.

use std::{panic::AssertUnwindSafe, rc::Rc};

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{AcceptEncoding, Header as _},
    },
    middleware::Next,
    web,
};
use futures_util::FutureExt as _;

use super::{
    account::{Account, LargeHead},
    announced,
    compress::compressed,
    gateway::Shared,
    log_line::Line,
    logged_body::LoggedBody,
    methods,
    problem::Problem,
    problem_kind::ProblemKind,
    request_id::RequestId,
    trace,
};
use crate::{exchange::REQUEST_ID, readiness::Stage};

/// Runs a request with an id and a log line, and keeps its panics from the worker.
///
/// # Errors
/// Fails only after a panic. The error is then the answer.
pub async fn guard(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let data = request.app_data::<web::Data<Shared>>().cloned();
    let shared = data.as_ref().map(|data| data.get_ref());
    let id = RequestId::of(request.headers().get(REQUEST_ID));
    let spans = shared.and_then(|shared| shared.spans.as_ref());
    let head = request
        .extensions()
        .get::<LargeHead>()
        .map_or(0, |head| head.0);
    let trace = spans.map(|spans| Box::new(trace::begin(spans, &request, &id)));
    let account = Rc::new(Account::new(id, trace, head));
    request.extensions_mut().insert(Rc::clone(&account));
    let mut line = Line::start(&request, account);

    if let Some(problem) = refusal(&request) {
        // The client may already be sending into the tunnel. None of those bytes may be taken for a request.
        let last = *request.method() == Method::CONNECT;
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
    conclude(&mut response, shared, false, &mut line);
    if line.open {
        return Ok(response.map_body(|_, body| BoxBody::new(LoggedBody { body, line, data })));
    }
    Ok(response)
}

/// Adds the fields that every answer has.
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
        .insert(REQUEST_ID, line.account.id.0.clone());
    // Otherwise a client that keeps its connection would find it closed.
    if last || shared.is_some_and(|shared| shared.readiness.stage() == Stage::Stopping) {
        head.set_connection_type(actix_http::ConnectionType::Close);
    }
    if let (Some(shared), Some(kind)) = (shared, kind) {
        shared.metrics.problem(kind);
    }
    if kind.is_some() || !line.account.is_streamed() {
        line.finish(response.status(), kind);
    }
    line.status = Some(response.status());
}

/// Returns the problem of a request that no route takes.
fn refusal(request: &ServiceRequest) -> Option<Problem> {
    let (method, headers) = (request.method(), request.headers());
    let has_body = announced::is_announced(headers);
    if methods::reads(method) && !has_body {
        return None;
    }
    let unknown = methods::not_implemented(method);
    unknown.or_else(|| announced::refused(method, headers).filter(|_| has_body))
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
        response.headers_mut().insert(REQUEST_ID, self.0.0.clone());
        response
    }
}
