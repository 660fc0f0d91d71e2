//! An answer on its way to the client. A small one leaves in one piece, and a large one is not copied. It knows neither
//! the answer's contents nor what comes after it.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_codec::Encoder as _;
use actix_http::{
    ConnectionType, Response,
    body::{BodySize, MessageBody},
    h1::Message,
};
use actix_web::{HttpMessage as _, HttpRequest};
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{io::AsyncWrite as _, time::Instant};

use super::{Edge, SPACE, connection::Connection};
use crate::api::Account;

/// The bytes of an answer that a client must take within `write_timeout`, as long as there are so many left.
const WRITE_PART: usize = 64 * 1024;

/// The reason for which an answer did not reach its client whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The client has gone.
    Gone,
    /// The client did not take its part of the answer in time.
    Slow,
    /// The answer broke off, which its length or its chunks show.
    Broken,
    /// The answer broke off, and a close would make it look whole.
    BrokenWithoutEnd,
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// The line beside `Keep-Alive`. It says that the field is for this connection alone (RFC 9110, section 7.6.1).
const KEPT: &str = "connection: keep-alive\r\n";

/// Returns the last lines of a head that tells how long its connection is kept, in whole seconds.
pub(super) fn kept_for(idle: Duration) -> String {
    let seconds = idle.as_secs();
    format!("{KEPT}keep-alive: timeout={seconds}\r\n\r\n")
}

/// An answer that waits for its client.
#[derive(Debug)]
struct Stalled {
    until: Instant,
    /// The bytes that the client has taken since then.
    taken: usize,
}

/// The progress of an answer.
#[derive(Debug, Default)]
struct Sending {
    /// The head, and the small pieces of the body.
    gathered: BytesMut,
    /// The number of gathered bytes that are written.
    written: usize,
    /// A large piece of the body, which is not copied.
    piece: Bytes,
    /// The stall, while the client's side is full.
    stalled: Option<Stalled>,
}

impl Connection {
    /// Sends a whole answer.
    pub(super) async fn send<S, B: MessageBody>(
        &mut self,
        edge: &Edge<S>,
        response: Response<B>,
    ) -> Result<(), Unsent> {
        let (mut response, body) = response.into_parts();
        let is_unframed = body.size() == BodySize::Stream && !self.takes_chunks;
        if is_unframed {
            response.head_mut().no_chunking(true);
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        let mut sending = Sending {
            gathered: edge.gathered.take(),
            ..Sending::default()
        };
        let head = Message::Item((response, body.size()));
        let encoded = self.codec.encode(head, &mut sending.gathered);
        encoded.map_err(|_| Unsent::Broken)?;
        if let Some(told) = &edge.told {
            self.tell(told, &mut sending.gathered);
        }
        let is_empty = matches!(body.size(), BodySize::None | BodySize::Sized(0));
        if self.wants_body && !is_empty {
            let size = body.size();
            let sent = self.send_body(edge, size, pin!(body), &mut sending).await;
            sent.map_err(|unsent| match unsent {
                Unsent::Broken if is_unframed => Unsent::BrokenWithoutEnd,
                unsent => unsent,
            })?;
        }
        self.write(edge, &mut sending).await?;
        // The next answer finds the buffer in its place.
        edge.gathered.set(sending.gathered);
        Ok(())
    }

    /// Ends an encoded head with `told`, if the connection is kept.
    fn tell(&self, told: &str, head: &mut BytesMut) {
        if !self.codec.keep_alive() {
            return;
        }
        // In HTTP/1.0 the codec has written this line.
        let told = match self.takes_chunks {
            true => told,
            false => told.trim_start_matches(KEPT),
        };
        head.truncate(head.len() - b"\r\n".len());
        head.extend_from_slice(told.as_bytes());
    }

    async fn send_body<S, B: MessageBody>(
        &mut self,
        edge: &Edge<S>,
        size: BodySize,
        mut body: Pin<&mut B>,
        sending: &mut Sending,
    ) -> Result<(), Unsent> {
        let mut left = match size {
            BodySize::Sized(length) => Some(length),
            BodySize::None | BodySize::Stream => None,
        };
        while let Some(piece) =
            poll_fn(|cx| self.poll_piece(edge, body.as_mut(), sending, cx)).await
        {
            let piece = piece?;
            if let Some(left) = &mut left {
                // The client would take further bytes for the next answer.
                let length = piece.len() as u64;
                *left = left.checked_sub(length).ok_or(Unsent::Broken)?;
            }
            if size == BodySize::Stream || sending.gathered.len() + piece.len() <= SPACE {
                let piece = Message::Chunk(Some(piece));
                let encoded = self.codec.encode(piece, &mut sending.gathered);
                encoded.map_err(|_| Unsent::Broken)?;
            } else {
                sending.piece = piece;
            }
            // While a client has not taken the earlier bytes, nothing more is gathered for it. Its body waits too.
            let is_stalled = sending.stalled.is_some();
            if is_stalled || sending.gathered.len() + sending.piece.len() > SPACE {
                self.write(edge, sending).await?;
            }
        }
        match left {
            // The end of a body of unknown length has to be written.
            None => {
                let end = Message::Chunk(None);
                let encoded = self.codec.encode(end, &mut sending.gathered);
                encoded.map_err(|_| Unsent::Broken)
            }
            Some(0) => Ok(()),
            // The client would go on waiting, unless the connection ends.
            Some(_) => Err(Unsent::Broken),
        }
    }

    /// Returns the next piece of a body. Until there is one, the gathered bytes go to the client. A client that leaves
    /// is an error.
    fn poll_piece<S, B: MessageBody>(
        &mut self,
        edge: &Edge<S>,
        body: Pin<&mut B>,
        sending: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Unsent>>> {
        if let Poll::Ready(piece) = body.poll_next(cx) {
            // The reason is not told: a body that breaks off breaks its connection.
            return Poll::Ready(piece.map(|piece| piece.map_err(|_| Unsent::Broken)));
        }
        if let Poll::Ready(Err(unsent)) = self.poll_write(edge, sending, cx) {
            return Poll::Ready(Some(Err(unsent)));
        }
        ready!(self.poll_departure(edge, cx));
        Poll::Ready(Some(Err(Unsent::Gone)))
    }

    async fn write<S>(&mut self, edge: &Edge<S>, sending: &mut Sending) -> Result<(), Unsent> {
        poll_fn(|cx| self.poll_write(edge, sending, cx)).await
    }

    /// Writes the bytes that are ready.
    fn poll_write<S>(
        &mut self,
        edge: &Edge<S>,
        sending: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>> {
        loop {
            let rest = &sending.gathered[sending.written..];
            let tcp = Pin::new(&mut self.tcp);
            let Poll::Ready(taken) = (if sending.piece.is_empty() {
                if rest.is_empty() {
                    break;
                }
                tcp.poll_write(cx, rest)
            } else {
                let both = [IoSlice::new(rest), IoSlice::new(&sending.piece)];
                tcp.poll_write_vectored(cx, &both)
            }) else {
                return self.poll_stalled(edge, sending, cx).map(Err);
            };
            let taken = taken?;
            if taken == 0 {
                return Poll::Ready(Err(Unsent::Gone));
            }
            let of_rest = taken.min(rest.len());
            sending.written += of_rest;
            sending.piece.advance(taken - of_rest);
            if let Some(stalled) = &mut sending.stalled {
                stalled.taken += taken;
                if stalled.taken >= WRITE_PART {
                    sending.stalled = None;
                }
            }
        }
        sending.gathered.clear();
        sending.written = 0;
        sending.stalled = None;
        Poll::Ready(Ok(()))
    }

    /// Polls for the end of the time in which the client must take its part of an answer.
    fn poll_stalled<S>(
        &mut self,
        edge: &Edge<S>,
        sending: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Unsent> {
        let stalled = sending.stalled.get_or_insert_with(|| Stalled {
            until: Instant::now() + edge.patience.write,
            taken: 0,
        });
        ready!(self.clock.poll(stalled.until, cx));
        Poll::Ready(Unsent::Slow)
    }

    /// Ends a connection on which the answer to `asked` was not sent completely.
    pub(super) async fn give_up<S>(
        &mut self,
        edge: &Edge<S>,
        unsent: Unsent,
        asked: &Asked,
    ) -> io::Result<()> {
        match unsent {
            Unsent::Gone => Ok(()),
            Unsent::Broken => self.part(edge).await,
            Unsent::BrokenWithoutEnd => self.tcp.set_zero_linger(),
            Unsent::Slow => {
                edge.metrics.cut_off();
                asked.tell_cut_off();
                // Otherwise the kernel would keep the bytes that it holds for the client.
                self.tcp.set_zero_linger()
            }
        }
    }
}

/// The request of an answer, for the log line about a client that doesn't read it.
pub(super) enum Asked {
    /// The request itself, which is only released a little later. Looking for its account would cost every answer.
    Request(HttpRequest),
    /// A stream's account, which exists in any case. A stream may last long, so its request is not held.
    Stream(Option<Rc<Account>>),
    /// Nothing is known of it.
    Unknown,
}

impl Asked {
    /// Keeps the needed part of a request. `size` is that of its answer's body.
    pub(super) fn by(request: HttpRequest, size: BodySize) -> Self {
        match size {
            BodySize::Stream => Self::Stream(account(&request)),
            BodySize::None | BodySize::Sized(_) => Self::Request(request),
        }
    }

    fn tell_cut_off(&self) {
        let account = match self {
            Self::Request(request) => account(request),
            Self::Stream(account) => account.clone(),
            Self::Unknown => None,
        };
        tracing::info!(
            request_id = account.as_ref().map(|account| account.id.as_str()),
            aggregate = account.as_ref().and_then(|account| account.aggregate()),
            "a client was cut off: it did not read its answer in time"
        );
    }
}

fn account(request: &HttpRequest) -> Option<Rc<Account>> {
    request.extensions().get::<Rc<Account>>().cloned()
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, sync::Arc};

    use actix_server::Server;
    use actix_web::{App, HttpResponse, test::init_service, web};
    use futures_util::stream;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        sync::mpsc,
        time::timeout,
    };

    use super::*;
    use crate::{
        edge::{HalfClose, Patience},
        telemetry::Metrics,
    };

    const SOON: Duration = Duration::from_secs(10);

    /// A piece that tells a body to break off.
    const BREAK: &str = "break";

    /// Connects a client that sends this request. The test sends the body's pieces through the channel.
    async fn asked(request: &str) -> (TcpStream, mpsc::Sender<&'static str>) {
        let (tell, told) = mpsc::channel::<&'static str>(1);
        let told = Rc::new(std::cell::Cell::new(Some(told)));
        let app = App::new().route(
            "/",
            web::get().to(move || {
                let told = stream::unfold(told.take().unwrap(), |mut told| async {
                    let piece = match told.recv().await? {
                        BREAK => Err(io::Error::other(BREAK)),
                        piece => Ok(Bytes::from(piece)),
                    };
                    Some((piece, told))
                });
                async { HttpResponse::Ok().streaming(told) }
            }),
        );
        let patience = Patience {
            head: SOON,
            write: SOON,
            idle: SOON,
            tells_idle: false,
            fields: 100,
        };
        let service = init_service(app).await;
        let metrics = Arc::new(Metrics::new(&[]).unwrap());
        let stopping = Server::build().graceful_shutdown_signal();
        let edge = Rc::new(Edge::new(
            service,
            patience,
            HalfClose::Leaves,
            metrics,
            stopping,
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        actix_web::rt::spawn(edge.serve(tcp));
        client.write_all(request.as_bytes()).await.unwrap();
        (client, tell)
    }

    /// Reads until the received bytes end with `end`.
    async fn hear(client: &mut TcpStream, end: &str) {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let read = timeout(SOON, client.read_buf(&mut heard)).await;
            assert!(read.unwrap().unwrap() > 0, "{heard:?}");
        }
    }

    const PLAIN: &str = "GET / HTTP/1.1\r\nHost: gather\r\n\r\n";

    #[actix_web::test]
    async fn a_body_of_unknown_length_leaves_piece_by_piece() {
        let (mut client, tell) = asked(PLAIN).await;
        for (piece, chunk) in [("one", "3\r\none\r\n"), ("three", "5\r\nthree\r\n")] {
            tell.send(piece).await.unwrap();
            hear(&mut client, chunk).await;
        }
        drop(tell);
        hear(&mut client, "0\r\n\r\n").await;
    }

    #[actix_web::test]
    async fn a_client_that_leaves_ends_a_body_that_is_still_to_come() {
        let (mut client, tell) = asked(PLAIN).await;
        tell.send("one").await.unwrap();
        hear(&mut client, "one\r\n").await;
        drop(client);
        timeout(SOON, tell.closed()).await.unwrap();
    }

    #[actix_web::test]
    async fn who_asks_for_another_protocol_gets_chunks_and_keeps_the_connection() {
        for wish in [
            "Upgrade: websocket",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
            "Connection: upgrade",
        ] {
            let request = format!("GET / HTTP/1.1\r\nHost: gather\r\n{wish}\r\n\r\n");
            let (mut client, tell) = asked(&request).await;
            tell.send("one").await.unwrap();
            hear(&mut client, "3\r\none\r\n").await;
            drop(tell);
            hear(&mut client, "0\r\n\r\n").await;
            // The next request is answered.
            let next = "GET /nothing HTTP/1.1\r\nHost: gather\r\n\r\n";
            client.write_all(next.as_bytes()).await.unwrap();
            hear(&mut client, "\r\n\r\n").await;
        }
    }

    #[actix_web::test]
    async fn who_knows_no_chunks_gets_such_a_body_as_it_is_and_the_close_as_its_end() {
        for request in [
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "GET / HTTP/1.0\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c\r\n\r\n",
        ] {
            let (mut client, tell) = asked(request).await;
            tell.send("one").await.unwrap();
            drop(tell);
            let mut answer = String::new();
            let read = timeout(SOON, client.read_to_string(&mut answer)).await;
            assert!(read.unwrap().is_ok());
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert_eq!(body, "one", "{request}");
            let head = head.to_lowercase();
            assert!(
                !head.contains("chunked") && !head.contains("keep-alive"),
                "{head}"
            );
        }
    }

    #[actix_web::test]
    async fn a_body_that_breaks_off_ends_its_connection_in_order_where_its_chunks_show_it() {
        let (mut client, tell) = asked(PLAIN).await;
        tell.send("one").await.unwrap();
        hear(&mut client, "3\r\none\r\n").await;
        tell.send(BREAK).await.unwrap();
        let mut rest = Vec::new();
        let read = timeout(SOON, client.read_to_end(&mut rest)).await;
        assert_eq!((read.unwrap().unwrap(), &rest[..]), (0, &b""[..]));
        // The bytes that are on their way meet no reset.
        client.write_all(PLAIN.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(client.take_error().unwrap().is_none());
    }

    #[actix_web::test]
    async fn a_body_that_breaks_off_is_reset_where_a_close_would_make_it_look_whole() {
        let (mut client, tell) = asked("GET / HTTP/1.0\r\n\r\n").await;
        tell.send("one").await.unwrap();
        hear(&mut client, "one").await;
        tell.send(BREAK).await.unwrap();
        let mut rest = Vec::new();
        let read = timeout(SOON, client.read_to_end(&mut rest)).await;
        assert_eq!(
            read.unwrap().unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
    }
}
