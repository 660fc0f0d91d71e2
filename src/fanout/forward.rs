//! What of the client's request may go upstream. Nothing else does.

use http::{HeaderName, HeaderValue};

/// The parts of one client's request that calls may pass on; which call passes on which is the upstream's own setting.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Sent as `X-Request-Id` with every attempt.
    pub request_id: HeaderValue,
    /// Header fields that some upstream asks for, in the order they came.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Query parameters that some upstream asks for: the decoded name, and `name=value` as it came.
    pub query: Vec<(String, String)>,
}
