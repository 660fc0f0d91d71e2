//! Judges an answer that has come whole: its body as it is, or inflated first. Pure.

use bytes::Bytes;
use http::StatusCode;

use super::{
    answer::{self, Described},
    body::{Growing, no_memory},
    coding::Format,
};
use crate::exchange::Share;
use crate::fanout::{Body, Failure, Reply};

/// A whole answer whose body is compressed.
pub(super) struct Packed<'a> {
    pub(super) format: Format,
    pub(super) bytes: Bytes,
    /// The buffer for the inflated body.
    pub(super) body: Growing<'a>,
    pub(super) rest: Inflated,
}

impl Packed<'_> {
    pub(super) const fn status(&self) -> StatusCode {
        self.rest.status
    }
}

/// The rest of an answer whose body is inflated.
pub(super) struct Inflated {
    status: StatusCode,
    described: Described,
    depth: u16,
}

impl Inflated {
    pub(super) fn new(status: StatusCode, described: Described, depth: u16) -> Self {
        Self {
            status,
            described: described.inflated(),
            depth,
        }
    }

    /// Judges the answer with this body.
    pub(super) fn judge(self, body: Result<Growing<'_>, Failure>) -> Result<Reply, Failure> {
        match body {
            Ok(body) => {
                let (bytes, share) = body.finish();
                let body = answer::read(self.described, bytes, self.depth.into());
                judge(self.status, body, share)
            }
            Err(failure) => Err(failure.with_status(self.status)),
        }
    }
}

/// Makes a reply of a whole body, if there is memory for its form in the answer.
pub(super) fn judge(
    status: StatusCode,
    body: Result<Body, Failure>,
    share: Share<'_>,
) -> Result<Reply, Failure> {
    match body {
        Ok(body) => match share.keep(growth(&body)) {
            Ok(()) => Ok(Reply::new(status, body)),
            Err(_) => Err(no_memory().with_status(status)),
        },
        Err(failure) => Err(failure.with_status(status)),
    }
}

/// Returns the bytes that a long body gains in the answer. A short one gains little, and reading it twice would cost
/// more.
fn growth(body: &Body) -> usize {
    const SHORT: usize = 4 * 1024;
    match body {
        Body::Text { text: bytes, .. } | Body::Binary { bytes, .. } if bytes.len() > SHORT => {
            body.grows()
        }
        _ => 0,
    }
}
