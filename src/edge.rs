//! The connections of clients. The rules of HTTP/1.1 for requests, and the bounds on time, are enforced here. actix
//! brings the codec and the service that answers. Its dispatcher is not used: it is lenient with those rules, bounds
//! too little of the time, and keeps 16 KiB of buffers for every connection that waits.
//!
//! - a head is read when the request before it is answered, and is handed on when it is complete and valid; if it is
//!   not valid, the client is told why and the connection ends;
//! - a head has `header_timeout`, each on its connection;
//! - no route takes a body, so a request that announces one is its connection's last; it is never sent `100 Continue`,
//!   and the parts of the body that come are read for a moment and dropped. A chunked body that turns out to be empty
//!   counts as none;
//! - a request for another protocol is ignored, as only HTTP/1.1 is spoken;
//! - a client that doesn't read its answer has `write_timeout` for each part of it, and is then reset;
//! - a client that leaves cancels the request for which it waits;
//! - all other connections end in order: the gateway closes its half, then reads for a moment what still comes.
//!
//! A connection that waits owns no buffer: it reads and writes through the worker's own.

mod clock;
mod connection;
mod decode;
mod edits;
mod fault;
mod grammar;
mod heads;
mod last_chunk;
mod parting;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod reset;
mod sending;

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use actix_http::{KeepAlive, Request, ServiceConfig};
use actix_server::GracefulShutdownSignal;
use actix_service::Service;
use actix_web::{body::MessageBody as _, dev::ServiceResponse, rt::net::TcpStream};
use bytes::BytesMut;
use tokio::task::yield_now;

pub(crate) use self::fault::Fault;
use self::{
    connection::{Connection, Next},
    sending::Asked,
};
use crate::telemetry::Metrics;

/// The longest request target, in bytes. It is long enough for every parameter, and short enough to log.
const MAX_TARGET: usize = 8 * 1024;

/// The largest head, in bytes. It is more than browsers and proxies send, and less than the codec's parser can hold.
const MAX_HEAD: usize = 64 * 1024;

/// A head above this size, in bytes, is charged to its request's memory. Browsers and proxies send less.
const LARGE_HEAD: usize = 4 * 1024;

/// The bytes that are read at a time, and the bytes of an answer that are gathered before a write.
const SPACE: usize = 16 * 1024;

/// The bounds on a client's time, and on the size of its heads.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Time for a head, from its first byte. For a connection's first head, from the connection's start.
    pub head: Duration,
    /// Time for each 64 KiB of an answer, or for the rest of it.
    pub write: Duration,
    /// Time until the next request.
    pub idle: Duration,
    /// True if each answer tells the client the value of `idle`.
    pub tells_idle: bool,
    /// The most fields of a head.
    pub fields: usize,
}

/// The meaning of a client that closes its half of the connection after its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfClose {
    /// The client has left. Most clients close both halves at once, and the two can't be told apart until something is
    /// sent.
    Leaves,
    /// The client waits for its answer. It has left once it resets the connection.
    Waits,
}

/// State that the connections of one worker share.
pub struct Edge<S> {
    service: S,
    config: ServiceConfig,
    patience: Patience,
    half_close: HalfClose,
    /// The last lines of the head of each answer that keeps its connection, if the answer gives the idle time.
    told: Option<String>,
    metrics: Arc<Metrics>,
    stopping: GracefulShutdownSignal,
    /// A buffer for reading. A poll that reads into it also uses the bytes.
    space: RefCell<Box<[u8]>>,
    /// A buffer for writing. The first answer that needs it takes it, and keeps it if its client reads slowly.
    gathered: Cell<BytesMut>,
}

impl<S> Edge<S> {
    /// Puts `service` behind connections. It must be called on the worker's own thread.
    #[must_use]
    pub fn new(
        service: S,
        patience: Patience,
        half_close: HalfClose,
        metrics: Arc<Metrics>,
        stopping: GracefulShutdownSignal,
    ) -> Self {
        let none = Duration::ZERO;
        Self {
            service,
            // The codec uses this only for the date. Times, and the ends of connections, are decided here.
            config: ServiceConfig::new(KeepAlive::Timeout(patience.idle), none, none, false, None),
            patience,
            half_close,
            told: patience
                .tells_idle
                .then(|| sending::kept_for(patience.idle)),
            metrics,
            stopping,
            space: RefCell::new(vec![0; SPACE].into()),
            gathered: Cell::default(),
        }
    }

    /// Waits until the server has begun to stop, and a connection has looked for bytes two more times. So a request
    /// that was sent before the stop is answered, even if the reactor had not seen it by then.
    async fn stopping(&self) {
        self.stopping.notified().await;
        yield_now().await;
        yield_now().await;
    }
}

impl<S> Edge<S>
where
    S: Service<Request, Response = ServiceResponse, Error = actix_web::Error>,
{
    /// Serves a connection to its end.
    ///
    /// # Errors
    /// Never fails.
    pub async fn serve(self: Rc<Self>, tcp: TcpStream) -> Result<(), Infallible> {
        let mut connection = Connection::new(tcp, &self);
        // An error means that the client has gone, so that nobody is left to tell.
        let _ = self.converse(&mut connection).await;
        Ok(())
    }

    async fn converse(&self, connection: &mut Connection) -> io::Result<()> {
        let mut stopping = pin!(self.stopping());
        loop {
            let next = poll_fn(|cx| connection.poll_next(self, stopping.as_mut(), cx)).await?;
            let request = match next {
                Next::Request(request) => request,
                Next::Refused(fault) => return Box::pin(connection.refuse(self, fault)).await,
                Next::Idle if Box::pin(connection.came_at_last(self)).await? => continue,
                Next::Idle | Next::Over => return Box::pin(connection.part(self)).await,
            };
            let answered = {
                let mut answering = pin!(self.service.call(request));
                poll_fn(|cx| match answering.as_mut().poll(cx) {
                    Poll::Ready(answered) => Poll::Ready(Some(answered)),
                    Poll::Pending => connection.poll_departure(self, cx).map(|()| None),
                })
                .await
            };
            let (asked, response) = match answered {
                Some(Ok(answered)) => {
                    let (request, response) = answered.into_parts();
                    (Asked::by(request, response.body().size()), response)
                }
                Some(Err(error)) => (Asked::Unknown, error.error_response()),
                None => return Ok(()),
            };
            if let Err(unsent) = connection.send(self, response.into()).await {
                return Box::pin(connection.give_up(self, unsent, &asked)).await;
            }
            if connection.last || !connection.keep(self) {
                return Box::pin(connection.part(self)).await;
            }
        }
    }
}
