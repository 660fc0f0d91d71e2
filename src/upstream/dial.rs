//! Opens connections to one upstream: its name looked up, each address tried within its share of the time, TCP_NODELAY
//! set, TLS done. awc's connector asks for them as a service.

use std::{fmt, io, rc::Rc, time::Duration};

use actix_service::{Service, always_ready};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use futures_util::future::LocalBoxFuture;
use http::Uri;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{
    Watch,
    link::Link,
    names::{self, Names},
    tls::{self, Session},
};
use crate::fanout::{Failure, FailureKind};

/// Where an upstream is and how to get there.
pub(super) struct Target {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The lookup of `host`.
    pub(super) names: Names,
    /// Set for `https`.
    pub(super) tls: Option<Session>,
    /// The name, the connection and the handshake, together.
    pub(super) timeout: Duration,
    /// Told of every connection.
    pub(super) watch: Rc<dyn Watch>,
}

/// A connection factory in the shape that awc's connector takes.
#[derive(Clone)]
pub(super) struct Dialer(pub(super) Rc<Target>);

impl Service<ConnectInfo<Uri>> for Dialer {
    type Response = Connection<Uri, Link>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let target = Rc::clone(&self.0);
        Box::pin(async move {
            match target.dial().await {
                Ok(link) => {
                    target.watch.opened();
                    Ok(Connection::new(info.request().clone(), link))
                }
                Err(failure) => Err(ConnectError::Io(io::Error::other(Refused(failure)))),
            }
        })
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

/// Why awc's connector brought no connection: the dialer's own word, for as long as it has one.
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

impl Target {
    async fn dial(&self) -> Result<Link, Failure> {
        let deadline = Instant::now() + self.timeout;
        let tcp = self.connect(deadline).await?;
        if let Err(error) = tcp.set_nodelay(true) {
            return Err(refused(&error));
        }
        let Some(session) = &self.tls else {
            return Ok(Link::Plain(tcp));
        };
        let handshake = session.connector.connect(session.name.clone(), tcp);
        match timeout_at(deadline, handshake).await {
            Ok(Ok(stream)) => Ok(Link::Tls(Box::new(stream))),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                Err(Failure::new(FailureKind::Tls, tls::reason(&error)))
            }
            Err(_) => Err(Failure::new(
                FailureKind::Tls,
                format!("no TLS session within {:?}", self.timeout),
            )),
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<TcpStream, Failure> {
        let late = || {
            Failure::new(
                FailureKind::Connect,
                format!("no connection within {:?}", self.timeout),
            )
        };
        let look_up = || names::from_system(self.host.clone(), self.port);
        let Ok(addresses) = timeout_at(deadline, self.names.find(look_up)).await else {
            return Err(late());
        };
        let mut last = Failure::new(
            FailureKind::Connect,
            "the upstream's name could not be resolved",
        );
        for (index, address) in addresses.iter().enumerate() {
            // An address that swallows packets must leave the others their time.
            let left = deadline.saturating_duration_since(Instant::now());
            let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            match timeout_at(Instant::now() + left / others, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = refused(&error),
                Err(_) => last = late(),
            }
        }
        Err(last)
    }
}

/// What a client may know of a connection that could not be made: never the address.
fn refused(error: &io::Error) -> Failure {
    let detail = match error.kind() {
        io::ErrorKind::ConnectionRefused => "the upstream refused the connection",
        io::ErrorKind::TimedOut => "the upstream did not take the connection",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "the upstream can't be reached"
        }
        _ => "the connection to the upstream could not be made",
    };
    tracing::debug!(%error, "a connection was not made");
    Failure::new(FailureKind::Connect, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_sends_small_requests_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target {
            host: "localhost".to_owned(),
            port: listener.local_addr().unwrap().port(),
            names: Names::default(),
            tls: None,
            timeout: Duration::from_secs(5),
            watch: Rc::new(()),
        };
        match target.dial().await {
            Ok(Link::Plain(tcp)) => assert!(tcp.nodelay().unwrap()),
            Ok(Link::Tls(_)) => panic!("TLS unasked"),
            Err(failure) => panic!("{failure:?}"),
        }
    }
}
