//! What an upstream's attempts have in common, made ready at start: TLS, and the way to awc's connector. Nothing
//! here is done per request.

use std::{
    cell::Cell,
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_service::Service as _;
use awc::{Connect, Connector};
use http::{HeaderValue, StatusCode, Uri, uri::Scheme};
use tokio::time::Instant;

use super::{
    Names, Settings, Watch,
    addresses::Addresses,
    advice::Advised,
    dial::{self, Dialer, Host, Target},
    pool::{Pool, Spare, Stream},
    tls::{Session, Sessions, TlsError},
};

/// One upstream's settings with everything made ready that its workers share.
#[derive(Clone)]
pub struct Prepared {
    pub(super) settings: Arc<Settings>,
    host: Host,
    port: u16,
    session: Option<Session>,
    /// Its sender's name in `CDN-Loop`.
    pub(super) hop: Option<HeaderValue>,
    /// The failures of which more is kept than their status.
    pub(super) advised: Option<Arc<Advised>>,
}

/// Why an upstream can't be made ready.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// Its TLS settings can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its name could never be looked up.
    #[error(
        "no thread can be started to look up names; raise this process's limit on threads (pids)"
    )]
    Threads(#[from] io::Error),
}

impl Prepared {
    /// Makes an upstream ready: with its session settings out of `sessions`, which were made for it too, and with its name among
    /// those of the other upstreams, which share the threads that look names up.
    ///
    /// # Errors
    /// When the name to verify is none, or there is no thread to look the host's name up.
    ///
    /// # Panics
    /// When the settings' URL has no host, which a checked configuration rules out.
    pub fn new(
        settings: Settings,
        sessions: &Sessions,
        names: &mut Names,
    ) -> Result<Self, Unprepared> {
        let host = settings.url.host().expect("a checked URL has a host");
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let session = sessions.with(&settings, host)?;
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(names.name(host)?),
        };
        Ok(Self {
            port: settings.port(),
            settings: Arc::new(settings),
            host,
            session,
            hop: None,
            advised: None,
        })
    }

    /// The same, whose requests say in `CDN-Loop` (RFC 8586) that they have come through this hop.
    #[must_use]
    pub fn passing(mut self, hop: HeaderValue) -> Self {
        self.hop = Some(hop);
        self
    }

    /// The same, of whose failures with these statuses more is kept: what their clients may need to go on.
    #[must_use]
    pub fn advising(mut self, statuses: Vec<StatusCode>) -> Self {
        self.advised = (!statuses.is_empty())
            .then(|| Arc::new(Advised::new(statuses, &self.settings.url, self.port)));
        self
    }

    /// The settings it was made from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A pool, empty.
    pub(super) fn pool(&self, watch: &Rc<dyn Watch>, spare: &Rc<Spare>) -> Pool {
        let target = Rc::new(Target {
            host: self.host.clone(),
            port: self.port,
            addresses: Addresses::new(),
            tls: self.session.clone(),
            timeout: self.settings.connect_timeout,
            until: Cell::new(Instant::now()),
            watch: Rc::clone(watch),
            spare: Rc::clone(spare),
        });
        // The dialer's own clock names the reason, and knows of pauses. A second one would only fire too early.
        let connector = Connector::new()
            .connector(Dialer(Rc::clone(&target)))
            .timeout(Duration::MAX)
            .limit(0)
            .finish();
        let connector = Rc::new(connector);
        let uri = self.plain();
        let open = Box::new(move |until| {
            let connector = Rc::clone(&connector);
            let target = Rc::clone(&target);
            let connect = Connect {
                uri: uri.clone(),
                addr: None,
            };
            Box::pin(async move {
                let mut opening = pin!(connector.call(connect));
                // Whenever awc gets to ask the dialer, it does so while this one is polled, and no other in between.
                let opening = poll_fn(|cx| {
                    target.until.set(until);
                    opening.as_mut().poll(cx)
                });
                let opened = opening.await.map_err(dial::why)?;
                Ok(Box::new(opened) as Box<dyn Stream>)
            }) as _
        });
        Pool::new(open, self.settings.keep_alive, spare)
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
