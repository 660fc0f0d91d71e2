//! Whether a request of a connection is being answered, as its handler and its answer let the connection's edge know.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use pin_project_lite::pin_project;

/// Counts the requests of one connection that are being answered.
#[derive(Debug, Default)]
pub struct Progress {
    answering: Cell<usize>,
}

impl Progress {
    /// Counts a request as being answered, until the result is dropped.
    pub(in crate::api) fn answering(self: &Rc<Self>) -> Answering {
        self.answering.set(self.answering.get() + 1);
        Answering(Rc::clone(self))
    }

    /// Whether some request is being answered now.
    pub(super) const fn is_answering(&self) -> bool {
        self.answering.get() > 0
    }
}

/// One request that is being answered.
#[derive(Debug)]
pub(in crate::api) struct Answering(Rc<Progress>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get() - 1);
    }
}

pin_project! {
    /// A body that is a part of answering a request, until its last piece has been taken.
    pub struct Going<B> {
        #[pin]
        body: B,
        answering: Option<Answering>,
    }
}

impl<B> Going<B> {
    pub(in crate::api) const fn new(body: B, answering: Option<Answering>) -> Self {
        Self { body, answering }
    }
}

impl<B: MessageBody> MessageBody for Going<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.project().body.poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_request_is_no_longer_answered() {
        let progress = Rc::new(Progress::default());
        let (one, two) = (progress.answering(), progress.answering());
        drop(one);
        assert!(progress.is_answering());
        drop(two);
        assert!(!progress.is_answering());
    }

    #[test]
    fn a_request_is_answered_as_long_as_its_body_is_there() {
        let progress = Rc::new(Progress::default());
        let body = Going::new("body", Some(progress.answering()));
        assert_eq!(body.size(), BodySize::Sized(4));
        assert!(progress.is_answering());
        drop(body);
        assert!(!progress.is_answering());
    }
}
