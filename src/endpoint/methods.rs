//! The methods of requests, as far as they decide on a body. It must not know routes.

use http::Method;

use super::Endpoint;

/// Returns true for QUERY (RFC 10008): a GET that says in its body what it asks for. The library has no name for it.
#[must_use]
pub fn is_query(method: &Method) -> bool {
    method.as_str() == "QUERY"
}

/// Returns true if a request with this method may have a body, where its route takes one.
#[must_use]
pub fn may_have_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH) || is_query(method)
}

impl Endpoint {
    /// Returns true if it takes QUERY, and so POST, which does the same.
    #[must_use]
    pub fn takes_query(&self) -> bool {
        self.methods.iter().any(is_query)
    }

    /// Returns true if a request with this method is a QUERY, or the POST that does the same.
    #[must_use]
    pub fn queries(&self, method: &Method) -> bool {
        let is_configured = || self.methods.contains(&Method::POST);
        is_query(method) || (*method == Method::POST && self.takes_query() && !is_configured())
    }
}
