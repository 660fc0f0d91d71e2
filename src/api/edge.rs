//! One connection of a client, between the socket and actix's dispatcher. The dispatcher answers what it can't parse
//! with a bare status, before any route or middleware is asked; here such an answer becomes a problem with a request id,
//! is counted and logged, and gets the time to be read before the connection goes. And it is here that heads are timed:
//! the dispatcher's own timer covers the first head alone, and may be half a second early.

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
use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    arrival::{Heads, Progress},
    error::{Problem, ProblemKind},
    guard::MAX_TARGET,
    request_id::RequestId,
};
use crate::telemetry::Metrics;

/// How long a refused client may go on sending before the connection is cut. Without that time, the kernel would answer
/// its unread bytes with a reset, which can overtake the refusal.
const LINGER: Duration = Duration::from_secs(1);

/// A client's connection, as the dispatcher sees it.
#[derive(Debug)]
pub struct Edge {
    tcp: TcpStream,
    metrics: Arc<Metrics>,
    progress: Rc<Progress>,
    heads: Heads,
    /// How long a head may take, from its first byte; the first one from the connection's start.
    patience: Duration,
    /// Set while a head is awaited.
    impatience: Option<Pin<Box<Sleep>>>,
    /// Nothing has come yet.
    silent: bool,
    /// The dispatcher is writing an answer.
    writing: bool,
    /// The dispatcher was told that nothing more will come.
    cut: bool,
    refusal: Option<Refusal>,
}

/// The last answer on a connection.
#[derive(Debug)]
struct Refusal {
    unwritten: Bytes,
    /// Nothing more is sent.
    shut: bool,
    /// The time by which the client must have read it.
    linger: Pin<Box<Sleep>>,
}

impl Edge {
    /// Takes the connection over. A request's head may take as long as `patience`.
    #[must_use]
    pub fn new(tcp: TcpStream, patience: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            tcp,
            metrics,
            progress: Rc::default(),
            heads: Heads::default(),
            patience,
            impatience: None,
            silent: true,
            writing: false,
            cut: false,
            refusal: None,
        }
    }

    /// What the connection's requests tell it by.
    #[must_use]
    pub fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// Makes the problem for a bare answer of the dispatcher with this status.
    fn problem(&self, status: &[u8]) -> Problem {
        let (kind, detail) = match status {
            // The parser calls what it can't hold malformed, or the whole head too large.
            b"400" | b"431" if self.heads.first_line() > MAX_TARGET => (
                ProblemKind::UriTooLong,
                "the request target is too long: at most 8 KiB are taken",
            ),
            b"431" => (
                ProblemKind::HeadTooLarge,
                "the request's head is too large: at most 128 KiB and 96 fields are taken",
            ),
            _ => (
                ProblemKind::MalformedRequest,
                "the request is not valid HTTP/1.1",
            ),
        };
        Problem::new(kind, detail)
    }

    /// Makes `problem` the last answer, after what the dispatcher wrote `before` it.
    fn refuse(&mut self, before: &[u8], problem: &Problem) {
        let id = RequestId::random();
        let status = problem.kind().status();
        self.metrics.problem(problem.kind() as usize);
        tracing::info!(
            request_id = id.as_str(),
            status = status.as_u16(),
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
        self.refusal = Some(Refusal {
            unwritten: [before, head.as_bytes(), &body].concat().into(),
            shut: false,
            linger: Box::pin(sleep(LINGER)),
        });
    }

    /// Ready once a refusal, if there is one, is written and read, or its time is over.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(refusal) = &mut self.refusal else {
            return Poll::Ready(Ok(()));
        };
        let mut tcp = Pin::new(&mut self.tcp);
        while !refusal.unwritten.is_empty() {
            let written = ready!(tcp.as_mut().poll_write(cx, &refusal.unwritten))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            refusal.unwritten.advance(written);
        }
        if !refusal.shut {
            ready!(tcp.as_mut().poll_shutdown(cx))?;
            refusal.shut = true;
        }
        let mut space = [0; 4096];
        loop {
            if refusal.linger.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut unread = ReadBuf::new(&mut space);
            match ready!(tcp.as_mut().poll_read(cx, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Ready once the client has taken too long for a head, or for the rest of a request that was answered before.
    fn poll_impatience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let awaits = self.silent || self.heads.under_way() || self.progress.owes_body();
        if !awaits {
            return Poll::Pending;
        }
        let patience = self.patience;
        loop {
            let timer = self
                .impatience
                .get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(timer.as_mut().poll(cx));
            if !self.writing && !self.progress.is_answering() {
                return Poll::Ready(());
            }
            // Who waits for an answer is not late with the next head.
            self.impatience = None;
        }
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

/// Where a bare refusal begins in what the dispatcher writes. It is always last: the dispatcher closes after it.
fn refusal(written: &[u8]) -> Option<usize> {
    // Routes answer failures with a body, so hardly anything passes the first test.
    if !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let start = written
        .windows(b"HTTP/1.1 4".len())
        .rposition(|part| part == b"HTTP/1.1 4")?;
    let head = &written[start..];
    let is_bare = head
        .split(|byte| *byte == b'\n')
        .any(|line| line.trim_ascii_end() == b"content-length: 0");
    is_bare.then_some(start)
}

impl AsyncRead for Edge {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let edge = &mut *self;
        if edge.cut {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut edge.tcp).poll_read(cx, buf) {
            let new = &buf.filled()[before..];
            edge.silent &= new.is_empty();
            if edge.heads.read(new) {
                edge.impatience = None;
            }
            return Poll::Ready(read);
        }
        ready!(edge.poll_impatience(cx));
        edge.cut = true;
        if !edge.progress.owes_body() {
            let detail = "the request's head did not come in time";
            edge.refuse(b"", &Problem::new(ProblemKind::RequestTimeout, detail));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Edge {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let edge = &mut *self;
        if edge.refusal.is_none() {
            let Some(start) = refusal(buf) else {
                edge.writing = true;
                return Pin::new(&mut edge.tcp).poll_write(cx, buf);
            };
            let (before, head) = buf.split_at(start);
            let problem = edge.problem(&head[9..12]);
            edge.refuse(before, &problem);
        }
        // The dispatcher drops the connection as soon as its bytes are taken, so they are not before the end.
        ready!(edge.poll_refusal(cx))?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        ready!(Pin::new(&mut self.tcp).poll_flush(cx))?;
        if std::mem::take(&mut self.writing) {
            // With the answer, the time for what the client has begun to send starts anew. Nothing may come any more
            // that would ask for it.
            self.impatience = None;
            if self.poll_impatience(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_refusal_at_the_end_is_one() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refusal(bare), Some(0));
        let after = [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", &bare[..]].concat();
        assert_eq!(refusal(&after), Some(40));
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert_eq!(refusal(other), None);
        }
    }
}
