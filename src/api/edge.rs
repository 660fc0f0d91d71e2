//! One connection of a client, between the socket and actix's dispatcher. The dispatcher answers what it can't parse
//! with a bare status, before any route or middleware is asked; here such an answer becomes a problem with a request id,
//! is counted and logged, and gets the time to be read before the connection goes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    error::{Problem, ProblemKind},
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
    /// A refusal that is not written yet.
    pending: Bytes,
    /// Set once a refusal was written: the time by which the client must have read it.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Edge {
    /// Takes the connection over.
    #[must_use]
    pub const fn new(tcp: TcpStream, metrics: Arc<Metrics>) -> Self {
        Self {
            tcp,
            metrics,
            pending: Bytes::new(),
            linger: None,
        }
    }

    fn refuse(&mut self, before: &[u8], head: &[u8]) {
        let id = RequestId::random();
        let status = std::str::from_utf8(&head[9..12]).unwrap_or("400");
        let (kind, detail) = match status {
            "408" => (
                ProblemKind::RequestTimeout,
                "the request's head did not come in time",
            ),
            "431" => (
                ProblemKind::HeadTooLarge,
                "the request's head is too large: at most 128 KiB and 96 fields are taken",
            ),
            _ => (
                ProblemKind::MalformedRequest,
                "the request is not valid HTTP/1.1",
            ),
        };
        self.metrics.problem(kind as usize);
        tracing::info!(request_id = id.as_str(), status, "refused");
        let body = Problem::new(kind, detail).json();
        let mut answer = before.to_vec();
        for line in head.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii_end();
            if !line.is_empty() && !line.starts_with(b"content-length:") {
                answer.extend_from_slice(line);
                answer.extend_from_slice(b"\r\n");
            }
        }
        let fields = format!(
            "content-type: application/problem+json\r\ncontent-length: {}\r\nx-request-id: {}\r\n\r\n",
            body.len(),
            id.as_str()
        );
        answer.extend_from_slice(fields.as_bytes());
        answer.extend_from_slice(&body);
        self.pending = answer.into();
        self.linger = Some(Box::pin(sleep(LINGER)));
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on until the client has closed its side or the time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(linger) = &mut self.linger else {
            return Poll::Ready(());
        };
        let mut space = [0; 4096];
        loop {
            if linger.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut unread = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
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
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Edge {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        let Some(start) = refusal(buf) else {
            return Pin::new(&mut self.tcp).poll_write(cx, buf);
        };
        let (before, head) = buf.split_at(start);
        self.refuse(before, head);
        // Taken over whole; flushing and closing write what is left of it.
        if let Poll::Ready(Err(error)) = self.poll_pending(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        ready!(self.poll_linger(cx));
        Poll::Ready(Ok(()))
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
