//! The settings of one upstream that the adapter needs, as checked values. Built by `config`, or by hand in tests.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, uri::Scheme};
use tokio_rustls::rustls::{RootCertStore, sign::CertifiedKey};

use crate::fanout::{PolicySettings, StatusSet};

/// One upstream: where it is, what is sent to it, and how much of its answer is taken.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configured name, `[a-z][a-z0-9_]*`.
    pub name: Arc<str>,
    /// Absolute, `http` or `https`, with a host; without user, password or fragment.
    pub url: Uri,
    /// The method of every attempt.
    pub method: Method,
    /// Fixed headers, sent with every attempt.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A fixed body, sent with every attempt.
    pub body: Option<Bytes>,
    /// One attempt, from its start to the last byte of the answer's body.
    pub timeout: Duration,
    /// Looking up the name, connecting and the TLS handshake, together.
    pub connect_timeout: Duration,
    /// The time that a connection may wait for its next request; zero keeps none.
    pub keep_alive: Duration,
    /// The largest body taken, in bytes.
    pub max_body: usize,
    /// The depth to which its JSON may nest, at least 1.
    pub max_depth: usize,
    /// True if an answer that only the end of its connection ends is refused.
    pub framed: bool,
    /// True if it is asked for gzip or brotli.
    pub compressed: bool,
    /// The statuses that count as success.
    pub success: StatusSet,
    /// The way in which calls are made of attempts, and how many there may be.
    pub policy: PolicySettings,
    /// The client's headers that go upstream.
    pub forward_headers: Vec<HeaderName>,
    /// The client's query parameters that go upstream.
    pub forward_query: Vec<String>,
    /// The roots to trust, and the gateway's own identity, for `https`.
    pub tls: TlsSettings,
}

impl Settings {
    /// The host to connect to. An IPv6 address is without the brackets that a URL puts around it.
    ///
    /// # Panics
    /// Panics if the URL has no host, which a checked configuration rules out.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.url.host().expect("a checked URL has a host");
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to: the URL's, else its scheme's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url
            .port_u16()
            .unwrap_or_else(|| standard_port(&self.url))
    }
}

/// The port of the URL's scheme, `http` or `https` (RFC 9110, sections 4.2.1 and 4.2.2).
#[must_use]
pub fn standard_port(url: &Uri) -> u16 {
    if url.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    }
}

#[cfg(test)]
impl Settings {
    /// A GET of this URL and the usual for all the rest.
    pub(super) fn of(url: &str) -> Self {
        Self {
            name: "a".into(),
            url: url.parse().expect("a URL"),
            method: Method::GET,
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(1),
            keep_alive: Duration::from_secs(4),
            max_body: 1 << 20,
            max_depth: 64,
            framed: false,
            compressed: false,
            success: StatusSet::successful(),
            policy: PolicySettings::default(),
            forward_headers: Vec::new(),
            forward_query: Vec::new(),
            tls: TlsSettings::default(),
        }
    }
}

/// Trust and identity towards one upstream. What several upstreams have in common is there once.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// The only roots to trust; without them those that all upstreams share.
    pub ca: Option<Arc<RootCertStore>>,
    /// A client certificate with its chain, first to last, and its key.
    pub identity: Option<Arc<CertifiedKey>>,
    /// The name that the upstream's certificate must carry, if it is not the URL's host.
    pub server_name: Option<String>,
}
