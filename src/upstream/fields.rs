//! The header fields of one upstream's requests (RFC 9110, section 5): its own, those of the client that go on, and
//! those that name the request. All but the client's are made ready at start. Pure.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};

use super::{Address, settings::Request};
use crate::exchange::{ClientContext, REQUEST_ID, TRACE_PARENT, TRACE_STATE};
use crate::fanout::AttemptId;

/// The sender's name, as RFC 9110 asks of a client.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("gather/", env!("CARGO_PKG_VERSION")));

/// The gateways that the request has come through (RFC 8586).
pub(super) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// The fields of one upstream's requests, as far as they do not vary.
pub(super) struct Fields {
    /// The upstream's own fields, each with its line.
    own: Vec<(HeaderName, Vec<u8>)>,
    /// The lines of all own fields, and the line of the hop.
    lines: Vec<u8>,
    /// The gateway's own name in `CDN-Loop`, if it has one.
    hop: Option<HeaderValue>,
    /// The client's fields that go on.
    forwarded: Vec<HeaderName>,
}

impl Fields {
    /// Makes the fields ready. Those that `is_made` holds for are left out: they are made for each request.
    pub(super) fn new(
        address: &Address,
        request: &Request,
        hop: Option<HeaderValue>,
        is_made: impl Fn(&HeaderName) -> bool,
    ) -> Self {
        let own: Vec<_> = own(address, request)
            .into_iter()
            .filter(|(name, _)| !is_made(name))
            .map(|(name, value)| {
                let mut line = Vec::new();
                write_field(&mut line, &name, &value);
                (name, line)
            })
            .collect();
        let mut lines: Vec<u8> = own.iter().flat_map(|(_, line)| line).copied().collect();
        let mut forwarded = request.forward_headers.clone();
        forwarded.retain(|name| !is_made(name));
        if let Some(hop) = &hop {
            write_field(&mut lines, &CDN_LOOP, hop);
            // The field is always sent, and must not be sent twice.
            forwarded.retain(|name| *name != CDN_LOOP);
        }
        Self {
            own,
            lines,
            hop,
            forwarded,
        }
    }

    /// Returns the bytes that the fields take if the client adds none.
    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Writes the fields. A client's field replaces an own field of the same name.
    #[inline(always)]
    pub(super) fn write(&self, bytes: &mut Vec<u8>, client: &ClientContext) {
        let passes = |name: &HeaderName| self.forwarded.contains(name);
        let hops = client.hops.as_ref();
        if hops.is_none() && !client.headers.iter().any(|(name, _)| passes(name)) {
            bytes.extend_from_slice(&self.lines);
        } else {
            self.write_with(bytes, client);
        }
    }

    /// Writes the fields with those that the client adds.
    fn write_with(&self, bytes: &mut Vec<u8>, client: &ClientContext) {
        let passes = |name: &HeaderName| self.forwarded.contains(name);
        let hops = client.hops.as_ref();
        for (own, line) in &self.own {
            let replaces = |(name, _): &(HeaderName, HeaderValue)| name == own && passes(name);
            if !client.headers.iter().any(replaces) {
                bytes.extend_from_slice(line);
            }
        }
        for (name, value) in &client.headers {
            if passes(name) {
                write_field(bytes, name, value);
            }
        }
        if let Some(hop) = &self.hop {
            let before = hops.map(|hops| [hops.as_bytes(), b", "].concat());
            let all = [before.as_deref().unwrap_or_default(), hop.as_bytes()].concat();
            write_line(bytes, &CDN_LOOP, &all);
        }
    }
}

/// Writes the field that names the client's request.
#[inline]
pub(super) fn write_id(bytes: &mut Vec<u8>, client: &ClientContext) {
    write_field(bytes, &REQUEST_ID, &client.request_id);
}

/// Writes the fields that place an attempt in the client's trace, if there is one, and the end of the head.
#[inline]
pub(super) fn write_end(bytes: &mut Vec<u8>, client: &ClientContext, id: AttemptId) {
    if let Some(trace) = &client.trace {
        write_line(bytes, &TRACE_PARENT, &trace.parent_of(id));
        if let Some(state) = &trace.state {
            write_field(bytes, &TRACE_STATE, state);
        }
    }
    bytes.extend_from_slice(b"\r\n");
}

#[inline]
pub(super) fn write_field(bytes: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    write_line(bytes, name, value.as_bytes());
}

#[inline]
pub(super) fn write_line(bytes: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

/// Returns the fields of every request. Configured fields come before the usual ones.
fn own(address: &Address, request: &Request) -> Vec<(HeaderName, HeaderValue)> {
    let host = address.host_field();
    let host = HeaderValue::from_str(host).expect("an authority is visible");
    let codings = if request.compressed {
        "gzip, br"
    } else {
        "identity"
    };
    let mut fields = vec![
        (header::HOST, host),
        (header::USER_AGENT, USER_AGENT),
        (header::ACCEPT_ENCODING, HeaderValue::from_static(codings)),
    ];
    let is_without = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
    let length = request.body.as_ref().map(Bytes::len);
    // A method that usually has a body announces that there is none.
    let announced = (!is_without.contains(&request.method)).then_some(0);
    if let Some(length) = length.or(announced) {
        fields.push((header::CONTENT_LENGTH, HeaderValue::from(length)));
    }
    for (name, value) in &request.headers {
        if *name == REQUEST_ID {
            continue;
        }
        match fields.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => own.clone_from(value),
            None => fields.push((name.clone(), value.clone())),
        }
    }
    fields
}
