//! The header fields of a client's request that are read, or taken for its calls. It must not know how a call passes
//! them on.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};

use super::query::preferred_wait;
use crate::endpoint::Endpoint;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The number of fields up to which a walk through all of them is faster than looking a few names up.
const FEW: usize = 4;

/// Returns true for a small head without a preference and without a field that is passed on.
pub(super) fn is_plain(request: &HttpRequest, forwarded: &[HeaderName]) -> bool {
    let headers = request.headers();
    let is_read = |name: &HeaderName| *name == PREFER || forwarded.contains(name);
    headers.len_keys() <= FEW && !headers.keys().any(is_read)
}

/// Returns the time that the client is willing to wait, by `Prefer: wait=…` in seconds (RFC 7240).
pub(super) fn preferred(request: &HttpRequest) -> Option<Duration> {
    let fields = request.headers().get_all(PREFER);
    fields
        .filter_map(|field| field.to_str().ok())
        .find_map(preferred_wait)
        .map(Duration::from_secs)
}

/// Returns the fields that the request's calls may take: none of a `plain` head. Fields that the client's `Connection`
/// names end here (RFC 9110, section 7.6.1).
pub(super) fn taken(
    request: &HttpRequest,
    plain: bool,
    endpoint: &Endpoint,
) -> Vec<(HeaderName, HeaderValue)> {
    if plain {
        return Vec::new();
    }
    let headers = request.headers();
    let is_hop = |name: &HeaderName| {
        headers
            .get_all(header::CONNECTION)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
    };
    let names = endpoint.forward_headers.iter();
    names
        .filter(|name| headers.contains_key(*name) && !is_hop(name))
        .flat_map(|name| {
            let values = headers.get_all(name);
            values.map(|value| (name.clone(), value.clone()))
        })
        .collect()
}
