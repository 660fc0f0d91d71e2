//! What a route does with methods: all of them read, by GET and by HEAD with it (RFC 9110, section 9.1), and all say so to
//! OPTIONS. Knows no route.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};

use super::error::{self, Problem, ProblemKind, shown};

/// What every route takes, for `Allow`.
pub(super) const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Tells whether a method only reads.
pub(super) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Refuses a method that no route could ever take: such as RFC 9110 and its kin don't know, and CONNECT, as the gateway is
/// no proxy for tunnels (RFC 9110, section 15.6.2). One that is known is for its route to refuse.
pub(super) fn not_implemented(method: &Method) -> Option<Problem> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY",
    ];
    if KNOWN.contains(&method.as_str()) {
        return None;
    }
    let method = shown(method.as_str());
    let detail = format!("the method {method} is not known here: {ALLOWED} are");
    Some(Problem::new(ProblemKind::MethodNotImplemented, detail))
}

/// The answer of a route that is there to a method that doesn't read.
pub(super) async fn other(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::OPTIONS {
        return Ok(options());
    }
    let detail = format!(
        "`{}` can be read with GET, not with {}",
        shown(request.path()),
        shown(request.method().as_str())
    );
    Err(Problem::new(ProblemKind::MethodNotAllowed, detail))
}

/// The answer where no route matches. `OPTIONS *` asks for none, but what there is in general (RFC 9110, section 9.3.7).
pub(super) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    if *request.method() == Method::OPTIONS && request.path() == "*" {
        return Ok(options());
    }
    Err(error::not_found(&request))
}

fn options() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ALLOW, ALLOWED))
        .finish()
}
