//! The methods of routes. GET and HEAD read each of Gather's own routes (RFC 9110, section 9.1), and an aggregate has
//! those that are configured. It must not know the routes.

use std::borrow::Cow;

use actix_web::http::{
    Method,
    header::{HeaderName, HeaderValue},
};

use super::{excerpt::excerpt, problem::Problem, problem_kind::ProblemKind};
use crate::endpoint::Endpoint;

/// The methods of every route of Gather's own, for `Allow`.
pub(super) const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// The methods that are known here, in the order in which `Allow` has them.
const KNOWN: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY", "OPTIONS", "TRACE",
];

/// The media types that a QUERY may have (RFC 10008, section 3).
const ACCEPT_QUERY: HeaderName = HeaderName::from_static("accept-query");

/// Returns true if a method only reads, and has no body.
pub(super) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Returns true if an aggregate takes this method. With GET it takes HEAD, and with QUERY it takes POST.
pub(super) fn takes(endpoint: &Endpoint, method: &Method) -> bool {
    let configured = &endpoint.methods;
    configured.contains(method)
        || (*method == Method::HEAD && configured.contains(&Method::GET))
        || (*method == Method::POST && endpoint.takes_query())
}

/// Refuses a method that is unknown here (RFC 9110, section 15.6.2), and CONNECT, as the gateway opens no tunnels. The
/// route decides on other methods.
pub(super) fn not_implemented(method: &Method) -> Option<Problem> {
    let name = method.as_str();
    if KNOWN.contains(&name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let method = excerpt(name);
    let detail = match KNOWN.contains(&&*upper) {
        true => format!(
            "the method {method} is not implemented: methods are case-sensitive, and {upper} is another one"
        ),
        false => format!(
            "the method {method} is not implemented: GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE and QUERY are"
        ),
    };
    Some(Problem::new(ProblemKind::MethodNotImplemented, detail))
}

/// Returns the methods that an aggregate takes, for `Allow`.
pub(super) fn allowed(endpoint: &Endpoint) -> Cow<'static, str> {
    if endpoint.methods == [Method::GET] {
        return ALLOWED.into();
    }
    let is_allowed = |name: &&&str| {
        let method = Method::from_bytes(name.as_bytes());
        **name == "OPTIONS" || method.is_ok_and(|method| takes(endpoint, &method))
    };
    let names: Vec<_> = KNOWN.iter().filter(is_allowed).copied().collect();
    names.join(", ").into()
}

/// Returns `Accept-Query` for an aggregate that takes QUERY.
pub(super) fn accepted(endpoint: &Endpoint) -> Option<(HeaderName, HeaderValue)> {
    let types = match endpoint.takes_json() {
        true => HeaderValue::from_static("\"application/json\""),
        false => HeaderValue::from_static("\"*/*\""),
    };
    endpoint.takes_query().then_some((ACCEPT_QUERY, types))
}
