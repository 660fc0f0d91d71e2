//! One connection to an upstream, between the socket and awc's codec. It reads every answer's head on its way through,
//! because the codec would hand on what it must not (RFC 9112, sections 6.3 and 8):
//!
//! - a body that the upstream ended early counts as complete there; here the end of the stream is noted;
//! - an HTTP/1.1 answer that ends with the connection loses its body there; here its head is passed on as HTTP/1.0,
//!   which the codec reads to the end;
//! - an interim answer (1xx) is taken for the final one there; here it is left out;
//! - a length beside `Transfer-Encoding` is accepted there; here it is a fault;
//! - bytes after an answer stay in the connection there; here the connection is not used again.
//!
//! The attempt that owns the moment is found by a task-local [`Trace`]: the codec gives no other way back to it.

use std::{
    cell::{Cell, RefCell},
    fmt, io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::head::{self, Framing, Head};
use crate::fanout::Failure;

/// The largest head of an answer, interim answers before it included. awc's own bound is twice as much.
const MAX_HEAD: usize = 64 * 1024;

/// How many interim answers (1xx) may come before the final one.
const MAX_INTERIM: usize = 16;

/// What is read at once while a head is awaited: most answers fit whole.
const HEAD_CHUNK: usize = 4096;

tokio::task_local! {
    /// The attempt that is being polled on this thread.
    pub(super) static TRACE: Rc<Trace>;
}

/// What the wire saw during one attempt.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The request's method was HEAD, so that the answer has no body whatever its head says.
    pub(super) head_only: bool,
    /// Pooled connections are not good enough.
    fresh: Cell<bool>,
    /// A connection was opened.
    opened: Cell<bool>,
    /// Something of the request was written.
    wrote: Cell<bool>,
    /// Something of an answer was read.
    answered: Cell<bool>,
    /// The upstream closed its side while an answer was expected or under way.
    ended: Cell<bool>,
    /// How the answer's body ends, once its head was read.
    framing: Cell<Option<Framing>>,
    /// What was wrong with the answer's head.
    fault: Cell<Option<&'static str>>,
    /// Why no connection could be opened.
    undialled: RefCell<Option<Failure>>,
}

impl Trace {
    pub(super) fn new(head_only: bool) -> Self {
        Self {
            head_only,
            ..Self::default()
        }
    }

    /// Starts over, on a new connection.
    pub(super) fn restart(&self) {
        self.fresh.set(true);
        self.wrote.set(false);
        self.ended.set(false);
    }

    pub(super) fn opened(&self) {
        self.opened.set(true);
    }

    pub(super) fn undialled(&self, failure: Failure) {
        self.undialled.replace(Some(failure));
    }

    pub(super) fn take_undialled(&self) -> Option<Failure> {
        self.undialled.take()
    }

    /// Whether a pooled connection turned out to be closed before it brought a byte.
    pub(super) const fn was_stale(&self) -> bool {
        self.wrote.get() && !self.opened.get() && !self.answered.get()
    }

    pub(super) const fn answered(&self) -> bool {
        self.answered.get()
    }

    pub(super) const fn ended(&self) -> bool {
        self.ended.get()
    }

    pub(super) const fn framing(&self) -> Option<Framing> {
        self.framing.get()
    }

    pub(super) const fn fault(&self) -> Option<&'static str> {
        self.fault.get()
    }
}

/// The bytes' way, plain or inside TLS.
pub(super) enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the connection is at.
enum Phase {
    /// No request is under way.
    Idle,
    /// A request was sent; this much of its answer's head has come.
    Head(BytesMut),
    /// The head is known. `queued` was read with it; `left` is what a declared length still allows.
    Body { queued: BytesMut, left: Option<u64> },
}

/// The connection that awc pools.
pub(super) struct Wire {
    link: Link,
    phase: Phase,
    /// Bytes came that belong to no answer: whatever follows can't be trusted.
    spoiled: bool,
}

impl Wire {
    pub(super) const fn new(link: Link) -> Self {
        Self {
            link,
            phase: Phase::Idle,
            spoiled: false,
        }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.link {
            Link::Plain(tcp) => tcp,
            Link::Tls(tls) => tls.get_ref().0,
        }
    }

    fn poll_link(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Link::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }

    /// Reads until the head is whole.
    fn poll_head(&mut self, cx: &mut Context<'_>, trace: &Trace) -> Poll<io::Result<()>> {
        while let Phase::Head(_) = &self.phase {
            let mut space = [0; HEAD_CHUNK];
            let mut chunk = ReadBuf::new(&mut space);
            ready!(self.poll_link(cx, &mut chunk))?;
            let Phase::Head(held) = &mut self.phase else {
                break;
            };
            if chunk.filled().is_empty() {
                trace.ended.set(true);
                break;
            }
            trace.answered.set(true);
            held.extend_from_slice(chunk.filled());
            match final_head(held, trace.head_only) {
                Ok(None) => {}
                Ok(Some(head)) => {
                    trace.framing.set(Some(head.framing));
                    let queued = std::mem::take(held);
                    self.begin_body(&head, queued);
                }
                Err(fault) => {
                    trace.fault.set(Some(fault));
                    self.spoiled = true;
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn begin_body(&mut self, head: &Head, mut queued: BytesMut) {
        if head.framing == Framing::Close {
            head::as_http_10(&mut queued);
        }
        let mut left = None;
        if let Some(length) = head.framing.length() {
            let came = (queued.len() - head.size) as u64;
            left = Some(length.saturating_sub(came));
            if came > length {
                self.spoiled = true;
                queued.truncate(queued.len() - usize::try_from(came - length).unwrap_or(0));
            }
        }
        self.phase = Phase::Body { queued, left };
    }

    /// Passes a body on, as far as its length allows.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        trace: &Trace,
    ) -> Poll<io::Result<()>> {
        let Phase::Body { queued, left } = &mut self.phase else {
            return Poll::Ready(Ok(()));
        };
        if !queued.is_empty() {
            let size = queued.len().min(buf.remaining());
            buf.put_slice(&queued[..size]);
            queued.advance(size);
            return Poll::Ready(Ok(()));
        }
        if self.spoiled {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let left = *left;
        ready!(self.poll_link(cx, buf))?;
        let came = buf.filled().len() - before;
        if came == 0 {
            trace.ended.set(true);
        } else if let (Some(allowed), Phase::Body { left, .. }) = (left, &mut self.phase) {
            *left = Some(allowed.saturating_sub(came as u64));
            if came as u64 > allowed {
                self.spoiled = true;
                buf.set_filled(before + usize::try_from(allowed).unwrap_or(came));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The final answer's head, once it is whole; interim answers before it are taken out of `held`.
fn final_head(held: &mut BytesMut, head_only: bool) -> Result<Option<Head>, &'static str> {
    let mut interim = 0;
    loop {
        match head::parse(held, head_only)? {
            Some(head) if head.interim => {
                held.advance(head.size);
                interim += 1;
                if interim > MAX_INTERIM {
                    return Err("the upstream sent interim answers without end");
                }
            }
            None if held.len() > MAX_HEAD => return Err("the answer's head is too large"),
            whole => return Ok(whole),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let trace = TRACE.try_with(Rc::clone).ok();
        match trace.filter(|trace| trace.wrote.get()) {
            Some(trace) => {
                ready!(self.poll_head(cx, &trace))?;
                self.poll_body(cx, buf, &trace)
            }
            // Nothing was sent yet: the pool asks whether the connection is still good. Its "no" is an end.
            None if self.spoiled || TRACE.try_with(|trace| trace.fresh.get()) == Ok(true) => {
                Poll::Ready(Ok(()))
            }
            None => self.poll_link(cx, buf),
        }
    }
}

impl Wire {
    /// A request's first bytes make the next bytes read an answer's head.
    fn note_write(&mut self) {
        if !matches!(self.phase, Phase::Head(_)) {
            self.phase = Phase::Head(BytesMut::new());
        }
        // Writing outside an attempt doesn't happen; if it did, there would be nobody to tell.
        let _ = TRACE.try_with(|trace| trace.wrote.set(true));
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.note_write();
        match &mut self.link {
            Link::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Link::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Link::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Link::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl ActixStream for Wire {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.tcp(), cx)
    }
}

/// awc wants it; nothing of the connection is worth printing.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
