//! One connection of a client, between the socket and actix's dispatcher. What HTTP/1.1 demands of requests and of time is
//! demanded here, because the dispatcher is lenient with the former and bounds too little of the latter:
//!
//! - a head is handed over when it is whole and valid, and only when the request before it is answered; else the client
//!   is told what is wrong and the connection ends;
//! - a head has `header_timeout`, each on its connection;
//! - no route takes a body, so a request that announces one is its connection's last; it is not told to `100 Continue`,
//!   and what comes of the body is read for a moment and dropped;
//! - a client that doesn't read its answer has `write_timeout` for each part of it.

mod fault;
mod grammar;
mod heads;
mod parting;
mod progress;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;

use std::{
    fmt::Write as _,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{http::header::HttpDate, rt::net::TcpStream};
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

pub use self::progress::{Going, Progress};
use self::{
    fault::Fault,
    heads::{Head, Heads},
    parting::Parting,
};
use super::request_id::RequestId;
use crate::telemetry::Metrics;

/// The longest request target, in bytes. Long enough for every parameter, short enough to log.
const MAX_TARGET: usize = 8 * 1024;

/// The largest head, in bytes: more than browsers and proxies send, and below what the dispatcher's parser holds.
const MAX_HEAD: usize = 64 * 1024;

/// The most fields of a head: the dispatcher's parser takes no more.
const MAX_FIELDS: usize = 96;

/// How much of an answer a client must take within `write_timeout`, as long as there is more.
const WRITE_PART: usize = 64 * 1024;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a head, from its first byte; the first one from the connection's start.
    pub head: Duration,
    /// For each 64 KiB of an answer, or for what is left of it.
    pub write: Duration,
}

/// What the connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request is under way.
    Awaiting,
    /// So much of a head is still to be handed over.
    Handing { left: usize, last: bool },
    /// The dispatcher has a request. The last one announced a body.
    Answering { last: bool },
    /// The dispatcher is told that nothing more will come.
    Over,
}

/// A client's connection, as the dispatcher sees it.
#[derive(Debug)]
pub struct Edge {
    tcp: TcpStream,
    metrics: Arc<Metrics>,
    progress: Rc<Progress>,
    patience: Patience,
    phase: Phase,
    /// What has come and is not handed over.
    held: BytesMut,
    heads: Heads,
    /// No head was whole yet.
    fresh: bool,
    /// Set while a head is awaited that has begun.
    lateness: Option<Pin<Box<Sleep>>>,
    /// The dispatcher has written a part of an answer.
    writing: bool,
    /// Set while the client's side is full.
    stalled: Option<Stalled>,
    parting: Option<Parting>,
}

/// An answer that waits for its client.
#[derive(Debug)]
struct Stalled {
    until: Pin<Box<Sleep>>,
    /// How much the client has taken since.
    taken: usize,
}

impl Edge {
    /// Takes the connection over.
    #[must_use]
    pub fn new(tcp: TcpStream, patience: Patience, metrics: Arc<Metrics>) -> Self {
        Self {
            tcp,
            metrics,
            progress: Rc::default(),
            patience,
            phase: Phase::Awaiting,
            held: BytesMut::new(),
            heads: Heads::default(),
            fresh: true,
            lateness: None,
            writing: false,
            stalled: None,
            parting: None,
        }
    }

    /// What the connection's requests tell it by.
    #[must_use]
    pub fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// Waits for a head and begins to hand it over.
    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            // It may have come while the request before it was being answered.
            let read = self.heads.read(&self.held);
            self.judge(read);
        }
        while self.phase == Phase::Awaiting {
            let before = buf.filled().len();
            let Poll::Ready(read) = Pin::new(&mut self.tcp).poll_read(cx, buf) else {
                ready!(self.poll_lateness(cx));
                self.refuse(Fault::Late);
                break;
            };
            read?;
            let came = &buf.filled()[before..];
            if came.is_empty() {
                self.phase = Phase::Over;
                break;
            }
            let read = if self.held.is_empty() {
                match self.heads.read(came) {
                    // Most often it is all of a head and nothing else, and stays where it is.
                    Ok(Some(head)) if head.is_all_of(came) => {
                        self.phase = Phase::Answering { last: head.body };
                        self.rested();
                        return Poll::Ready(Ok(()));
                    }
                    read => {
                        self.held.extend_from_slice(came);
                        read
                    }
                }
            } else {
                self.held.extend_from_slice(came);
                self.heads.read(&self.held)
            };
            buf.set_filled(before);
            self.judge(read);
        }
        self.hand_over(buf);
        Poll::Ready(Ok(()))
    }

    /// Takes in what came of reading a head.
    fn judge(&mut self, read: Result<Option<Head>, Fault>) {
        match read {
            Ok(None) => {}
            Ok(Some(head)) => {
                let mut left = head.range.len();
                for line in head.expect.iter().rev() {
                    // What it expects is an answer, which comes at once.
                    let after = self.held.split_off(line.end);
                    self.held.truncate(line.start);
                    self.held.unsplit(after);
                    left -= line.len();
                }
                self.held.advance(head.range.start);
                self.phase = Phase::Handing {
                    left,
                    last: head.body,
                };
                self.rested();
            }
            Err(fault) => self.refuse(fault),
        }
    }

    /// A head is whole; the next one is read from its beginning.
    fn rested(&mut self) {
        self.heads = Heads::default();
        self.fresh = false;
        self.lateness = None;
    }

    /// Hands over as much of a head as there is room for.
    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        let Phase::Handing { left, last } = self.phase else {
            return;
        };
        let size = left.min(buf.remaining());
        buf.put_slice(&self.held[..size]);
        self.held.advance(size);
        self.phase = if size < left {
            Phase::Handing {
                left: left - size,
                last,
            }
        } else {
            // Most connections never need it again.
            if last || self.held.is_empty() {
                self.held = BytesMut::new();
            }
            Phase::Answering { last }
        };
    }

    /// Ready once the client has closed its side, while a request is being answered. What it sends meanwhile is held, up
    /// to the size of a head; a body is not.
    fn poll_departure(
        &mut self,
        last: bool,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.held.len() < MAX_HEAD {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
            let came = &buf.filled()[before..];
            if came.is_empty() {
                self.phase = Phase::Over;
                return Poll::Ready(Ok(()));
            }
            if !last {
                self.held.extend_from_slice(came);
            }
            buf.set_filled(before);
        }
        // The end of the answer wakes the dispatcher.
        Poll::Pending
    }

    /// Ready once the client has taken too long for a head.
    fn poll_lateness(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.fresh && !self.heads.under_way() {
            // Half of an empty line may have begun it.
            self.lateness = None;
            return Poll::Pending;
        }
        let patience = self.patience.head;
        let timer = self
            .lateness
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        timer.as_mut().poll(cx)
    }

    /// Makes this fault's problem the last answer of the connection.
    fn refuse(&mut self, fault: Fault) {
        let problem = fault.problem();
        let id = RequestId::random();
        let status = problem.kind().status();
        self.metrics.problem(problem.kind() as usize);
        tracing::info!(
            request_id = id.as_str(),
            status = status.as_u16(),
            problem = problem.kind().name(),
            detail = fault.detail(),
            "refused"
        );
        let body = problem.json();
        let mut head = String::with_capacity(320);
        // Writing to a String can't fail.
        let _ = write!(
            head,
            "HTTP/1.1 {status}\r\nconnection: close\r\ndate: {}\r\ncache-control: no-store\r\n\
             content-type: application/problem+json\r\ncontent-length: {}\r\nx-request-id: {}\r\n\r\n",
            date(),
            body.len(),
            id.as_str()
        );
        self.held.clear();
        self.part([head.as_bytes(), &body].concat().into());
    }

    /// Ends the connection with these bytes.
    fn part(&mut self, last: Bytes) {
        self.parting = Some(Parting::with(last));
        self.phase = Phase::Over;
    }

    /// Ready once a parting, if there is one, is over.
    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.parting {
            Some(parting) => parting.poll(Pin::new(&mut self.tcp), cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Ready once the client has not taken its part of an answer in time: then the connection is cut.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let patience = self.patience.write;
        let stalled = self.stalled.get_or_insert_with(|| Stalled {
            until: Box::pin(sleep(patience)),
            taken: 0,
        });
        ready!(stalled.until.as_mut().poll(cx));
        tracing::info!("a client was cut off: it did not read its answer in time");
        // The kernel would go on holding what it has for the client. If it refuses, it does.
        let _ = self.tcp.set_zero_linger();
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

/// What the clock on the wall says, for people: nothing is decided by it.
#[expect(
    clippy::disallowed_methods,
    reason = "RFC 9110, section 6.6.1 wants the date of every answer"
)]
fn date() -> HttpDate {
    std::time::SystemTime::now().into()
}

impl AsyncRead for Edge {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let edge = &mut *self;
        match edge.phase {
            Phase::Awaiting => edge.poll_head(cx, buf),
            Phase::Handing { .. } => {
                edge.hand_over(buf);
                Poll::Ready(Ok(()))
            }
            Phase::Answering { last } => edge.poll_departure(last, cx, buf),
            Phase::Over => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Edge {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let edge = &mut *self;
        if edge.parting.is_some() {
            ready!(edge.poll_parting(cx))?;
            return Poll::Ready(Ok(buf.len()));
        }
        let Poll::Ready(written) = Pin::new(&mut edge.tcp).poll_write(cx, buf) else {
            return edge.poll_stalled(cx).map(Err);
        };
        edge.writing = true;
        if let (Some(stalled), Ok(taken)) = (&mut edge.stalled, &written) {
            stalled.taken += taken;
            if stalled.taken >= WRITE_PART {
                edge.stalled = None;
            }
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let edge = &mut *self;
        ready!(edge.poll_parting(cx))?;
        ready!(Pin::new(&mut edge.tcp).poll_flush(cx))?;
        edge.stalled = None;
        if let Phase::Answering { last } = edge.phase
            && edge.writing
            && !edge.progress.is_answering()
        {
            edge.writing = false;
            edge.phase = Phase::Awaiting;
            if last {
                edge.part(Bytes::new());
            }
            if last || !edge.held.is_empty() {
                // The dispatcher has read before it wrote.
                cx.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let edge = &mut *self;
        if edge.parting.is_none() && !edge.held.is_empty() {
            edge.part(Bytes::new());
        }
        ready!(edge.poll_parting(cx))?;
        Pin::new(&mut edge.tcp).poll_shutdown(cx)
    }
}
