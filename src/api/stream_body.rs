//! The body of a streamed answer. It owns its run and drives it itself, so nothing is spawned. A body that is dropped,
//! because its client has gone, cancels its run. A body that nobody reads makes its run wait. It must not know what
//! runs.

use std::{
    cell::{OnceCell, RefCell},
    convert::Infallible,
    future::Future as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    compose::Framing,
    exchange::{Allowance, Charge},
    fanout::{Pace, Permit},
};

/// The bytes that may wait for their client before the run waits too. They may be more by one result.
const ROOM: usize = 4 * 1024;

/// The bytes that are handed to the connection at a time. The connection holds one such piece besides the bytes that
/// its client has not taken, in a buffer that grows by doubling.
const PIECE: usize = 2 * 1024;

/// The longest time without a poll after which the run's attempts can still be judged.
const UNNOTICED: Duration = Duration::from_millis(50);

/// The bytes that wait to be sent.
pub(super) struct Outbox {
    framing: Framing,
    bytes: RefCell<Vec<u8>>,
    pub(super) pace: Rc<Pace>,
    /// The charge of the request, once its run is over: the end of the stream may wait for long.
    charge: OnceCell<Charge>,
}

impl Outbox {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            bytes: RefCell::default(),
            pace: Rc::default(),
            charge: OnceCell::new(),
        }
    }

    /// Adds a message.
    pub(super) fn write(&self, message: impl FnOnce(Framing, &mut Vec<u8>)) {
        let mut bytes = self.bytes.borrow_mut();
        message(self.framing, &mut bytes);
        self.pace.full(bytes.len() >= ROOM);
    }

    /// Charges `allowance` only for the bytes that wait to be sent, as the bodies of results that were passed on are
    /// not kept.
    pub(super) fn passed_on(&self, allowance: &Allowance) {
        allowance.passed_on(self.bytes.borrow().len());
    }

    /// Charges `allowance` for the bytes that wait to be sent, and no more for one body of `size` bytes. Bodies of
    /// other results are kept to the end.
    pub(super) fn passed_one_on(&self, allowance: &Allowance, size: usize) {
        allowance.passed_one_on(size, self.bytes.borrow().len());
    }

    /// Keeps the charge for the bytes that are still to be sent.
    pub(super) fn keep(&self, allowance: Allowance) {
        self.passed_on(&allowance);
        if let Some(charge) = allowance.into_charge() {
            let _ = self.charge.set(charge);
        }
    }

    /// Takes all bytes. There is then room again.
    fn take(&self) -> Bytes {
        self.pace.full(false);
        self.bytes.take().into()
    }
}

/// The body of a streamed answer.
pub(super) struct Stream {
    /// The run, until it is over.
    run: Option<LocalBoxFuture<'static, ()>>,
    outbox: Rc<Outbox>,
    /// The bytes that were taken from the outbox and not handed over yet.
    rest: Bytes,
    heartbeat: Option<Heartbeat>,
    /// The moment at which the last piece was handed over, until the next is asked for.
    handed: Option<Instant>,
    /// Its permit among the requests in flight.
    _permit: Permit,
}

/// The bound on a stream's silence.
struct Heartbeat {
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl Heartbeat {
    fn every(every: Duration) -> Self {
        Self {
            every,
            next: Box::pin(sleep(every)),
        }
    }
}

impl Stream {
    /// Makes the body of `run`, which writes into `outbox`. It keeps its `permit` to the end.
    pub(super) fn new(
        run: LocalBoxFuture<'static, ()>,
        outbox: Rc<Outbox>,
        heartbeats: Option<Duration>,
        permit: Permit,
    ) -> Self {
        Self {
            run: Some(run),
            // Some proxies hold an answer's head back until a byte of its body comes.
            rest: match outbox.framing {
                Framing::Events => Bytes::from_static(outbox.framing.heartbeat()),
                Framing::Lines => Bytes::new(),
            },
            outbox,
            heartbeat: heartbeats.map(Heartbeat::every),
            handed: None,
            _permit: permit,
        }
    }

    fn piece(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            self.rest = self.outbox.take();
        }
        let size = self.rest.len().min(PIECE);
        (size > 0).then(|| self.rest.split_to(size))
    }
}

impl MessageBody for Stream {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = &mut *self;
        let now = Instant::now();
        let kept = |handed| now.saturating_duration_since(handed) > UNNOTICED;
        if this.handed.take().is_some_and(kept) {
            this.outbox.pace.held();
        }
        let mut piece = this.piece();
        if piece.is_none()
            && let Some(run) = &mut this.run
        {
            if run.as_mut().poll(cx).is_ready() {
                this.run = None;
            }
            piece = this.piece();
        }
        if piece.is_none() {
            if this.run.is_none() {
                return Poll::Ready(None);
            }
            let Some(heartbeat) = &mut this.heartbeat else {
                return Poll::Pending;
            };
            if heartbeat.next.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            piece = Some(Bytes::from_static(this.outbox.framing.heartbeat()));
        }
        if let Some(heartbeat) = &mut this.heartbeat {
            heartbeat.next.as_mut().reset(now + heartbeat.every);
        }
        this.handed = Some(now);
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
#[path = "stream_body_tests.rs"]
mod tests;
