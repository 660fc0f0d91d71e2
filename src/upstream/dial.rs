//! Opens connections to one upstream: looks its name up, races its addresses, sets TCP_NODELAY and does TLS, all within
//! the time of the attempt that needs one. awc's connector calls it as a service. It must not know requests.

use std::{
    borrow::Cow,
    cell::Cell,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    rc::Rc,
    time::Duration,
};

use actix_service::{Service, always_ready};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use futures_util::future::LocalBoxFuture;
use http::Uri;
use tokio::{net::TcpStream, task::coop::unconstrained, time::Instant};

use super::{
    addresses::Addresses,
    link::Link,
    names::Name,
    observer::ConnectionObserver,
    pool::Spare,
    race::{Lost, race},
    shortage::{Shortage, connect},
    time_limit::{TimeLimit, before},
    tls::{self, Session},
};
use crate::fanout::{Failure, FailureKind};

/// The destination of connections to an upstream: its host and port, and the means to reach them.
pub(super) struct Destination {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) addresses: Addresses,
    /// Set for `https`.
    pub(super) tls: Option<Session>,
    /// The time for the name, the connection and the handshake together.
    pub(super) timeout: Duration,
    /// The end of the attempt that is asking. It is set at each poll, as awc's connector has no argument for it.
    pub(super) until: Cell<Instant>,
    /// The observer of every connection.
    pub(super) observer: Rc<dyn ConnectionObserver>,
    /// The idle connections that are closed if no other can be opened.
    pub(super) spare: Rc<Spare>,
}

/// The part of a URL between its scheme and its port.
#[derive(Clone)]
pub(super) enum Host {
    Address(IpAddr),
    Name(Name),
}

/// A connection factory in the shape that awc's connector takes.
#[derive(Clone)]
pub(super) struct Dialer(pub(super) Rc<Destination>);

impl Service<ConnectInfo<Uri>> for Dialer {
    type Response = Connection<Uri, Link>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let destination = Rc::clone(&self.0);
        let until = destination.until.get();
        // A spent budget would hide a connection that has come, or make the attempt's timer seem to fire first.
        Box::pin(unconstrained(async move {
            let mut is_eased = false;
            let dialled = loop {
                match destination.dial(until).await {
                    Err(NoConnection::Short(shortage))
                        if !is_eased && shortage.is_everywhere() && destination.spare.close() =>
                    {
                        is_eased = true;
                    }
                    dialled => break dialled,
                }
            };
            match dialled {
                Ok(link) => {
                    destination.observer.opened();
                    Ok(Connection::new(info.request().clone(), link))
                }
                Err(lost) => {
                    let failure = lost.told(&*destination.observer);
                    Err(ConnectError::Io(io::Error::other(Refused(failure))))
                }
            }
        }))
    }
}

/// A failure on its way through awc's errors.
#[derive(Debug)]
struct Refused(Failure);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl std::error::Error for Refused {}

/// Returns the reason why awc's connector brought no connection. It is the dialer's own failure, if the error holds
/// one.
pub(super) fn why(error: awc::error::ConnectError) -> Failure {
    let own = match error {
        awc::error::ConnectError::Io(error) => error.downcast::<Refused>().ok(),
        other => {
            tracing::debug!(error = %other, "the connector gave up");
            None
        }
    };
    own.map_or_else(
        || {
            Failure::new(
                FailureKind::Connect,
                "the connection to the upstream could not be made",
            )
        },
        |refused| refused.0,
    )
}

/// The reason why there is no connection.
enum NoConnection {
    Failed(Failure),
    Short(Shortage),
}

impl NoConnection {
    /// Returns the failure, after reporting it to the observer.
    fn told(self, observer: &dyn ConnectionObserver) -> Failure {
        match self {
            Self::Failed(failure) => {
                observer.unreachable(&failure);
                failure
            }
            Self::Short(shortage) => {
                let failure = shortage.into();
                if shortage.is_everywhere() {
                    observer.short(&failure);
                } else {
                    observer.unreachable(&failure);
                }
                failure
            }
        }
    }
}

impl Destination {
    async fn dial(&self, until: Instant) -> Result<Link, NoConnection> {
        let limit = TimeLimit::new(self.timeout, until);
        let mut over = pin!(limit.over());
        let (address, tcp) = self.connect(limit, over.as_mut()).await?;
        if let Err(error) = tcp.set_nodelay(true) {
            return Err(lost(Some(&error)));
        }
        let Some(session) = &self.tls else {
            return Ok(Link::Plain(tcp));
        };
        let handshake = session.connector.connect(session.name.clone(), tcp);
        let reason = match before(over, handshake).await {
            Some(Ok(stream)) => return Ok(Link::Tls(Box::new(stream))),
            Some(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                tls::reason(&error).into()
            }
            None => self.late(limit, "no TLS session"),
        };
        self.addresses.avoid(address);
        Err(NoConnection::Failed(Failure::new(FailureKind::Tls, reason)))
    }

    async fn connect(
        &self,
        limit: TimeLimit,
        mut over: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(SocketAddr, TcpStream), NoConnection> {
        let failed = |detail: Cow<'static, str>| {
            NoConnection::Failed(Failure::new(FailureKind::Connect, detail))
        };
        let late = || failed(self.late(limit, "no connection").into());
        let with_port = |address: IpAddr| SocketAddr::new(address, self.port);
        let found = match &self.host {
            Host::Address(address) => vec![with_port(*address)],
            Host::Name(name) => {
                let found = before(over.as_mut(), name.find()).await.ok_or_else(late)?;
                let mut found = found.map_err(NoConnection::Short)?.to_vec();
                for address in &mut found {
                    address.set_port(self.port);
                }
                found
            }
        };
        if found.is_empty() {
            return Err(failed("the upstream's name could not be resolved".into()));
        }
        let raced = race(&self.addresses, &found, limit.end, over, connect).await;
        raced.map_err(|raced| match raced {
            Lost::Failed(error) => lost(error.as_ref()),
            Lost::Late => late(),
        })
    }

    fn late(&self, limit: TimeLimit, what: &str) -> String {
        if limit.is_the_attempts() {
            format!("{what} before the attempt's time was over")
        } else {
            format!("{what} within {:?}", self.timeout)
        }
    }
}

/// Describes to a client a connection that could not be made, never with the address.
fn lost(error: Option<&io::Error>) -> NoConnection {
    if let Some(shortage) = error.and_then(Shortage::of) {
        return NoConnection::Short(shortage);
    }
    let detail = match error.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "the upstream refused the connection",
        Some(io::ErrorKind::TimedOut) => "the upstream did not take the connection",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            "the upstream can't be reached"
        }
        _ => "the connection to the upstream could not be made",
    };
    NoConnection::Failed(Failure::new(FailureKind::Connect, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::names::Names;

    #[tokio::test]
    async fn a_connection_sends_small_requests_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        let destination = Destination {
            host: Host::Name(Names::default().name("localhost").unwrap()),
            port: listener.local_addr().unwrap().port(),
            addresses: Addresses::new(),
            tls: None,
            timeout: Duration::from_secs(5),
            until: Cell::new(until),
            observer: Rc::new(()),
            spare: Rc::default(),
        };
        match destination.dial(until).await {
            Ok(Link::Plain(tcp)) => assert!(tcp.nodelay().unwrap()),
            Ok(Link::Tls(_)) => panic!("TLS unasked"),
            Err(lost) => panic!("{:?}", lost.told(&())),
        }
    }
}
