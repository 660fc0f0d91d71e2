//! The settings of a service and of a request to it, as checked values, and the values in force where they are not set.
//! It must not know where they come from.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, uri::PathAndQuery};
use tokio_rustls::rustls::{RootCertStore, sign::CertifiedKey};

use super::{Address, Composed};
use crate::fanout::{PolicySettings, Repeatable, StatusSet};

/// One upstream: a service, and the request that its calls send.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The service that the calls of this upstream go to.
    pub service: Service,
    /// The request that a call of this upstream sends.
    pub request: Request,
}

/// The service behind an upstream. All requests to it share its connections, its limits and its breaker.
#[derive(Debug, Clone)]
pub struct Service {
    /// The configured name, `[a-z][a-z0-9_]*`.
    pub name: Arc<str>,
    /// The scheme, the host and the port.
    pub address: Address,
    /// The roots to trust, and the gateway's own identity, for `https`.
    pub tls: TlsSettings,
    /// The time to look up the name, connect and do the TLS handshake, together.
    pub connect_timeout: Duration,
    /// The time that a connection may wait for its next request. Zero keeps none.
    pub keep_alive: Duration,
    /// The way in which calls are made of attempts, and how many there may be.
    pub policy: PolicySettings,
}

/// A request to a service, and how much of the answer is taken.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method of every attempt.
    pub method: Method,
    /// The path and the query.
    pub target: PathAndQuery,
    /// Fixed headers, sent with every attempt.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A fixed body, sent with every attempt.
    pub body: Option<Bytes>,
    /// The time of one attempt, from its start to the last byte of the answer's body.
    pub timeout: Duration,
    /// The statuses that count as success.
    pub success: StatusSet,
    /// The largest body that is accepted, in bytes.
    pub max_body: usize,
    /// The depth to which its JSON may nest, at least 1.
    pub max_depth: usize,
    /// True if an answer that only the end of its connection ends is refused.
    pub framed: bool,
    /// True if gzip or brotli is asked for.
    pub compressed: bool,
    /// The client's headers that go upstream.
    pub forward_headers: Vec<HeaderName>,
    /// The client's query parameters that go upstream.
    pub forward_query: Vec<String>,
    /// The parts that are made from values; `None` if nothing varies but by what is forwarded.
    pub composed: Option<Arc<Composed>>,
    /// The fields of a successful answer that something refers to. They are kept with the reply.
    pub kept_fields: Vec<HeaderName>,
}

impl Settings {
    /// Returns the URL of the upstream's own request.
    #[must_use]
    pub fn url(&self) -> Uri {
        self.service.address.url(&self.request.target)
    }
}

impl Service {
    /// The time to connect. Within a data centre it takes milliseconds. One second covers one lost SYN packet.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

    /// The time that a connection may wait for its next request. Common servers close theirs after 5 s, so most of the
    /// kept ones are good.
    pub const KEEP_ALIVE: Duration = Duration::from_secs(4);

    /// Returns a service with the built-in settings.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, address: Address) -> Self {
        Self {
            name: name.into(),
            address,
            tls: TlsSettings::default(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            keep_alive: Self::KEEP_ALIVE,
            policy: PolicySettings::default(),
        }
    }
}

impl Request {
    /// The time of one attempt. It is long enough for a slow service, and leaves half of the default deadline.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// The largest body that is accepted, in bytes: 1 MiB, far above what a page asks of one service.
    pub const MAX_BODY: usize = 1024 * 1024;

    /// The depth to which JSON may nest: the least of the bounds of common clients, and far above what a page needs.
    pub const MAX_DEPTH: usize = 64;

    /// Returns a GET with the built-in settings.
    #[must_use]
    pub fn get(target: PathAndQuery) -> Self {
        Self {
            method: Method::GET,
            target,
            headers: Vec::new(),
            body: None,
            timeout: Self::TIMEOUT,
            success: StatusSet::successful(),
            max_body: Self::MAX_BODY,
            max_depth: Self::MAX_DEPTH,
            framed: false,
            compressed: false,
            forward_headers: Vec::new(),
            forward_query: Vec::new(),
            composed: None,
            kept_fields: Vec::new(),
        }
    }

    /// Returns the permission to send this request more than once. It follows from the method (RFC 9110, section
    /// 9.2.2).
    #[must_use]
    pub fn repeatable(&self) -> Repeatable {
        let is_keyed = |composed: &Arc<Composed>| composed.idempotency_key;
        match self.method {
            Method::POST | Method::PATCH if !self.composed.as_ref().is_some_and(is_keyed) => {
                Repeatable::No
            }
            _ => Repeatable::Yes,
        }
    }
}

#[cfg(test)]
impl Settings {
    /// A GET of this URL with the built-in settings.
    pub(super) fn of(url: &str) -> Self {
        let url: Uri = url.parse().expect("a URL");
        let target = url.path_and_query().expect("a path").clone();
        Self {
            service: Service::new("a", Address::of(&url).expect("a host")),
            request: Request::get(target),
        }
    }
}

/// Trust and identity towards one upstream. Upstreams with the same files share them.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// The only roots to trust. Without them, those that all upstreams share.
    pub ca: Option<Arc<RootCertStore>>,
    /// A client certificate with its chain, first to last, and its key.
    pub identity: Option<Arc<CertifiedKey>>,
    /// The name that the upstream's certificate must carry, if it is not the URL's host.
    pub server_name: Option<String>,
}
