//! The body of a client's request, which its handler may ask for. It must not know how it comes in.

use std::{
    cell::RefCell,
    future::poll_fn,
    mem,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

/// The body that a request's head has announced. The connection puts it among the request's extensions, as an `Rc`.
/// Without it, the request has no body.
#[derive(Debug)]
pub struct IncomingBody {
    /// The length that the head declares; `None` for chunks.
    pub length: Option<u64>,
    state: RefCell<State>,
}

/// The reason why a body can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than the handler takes.
    TooLarge,
    /// It did not come in time.
    Late,
    /// It breaks the rules of its framing.
    Malformed,
    /// The client has gone, or the body has been read before.
    Gone,
}

/// The handler's wish, then the connection's reply.
#[derive(Debug)]
enum State {
    Unasked,
    Asked { most: usize, waker: Waker },
    Settled(Result<Bytes, Unread>),
}

impl IncomingBody {
    /// Announces a body of this length, or a chunked one.
    pub(crate) const fn new(length: Option<u64>) -> Self {
        Self {
            length,
            state: RefCell::new(State::Unasked),
        }
    }

    /// Reads the whole body, of at most this many bytes. A client that waits for `100 Continue` is told to go on. It
    /// can be read once, and only before the answer begins.
    ///
    /// # Errors
    /// Fails if it is not there, or not usable, and says why. The connection then ends after the answer.
    pub async fn read(&self, most: usize) -> Result<Bytes, Unread> {
        // The client is not even told to send it.
        if self.length.is_some_and(|length| length > most as u64) {
            return Err(Unread::TooLarge);
        }
        poll_fn(|cx| self.poll(most, cx)).await
    }

    fn poll(&self, most: usize, cx: &Context<'_>) -> Poll<Result<Bytes, Unread>> {
        let state = &mut *self.state.borrow_mut();
        if let State::Settled(settled) = state {
            return Poll::Ready(mem::replace(settled, Err(Unread::Gone)));
        }
        let waker = cx.waker().clone();
        *state = State::Asked { most, waker };
        Poll::Pending
    }

    /// Returns the most bytes that the handler takes, while it waits for them.
    pub(crate) fn asked(&self) -> Option<usize> {
        match *self.state.borrow() {
            State::Asked { most, .. } => Some(most),
            _ => None,
        }
    }

    /// Gives the handler the body, or the reason why there is none.
    pub(crate) fn settle(&self, settled: Result<Bytes, Unread>) {
        let before = self.state.replace(State::Settled(settled));
        if let State::Asked { waker, .. } = before {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt as _, poll};

    use super::*;

    #[actix_web::test]
    async fn a_body_is_there_once_it_was_asked_for_and_once_only() {
        let body = IncomingBody::new(None);
        assert_eq!(body.asked(), None);
        let mut read = pin!(body.read(5));
        assert_eq!(poll!(&mut read), Poll::Pending);
        assert_eq!(body.asked(), Some(5));
        body.settle(Ok(Bytes::from_static(b"pong")));
        assert_eq!(body.asked(), None);
        assert_eq!(read.await, Ok(Bytes::from_static(b"pong")));
        assert_eq!(body.read(5).await, Err(Unread::Gone));
    }

    #[actix_web::test]
    async fn a_body_that_is_declared_as_too_large_is_never_asked_for() {
        let body = IncomingBody::new(Some(6));
        assert_eq!(body.read(5).await, Err(Unread::TooLarge));
        assert_eq!(body.asked(), None);
        assert_eq!(body.read(6).now_or_never(), None);
        assert_eq!(body.asked(), Some(6));
    }
}
