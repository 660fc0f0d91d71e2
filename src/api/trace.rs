//! Reads the trace context and the span attributes of a request (W3C Trace Context, OpenTelemetry's conventions). It
//! must not know who records them.

use std::sync::Arc;

use actix_web::{
    dev::ServiceRequest,
    http::{
        Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

use super::request_id::RequestId;
use crate::{
    exchange::{TRACE_PARENT, TRACE_STATE},
    telemetry::spans::{Incoming, RequestTrace, Spans},
};

/// Follows the caller's trace, or begins one.
pub(super) fn begin(spans: &Arc<Spans>, request: &ServiceRequest, id: &RequestId) -> RequestTrace {
    let headers = request.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let state = state(headers);
    let incoming = Incoming {
        parent: only(headers).map(HeaderValue::as_bytes),
        state: state.as_ref(),
        method: request.method().as_str(),
        path: request.path(),
        version: match request.version() {
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        },
        host: text(header::HOST),
        agent: text(header::USER_AGENT),
        client: request.peer_addr().map(|peer| peer.ip()),
        request_id: id.as_str(),
    };
    RequestTrace::begin(spans, &incoming)
}

/// Returns the field if there is exactly one, as two may say different things.
fn only(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut fields = headers.get_all(TRACE_PARENT);
    fields.next().filter(|_| fields.next().is_none())
}

/// Joins all lines of the field, as a list may come in several (RFC 9110, section 5.3).
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut fields = headers.get_all(TRACE_STATE);
    let first = fields.next()?;
    let mut rest = fields.peekable();
    if rest.peek().is_none() {
        return Some(first.clone());
    }
    let mut joined = first.as_bytes().to_vec();
    for field in rest {
        joined.push(b',');
        joined.extend_from_slice(field.as_bytes());
    }
    HeaderValue::from_bytes(&joined).ok()
}
