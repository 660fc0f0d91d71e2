//! The bytes of one upstream's requests (RFC 9112, section 3), made ready at start but for what a client's request adds. Pure.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};

use super::Settings;
use crate::fanout::{Forward, Place};

/// Says who is asking, as RFC 9110 wants it of a client.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("gather/", env!("CARGO_PKG_VERSION")));

/// The name that clients and upstreams know it by.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which trace a request belongs to, and what tracers have added to it (W3C).
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// A body up to this size, in bytes, goes out with its head.
pub(super) const SMALL: usize = 16 * 1024;

/// All requests to one upstream.
pub(super) struct Template {
    /// Method, path and own query.
    start: Vec<u8>,
    has_query: bool,
    /// Its own fields, each with its line.
    fields: Vec<(HeaderName, Vec<u8>)>,
    /// All their lines.
    lines: Vec<u8>,
    body: Bytes,
    forward_headers: Vec<HeaderName>,
    forward_query: Vec<String>,
}

impl Template {
    pub(super) fn new(settings: &Settings) -> Self {
        let target = settings.url.path_and_query();
        let target = target.map_or("", |target| target.as_str());
        // A URL such as http://users?id=1 asks for the root.
        let root = if target.starts_with('/') { "" } else { "/" };
        let fields: Vec<_> = fields(settings)
            .into_iter()
            .map(|(name, value)| {
                let mut line = Vec::new();
                write_field(&mut line, &name, &value);
                (name, line)
            })
            .collect();
        Self {
            start: format!("{} {root}{target}", settings.method).into_bytes(),
            has_query: settings.url.query().is_some(),
            lines: fields.iter().flat_map(|(_, line)| line).copied().collect(),
            fields,
            body: settings.body.clone().unwrap_or_default(),
            forward_headers: settings.forward_headers.clone(),
            forward_query: settings.forward_query.clone(),
        }
    }

    /// The head, with a small body; and what is to be sent after it.
    pub(super) fn bytes(&self, forward: &Forward, place: Place) -> (Vec<u8>, &[u8]) {
        let with_body = if self.body.len() <= SMALL {
            self.body.len()
        } else {
            0
        };
        let mut bytes = Vec::with_capacity(self.start.len() + self.lines.len() + 128 + with_body);
        bytes.extend_from_slice(&self.start);
        let pairs = forward.query.iter();
        let pairs = pairs.filter(|(name, _)| self.forward_query.contains(name));
        for (index, (_, pair)) in pairs.enumerate() {
            let is_first = index == 0 && !self.has_query;
            bytes.push(if is_first { b'?' } else { b'&' });
            // The pairs came out of a valid URI, so they go into one.
            bytes.extend_from_slice(pair.as_bytes());
        }
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        self.write_fields(&mut bytes, forward);
        write_field(&mut bytes, &REQUEST_ID, &forward.request_id);
        if let Some(trace) = &forward.trace {
            write_line(&mut bytes, &TRACE_PARENT, &trace.parent_of(place));
            if let Some(state) = &trace.state {
                write_field(&mut bytes, &TRACE_STATE, state);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        let (now, after) = self.body.split_at(with_body);
        bytes.extend_from_slice(now);
        (bytes, after)
    }

    /// A field of the client takes the place of one of the same name.
    fn write_fields(&self, bytes: &mut Vec<u8>, forward: &Forward) {
        let passes = |name: &HeaderName| self.forward_headers.contains(name);
        if !forward.headers.iter().any(|(name, _)| passes(name)) {
            bytes.extend_from_slice(&self.lines);
            return;
        }
        for (own, line) in &self.fields {
            let replaces = |(name, _): &(HeaderName, HeaderValue)| name == own && passes(name);
            if !forward.headers.iter().any(replaces) {
                bytes.extend_from_slice(line);
            }
        }
        for (name, value) in &forward.headers {
            if passes(name) {
                write_field(bytes, name, value);
            }
        }
    }
}

fn write_field(bytes: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    write_line(bytes, name, value.as_bytes());
}

fn write_line(bytes: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

/// What every request has; what is configured comes before what is usual.
fn fields(settings: &Settings) -> Vec<(HeaderName, HeaderValue)> {
    let authority = settings.url.authority();
    let authority = authority.map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).expect("a checked URL's authority is visible");
    let mut fields = vec![
        (header::HOST, host),
        (header::USER_AGENT, USER_AGENT),
        (
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        ),
    ];
    let is_without = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
    let length = settings.body.as_ref().map(Bytes::len);
    // A method that announces a body says that there is none.
    let announced = (!is_without.contains(&settings.method)).then_some(0);
    if let Some(length) = length.or(announced) {
        fields.push((header::CONTENT_LENGTH, HeaderValue::from(length)));
    }
    for (name, value) in &settings.headers {
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
