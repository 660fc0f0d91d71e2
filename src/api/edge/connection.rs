//! One connection of a client: which request comes next on it, whether the client is still there, and its end. Knows
//! neither who answers nor how an answer is sent.

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
    Edge, HalfClose, LARGE_HEAD, LargeHead, MAX_HEAD,
    clock::Clock,
    decode, edits,
    fault::Fault,
    heads::{Head, Heads},
    parting,
    reset::Reset,
};
use crate::api::request_id::RequestId;

/// An idle time of which half a second more or less does not matter.
const LONG_IDLE: Duration = Duration::from_secs(10);

/// A client's connection.
pub(super) struct Connection {
    pub(super) tcp: TcpStream,
    pub(super) codec: Codec,
    pub(super) clock: Clock,
    /// Whether the answer to the last request has a body.
    pub(super) wants_body: bool,
    /// Whether a body of unknown length may come to that client in chunks.
    pub(super) takes_chunks: bool,
    /// Whether that request announced a body: then it is the last.
    pub(super) last: bool,
    peer: Option<SocketAddr>,
    /// What has come and was not asked for yet.
    held: BytesMut,
    heads: Heads,
    /// When a head that has begun has to be whole; the first one of a connection begins with it.
    late: Option<Instant>,
    /// When a connection without a request ends; not known before its first one.
    idle: Option<Instant>,
    /// The look-out for a reset, once a client that is served all the same has closed its half.
    reset: Option<Reset>,
}

/// What comes next on a connection.
pub(super) enum Next {
    /// A request.
    Request(Request),
    /// Something that is none.
    Refused(Fault),
    /// Nothing for as long as a connection may be idle.
    Idle,
    /// Nothing: the client has closed its side, or the server stops.
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
            held: BytesMut::new(),
            heads: Heads::default(),
            late: Some(late),
            idle: None,
            reset: None,
        }
    }

    /// Whether another request may follow the answer that was sent. If so, it is waited for from now on.
    pub(super) fn keep<S>(&mut self, edge: &Edge<S>) -> bool {
        self.idle = if edge.told.is_none() && edge.patience.idle >= LONG_IDLE {
            // By a clock that is half a second late at most, and read already.
            (self.codec.config().keep_alive_deadline()).map(Instant::from_std)
        } else {
            Some(Instant::now() + edge.patience.idle)
        };
        self.codec.keep_alive()
    }

    /// Waits for what comes next.
    pub(super) fn poll_next<S>(
        &mut self,
        edge: &Edge<S>,
        stopping: Pin<&mut impl Future<Output = ()>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Next>> {
        loop {
            // Some of it may have come while the request before it was being answered.
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

    /// Reads once and says how much.
    fn poll_read<S>(&mut self, edge: &Edge<S>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = edge.space.borrow_mut();
        let mut came = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut came))?;
        self.held.extend_from_slice(came.filled());
        Poll::Ready(Ok(came.filled().len()))
    }

    /// Ready once there is no point in waiting for a request any more.
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
            // Half of an empty line may have begun it.
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

    /// Takes a head that is whole out of what is held.
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
            // After CONNECT it would take the head for a part of what is tunnelled.
            self.codec = Codec::new(self.codec.config().clone());
        }
        match decode::request(&mut self.codec, bytes, head.fields) {
            Some(mut request) => {
                request.head_mut().peer_addr = self.peer;
                self.wants_body = request.method() != Method::HEAD;
                // HTTP/1.0 knows none, and the codec writes none to who asked for a tunnel.
                self.takes_chunks = request.version() == Version::HTTP_11
                    && self.codec.message_type() != MessageType::Stream;
                self.last = head.body;
                if left > LARGE_HEAD {
                    request.extensions_mut().insert(LargeHead(left));
                }
                Next::Request(request)
            }
            // Tests and fuzzing show that there is no such head.
            None => Next::Refused(Fault::RequestLine),
        }
    }

    /// Looks once more for what has come by the time that an idle connection ends: it is answered, though the reactor had
    /// not seen it.
    pub(super) async fn came_at_last<S>(&mut self, edge: &Edge<S>) -> io::Result<bool> {
        yield_now().await;
        yield_now().await;
        match poll_fn(|cx| Poll::Ready(self.poll_read(edge, cx))).await {
            Poll::Ready(read) => Ok(read? > 0),
            Poll::Pending => Ok(false),
        }
    }

    /// Ready once the client has left, while a request is being answered. What it sends meanwhile is held, up to the size
    /// of a head; a body is not.
    pub(super) fn poll_departure<S>(&mut self, edge: &Edge<S>, cx: &mut Context<'_>) -> Poll<()> {
        while self.held.len() < MAX_HEAD {
            match ready!(self.poll_read(edge, cx)) {
                Ok(1..) => {}
                Ok(0) if edge.half_close == HalfClose::Waits => return self.poll_reset(cx),
                _ => return Poll::Ready(()),
            }
            if self.last {
                self.held.clear();
            }
        }
        // The end of the answer wakes the connection.
        Poll::Pending
    }

    /// Ready once a client that has closed its half resets the connection.
    #[cold]
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = self.reset.get_or_insert_with(|| Reset::of(&self.tcp));
        reset.poll(cx)
    }

    /// Makes this fault's problem the last answer of the connection.
    pub(super) async fn refuse<S>(&mut self, edge: &Edge<S>, fault: Fault) -> io::Result<()> {
        let problem = fault.problem();
        let id = RequestId::random();
        let status = problem.kind().status();
        edge.metrics.problem(problem.kind() as usize);
        tracing::info!(
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
            "HTTP/1.1 {status}\r\nconnection: close\r\ndate: {}\r\ncache-control: no-store\r\n\
             content-type: application/problem+json\r\ncontent-length: {}\r\nx-request-id: {}\r\n\r\n",
            date(),
            body.len(),
            id.as_str()
        );
        // A HEAD is told how long the body is that it does not get (RFC 9110, section 9.3.2).
        let body = match self.heads.is_head(&self.held) {
            true => &[][..],
            false => &body,
        };
        let last = [head.as_bytes(), body].concat();
        self.part_with(edge, &last).await
    }

    /// Ends the connection in order, whatever the client may still be sending.
    pub(super) async fn part<S>(&mut self, edge: &Edge<S>) -> io::Result<()> {
        self.part_with(edge, b"").await
    }

    /// The same with these last bytes. A connection that parts holds no more than its state.
    async fn part_with<S>(&mut self, edge: &Edge<S>, last: &[u8]) -> io::Result<()> {
        self.held = BytesMut::new();
        self.reset = None;
        parting::part(&mut self.tcp, &edge.space, last).await
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use actix_server::Server;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;
    use crate::{
        api::edge::Patience,
        telemetry::{Metrics, Names},
    };

    #[actix_web::test]
    async fn a_request_that_came_just_before_the_end_of_an_idle_connection_is_seen() {
        let names = Names {
            aggregates: &[],
            upstreams: &[],
            problems: &[],
        };
        let long = Duration::from_secs(60);
        let patience = Patience {
            head: long,
            write: long,
            idle: long,
            tells_idle: false,
            fields: 100,
        };
        let metrics = Arc::new(Metrics::new(&names).unwrap());
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
