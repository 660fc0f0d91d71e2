//! The connections of clients: what HTTP/1.1 demands of requests and of time is demanded here. actix brings the codec and
//! the service that answers; its dispatcher is not used, because it is lenient with the former, bounds too little of the
//! latter, and keeps 16 KiB of buffers for every connection that waits.
//!
//! - a head is read when the request before it is answered, and handed on when it is whole and valid; else the client
//!   is told what is wrong and the connection ends;
//! - a head has `header_timeout`, each on its connection;
//! - no route takes a body, so a request that announces one is its connection's last; it is not told to `100 Continue`,
//!   and what comes of the body is read for a moment and dropped. A chunked body that turns out to be empty is none;
//! - a wish for another protocol is passed over, as HTTP/1.1 is spoken alone;
//! - a client that doesn't read its answer has `write_timeout` for each part of it, and is then reset;
//! - a client that leaves cancels the request that it waits for;
//! - all other connections end in order: a close first, then a moment in which what still comes is read.
//!
//! A connection that waits owns no buffer: what is read and written goes through the worker's own.

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

pub(super) use self::fault::Fault;
use self::{
    connection::{Connection, Next},
    sending::Asked,
};
use crate::telemetry::Metrics;

/// The longest request target, in bytes. Long enough for every parameter, short enough to log.
const MAX_TARGET: usize = 8 * 1024;

/// The largest head, in bytes: more than browsers and proxies send, and below what the codec's parser holds.
const MAX_HEAD: usize = 64 * 1024;

/// A head above this, in bytes, is charged to its request's memory. Browsers and proxies send less.
const LARGE_HEAD: usize = 4 * 1024;

/// The size of a large head, in bytes, for whoever holds the request: its fields are not copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct LargeHead(pub(super) usize);

/// How much is read at a time, and of an answer gathered before it is written, in bytes.
const SPACE: usize = 16 * 1024;

/// The time that a client may take, and how much it may say.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a head, from its first byte; the first one from the connection's start.
    pub head: Duration,
    /// For each 64 KiB of an answer, or for what is left of it.
    pub write: Duration,
    /// For its next request.
    pub idle: Duration,
    /// Set where each answer tells the client of `idle`.
    pub tells_idle: bool,
    /// The most fields of a head.
    pub fields: usize,
}

/// The meaning of a client's closing its half of the connection behind its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfClose {
    /// The client has left: most close both halves at once, and nothing tells the two apart before something is sent.
    Leaves,
    /// The client waits for its answer. It has left once it resets the connection.
    Waits,
}

/// What the connections of one worker share.
pub struct Edge<S> {
    service: S,
    config: ServiceConfig,
    patience: Patience,
    half_close: HalfClose,
    /// The end of the head of each answer that keeps its connection, where such an answer says for how long.
    told: Option<String>,
    metrics: Arc<Metrics>,
    stopping: GracefulShutdownSignal,
    /// What was read is here until the same poll has looked at it.
    space: RefCell<Box<[u8]>>,
    /// What is written is gathered here by whoever takes it first; a client that reads slowly keeps it as long.
    gathered: Cell<BytesMut>,
}

impl<S> Edge<S> {
    /// Puts `service` behind connections. To be called on the worker's own thread.
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
            // The codec asks it for the date alone: times and ends of connections are decided here.
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

    /// Ready when the server has begun to stop, and a connection has had two more looks at what is there: what was sent
    /// before the stop is answered, also what the reactor had not seen by then.
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
    /// Never.
    pub async fn serve(self: Rc<Self>, tcp: TcpStream) -> Result<(), Infallible> {
        let mut connection = Connection::new(tcp, &self);
        // An error is a client that has gone, and then there is nobody to tell.
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
