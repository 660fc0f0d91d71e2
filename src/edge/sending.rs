//! An answer on its way to the client. A small one leaves in one piece, and a large one is not copied. It must not know
//! the answer's contents, nor what comes after it.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use actix_codec::Encoder as _;
use actix_http::{
    ConnectionType, Response,
    body::{BodySize, MessageBody},
    h1::Message,
};
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{io::AsyncWrite as _, time::Instant};

use super::{asked::Asked, bounds::SPACE, connection::Connection, keep_alive::KEPT, worker::Edge};

/// The bytes of an answer that a client must take within `write_timeout`, if that many are left.
const WRITE_PART: usize = 64 * 1024;

/// The reason why an answer did not reach its client whole.
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
        if self.receiving.is_some() {
            self.close_body();
        }
        let (mut response, body) = response.into_parts();
        let is_unframed = body.size() == BodySize::Stream && !self.takes_chunks;
        if is_unframed {
            response.head_mut().no_chunking(true);
        }
        if is_unframed || self.last {
            let head = response.head_mut();
            head.set_connection_type(ConnectionType::Close);
        }
        let mut sending = Sending {
            gathered: edge.gathered.take(),
            ..Sending::default()
        };
        sending.gathered.extend_from_slice(self.take_unsaid());
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
        // The next answer uses the buffer again.
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
            // The client goes on waiting unless the connection ends.
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
            // The reason is dropped: a body that breaks off breaks its connection.
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

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;
