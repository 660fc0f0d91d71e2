//! Judges an answer that has come whole: its body as it is, or inflated first. Pure.

use bytes::Bytes;
use http::StatusCode;

use super::{
    answer::{self, Described},
    body::{Growing, no_memory},
    coding::Format,
    expectation::Expectation,
};
use crate::exchange::Share;
use crate::fanout::{Body, Failure, Fields, Reply};

/// A whole answer whose body is compressed.
pub(super) struct Packed<'a> {
    pub(super) format: Format,
    pub(super) bytes: Bytes,
    /// The buffer for the inflated body.
    pub(super) body: Growing<'a>,
    pub(super) rest: Inflated<'a>,
}

impl Packed<'_> {
    pub(super) const fn status(&self) -> StatusCode {
        self.rest.accepted.status
    }
}

/// The rest of an answer whose body is inflated.
pub(super) struct Inflated<'a> {
    accepted: Accepted<'a>,
    described: Described,
    depth: u16,
}

impl<'a> Inflated<'a> {
    pub(super) fn new(accepted: Accepted<'a>, described: Described, depth: u16) -> Self {
        Self {
            accepted,
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
                self.accepted.judge(body, share)
            }
            Err(failure) => Err(failure.with_status(self.accepted.status)),
        }
    }
}

/// The parts of a reply beside its body, and the condition on it.
pub(super) struct Accepted<'a> {
    pub(super) status: StatusCode,
    pub(super) kept: Option<Box<Fields>>,
    pub(super) expected: Option<&'a Expectation<'a>>,
}

impl Accepted<'_> {
    /// Makes a reply of a whole body, if it is what the call expects, and if there is memory for its form in the
    /// answer.
    pub(super) fn judge(
        self,
        body: Result<Body, Failure>,
        share: Share<'_>,
    ) -> Result<Reply, Failure> {
        let status = self.status;
        let body = body.map_err(|failure| failure.with_status(status))?;
        let more = growth(&body);
        let reply = Reply {
            status,
            body,
            fields: self.kept,
        };
        if let Some(expected) = self.expected {
            expected.judge(&reply)?;
        }
        match share.keep(more) {
            Ok(()) => Ok(reply),
            Err(_) => Err(no_memory().with_status(status)),
        }
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
