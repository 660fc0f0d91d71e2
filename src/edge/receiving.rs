//! A request's body on its way to the handler that has asked for it. It must not know the handler, nor the answer.

use std::{
    io, mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    time::Instant,
};

use super::{
    bounds::HalfClose,
    connection::Connection,
    heads::Announced,
    incoming::{Incoming, Receiving},
    worker::Edge,
};
use crate::api::{IncomingBody, Unread};

/// The interim answer to a client that waits before it sends a body (RFC 9110, section 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Connection {
    /// Prepares for the body that a head has announced. Returns the handler's side of it.
    #[cold]
    pub(super) fn announce(&mut self, announced: Announced) -> Rc<IncomingBody> {
        let body = Rc::new(IncomingBody::new(announced.length));
        self.receiving = Some(Box::new(Receiving {
            body: Rc::clone(&body),
            is_awaiting: announced.is_awaiting,
            begun: None,
        }));
        body
    }

    /// Polls for the body, if the handler has asked for it. Ready once nobody waits for it. An error means that the
    /// client has gone.
    #[cold]
    pub(super) fn poll_body<S>(
        &mut self,
        edge: &Edge<S>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut receiving) = self.receiving.take() else {
            return Poll::Ready(Ok(()));
        };
        let Some(most) = receiving.body.asked() else {
            self.receiving = Some(receiving);
            return Poll::Ready(Ok(()));
        };
        let settled = match self.poll_content(edge, &mut receiving, most, cx) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                self.receiving = Some(receiving);
                return Poll::Pending;
            }
        };
        // The bytes behind a body that was read whole are the next request.
        self.last = settled.is_err();
        self.settle(&receiving, settled);
        Poll::Ready(Ok(()))
    }

    /// Reads the body, to its end or as far as its bytes have come. An error means that the client has gone.
    fn poll_content<S>(
        &mut self,
        edge: &Edge<S>,
        receiving: &mut Receiving,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Result<Bytes, Unread>>> {
        let begun = &mut receiving.begun;
        let (mut incoming, until) = match begun.take() {
            Some(begun) => begun,
            None => match Incoming::new(receiving.body.length, most) {
                Ok(incoming) => {
                    // A client that has begun to send its body doesn't wait any more.
                    if receiving.is_awaiting && self.held.is_empty() {
                        self.unsaid = CONTINUE;
                    }
                    (incoming, Instant::now() + edge.patience.head)
                }
                Err(unread) => return Poll::Ready(Ok(Err(unread))),
            },
        };
        match self.poll_feed(edge, &mut incoming, cx) {
            Poll::Ready(Ok(Ok(()))) => Poll::Ready(Ok(Ok(incoming.into_content()))),
            Poll::Ready(Ok(Err(unread))) => Poll::Ready(Ok(Err(unread))),
            Poll::Ready(Err(gone)) => Poll::Ready(Err(gone)),
            Poll::Pending if self.clock.poll(until, cx).is_ready() => {
                Poll::Ready(Ok(Err(Unread::Late)))
            }
            Poll::Pending => {
                *begun = Some((incoming, until));
                Poll::Pending
            }
        }
    }

    /// Feeds a body with the bytes that have come, up to its end. The bytes behind it are held.
    fn poll_feed<S>(
        &mut self,
        edge: &Edge<S>,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Result<(), Unread>>> {
        match incoming.feed(&self.held) {
            // A buffer is not kept for nothing.
            Ok(used) if used == self.held.len() => self.held = BytesMut::new(),
            Ok(used) => self.held.advance(used),
            Err(unread) => return Poll::Ready(Ok(Err(unread))),
        }
        let mut space = edge.space.borrow_mut();
        while !incoming.is_over() {
            self.poll_say(cx)?;
            let mut came = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut came))?;
            let came = came.filled();
            if came.is_empty() {
                return Poll::Ready(match edge.half_close {
                    HalfClose::Leaves => Err(io::ErrorKind::UnexpectedEof.into()),
                    // The client waits for an answer, but its request will never be complete.
                    HalfClose::Waits => Ok(Err(Unread::Malformed)),
                });
            }
            match incoming.feed(came) {
                Ok(used) => self.held.extend_from_slice(&came[used..]),
                Err(unread) => return Poll::Ready(Ok(Err(unread))),
            }
        }
        Poll::Ready(Ok(Ok(())))
    }

    /// Writes as much of `100 Continue` as the client takes. The rest can wait.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.unsaid.is_empty() {
            match Pin::new(&mut self.tcp).poll_write(cx, self.unsaid) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(said) => self.unsaid = &self.unsaid[said?..],
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Ends the wait for a body that was not read, as the answer begins.
    #[cold]
    pub(super) fn close_body(&mut self) {
        if let Some(receiving) = self.receiving.take() {
            self.settle(&receiving, Err(Unread::Gone));
        }
    }

    fn settle(&mut self, receiving: &Receiving, settled: Result<Bytes, Unread>) {
        // An interim answer that has begun is completed before the final one.
        if self.unsaid.len() == CONTINUE.len() {
            self.unsaid = b"";
        }
        if settled.is_err() {
            self.held = BytesMut::new();
        }
        receiving.body.settle(settled);
    }

    /// Returns the rest of an interim answer that has begun.
    pub(super) const fn take_unsaid(&mut self) -> &'static [u8] {
        mem::replace(&mut self.unsaid, b"")
    }
}

#[cfg(test)]
#[path = "receiving_tests.rs"]
mod tests;
