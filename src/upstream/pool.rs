//! One upstream's connections on one worker: opened by awc's connector, kept between requests, closed when they have idled or
//! lived for too long. It knows nothing of HTTP.
//!
//! awc has a pool too, but gives a connection back to it only at the end of its own exchange, which is not used here.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::{coop::unconstrained, spawn_local},
    time::{Instant, sleep_until},
};

use crate::fanout::Failure;

/// How long a connection may wait for a request. Below the 5 s after which common servers close theirs, so that most that
/// are taken are good.
const IDLE: Duration = Duration::from_secs(4);

/// How long a connection is used at all, so that a changed address is found in time.
const LIFETIME: Duration = Duration::from_secs(75);

/// What bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Opens a connection.
pub(super) type Open = dyn Fn() -> LocalBoxFuture<'static, Result<Box<dyn Stream>, Failure>>;

/// A connection that somebody uses. Dropping it closes it.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    opened: Instant,
}

pub(super) struct Pool {
    open: Box<Open>,
    idle: Rc<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Since when each idles, in the order in which they came back.
    connections: RefCell<VecDeque<(Instant, Connection)>>,
    /// A task closes them when their time is over; it is there while any idle.
    reaped: Cell<bool>,
}

impl Pool {
    pub(super) fn new(open: Box<Open>) -> Self {
        Self {
            open,
            idle: Rc::default(),
        }
    }

    /// The connection that was used last and still seems good: the others may then idle to their end.
    pub(super) async fn kept(&self) -> Option<Connection> {
        // A task that has used up its budget is told that there is nothing to read, whatever there is.
        unconstrained(poll_fn(|cx| {
            let now = Instant::now();
            let mut idle = self.idle.connections.borrow_mut();
            while let Some((since, mut connection)) = idle.pop_back() {
                let is_young = now < since + IDLE && now < connection.opened + LIFETIME;
                if is_young && is_silent(&mut *connection.stream, cx) {
                    return Poll::Ready(Some(connection));
                }
            }
            Poll::Ready(None)
        }))
        .await
    }

    /// A new connection.
    pub(super) async fn open(&self) -> Result<Connection, Failure> {
        let stream = (self.open)().await?;
        Ok(Connection {
            stream,
            opened: Instant::now(),
        })
    }

    /// Takes back a connection whose answer was read to its end. Needs a local set, as every actix worker has one.
    pub(super) fn keep(&self, connection: Connection) {
        let mut connections = self.idle.connections.borrow_mut();
        connections.push_back((Instant::now(), connection));
        if !self.idle.reaped.replace(true) {
            #[expect(clippy::disallowed_methods, reason = "it belongs to no plan")]
            spawn_local(reap(Rc::downgrade(&self.idle)));
        }
    }
}

/// Closes connections that have idled to their end, until there are none.
async fn reap(idle: Weak<Idle>) {
    while let Some(next) = idle.upgrade().and_then(|idle| idle.reap()) {
        sleep_until(next).await;
    }
}

impl Idle {
    /// Closes what has idled to its end, and says when the next will have.
    fn reap(&self) -> Option<Instant> {
        let mut connections = self.connections.borrow_mut();
        let now = Instant::now();
        while let Some((since, _)) = connections.front() {
            if now < *since + IDLE {
                return Some(*since + IDLE);
            }
            connections.pop_front();
        }
        self.reaped.set(false);
        None
    }
}

/// Nothing came on it, no end either: what comes before a request belongs to none.
fn is_silent(stream: &mut dyn Stream, cx: &mut Context<'_>) -> bool {
    let mut space = [0; 1];
    let mut byte = ReadBuf::new(&mut space);
    let read: Poll<io::Result<()>> = Pin::new(stream).poll_read(cx, &mut byte);
    read.is_pending()
}
