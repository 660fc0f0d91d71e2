//! One connection of a client: the next request on it, the departure of the client, and the connection's end. It must
//! not know who answers, nor how an answer is sent.

use std::{
    fmt::Write as _,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_http::{
    HttpMessage as _, Request,
    h1::{Codec, MessageType},
};
use actix_web::{
    http::{Method, Version, header::HttpDate},
    rt::net::TcpStream,
};
use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    task::yield_now,
    time::Instant,
};

use super::{
    bounds::{HalfClose, LARGE_HEAD, MAX_HEAD},
    clock::Clock,
    decode, edits,
    fault::Fault,
    heads::{Head, Heads},
    incoming::Receiving,
    parting,
    reset::Reset,
    worker::Edge,
};
use crate::{
    api::{LargeHead, RequestId},
    exchange::REQUEST_ID,
};

/// The target of these lines. People filter lines by it, so it stays when a file moves.
const TARGET: &str = "gather::api::edge::connection";

/// An idle time for which half a second more or less does not matter.
const LONG_IDLE: Duration = Duration::from_secs(10);

/// A client's connection.
pub(super) struct Connection {
    pub(super) tcp: TcpStream,
    pub(super) codec: Codec,
    pub(super) clock: Clock,
    /// True if the answer to the last request has a body.
    pub(super) wants_body: bool,
    /// True if a body of unknown length may go to that client in chunks.
    pub(super) takes_chunks: bool,
    /// True if that request announced a body that was not read whole. It is then the connection's last.
    pub(super) last: bool,
    /// The body that it announced, while the handler may ask for it.
    pub(super) receiving: Option<Box<Receiving>>,
    /// The rest of an interim answer.
    pub(super) unsaid: &'static [u8],
    peer: Option<SocketAddr>,
    /// Bytes that have come and are not used yet.
    pub(super) held: BytesMut,
    heads: Heads,
    /// The time by which a head that has begun must be complete. The first head of a connection begins with the
    /// connection.
    late: Option<Instant>,
    /// The time at which a connection without a request ends. It is not set before the first request.
    idle: Option<Instant>,
    /// The watch for a reset, if the client has closed its half and still gets its answer.
    reset: Option<Reset>,
}

/// The next event on a connection.
pub(super) enum Next {
    /// A request.
    Request(Request),
    /// A request that is not valid.
    Refused(Fault),
    /// No request within the idle time.
    Idle,
    /// No more requests: the client has closed its side, or the server stops.
    Over,
}

impl Connection {
    /// Takes a connection over.
    pub(super) fn new<S>(tcp: TcpStream, edge: &Edge<S>) -> Self {
        let late = Instant::now() + edge.patience.head;
        Self {
            peer: tcp.peer_addr().ok(),
            tcp,
            codec: Codec::new(edge.config.clone()),
            clock: Clock::at(late),
            wants_body: true,
            takes_chunks: true,
            last: false,
            receiving: None,
            unsaid: b"",
            held: BytesMut::new(),
            heads: Heads::default(),
            late: Some(late),
            idle: None,
            reset: None,
        }
    }

    /// Returns true if another request may follow the answer that was sent, and starts to wait for it.
    pub(super) fn keep<S>(&mut self, edge: &Edge<S>) -> bool {
        self.idle = if edge.told.is_none() && edge.patience.idle >= LONG_IDLE {
            // This clock has been read already, and is at most half a second late.
            (self.codec.config().keep_alive_deadline()).map(Instant::from_std)
        } else {
            Some(Instant::now() + edge.patience.idle)
        };
        self.codec.keep_alive()
    }

    /// Waits for the next event.
    pub(super) fn poll_next<S>(
        &mut self,
        edge: &Edge<S>,
        stopping: Pin<&mut impl Future<Output = ()>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Next>> {
        loop {
            // A part of it may have come while the request before was being answered.
            match self.heads.read(&self.held, edge.patience.fields) {
                Ok(None) => {}
                Ok(Some(head)) => return Poll::Ready(Ok(self.request(&head))),
                Err(fault) => return Poll::Ready(Ok(Next::Refused(fault))),
            }
            match self.poll_read(edge, cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(Next::Over)),
                Poll::Ready(read) => _ = read?,
                Poll::Pending => return self.poll_patience(edge, stopping, cx).map(Ok),
            }
        }
    }

    /// Reads once, and returns the number of bytes.
    fn poll_read<S>(&mut self, edge: &Edge<S>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = edge.space.borrow_mut();
        let mut came = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut came))?;
        self.held.extend_from_slice(came.filled());
        Poll::Ready(Ok(came.filled().len()))
    }

    /// Polls for the end of the wait for a request. Ready once there is no reason to wait any more.
    fn poll_patience<S>(
        &mut self,
        edge: &Edge<S>,
        stopping: Pin<&mut impl Future<Output = ()>>,
        cx: &mut Context<'_>,
    ) -> Poll<Next> {
        if stopping.poll(cx).is_ready() {
            return Poll::Ready(Next::Over);
        }
        let (until, end) = match self.idle {
            // Half of an empty line may have begun the head.
            Some(idle) if !self.heads.under_way() => {
                self.late = None;
                (idle, Next::Idle)
            }
            _ => {
                let late = || Instant::now() + edge.patience.head;
                let late = *self.late.get_or_insert_with(late);
                (late, Next::Refused(self.heads.late()))
            }
        };
        self.clock.poll(until, cx).map(|()| end)
    }

    /// Takes a complete head out of the held bytes.
    fn request(&mut self, head: &Head) -> Next {
        let mut left = head.range.len();
        if !head.edits.is_empty() {
            left -= edits::apply(&head.edits, &mut self.held);
        }
        self.held.advance(head.range.start);
        let bytes = if left == self.held.len() {
            std::mem::take(&mut self.held)
        } else {
            self.held.split_to(left)
        };
        self.heads = Heads::default();
        self.late = None;
        if self.codec.message_type() != MessageType::None {
            // After CONNECT or a body the codec would take the head for more of it.
            self.codec = Codec::new(self.codec.config().clone());
        }
        match decode::request(&mut self.codec, bytes, head.fields) {
            Some(mut request) => {
                request.head_mut().peer_addr = self.peer;
                self.wants_body = request.method() != Method::HEAD;
                // HTTP/1.0 has no chunks, and the codec writes none to a client that asked for a tunnel.
                self.takes_chunks = request.version() == Version::HTTP_11
                    && self.codec.message_type() != MessageType::Stream;
                self.last = head.body.is_some();
                if let Some(announced) = head.body {
                    let body = self.announce(announced);
                    request.extensions_mut().insert(body);
                }
                if left > LARGE_HEAD {
                    request.extensions_mut().insert(LargeHead(left));
                }
                Next::Request(request)
            }
            // Tests and fuzzing have found no such head.
            None => Next::Refused(Fault::RequestLine),
        }
    }

    /// Looks once more for bytes when an idle connection's time is over. A request that came by then is answered, even
    /// if the reactor had not seen it.
    pub(super) async fn came_at_last<S>(&mut self, edge: &Edge<S>) -> io::Result<bool> {
        yield_now().await;
        yield_now().await;
        match poll_fn(|cx| Poll::Ready(self.poll_read(edge, cx))).await {
            Poll::Ready(read) => Ok(read? > 0),
            Poll::Pending => Ok(false),
        }
    }

    /// Polls for the client's departure while its request is being answered. Bytes of a body go to the handler that has
    /// asked for it. Other bytes are held meanwhile, up to the size of a head. Those of a body that nobody can read any
    /// more are dropped.
    pub(super) fn poll_departure<S>(&mut self, edge: &Edge<S>, cx: &mut Context<'_>) -> Poll<()> {
        if self.receiving.is_some() && ready!(self.poll_body(edge, cx)).is_err() {
            return Poll::Ready(());
        }
        while self.held.len() < MAX_HEAD {
            match ready!(self.poll_read(edge, cx)) {
                Ok(1..) => {}
                Ok(0) if edge.half_close == HalfClose::Waits => return self.poll_reset(cx),
                _ => return Poll::Ready(()),
            }
            if self.last && self.receiving.is_none() {
                self.held.clear();
            }
        }
        // The end of the answer will wake the connection.
        Poll::Pending
    }

    /// Polls for a reset by a client that has closed its half.
    #[cold]
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = self.reset.get_or_insert_with(|| Reset::of(&self.tcp));
        reset.poll(cx)
    }

    /// Sends the problem for this fault as the last answer of the connection.
    pub(super) async fn refuse<S>(&mut self, edge: &Edge<S>, fault: Fault) -> io::Result<()> {
        let problem = fault.problem();
        let id = RequestId::random();
        let status = problem.kind().status();
        edge.metrics.problem(problem.kind());
        tracing::info!(target: TARGET,
            request_id = id.as_str(),
            status = status.as_u16(),
            problem = problem.kind().name(),
            detail = &*fault.detail(),
            "refused"
        );
        let body = problem.json();
        let mut head = String::with_capacity(320);
        // Writing to a String can't fail.
        let _ = write!(
            head,
            "HTTP/1.1 {status}\r\nconnection: close\r\ndate: {}\r\ncontent-length: {}\r\n{REQUEST_ID}: {}\r\n",
            date(),
            body.len(),
            id.as_str()
        );
        let mut head = head.into_bytes();
        for (name, value) in problem.fields() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        // The answer to a HEAD gives the length of the body, without the body itself (RFC 9110, section 9.3.2).
        let body = match self.heads.is_head(&self.held) {
            true => &[][..],
            false => &body,
        };
        let last = [&*head, body].concat();
        self.part_with(edge, &last).await
    }

    /// Ends the connection in order, even if the client is still sending.
    pub(super) async fn part<S>(&mut self, edge: &Edge<S>) -> io::Result<()> {
        self.part_with(edge, b"").await
    }

    /// Ends the connection in order, with these last bytes. A connection at its end holds nothing but its state.
    async fn part_with<S>(&mut self, edge: &Edge<S>, last: &[u8]) -> io::Result<()> {
        self.held = BytesMut::new();
        self.reset = None;
        parting::part(&mut self.tcp, &edge.space, last).await
    }
}

/// Returns the time of the system's clock, for people to read. No decision depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "RFC 9110, section 6.6.1 wants the date of every answer"
)]
fn date() -> HttpDate {
    std::time::SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use actix_server::Server;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;
    use crate::{edge::Patience, telemetry::Metrics};

    #[actix_web::test]
    async fn a_request_that_came_just_before_the_end_of_an_idle_connection_is_seen() {
        let long = Duration::from_secs(60);
        let patience = Patience {
            head: long,
            write: long,
            idle: long,
            tells_idle: false,
            fields: 100,
        };
        let metrics = Arc::new(Metrics::new(&[]).unwrap());
        let stopping = Server::build().graceful_shutdown_signal();
        let edge = Edge::new((), patience, HalfClose::Leaves, metrics, stopping);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let mut connection = Connection::new(tcp, &edge);
        assert!(!connection.came_at_last(&edge).await.unwrap());
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: gather\r\n\r\n")
            .await
            .unwrap();
        assert!(connection.came_at_last(&edge).await.unwrap());
        drop(client);
        assert!(!connection.came_at_last(&edge).await.unwrap());
    }
}
