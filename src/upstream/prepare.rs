//! What an upstream's attempts have in common, made ready at start: TLS, and the way to awc's connector. Nothing
//! here is done per request.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_service::Service as _;
use awc::{Connect, Connector};
use http::{HeaderValue, Uri, uri::Scheme};

use super::{
    Settings, Watch,
    dial::{self, Dialer, Target},
    names::Names,
    pool::{Pool, Stream},
    tls::{Session, Sessions, TlsError},
};

/// One upstream's settings with everything made ready that its workers share.
#[derive(Clone)]
pub struct Prepared {
    pub(super) settings: Arc<Settings>,
    host: String,
    port: u16,
    session: Option<Session>,
    /// Its sender's name in `CDN-Loop`.
    pub(super) hop: Option<HeaderValue>,
}

impl Prepared {
    /// Makes an upstream ready, with its session settings out of `sessions`, which were made for it too.
    ///
    /// # Errors
    /// When the name to verify is none.
    ///
    /// # Panics
    /// When the settings' URL has no host, which a checked configuration rules out.
    pub fn new(settings: Settings, sessions: &Sessions) -> Result<Self, TlsError> {
        let host = settings.url.host().expect("a checked URL has a host");
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let secure = settings.url.scheme() == Some(&Scheme::HTTPS);
        let standard = if secure { 443 } else { 80 };
        let session = sessions.with(&settings, &host)?;
        Ok(Self {
            port: settings.url.port_u16().unwrap_or(standard),
            settings: Arc::new(settings),
            host,
            session,
            hop: None,
        })
    }

    /// The same, whose requests say in `CDN-Loop` (RFC 8586) that they have come through this hop.
    #[must_use]
    pub fn passing(mut self, hop: HeaderValue) -> Self {
        self.hop = Some(hop);
        self
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A pool, empty.
    pub(super) fn pool(&self, watch: &Rc<dyn Watch>) -> Pool {
        let target = Target {
            host: self.host.clone(),
            port: self.port,
            names: Names::default(),
            tls: self.session.clone(),
            timeout: self.settings.connect_timeout,
            watch: Rc::clone(watch),
        };
        // The dialer's own clock comes first and names the reason; awc's only backs it up.
        let backstop = target.timeout * 2 + Duration::from_secs(1);
        let connector = Connector::new()
            .connector(Dialer(Rc::new(target)))
            .timeout(backstop)
            .limit(0)
            .finish();
        let connector = Rc::new(connector);
        let uri = self.plain();
        let open = Box::new(move || {
            let connector = Rc::clone(&connector);
            let connect = Connect {
                uri: uri.clone(),
                addr: None,
            };
            Box::pin(async move {
                let opened = connector.call(connect).await.map_err(dial::why)?;
                Ok(Box::new(opened) as Box<dyn Stream>)
            }) as _
        });
        Pool::new(open, self.settings.keep_alive)
    }

    /// What awc is given: the dialer does TLS itself, so awc sees plain HTTP to a definite port.
    fn plain(&self) -> Uri {
        let host = self.settings.url.host().unwrap_or_default();
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(format!("{host}:{}", self.port))
            .path_and_query("/")
            .build()
            .expect("the parts of a checked URL make a URL")
    }
}
