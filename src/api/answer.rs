//! The body of an answer on its way out: in pieces, so that it is not copied whole into its connection's buffer, and with
//! its place among the requests in flight until the last piece has left. Knows nothing of what it says.

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

use crate::fanout::Permit;

/// How much is handed to the connection at a time. It keeps a buffer of this size for as long as its client does, so not
/// much more than a socket takes at once.
const PIECE: usize = 64 * 1024;

/// Bytes that go out piece by piece.
pub(super) struct Answer {
    rest: Bytes,
    /// Given back with the last piece: what a slow client has not taken yet still takes memory.
    place: Option<Permit>,
}

impl Answer {
    /// The same response, which keeps `place` until it has been written, or dropped.
    pub(super) fn keeping(place: Permit, response: HttpResponse) -> HttpResponse {
        response.map_body(|_, body| match body.try_into_bytes() {
            Ok(rest) => BoxBody::new(Self {
                rest,
                place: Some(place),
            }),
            Err(body) => body,
        })
    }
}

impl MessageBody for Answer {
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
            self.place = None;
        }
        Poll::Ready(Some(Ok(piece)))
    }
}
