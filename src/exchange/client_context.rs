//! The parts of the client's request that its calls need: those that may go upstream (nothing else does), and the room
//! that is left for its answer. It must not know who calls.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::{Allowance, Trace};

/// The parts of one client's request that calls may pass on. Each upstream's settings say which of them its calls pass
/// on.
#[derive(Debug)]
pub struct ClientContext {
    /// Sent as `X-Request-Id` with every attempt.
    pub request_id: HeaderValue,
    /// Header fields that some upstream asks for, in the order they came.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The parameters of the route, decoded, in the order of the route.
    pub path: Vec<String>,
    /// Query parameters that some upstream asks for: the decoded name, and `name=value` as it came.
    pub query: Vec<(String, String)>,
    /// The body of the client's request, if its route takes one.
    pub body: Option<ClientBody>,
    /// The gateways that the request has come through, as its `CDN-Loop` names them (RFC 8586); `None` if it names
    /// none.
    pub hops: Option<HeaderValue>,
    /// The bytes that the bodies of all its calls may take together. Both runs of a comparison share it, as both are
    /// held.
    pub allowance: Allowance,
    /// The trace it belongs to, which goes upstream with every attempt; `None` if nothing is traced.
    pub trace: Option<Rc<Trace>>,
}

impl ClientContext {
    /// Makes the context of a request that passes nothing on and has no room for bodies.
    #[must_use]
    pub fn new(request_id: HeaderValue) -> Self {
        Self {
            request_id,
            headers: Vec::new(),
            path: Vec::new(),
            query: Vec::new(),
            body: None,
            hops: None,
            allowance: Allowance::new(0),
            trace: None,
        }
    }
}

/// The body of a client's request, whole.
#[derive(Debug, Clone)]
pub struct ClientBody {
    /// The bytes as they came.
    pub bytes: Bytes,
    /// Its `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// True if the bytes are one valid JSON value in UTF-8. The code that builds this has checked it.
    pub is_json: bool,
}
