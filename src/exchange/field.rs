//! The names of header fields that come in with a request and go upstream with its attempts. It must not know who reads
//! them.

use http::HeaderName;

/// The request's id, which clients and upstreams know too.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The trace that a request belongs to (W3C Trace Context).
pub const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// The data that tracers add to it (W3C Trace Context).
pub const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
