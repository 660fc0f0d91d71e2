//! The body of an answer on its way out. It leaves in pieces, so that it is not copied whole into its connection's
//! buffer. It keeps its permit among the requests in flight until the last piece has left, and its memory until that
//! piece is written. It must not know its contents.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
};
use bytes::Bytes;

use crate::exchange::Charge;
use crate::fanout::Permit;

/// The bytes that are handed to the connection at a time. The connection keeps a buffer of this size as long as its
/// client stays. So it is not much more than a socket takes at once.
const PIECE: usize = 64 * 1024;

/// Bytes that go out piece by piece.
pub(super) struct HeldBody {
    rest: Bytes,
    /// Given back with the last piece, as bytes that a slow client has not taken yet still take memory.
    permit: Option<Permit>,
    /// Given back when the connection is done with it, as each piece keeps the whole answer in memory.
    _charge: Option<Charge>,
}

impl HeldBody {
    /// Makes the response keep `permit` and `charge` until it has been written, or dropped. Its bodies are gone, so it
    /// is charged only its own size.
    pub(super) fn keeping(
        permit: Permit,
        charge: Option<Charge>,
        response: HttpResponse,
    ) -> HttpResponse {
        response.map_body(|_, body| match body.try_into_bytes() {
            Ok(rest) => {
                if let Some(charge) = &charge {
                    charge.settle(rest.len());
                }
                BoxBody::new(Self {
                    rest,
                    permit: Some(permit),
                    _charge: charge,
                })
            }
            Err(body) => body,
        })
    }
}

impl MessageBody for HeldBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(size);
        if self.rest.is_empty() {
            self.permit = None;
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, num::NonZeroUsize, pin::pin, rc::Rc, sync::Arc};

    use super::*;
    use crate::exchange::Memory;
    use crate::fanout::Limit;

    #[actix_web::test]
    async fn the_permit_is_free_with_the_last_piece_and_the_memory_once_that_is_written() {
        let limit = Arc::new(Limit::new(NonZeroUsize::MIN));
        let memory = Rc::new(Memory::new(4 << 20));
        let charge = memory.admit(0, 64 << 10, 0);
        assert!(charge.as_ref().is_some_and(|charge| charge.cover(2 << 20)));
        let response = HttpResponse::Ok().body(vec![b'1'; 3 * PIECE]);
        let response = HeldBody::keeping(limit.acquire().unwrap(), charge, response);
        assert_eq!(memory.charged(), (64 << 10) + 3 * PIECE);
        {
            let mut body = pin!(response.into_body());
            for _ in 0..3 {
                assert!(limit.acquire().is_none());
                let piece = poll_fn(|cx| body.as_mut().poll_next(cx)).await;
                assert_eq!(piece.unwrap().unwrap().len(), PIECE);
            }
            assert!(limit.acquire().is_some());
            assert_eq!(memory.charged(), (64 << 10) + 3 * PIECE);
        }
        assert_eq!(memory.charged(), 0);
    }
}
