//! The connections of one upstream on one worker. awc's connector opens them, and they are kept between requests. They
//! are closed when they have idled or lived for too long. It must not know HTTP.
//!
//! awc has a pool too, but gives a connection back to it only at the end of awc's own exchange, which is not used here.

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
    sync::Notify,
    task::{coop::unconstrained, spawn_local},
    time::{Instant, sleep_until},
};

use crate::fanout::Failure;

/// The longest time for which a connection is used, so that a changed address is found in time. It is longer if
/// `keep_alive` is: the address of such an upstream is taken to stay.
const LIFETIME: Duration = Duration::from_secs(75);

/// A connection that bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Opens a connection for an attempt that ends at this moment.
pub(super) type Open = dyn Fn(Instant) -> LocalBoxFuture<'static, Result<Box<dyn Stream>, Failure>>;

/// A connection in use. Dropping it closes it.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    opened: Instant,
}

pub(super) struct Pool {
    open: Box<Open>,
    lifetime: Duration,
    idle: Rc<Idle>,
}

/// The time for which a connection may wait for its next request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// The time before any request.
    pub(super) all: Duration,
    /// The time before a request that must surely be taken. It is not longer than `all`.
    pub(super) sure: Duration,
}

/// An idle connection, and the ends of its [`Wait`].
struct Waiting {
    connection: Connection,
    until: Instant,
    sure_until: Instant,
}

#[derive(Default)]
struct Idle {
    /// The connections, in the order in which they came back.
    connections: RefCell<VecDeque<Waiting>>,
    /// The moment at which the task that closes them looks next. It is set while any connection is idle.
    look: Cell<Option<Instant>>,
    /// Makes that task look earlier.
    sooner: Rc<Notify>,
}

/// The idle connections of one worker to all upstreams. They are closed if there is no descriptor left for another.
#[derive(Default)]
pub struct Spare(RefCell<Vec<Weak<Idle>>>);

impl Spare {
    /// Closes the connections. Returns true if there were any.
    pub(super) fn close(&self) -> bool {
        let pools = self.0.borrow();
        pools
            .iter()
            .filter_map(Weak::upgrade)
            .fold(false, |any, idle| {
                let closed = std::mem::take(&mut *idle.connections.borrow_mut());
                any || !closed.is_empty()
            })
    }
}

impl Pool {
    /// Makes an empty pool, whose idle connections are spare. `keep_alive` is the longest time that a connection may
    /// wait.
    pub(super) fn new(open: Box<Open>, keep_alive: Duration, spare: &Spare) -> Self {
        let idle = Rc::default();
        spare.0.borrow_mut().push(Rc::downgrade(&idle));
        Self {
            open,
            lifetime: LIFETIME.max(keep_alive),
            idle,
        }
    }

    /// Takes the connection that was used last and still seems good. The others may then idle to their end.
    pub(super) async fn kept(&self) -> Option<Connection> {
        // A task that has used up its budget is told that there is nothing to read, even if there is.
        unconstrained(poll_fn(|cx| {
            let now = Instant::now();
            let mut idle = self.idle.connections.borrow_mut();
            while let Some(mut waiting) = idle.pop_back() {
                if now < waiting.until && is_silent(&mut *waiting.connection.stream, cx) {
                    return Poll::Ready(Some(waiting.connection));
                }
            }
            Poll::Ready(None)
        }))
        .await
    }

    /// Takes a connection like [`Pool::kept`], but one that surely takes another request. The others stay.
    pub(super) async fn sure(&self) -> Option<Connection> {
        unconstrained(poll_fn(|cx| {
            let now = Instant::now();
            let mut idle = self.idle.connections.borrow_mut();
            for place in (0..idle.len()).rev() {
                let waiting = &idle[place];
                if now < waiting.until && now >= waiting.sure_until {
                    continue;
                }
                if let Some(mut waiting) = idle.remove(place)
                    && now < waiting.until
                    && is_silent(&mut *waiting.connection.stream, cx)
                {
                    return Poll::Ready(Some(waiting.connection));
                }
            }
            Poll::Ready(None)
        }))
        .await
    }

    /// Opens a new connection before `until`.
    pub(super) async fn open(&self, until: Instant) -> Result<Connection, Failure> {
        let stream = (self.open)(until).await?;
        Ok(Connection {
            stream,
            opened: Instant::now(),
        })
    }

    /// Takes back a connection whose answer was read to its end, and lets it wait for this long. Needs a local set, as
    /// every actix worker has one.
    pub(super) fn keep(&self, connection: Connection, wait: Wait) {
        let now = Instant::now();
        let until = (now + wait.all).min(connection.opened + self.lifetime);
        if until <= now {
            return;
        }
        let mut connections = self.idle.connections.borrow_mut();
        connections.push_back(Waiting {
            connection,
            until,
            sure_until: (now + wait.sure).min(until),
        });
        match self.idle.look.get() {
            Some(look) if look <= until => {}
            Some(_) => self.idle.sooner.notify_one(),
            None => {
                self.idle.look.set(Some(until));
                let (idle, sooner) = (Rc::downgrade(&self.idle), Rc::clone(&self.idle.sooner));
                #[expect(clippy::disallowed_methods, reason = "it belongs to no plan")]
                spawn_local(reap(idle, sooner));
            }
        }
    }
}

/// Closes connections that have idled to their end, until there are none.
async fn reap(idle: Weak<Idle>, sooner: Rc<Notify>) {
    while let Some(next) = idle.upgrade().and_then(|idle| idle.reap()) {
        tokio::select! {
            () = sleep_until(next) => {}
            () = sooner.notified() => {}
        }
    }
}

impl Idle {
    /// Closes connections that have idled to their end. Returns the moment at which the next one will have.
    fn reap(&self) -> Option<Instant> {
        let mut connections = self.connections.borrow_mut();
        let now = Instant::now();
        // Each has its own time, so the first that came back may not be the first to go.
        connections.retain(|waiting| now < waiting.until);
        let next = connections.iter().map(|waiting| waiting.until).min();
        self.look.set(next);
        next
    }
}

/// Returns true if the connection is open and has no unread bytes. Bytes before a request belong to no answer.
fn is_silent(stream: &mut dyn Stream, cx: &mut Context<'_>) -> bool {
    let mut space = [0; 1];
    let mut byte = ReadBuf::new(&mut space);
    let read: Poll<io::Result<()>> = Pin::new(stream).poll_read(cx, &mut byte);
    read.is_pending()
}
