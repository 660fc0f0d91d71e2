//! The methods of routes. GET and HEAD read each route (RFC 9110, section 9.1), and OPTIONS lists these methods. It
//! must not know the routes.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderValue},
    },
};

use super::{excerpt::excerpt, problem::Problem, problem_kind::ProblemKind};

/// The methods of every route, for `Allow`.
const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Returns true if a method only reads.
pub(super) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Refuses a method that is unknown here (RFC 9110, section 15.6.2), and CONNECT, as the gateway opens no tunnels. The
/// route decides on other methods.
pub(super) fn not_implemented(method: &Method) -> Option<Problem> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY",
    ];
    if KNOWN.contains(&method.as_str()) {
        return None;
    }
    let method = excerpt(method.as_str());
    let detail = format!("the method {method} is not implemented: GET, HEAD and OPTIONS are");
    Some(Problem::new(ProblemKind::MethodNotImplemented, detail))
}

/// Answers a method that doesn't read, on a route that exists.
pub(super) fn other(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::OPTIONS {
        return Ok(options());
    }
    let detail = format!(
        "`{}` can be read with GET, not with {}",
        excerpt(request.path()),
        excerpt(request.method().as_str())
    );
    let allowed = (header::ALLOW, HeaderValue::from_static(ALLOWED));
    Err(Problem::new(ProblemKind::MethodNotAllowed, detail).with_fields([allowed]))
}

/// Answers if no route matches. `OPTIONS *` asks about the whole gateway (RFC 9110, section 9.3.7).
pub(super) fn no_route(request: &HttpRequest) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::OPTIONS && request.path() == "*" {
        return Ok(options());
    }
    Err(Problem::not_found(request))
}

fn options() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ALLOW, ALLOWED))
        .finish()
}
