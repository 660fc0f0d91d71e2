//! The bytes of one upstream's requests (RFC 9112, section 3). All but the additions from a client's request are made
//! ready at start. Pure.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};

use super::{Address, settings::Request};
use crate::exchange::{ClientContext, REQUEST_ID, TRACE_PARENT, TRACE_STATE};
use crate::fanout::AttemptId;

/// The sender's name, as RFC 9110 asks of a client.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("gather/", env!("CARGO_PKG_VERSION")));

/// The gateways that the request has come through (RFC 8586).
const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// The largest body, in bytes, that goes out together with its head.
pub(super) const SMALL: usize = 16 * 1024;

/// The parts that all requests to one upstream share.
pub(super) struct Template {
    /// Method, path and the upstream's own query.
    start: Vec<u8>,
    has_query: bool,
    /// The upstream's own fields, each with its line.
    fields: Vec<(HeaderName, Vec<u8>)>,
    /// The lines of all own fields, and the line of the hop.
    lines: Vec<u8>,
    /// The gateway's own name in `CDN-Loop`, if it has one.
    hop: Option<HeaderValue>,
    body: Bytes,
    forward_headers: Vec<HeaderName>,
    forward_query: Vec<String>,
}

impl Template {
    pub(super) fn new(address: &Address, request: &Request, hop: Option<HeaderValue>) -> Self {
        let target = &request.target;
        let fields: Vec<_> = fields(address, request)
            .into_iter()
            .map(|(name, value)| {
                let mut line = Vec::new();
                write_field(&mut line, &name, &value);
                (name, line)
            })
            .collect();
        let mut lines: Vec<u8> = fields.iter().flat_map(|(_, line)| line).copied().collect();
        let mut forward_headers = request.forward_headers.clone();
        if let Some(hop) = &hop {
            write_field(&mut lines, &CDN_LOOP, hop);
            // The field is always sent, and must not be sent twice.
            forward_headers.retain(|name| *name != CDN_LOOP);
        }
        Self {
            // A URL such as http://users?id=1 asks for the root, which `target` writes.
            start: format!("{} {target}", request.method).into_bytes(),
            has_query: target.query().is_some(),
            lines,
            hop,
            fields,
            body: request.body.clone().unwrap_or_default(),
            forward_headers,
            forward_query: request.forward_query.clone(),
        }
    }

    /// Returns the number of bytes in the body.
    pub(super) fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Returns the head, together with a small body, and the bytes to send after it.
    pub(super) fn bytes(&self, client: &ClientContext, id: AttemptId) -> (Vec<u8>, &[u8]) {
        let with_body = if self.body.len() <= SMALL {
            self.body.len()
        } else {
            0
        };
        let mut bytes = Vec::with_capacity(self.start.len() + self.lines.len() + 128 + with_body);
        bytes.extend_from_slice(&self.start);
        let pairs = client.query.iter();
        let pairs = pairs.filter(|(name, _)| self.forward_query.contains(name));
        for (index, (_, pair)) in pairs.enumerate() {
            let is_first = index == 0 && !self.has_query;
            bytes.push(if is_first { b'?' } else { b'&' });
            // The pairs are from a valid URI, so they are valid in this one.
            bytes.extend_from_slice(pair.as_bytes());
        }
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        self.write_fields(&mut bytes, client);
        write_field(&mut bytes, &REQUEST_ID, &client.request_id);
        if let Some(trace) = &client.trace {
            write_line(&mut bytes, &TRACE_PARENT, &trace.parent_of(id));
            if let Some(state) = &trace.state {
                write_field(&mut bytes, &TRACE_STATE, state);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        let (now, after) = self.body.split_at(with_body);
        bytes.extend_from_slice(now);
        (bytes, after)
    }

    /// Writes the fields. A client's field replaces an own field of the same name.
    fn write_fields(&self, bytes: &mut Vec<u8>, client: &ClientContext) {
        let passes = |name: &HeaderName| self.forward_headers.contains(name);
        let hops = client.hops.as_ref();
        if hops.is_none() && !client.headers.iter().any(|(name, _)| passes(name)) {
            bytes.extend_from_slice(&self.lines);
            return;
        }
        for (own, line) in &self.fields {
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

fn write_field(bytes: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    write_line(bytes, name, value.as_bytes());
}

fn write_line(bytes: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

/// Returns the fields of every request. Configured fields come before the usual ones.
fn fields(address: &Address, request: &Request) -> Vec<(HeaderName, HeaderValue)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Settings;

    /// Returns the lines of the head that an upstream with these settings is sent.
    fn head(settings: &Settings) -> Vec<String> {
        let template = Template::new(&settings.service.address, &settings.request, None);
        let client = ClientContext::new(HeaderValue::from_static("id"));
        let (bytes, _) = template.bytes(&client, AttemptId::ONLY);
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_host_has_a_port_only_where_it_is_not_the_schemes_own() {
        for (url, host) in [
            ("http://users", "users"),
            ("http://users:80/a", "users"),
            ("https://users:443/", "users"),
            ("http://users:443/", "users:443"),
            ("https://users:80/", "users:80"),
            ("http://users:8080/", "users:8080"),
            ("http://Users.Example:80/", "Users.Example"),
            ("http://10.0.0.1:80/", "10.0.0.1"),
            ("http://[::1]:80/", "[::1]"),
            ("https://[::1]:443", "[::1]"),
            ("http://[::1]:81/", "[::1]:81"),
            ("http://[::1]/", "[::1]"),
        ] {
            let lines = head(&Settings::of(url));
            let hosts: Vec<_> = lines
                .iter()
                .filter(|line| line.starts_with("host: "))
                .collect();
            assert_eq!(hosts, [&format!("host: {host}")], "{url}");
        }
        let mut settings = Settings::of("http://users:80/");
        settings.request.headers = vec![(header::HOST, HeaderValue::from_static("users:80"))];
        let own = head(&settings);
        assert!(own.contains(&"host: users:80".to_owned()), "{own:?}");
    }

    #[test]
    fn a_url_without_a_path_asks_for_the_root() {
        for (url, start) in [
            ("http://users", "GET / HTTP/1.1"),
            ("http://users?id=1", "GET /?id=1 HTTP/1.1"),
            ("http://users/a?id=1", "GET /a?id=1 HTTP/1.1"),
        ] {
            assert_eq!(head(&Settings::of(url))[0], start, "{url}");
        }
    }

    #[test]
    fn who_is_no_gateway_says_nothing_of_loops() {
        let lines = head(&Settings::of("http://users"));
        assert!(!lines.iter().any(|line| line.starts_with("cdn-loop")));
    }
}
