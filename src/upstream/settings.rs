//! What the adapter needs to know of one upstream, as checked values. Built by `config`, or by hand in tests.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
    /// The largest body taken, in bytes.
    pub max_body: usize,
    /// The statuses that count as success.
    pub success: StatusSet,
    /// Attempts at a time, over all workers.
    pub max_in_flight: usize,
    /// Which of the client's headers go upstream.
    pub forward_headers: Vec<HeaderName>,
    /// Which of the client's query parameters go upstream.
    pub forward_query: Vec<String>,
    /// Whom to trust and who to be, for `https`.
    pub tls: TlsSettings,
}

/// Trust and identity towards one upstream.
#[derive(Debug, Default)]
pub struct TlsSettings {
    /// The only roots to trust; without them the system's, else Mozilla's.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// A client certificate, its chain first to last, with its key.
    pub identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// The name that the upstream's certificate must carry, if it is not the URL's host.
    pub server_name: Option<String>,
}

impl Clone for TlsSettings {
    fn clone(&self) -> Self {
        let identity = self.identity.as_ref();
        Self {
            ca: self.ca.clone(),
            identity: identity.map(|(chain, key)| (chain.clone(), key.clone_key())),
            server_name: self.server_name.clone(),
        }
    }
}

/// A set of HTTP statuses from 100 to 599, written as `["2xx", "404"]`.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusSet([bool; 500]);

/// One entry of a [`StatusSet`]'s text form that is neither a status nor a class of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a status such as \"404\" or a class of them such as \"2xx\"")]
pub struct UnknownStatus;

impl StatusSet {
    /// No status at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self([false; 500])
    }

    /// `2xx`.
    #[must_use]
    pub fn successful() -> Self {
        let mut set = Self::empty();
        set.0[100..200].fill(true);
        set
    }

    /// Adds a status (`"404"`) or a class (`"2xx"`).
    ///
    /// # Errors
    /// When `text` is neither, or outside 100 to 599.
    pub fn add(&mut self, text: &str) -> Result<(), UnknownStatus> {
        let range = match text.strip_suffix("xx").map(usize::from_str) {
            Some(Ok(class @ 1..=5)) => class * 100..class * 100 + 100,
            Some(_) => return Err(UnknownStatus),
            None => match text.parse() {
                Ok(status @ 100..=599) if text.len() == 3 => status..status + 1,
                _ => return Err(UnknownStatus),
            },
        };
        self.0[range.start - 100..range.end - 100].fill(true);
        Ok(())
    }

    /// Whether `status` is in the set. Statuses from 600 are in none.
    #[must_use]
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0
            .get(usize::from(status.as_u16()) - 100)
            .is_some_and(|&set| set)
    }
}

impl fmt::Debug for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses = (100..600).filter(|status| self.0[status - 100]);
        f.debug_set().entries(statuses).finish()
    }
}
