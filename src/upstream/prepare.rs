//! Services and requests, made ready at start: TLS, the way to awc's connector, and all that a request's attempts have
//! in common. Nothing here is done for each request. It must not know attempts.

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
    addresses::Addresses,
    advice::Advised,
    dial::{self, Destination, Dialer, Host},
    names::Names,
    observer::ConnectionObserver,
    pool::{Pool, Spare, Stream},
    request::Template,
    settings::{Request, Service},
    tls::{Session, Sessions, TlsError},
    turn::Composition,
};
use crate::fanout::Repeatable;

/// A service made ready, with everything of it that workers share.
#[derive(Clone)]
pub struct PreparedService {
    service: Arc<Service>,
    host: Host,
    session: Option<Session>,
}

/// The reason why a service can't be made ready.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// The service's TLS settings can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The service's name could never be looked up.
    #[error(
        "no thread can be started to look up names; raise this process's limit on threads (pids)"
    )]
    Threads(#[from] io::Error),
}

/// A request, as all workers send it.
#[derive(Clone)]
pub struct PreparedRequest {
    request: Arc<Request>,
    /// The gateway's own name in `CDN-Loop`.
    hop: Option<HeaderValue>,
    /// The failures of which fields are kept beside their status.
    advised: Option<Arc<Advised>>,
}

impl PreparedRequest {
    /// Makes a request ready for any service.
    #[must_use]
    pub fn new(request: Request) -> Self {
        Self {
            request: Arc::new(request),
            hop: None,
            advised: None,
        }
    }

    /// Adds the name of this hop in `CDN-Loop` (RFC 8586).
    #[must_use]
    pub fn passing(mut self, hop: HeaderValue) -> Self {
        self.hop = Some(hop);
        self
    }

    /// Keeps more of the failures with these statuses from this service: the fields that their clients may need to go
    /// on.
    #[must_use]
    pub fn advising(mut self, statuses: Vec<StatusCode>, service: &PreparedService) -> Self {
        self.advised = (!statuses.is_empty())
            .then(|| Arc::new(Advised::new(statuses, self.hosts(&service.service))));
        self
    }

    /// Returns the names of the service's host: in its address, and in the request's own `Host`.
    fn hosts<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a str> {
        let own = self.request.headers.iter();
        let own = own.filter(|(name, _)| *name == HOST);
        let own = own.filter_map(|(_, value)| value.to_str().ok());
        [service.address.authority()].into_iter().chain(own)
    }

    /// Returns the settings that it was made from.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn repeatable(&self) -> Repeatable {
        self.request.repeatable()
    }

    pub(super) fn advised(&self) -> Option<&Advised> {
        self.advised.as_deref()
    }

    /// Returns the bytes of this request to a service.
    pub(super) fn template(&self, service: &PreparedService) -> Template {
        Template::new(&service.service.address, &self.request, self.hop.clone())
    }

    /// Returns the parts of this request to a service that are made from values, if there are any.
    pub(super) fn composition(&self, service: &PreparedService) -> Option<Composition> {
        Composition::new(&service.service.address, &self.request, self.hop.clone())
    }
}

impl PreparedService {
    /// Makes a service ready. `sessions` must have been made for it too. Its name joins `names`, as all services share
    /// the threads that look names up.
    ///
    /// # Errors
    /// Fails if the name to verify is not valid, or if there is no thread to look the host's name up.
    pub fn new(
        service: Service,
        sessions: &Sessions,
        names: &mut Names,
    ) -> Result<Self, Unprepared> {
        let host = service.address.host();
        let session = sessions.with(&service, host)?;
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(names.name(host)?),
        };
        Ok(Self {
            service: Arc::new(service),
            host,
            session,
        })
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.service.connect_timeout
    }

    pub(super) fn keep_alive(&self) -> Duration {
        self.service.keep_alive
    }

    /// Returns an empty pool.
    pub(super) fn pool(&self, observer: &Rc<dyn ConnectionObserver>, spare: &Rc<Spare>) -> Pool {
        let destination = Rc::new(Destination {
            host: self.host.clone(),
            port: self.service.address.port(),
            addresses: Addresses::new(),
            tls: self.session.clone(),
            timeout: self.service.connect_timeout,
            until: Cell::new(Instant::now()),
            observer: Rc::clone(observer),
            spare: Rc::clone(spare),
        });
        // The dialer's own clock names the reason and knows of pauses. A second clock would only fire too early.
        let connector = Connector::new()
            .connector(Dialer(Rc::clone(&destination)))
            .timeout(Duration::MAX)
            .limit(0)
            .finish();
        let connector = Rc::new(connector);
        let uri = self.plain();
        let open = Box::new(move |until| {
            let connector = Rc::clone(&connector);
            let destination = Rc::clone(&destination);
            let connect = Connect {
                uri: uri.clone(),
                addr: None,
            };
            Box::pin(async move {
                let mut opening = pin!(connector.call(connect));
                // awc asks the dialer only while this future is polled, and no other future is polled in between.
                let opening = poll_fn(|cx| {
                    destination.until.set(until);
                    opening.as_mut().poll(cx)
                });
                let opened = opening.await.map_err(dial::why)?;
                Ok(Box::new(opened) as Box<dyn Stream>)
            }) as _
        });
        Pool::new(open, self.service.keep_alive, spare)
    }

    /// Returns the URI for awc. The dialer does TLS itself, so awc sees plain HTTP to a definite port.
    fn plain(&self) -> Uri {
        let address = &self.service.address;
        let host = address.host();
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        };
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(format!("{host}:{}", address.port()))
            .path_and_query("/")
            .build()
            .expect("the parts of an address make a URL")
    }
}
