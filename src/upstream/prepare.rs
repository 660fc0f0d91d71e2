//! The parts that an upstream's attempts have in common, made ready at start: TLS, and the way to awc's connector.
//! Nothing here is done for each request.

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
use http::{HeaderValue, StatusCode, Uri, header::HOST, uri::Scheme};
use tokio::time::Instant;

use super::{
    Names, Settings, Watch,
    addresses::Addresses,
    advice::Advised,
    dial::{self, Dialer, Host, Target},
    pool::{Pool, Spare, Stream},
    tls::{Session, Sessions, TlsError},
};

/// One upstream's settings, and all that its workers share, made ready.
#[derive(Clone)]
pub struct Prepared {
    pub(super) settings: Arc<Settings>,
    host: Host,
    port: u16,
    session: Option<Session>,
    /// The gateway's own name in `CDN-Loop`.
    pub(super) hop: Option<HeaderValue>,
    /// The failures of which more is kept than their status.
    pub(super) advised: Option<Arc<Advised>>,
}

/// The reason why an upstream can't be made ready.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// The upstream's TLS settings can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The upstream's name could never be looked up.
    #[error(
        "no thread can be started to look up names; raise this process's limit on threads (pids)"
    )]
    Threads(#[from] io::Error),
}

impl Prepared {
    /// Makes an upstream ready. `sessions` must have been made for it too. Its name joins `names`, as all upstreams
    /// share the threads that look names up.
    ///
    /// # Errors
    /// Fails if the name to verify is no valid name, or if there is no thread to look the host's name up.
    pub fn new(
        settings: Settings,
        sessions: &Sessions,
        names: &mut Names,
    ) -> Result<Self, Unprepared> {
        let host = settings.service.address.host();
        let session = sessions.with(&settings.service, host)?;
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(names.name(host)?),
        };
        Ok(Self {
            port: settings.service.address.port(),
            settings: Arc::new(settings),
            host,
            session,
            hop: None,
            advised: None,
        })
    }

    /// Returns the same upstream, with requests that name this hop in `CDN-Loop` (RFC 8586).
    #[must_use]
    pub fn passing(mut self, hop: HeaderValue) -> Self {
        self.hop = Some(hop);
        self
    }

    /// The same, of whose failures with these statuses more is kept: what their clients may need to go on.
    #[must_use]
    pub fn advising(mut self, statuses: Vec<StatusCode>) -> Self {
        self.advised =
            (!statuses.is_empty()).then(|| Arc::new(Advised::new(statuses, self.hosts())));
        self
    }

    /// The names of its host: in its URL, and in a `Host` of its own.
    fn hosts(&self) -> impl Iterator<Item = &str> {
        let own = self.settings.request.headers.iter();
        let own = own.filter(|(name, _)| *name == HOST);
        let own = own.filter_map(|(_, value)| value.to_str().ok());
        [self.settings.service.address.authority()]
            .into_iter()
            .chain(own)
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
            timeout: self.settings.service.connect_timeout,
            until: Cell::new(Instant::now()),
            watch: Rc::clone(watch),
            spare: Rc::clone(spare),
        });
        // The dialer's own clock names the reason and knows of pauses. A second clock would only fire too early.
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
                // awc asks the dialer only while this future is polled, and no other future is polled in between.
                let opening = poll_fn(|cx| {
                    target.until.set(until);
                    opening.as_mut().poll(cx)
                });
                let opened = opening.await.map_err(dial::why)?;
                Ok(Box::new(opened) as Box<dyn Stream>)
            }) as _
        });
        Pool::new(open, self.settings.service.keep_alive, spare)
    }

    /// Returns the URI for awc. The dialer does TLS itself, so awc sees plain HTTP to a definite port.
    fn plain(&self) -> Uri {
        let host = self.settings.service.address.host();
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        };
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(format!("{host}:{}", self.port))
            .path_and_query("/")
            .build()
            .expect("the parts of an address make a URL")
    }
}
