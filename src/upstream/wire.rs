//! One connection to an upstream, between the socket and awc's codec. It reads every answer's head on its way through,
//! because the codec would hand on what it must not (RFC 9112, sections 6.3 and 8):
//!
//! - a body that the upstream ended early counts as complete there; here the end of the stream is noted;
//! - an HTTP/1.1 answer that ends with the connection loses its body there; here its head is passed on as HTTP/1.0,
//!   which the codec reads to the end;
//! - an interim answer (1xx) is taken for the final one there; here it is left out;
//! - a length beside `Transfer-Encoding` is accepted there; here it is a fault;
//! - an offer to upgrade hides the body's length there; here it is left out;
//! - bytes after an answer stay in the connection or vanish there; here the connection is not used again.
//!
//! What it sees goes into the attempt's [`Trace`].

use std::{
    fmt, io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::{
    chunks::Chunks,
    head::{self, Framing, Head},
    tls,
    trace::{TRACE, Trace},
};
use crate::fanout::{Failure, FailureKind};

/// The largest head of an answer, and of an interim answer. awc's own bound is twice as much, but it panics on a field's
/// name of more than 65,535 bytes.
const MAX_HEAD: usize = 64 * 1024;

/// How many interim answers (1xx) may come before the final one.
const MAX_INTERIM: usize = 16;

/// What is read at once while a head is awaited: most answers fit whole.
const HEAD_CHUNK: usize = 4096;

/// The bytes' way, plain or inside TLS.
pub(super) enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What the connection is at.
enum Phase {
    /// No request is under way.
    Idle,
    /// A request was sent.
    Head(Held),
    /// The head is known. `queued` was read with it; `rest` is still to come.
    Body { queued: BytesMut, rest: Rest },
}

/// This much of an answer's head has come.
#[derive(Default)]
pub(super) struct Held {
    pub(super) bytes: BytesMut,
    /// Interim answers that came before it.
    interim: usize,
}

/// What of a body is still to come.
pub(super) enum Rest {
    Bytes(u64),
    Chunks(Chunks),
    ToTheClose,
}

/// The connection that awc pools.
pub(super) struct Wire {
    link: Link,
    phase: Phase,
    /// It is not used again: the upstream said so, or bytes came that belong to no answer.
    spent: bool,
}

impl Rest {
    pub(super) const fn of(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Bytes(0),
            Framing::Length(length) => Self::Bytes(length),
            Framing::Chunked => Self::Chunks(Chunks::new()),
            Framing::Close => Self::ToTheClose,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunks(chunks) => chunks.is_over(),
            Self::ToTheClose => false,
        }
    }

    /// How many of `bytes`, which come next on the wire, belong to the body.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        match self {
            Self::Bytes(left) => {
                let size = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= size as u64;
                Ok(size)
            }
            Self::Chunks(chunks) => chunks.follow(bytes),
            Self::ToTheClose => Ok(bytes.len()),
        }
    }
}

impl Held {
    /// The final answer's head, once it is whole; interim answers before it are taken out.
    pub(super) fn final_head(&mut self, head_only: bool) -> Result<Option<Head>, &'static str> {
        loop {
            let head = head::parse(&self.bytes, head_only)?;
            if head.map_or(self.bytes.len(), |head| head.size) > MAX_HEAD {
                return Err("the answer's head is too large");
            }
            match head {
                Some(head) if head.interim => {
                    self.bytes.advance(head.size);
                    self.interim += 1;
                    if self.interim > MAX_INTERIM {
                        return Err("the upstream sent interim answers without end");
                    }
                }
                head => return Ok(head),
            }
        }
    }
}

impl Wire {
    pub(super) const fn new(link: Link) -> Self {
        Self {
            link,
            phase: Phase::Idle,
            spent: false,
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

    /// Whether the last answer, if there was one, was read to its end and nothing speaks against another one.
    fn is_reusable(&self) -> bool {
        let is_done = match &self.phase {
            Phase::Idle => true,
            Phase::Head(_) => false,
            Phase::Body { queued, rest } => queued.is_empty() && rest.is_over(),
        };
        is_done && !self.spent
    }

    /// Nothing that comes on this connection can be trusted any more.
    fn give_up(&mut self, fault: &'static str, trace: &Trace) -> io::Error {
        self.spent = true;
        trace.note_fault(fault);
        io::Error::new(io::ErrorKind::InvalidData, fault)
    }

    /// Reads until the head is whole.
    fn poll_head(&mut self, cx: &mut Context<'_>, trace: &Trace) -> Poll<io::Result<()>> {
        while let Phase::Head(_) = &self.phase {
            let mut space = [0; HEAD_CHUNK];
            let mut chunk = ReadBuf::new(&mut space);
            if let Err(error) = ready!(self.poll_link(cx, &mut chunk)) {
                // With TLS 1.3, a client learns only here that its certificate was refused.
                if let (false, Some(reason)) = (trace.answered(), tls::alert(&error)) {
                    trace.note_refused(Failure::new(FailureKind::Tls, reason));
                }
                return Poll::Ready(Err(error));
            }
            let Phase::Head(held) = &mut self.phase else {
                break;
            };
            if chunk.filled().is_empty() {
                trace.note_end();
                break;
            }
            trace.note_answered();
            held.bytes.extend_from_slice(chunk.filled());
            match held.final_head(trace.head_only) {
                Ok(None) => {}
                Ok(Some(head)) => {
                    trace.note_framing(head.framing);
                    let queued = std::mem::take(&mut held.bytes);
                    self.begin_body(&head, queued, trace);
                }
                Err(fault) => return Poll::Ready(Err(self.give_up(fault, trace))),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn begin_body(&mut self, head: &Head, mut queued: BytesMut, trace: &Trace) {
        head::for_codec(&mut queued[..head.size], head.framing);
        self.spent |= !head.lasts;
        let mut rest = Rest::of(head.framing);
        let size = rest.follow(&queued[head.size..]).unwrap_or_else(|fault| {
            // The head is good and goes on; the fault follows it.
            self.give_up(fault, trace);
            0
        });
        self.spent |= head.size + size < queued.len();
        queued.truncate(head.size + size);
        self.phase = Phase::Body { queued, rest };
    }

    /// Passes a body on, as far as it goes. After that there is an end, whatever the codec thinks of the body.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        trace: &Trace,
    ) -> Poll<io::Result<()>> {
        let Phase::Body { queued, rest } = &mut self.phase else {
            return Poll::Ready(Ok(()));
        };
        if !queued.is_empty() {
            let size = queued.len().min(buf.remaining());
            buf.put_slice(&queued[..size]);
            queued.advance(size);
            return Poll::Ready(Ok(()));
        }
        if let Some(fault) = trace.fault() {
            return Poll::Ready(Err(self.give_up(fault, trace)));
        }
        if rest.is_over() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(self.poll_link(cx, buf))?;
        let came = &buf.filled()[before..];
        let Phase::Body { rest, .. } = &mut self.phase else {
            return Poll::Ready(Ok(()));
        };
        if came.is_empty() {
            trace.note_end();
            return Poll::Ready(Ok(()));
        }
        match rest.follow(came) {
            Ok(size) => {
                self.spent |= size < came.len();
                buf.set_filled(before + size);
                Poll::Ready(Ok(()))
            }
            Err(fault) => Poll::Ready(Err(self.give_up(fault, trace))),
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
        match trace.filter(|trace| trace.wrote()) {
            Some(trace) => {
                ready!(self.poll_head(cx, &trace))?;
                self.poll_body(cx, buf, &trace)
            }
            // Nothing was sent yet: the pool asks whether the connection is still good. Its "no" is an end.
            None if !self.is_reusable()
                || TRACE.try_with(|trace| trace.wants_fresh()) == Ok(true) =>
            {
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
            self.phase = Phase::Head(Held::default());
        }
        // Writing outside an attempt doesn't happen; if it did, there would be nobody to tell.
        let _ = TRACE.try_with(|trace| trace.note_written());
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
