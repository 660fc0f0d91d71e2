//! The bytes of one upstream's requests (RFC 9112, section 3). All but the additions from a client's request are made
//! ready at start. Pure.

use bytes::Bytes;
use http::HeaderValue;

use super::{
    Address,
    fields::{self, Fields},
    settings::Request,
};
use crate::exchange::ClientContext;
use crate::fanout::AttemptId;

/// The largest body, in bytes, that goes out together with its head.
pub(super) const SMALL: usize = 16 * 1024;

/// The parts that all requests to one upstream share.
pub(super) struct Template {
    /// Method, path and the upstream's own query.
    start: Vec<u8>,
    has_query: bool,
    fields: Fields,
    body: Bytes,
    forward_query: Vec<String>,
}

impl Template {
    pub(super) fn new(address: &Address, request: &Request, hop: Option<HeaderValue>) -> Self {
        let target = &request.target;
        Self {
            // A URL such as http://users?id=1 asks for the root, which `target` writes.
            start: format!("{} {target}", request.method).into_bytes(),
            has_query: target.query().is_some(),
            fields: Fields::new(address, request, hop, |_| false),
            body: request.body.clone().unwrap_or_default(),
            forward_query: request.forward_query.clone(),
        }
    }

    /// Returns the number of bytes in the body.
    pub(super) fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Returns the head, together with a small body, and the bytes to send after it.
    pub(super) fn bytes(&self, client: &ClientContext, id: AttemptId) -> (Vec<u8>, &[u8]) {
        let (now, after) = split(&self.body);
        let mut bytes = Vec::with_capacity(self.start.len() + self.fields.len() + 128 + now.len());
        bytes.extend_from_slice(&self.start);
        let mut is_first = !self.has_query;
        write_pairs(&mut bytes, &self.forward_query, client, &mut is_first);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        self.fields.write(&mut bytes, client);
        fields::write_id(&mut bytes, client);
        fields::write_end(&mut bytes, client, id);
        bytes.extend_from_slice(now);
        (bytes, after)
    }
}

/// Divides a body into the part that goes out with the head, and the part that goes after it.
pub(super) fn split(body: &[u8]) -> (&[u8], &[u8]) {
    match body.len() {
        ..=SMALL => (body, &[]),
        _ => (&[], body),
    }
}

/// Writes the client's query parameters of these names. `is_first` says if no pair came before; it is updated.
#[inline]
pub(super) fn write_pairs(
    bytes: &mut Vec<u8>,
    names: &[String],
    client: &ClientContext,
    is_first: &mut bool,
) {
    for (name, pair) in &client.query {
        if names.contains(name) {
            bytes.push(if *is_first { b'?' } else { b'&' });
            *is_first = false;
            // The pairs are from a valid URI, so they are valid in this one.
            bytes.extend_from_slice(pair.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header;

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
