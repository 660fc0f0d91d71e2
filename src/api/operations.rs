//! The operational routes: metrics for Prometheus, liveness and readiness for whoever starts and stops the process.

use actix_web::{HttpResponse, http::header, web};

use super::{
    error::{Problem, ProblemKind},
    gateway::Shared,
};
use crate::{readiness::Stage, telemetry::TEXT_FORMAT};

/// `GET /metrics`: Prometheus' text format.
pub(super) async fn metrics(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let text = shared.metrics.encode().map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::new(ProblemKind::Internal, "the metrics could not be written")
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, TEXT_FORMAT))
        .body(text))
}

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> HttpResponse {
    json("{\"alive\":true}")
}

/// `GET /readyz`: the process takes traffic; 503 with the reason while it doesn't.
pub(super) async fn readyz(shared: web::Data<Shared>) -> Result<HttpResponse, Problem> {
    let (reason, detail) = match shared.readiness.stage() {
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
