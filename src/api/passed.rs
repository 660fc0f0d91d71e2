//! The status of an upstream that becomes the answer's own (`pass_status`), the call that it comes from, and the fields
//! that go with it. It must not know how the answer is written.

use actix_web::http::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use super::head::LONGEST_LIST;
use crate::{
    endpoint::PassStatus,
    fanout::{Advice, FailureKind, Outcome, Verdict},
};

/// A call's status that is the answer's own.
#[derive(Debug)]
pub(super) struct Passed<'a> {
    pub(super) call: &'a str,
    pub(super) status: StatusCode,
    advice: Option<&'a Advice>,
}

/// Returns the status that the answer takes from a call, if it takes one. It is that of the first such call in plan
/// order, unless every awaited call succeeded. It is boxed, as it is rare.
#[inline]
pub(super) fn passed<'a>(all: &[PassStatus], outcome: &'a Outcome) -> Option<Box<Passed<'a>>> {
    if all.is_empty() || outcome.verdict == Verdict::Complete {
        return None;
    }
    first(all, outcome)
}

#[cold]
fn first<'a>(all: &[PassStatus], outcome: &'a Outcome) -> Option<Box<Passed<'a>>> {
    outcome.results.iter().find_map(|call| {
        let failure = call.result.as_ref().err()?;
        // A call that was given up may have a status too.
        let status = failure
            .status
            .filter(|_| failure.kind == FailureKind::Status)?;
        let own = all.iter().find(|own| own.call == call.name)?;
        own.statuses.contains(&status).then(|| {
            Box::new(Passed {
                call: &call.name,
                status,
                advice: failure.advice.as_deref(),
            })
        })
    })
}

impl Passed<'_> {
    /// Returns the room that its own fields leave in a head for the list of all calls, in bytes.
    pub(super) fn room(&self) -> usize {
        let line = |(name, value): (HeaderName, HeaderValue)| {
            name.as_str().len() + ": \r\n".len() + value.len()
        };
        LONGEST_LIST.saturating_sub(self.fields().map(line).sum())
    }

    /// Returns the header fields of the upstream's answer that its client may need to go on.
    pub(super) fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.advice.into_iter().flat_map(|advice| {
            let challenges = advice.challenges.iter();
            let challenges = challenges.map(|value| (header::WWW_AUTHENTICATE, value.clone()));
            let time = advice.retry_after.iter();
            challenges.chain(time.map(|value| (header::RETRY_AFTER, value.clone())))
        })
    }
}
