//! Reads one answer out of the pieces in which it comes (RFC 9112, sections 6.3 and 8), and judges it. Pure: it is fed,
//! and neither reads nor waits itself.
//!
//! An answer that was cut is a failure, and so is one whose end is declared twice. Interim answers (1xx) are left out.
//! Bytes after an answer belong to no request, so its connection is not used again.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::{
    answer,
    body::Growing,
    broken::protocol,
    head::{self, Framing, Head},
    keep_alive::Idle,
    kept,
    rest::{Rest, Stop},
    rules::Rules,
    whole::{Accepted, Inflated, Packed},
};
use crate::exchange::Share;
use crate::fanout::{Body, Failure, FailureKind, Fields, Reply};

/// The largest head of an answer, and of an interim answer.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// The most interim answers that may come before the final one.
const MAX_INTERIM: usize = 16;

/// The largest body of a failed answer that is read for the connection's sake.
const DRAIN_BYTES: u64 = 16 * 1024;

/// An answer as far as it has come.
pub(super) struct Reading<'a> {
    rules: Rules<'a>,
    stage: Stage<'a>,
    /// The fields of its final head that are kept.
    kept: Option<Box<Fields>>,
    interim: usize,
    answered: bool,
    /// True if the first bytes were not HTTP.
    garbled: bool,
    /// True if the connection may take another request after this.
    lasts: bool,
    /// The time that the connection may wait for that request, as far as the answer says.
    idle: Idle,
}

/// The part that comes next.
enum Stage<'a> {
    /// The final head. This much of it has come.
    Head(Vec<u8>),
    Body {
        head: Head,
        rest: Rest,
        body: Growing<'a>,
    },
    /// A body that is not needed.
    Drain {
        failure: Failure,
        rest: Rest,
        seen: u64,
    },
    /// Nothing follows: the answer is whole.
    Whole {
        head: Head,
        bytes: Bytes,
        share: Share<'a>,
    },
    Failed(Failure),
}

impl<'a> Reading<'a> {
    pub(super) const fn new(rules: Rules<'a>) -> Self {
        Self {
            rules,
            stage: Stage::Head(Vec::new()),
            kept: None,
            interim: 0,
            answered: false,
            garbled: false,
            lasts: false,
            idle: Idle::UNSAID,
        }
    }

    /// Returns true if nothing of the answer is still to come.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Whole { .. } | Stage::Failed(_))
    }

    /// Returns true if only the connection needs the rest.
    pub(super) const fn is_drained(&self) -> bool {
        matches!(self.stage, Stage::Drain { .. })
    }

    /// Returns true if any bytes have come.
    pub(super) const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Returns true if the first bytes begin no answer. On a connection that was used before, they are left over from
    /// the answer before: a 204 that had a body after all, for instance.
    pub(super) const fn is_garbled(&self) -> bool {
        self.garbled
    }

    /// Returns the time that the connection may wait for another request, as far as the answer says.
    pub(super) const fn idle(&self) -> Duration {
        self.idle.time()
    }

    /// Returns true if the final head has come, or will not come.
    pub(super) const fn is_begun(&self) -> bool {
        !matches!(self.stage, Stage::Head(_))
    }

    /// Takes the next piece, which must not be empty.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.answered = true;
        let Stage::Head(held) = &mut self.stage else {
            return self.push_body(piece);
        };
        let mut held = std::mem::take(held);
        let bytes = if held.is_empty() {
            piece
        } else {
            held.extend_from_slice(piece);
            &held
        };
        match self.final_head(bytes) {
            Ok((Some(head), used)) => {
                self.begin(head, &bytes[..used]);
                self.push_body(&bytes[used..]);
            }
            Ok((None, 0)) if !held.is_empty() => self.stage = Stage::Head(held),
            Ok((None, used)) => self.stage = Stage::Head(bytes[used..].to_vec()),
            Err(fault) => {
                self.garbled = self.interim == 0 && !begins_an_answer(bytes);
                self.fail(protocol(fault));
            }
        }
    }

    /// Notes that the connection takes no other request, whatever the answer says.
    pub(super) const fn spend(&mut self) {
        self.lasts = false;
    }

    /// Fails, and ignores everything that is still to come.
    fn fail(&mut self, failure: Failure) {
        self.lasts = false;
        self.stage = Stage::Failed(failure);
    }

    /// Returns the final answer's head, once it is whole, and the number of bytes that it and the interim answers
    /// before it take.
    fn final_head(&mut self, bytes: &[u8]) -> Result<(Option<Head>, usize), &'static str> {
        let mut used = 0;
        loop {
            let head = head::parse(&bytes[used..], self.rules.head_only)?;
            let size = head.as_ref().map_or(bytes.len() - used, |head| head.size);
            if size > MAX_HEAD {
                return Err("the answer's head is too large");
            }
            match head {
                None => return Ok((None, used)),
                Some(head) => {
                    used += size;
                    if !head.status.is_informational() {
                        return Ok((Some(head), used));
                    }
                    self.interim += 1;
                    if self.interim > MAX_INTERIM {
                        return Err("the upstream sent interim answers without end");
                    }
                }
            }
        }
    }

    /// Goes on to the body of the answer whose head is the last of these bytes.
    fn begin(&mut self, head: Head, bytes: &[u8]) {
        let rest = Rest::of(head.framing);
        let length = head.framing.length();
        self.lasts = head.lasts && head.framing != Framing::Close;
        self.idle = head.idle;
        self.rules.status.set(head.status);
        if !self.rules.success.contains(head.status) {
            let mut failure = rejected(&head);
            if let Some(advised) = self.rules.advised {
                failure.advice = advised.read(head.status, &bytes[bytes.len() - head.size..]);
            }
            if !self.lasts || length.is_some_and(|length| length > DRAIN_BYTES) {
                return self.fail(failure);
            }
            self.stage = Stage::Drain {
                failure,
                rest,
                seen: 0,
            };
            return;
        }
        if self.rules.refuses_close && head.framing == Framing::Close {
            let fault =
                protocol("only the end of the connection ends the answer, which may be cut");
            return self.fail(fault.with_status(head.status));
        }
        if !self.rules.kept.is_empty() {
            self.kept = Some(kept::read(
                self.rules.kept,
                &bytes[bytes.len() - head.size..],
            ));
        }
        let mut body = Growing::new(self.rules.bounds);
        if head.described.format().is_some() {
            body.widen();
        }
        match length.map_or(Ok(()), |length| body.declare(length)) {
            Ok(()) => self.stage = Stage::Body { head, rest, body },
            Err(failure) => self.fail(failure.with_status(head.status)),
        }
    }

    fn push_body(&mut self, piece: &[u8]) {
        let (followed, is_over) = match &mut self.stage {
            Stage::Body { head, rest, body } => {
                let followed = rest.follow(piece, |data| body.push(data).map_err(Stop));
                let followed = followed.map_err(|Stop(failure)| failure.with_status(head.status));
                (followed, rest.is_over())
            }
            Stage::Drain {
                failure,
                rest,
                seen,
            } => {
                *seen += piece.len() as u64;
                let followed = rest.follow(piece, |_| Ok(()));
                let followed = followed.map_err(|_| failure.clone());
                let followed = match followed {
                    Ok(_) if *seen > DRAIN_BYTES && !rest.is_over() => Err(failure.clone()),
                    followed => followed,
                };
                (followed, rest.is_over())
            }
            Stage::Head(_) | Stage::Whole { .. } | Stage::Failed(_) => return,
        };
        match followed {
            Ok(used) => {
                self.lasts &= used == piece.len();
                if is_over {
                    self.finish();
                }
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Returns the buffer to read the rest of the body into, if that saves a copy, and the length of the rest.
    pub(super) fn room(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match &mut self.stage {
            Stage::Body {
                rest: Rest::Bytes(_),
                body,
                ..
            } => body.room(),
            _ => None,
        }
    }

    /// Notes that this many bytes, at least one, were read into that buffer.
    pub(super) fn filled(&mut self, size: usize) {
        if let Stage::Body {
            rest: Rest::Bytes(left),
            ..
        } = &mut self.stage
        {
            *left = left.saturating_sub(size as u64);
            if *left == 0 {
                self.finish();
            }
        }
    }

    /// Notes that the body has come to its end.
    fn finish(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Head(Vec::new()));
        self.stage = match stage {
            Stage::Body { head, body, .. } => {
                let (bytes, share) = body.finish();
                Stage::Whole { head, bytes, share }
            }
            Stage::Drain { failure, .. } => Stage::Failed(failure),
            other => other,
        };
    }

    /// Notes that nothing more will come: the upstream has ended the connection, in good order or not.
    pub(super) fn end(&mut self, in_good_order: bool) {
        let failure = match &self.stage {
            Stage::Whole { .. } | Stage::Failed(_) => return,
            Stage::Body {
                rest: Rest::ToTheClose,
                ..
            } if in_good_order => return self.finish(),
            Stage::Body { head, .. } => {
                protocol("the upstream cut its body short").with_status(head.status)
            }
            Stage::Drain { failure, .. } => failure.clone(),
            Stage::Head(_) if self.answered => {
                protocol("the upstream closed the connection within its answer's head")
            }
            Stage::Head(_) => protocol("the upstream closed the connection without an answer"),
        };
        self.fail(failure);
    }

    /// Returns the result before it is judged, once it is over.
    #[cfg(any(test, fuzzing))]
    pub(super) fn whole(self) -> Option<Result<(StatusCode, Bytes), Failure>> {
        match self.stage {
            Stage::Whole { head, bytes, .. } => Some(Ok((head.status, bytes))),
            Stage::Failed(failure) => Some(Err(failure)),
            Stage::Head(_) | Stage::Body { .. } | Stage::Drain { .. } => None,
        }
    }

    /// Returns true if the connection may take another request, once this is over.
    pub(super) const fn lasts(&self) -> bool {
        self.lasts
    }

    /// Takes the answer, if it is whole and its body has to be inflated before it is judged.
    pub(super) fn packed(&mut self) -> Option<Packed<'a>> {
        let Stage::Whole { head, bytes, .. } = &self.stage else {
            return None;
        };
        let format = head.described.format()?;
        if bytes.is_empty() {
            return None;
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Head(Vec::new()));
        let Stage::Whole { head, bytes, share } = stage else {
            return None;
        };
        let accepted = Accepted {
            status: head.status,
            kept: self.kept.take(),
            expected: self.rules.expected,
        };
        Some(Packed {
            format,
            bytes,
            body: Growing::inflated(self.rules.bounds, share),
            rest: Inflated::new(accepted, head.described, self.rules.depth),
        })
    }

    /// Returns the result, and true if the connection may take another request.
    pub(super) fn outcome(self) -> (Result<Reply, Failure>, bool) {
        match self.stage {
            Stage::Whole { head, bytes, share } => {
                let body = if head.framing == Framing::None {
                    Ok(Body::Empty)
                } else {
                    answer::read(head.described, bytes, self.rules.depth.into())
                };
                let accepted = Accepted {
                    status: head.status,
                    kept: self.kept,
                    expected: self.rules.expected,
                };
                (accepted.judge(body, share), self.lasts)
            }
            Stage::Failed(failure) => (Err(failure), self.lasts),
            // The rest is not waited for any longer.
            Stage::Drain { failure, .. } => (Err(failure), false),
            Stage::Head(_) | Stage::Body { .. } => (
                Err(protocol("the upstream's answer was not read to its end")),
                false,
            ),
        }
    }
}

/// Returns true if these bytes, which may be few, begin an HTTP answer. Empty lines before it are ignored, as in
/// httparse.
fn begins_an_answer(bytes: &[u8]) -> bool {
    let blank = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
    let start = bytes.get(blank.count()..).unwrap_or_default();
    let size = start.len().min(b"HTTP/".len());
    start[..size] == b"HTTP/"[..size]
}

fn rejected(head: &Head) -> Failure {
    let reason = head.status.canonical_reason().unwrap_or("");
    let detail = format!("upstream answered {} {reason}", head.status.as_u16());
    let mut failure = Failure::new(FailureKind::Status, detail.trim_end().to_owned());
    let is_temporary = matches!(
        head.status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    failure.retry_after = head.retry_after.filter(|_| is_temporary);
    failure.with_status(head.status)
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
