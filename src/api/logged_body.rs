//! The body of a streamed answer with its log line, which is written at the body's end. It must not know what the body
//! says.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    http::StatusCode,
    web,
};
use bytes::Bytes;

use super::{gateway::Shared, log_line::Line};

/// A streamed answer, whose log line is written at its end.
pub(super) struct LoggedBody {
    pub(super) body: BoxBody,
    pub(super) line: Line,
    pub(super) data: Option<web::Data<Shared>>,
}

impl MessageBody for LoggedBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        let body = Pin::new(&mut this.body);
        let Ok(polled) = catch_unwind(AssertUnwindSafe(|| body.poll_next(cx))) else {
            this.line
                .panicked(this.data.as_ref().map(|data| data.get_ref()));
            // The answer has begun, so it can only say that it is not whole.
            return Poll::Ready(Some(Err("a handler panicked".into())));
        };
        if matches!(polled, Poll::Ready(None)) && this.line.open {
            this.line.finish(StatusCode::OK, None);
        }
        polled
    }
}
