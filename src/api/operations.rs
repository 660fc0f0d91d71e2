//! The gateway's answers about itself: metrics for Prometheus, liveness and readiness for the service manager, and the
//! OpenAPI document. It must not know the aggregates.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, Header as _},
};
use bytes::Bytes;

use super::{gateway::Shared, problem::Problem, problem_kind::ProblemKind};
use crate::{
    readiness::Stage,
    telemetry::{OPEN_METRICS, TEXT_FORMAT},
};

/// `GET /metrics`: Prometheus' text format, or OpenMetrics for clients that prefer it.
pub(super) fn metrics(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let shared = Shared::of(request)?;
    let (text, media_type) = if prefers_open_metrics(request) {
        let text = shared.metrics.encode_open_metrics();
        (text.map(String::into_bytes), OPEN_METRICS)
    } else {
        (shared.metrics.encode(), TEXT_FORMAT)
    };
    let text = text.map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::new(ProblemKind::Internal, "the metrics could not be written")
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::VARY, "accept"))
        .body(text))
}

/// Returns true if the request names OpenMetrics, in the version that we write, and no other format with a greater
/// weight. A wildcard, or a field that can't be read, means the text format, which a person reads more easily.
fn prefers_open_metrics(request: &HttpRequest) -> bool {
    let Ok(accept) = header::Accept::parse(request) else {
        return false;
    };
    let [mut open, mut text, mut any] = [None; 3];
    for item in accept.iter() {
        let version = item.item.get_param("version");
        let is = |known: &str| version.is_none_or(|version| version == known);
        let weight = match item.item.essence_str() {
            "application/openmetrics-text" if is("1.0.0") => &mut open,
            "text/plain" if is("0.0.4") => &mut text,
            "*/*" | "text/*" => &mut any,
            _ => continue,
        };
        *weight = (*weight).max(Some(item.quality));
    }
    // A wildcard does not cover a format that is named, even if it is named to refuse it.
    open > Some(header::Quality::ZERO) && open >= text.or(any)
}

/// `GET /openapi.json`: what is answered here, for programs. It was made at start.
pub(super) fn openapi(document: &Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        // The next process may have another document.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(document.clone())
}

/// `GET /livez`: the process answers.
pub(super) fn livez() -> HttpResponse {
    json("{\"alive\":true}")
}

/// `GET /readyz`: the process takes traffic; 503 with the reason while it doesn't.
pub(super) fn readyz(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let (reason, detail) = match Shared::of(request)?.readiness.stage() {
        Stage::Ready => return Ok(json("{\"ready\":true}")),
        Stage::Starting => ("starting", "the gateway is starting"),
        Stage::Stopping => ("stopping", "the gateway is stopping"),
    };
    let members = format!("\"ready\":false,\"reason\":\"{reason}\"");
    Err(Problem::new(ProblemKind::NotReady, detail).with_members(members.into_bytes()))
}

fn json(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}
