//! Answers to methods that a route doesn't take: OPTIONS, which lists its methods, and refusals. It must not know the
//! routes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderValue},
    },
};

use super::{
    announced::refuse_large,
    excerpt::excerpt,
    methods::{ALLOWED, accepted, allowed},
    problem::Problem,
    problem_kind::ProblemKind,
};
use crate::endpoint::Endpoint;

/// Answers a method that doesn't read, on a route of Gather's own that exists.
pub(super) fn of_own(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::OPTIONS {
        return Ok(options(ALLOWED));
    }
    refuse_large(request)?;
    Err(only_read(request))
}

/// Returns the problem of a method on a path that can only be read.
fn only_read(request: &HttpRequest) -> Problem {
    let detail = format!(
        "`{}` can be read with GET, not with {}",
        excerpt(request.path()),
        excerpt(request.method().as_str())
    );
    let allowed = (header::ALLOW, HeaderValue::from_static(ALLOWED));
    Problem::new(ProblemKind::MethodNotAllowed, detail).with_fields([allowed])
}

/// Answers a method that an aggregate doesn't take.
#[cold]
pub(super) fn of_aggregate(
    request: &HttpRequest,
    endpoint: &Endpoint,
) -> Result<HttpResponse, Problem> {
    let allowed = allowed(endpoint);
    if *request.method() == Method::OPTIONS {
        let mut response = options(&allowed);
        if let Some((name, value)) = accepted(endpoint) {
            response.headers_mut().insert(name, value);
        }
        return Ok(response);
    }
    refuse_large(request)?;
    if allowed == ALLOWED {
        return Err(only_read(request));
    }
    let detail = format!(
        "`{}` takes {}, not {}",
        excerpt(request.path()),
        allowed.trim_end_matches(", OPTIONS"),
        excerpt(request.method().as_str())
    );
    let fields = HeaderValue::from_str(&allowed).map(|allowed| (header::ALLOW, allowed));
    let fields = fields.into_iter().chain(accepted(endpoint));
    Err(Problem::new(ProblemKind::MethodNotAllowed, detail).with_fields(fields))
}

/// Answers if no route matches. `OPTIONS *` asks about the whole gateway (RFC 9110, section 9.3.7).
pub(super) fn no_route(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::OPTIONS && request.path() == "*" {
        return Ok(options(ALLOWED));
    }
    refuse_large(request)?;
    Err(Problem::not_found(request))
}

fn options(allowed: &str) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ALLOW, allowed))
        .finish()
}
