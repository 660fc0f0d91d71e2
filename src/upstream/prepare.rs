//! What an upstream's attempts have in common, made ready at start: TLS, the pool, the request with its headers. Nothing
//! here is done per request.

use std::{rc::Rc, sync::Arc, time::Duration};

use awc::{Client, ClientRequest, Connector, FrozenClientRequest, http::header};
use http::{Uri, uri::Scheme};

use super::{
    Settings, Watch,
    dial::{Dialer, Target},
    names::Names,
    tls::{self, Session, TlsError},
};

/// Says who is asking, as RFC 9110 wants it of a client.
const USER_AGENT: &str = concat!("gather/", env!("CARGO_PKG_VERSION"));

/// How long a connection may wait in the pool. Below the 5 s after which common servers close theirs, so that most
/// connections that come out of it are good.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// How long a connection is used at all, so that a changed address is found in time.
const POOL_LIFETIME: Duration = Duration::from_secs(75);

/// One upstream's settings with everything made ready that its workers share.
#[derive(Clone)]
pub struct Prepared {
    settings: Arc<Settings>,
    host: String,
    port: u16,
    session: Option<Session>,
}

impl Prepared {
    /// Makes an upstream ready; roots and keys are taken in here, once.
    ///
    /// # Errors
    /// When the TLS settings can't be used.
    ///
    /// # Panics
    /// When the settings' URL has no host, which a checked configuration rules out.
    pub fn new(settings: Settings) -> Result<Self, TlsError> {
        let host = settings.url.host().expect("a checked URL has a host");
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let secure = settings.url.scheme() == Some(&Scheme::HTTPS);
        let standard = if secure { 443 } else { 80 };
        let session = secure
            .then(|| tls::session(&settings.tls, &host))
            .transpose()?;
        Ok(Self {
            port: settings.url.port_u16().unwrap_or(standard),
            settings: Arc::new(settings),
            host,
            session,
        })
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A pool and the request of every attempt.
    pub(super) fn open(&self, watch: &Rc<dyn Watch>) -> (Client, FrozenClientRequest) {
        let settings = &self.settings;
        let client = client(Target {
            host: self.host.clone(),
            port: self.port,
            names: Names::default(),
            tls: self.session.clone(),
            timeout: settings.connect_timeout,
            watch: Rc::clone(watch),
        });
        let request = client.request(settings.method.clone(), plain(settings, self.port));
        let request = with_headers(request, settings)
            .freeze()
            .expect("a checked URL and checked headers make a request");
        (client, request)
    }
}

/// A pool without awc's own limits, on our dialer.
fn client(target: Target) -> Client {
    // The dialer's own clock comes first and names the reason; awc's only backs it up.
    let backstop = target.timeout * 2 + Duration::from_secs(1);
    let connector = Connector::new()
        .connector(Dialer(Rc::new(target)))
        .timeout(backstop)
        .limit(0)
        .conn_keep_alive(POOL_IDLE)
        .conn_lifetime(POOL_LIFETIME);
    Client::builder()
        .connector(connector)
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}

/// What awc is given: the dialer does TLS itself, so awc sees plain HTTP to a definite port.
fn plain(settings: &Settings, port: u16) -> Uri {
    let host = settings.url.host().unwrap_or_default();
    let target = settings.url.path_and_query();
    let target = target.map_or("", |target| target.as_str());
    // A URL such as http://users?id=1 asks for the root.
    let root = if target.starts_with('/') { "" } else { "/" };
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(format!("{host}:{port}"))
        .path_and_query(format!("{root}{target}"))
        .build()
        .expect("the parts of a checked URL make a URL")
}

fn with_headers(request: ClientRequest, settings: &Settings) -> ClientRequest {
    let authority = settings
        .url
        .authority()
        .map_or("", |authority| authority.as_str());
    let mut request = request
        .no_decompress()
        .insert_header((header::HOST, authority))
        .insert_header((header::USER_AGENT, USER_AGENT))
        .insert_header((header::ACCEPT_ENCODING, "identity"));
    for (name, value) in &settings.headers {
        request = request.insert_header((name.clone(), value.clone()));
    }
    request
}
