//! The status of an upstream that becomes the answer's own (`pass_status`): whose it is, and what of its answer goes with it.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};

use super::{gateway::Exposed, head::LONGEST_LIST};
use crate::fanout::{Advice, FailureKind, Outcome, Verdict};

/// The statuses of one call that become the answer's own.
#[derive(Debug, Clone)]
pub struct PassStatus {
    /// The call's name in its aggregate.
    pub call: Arc<str>,
    /// As they are configured.
    pub statuses: Arc<[StatusCode]>,
}

/// A call's status that is the answer's own.
#[derive(Debug)]
pub(super) struct Passed<'a> {
    pub(super) call: &'a str,
    pub(super) status: StatusCode,
    advice: Option<&'a Advice>,
}

impl<U> Exposed<U> {
    /// The status that the answer takes from a call, if it takes one: the first in plan order, unless all that was waited
    /// for came. A box, as it is rare.
    #[inline]
    pub(super) fn passed<'a>(&self, outcome: &'a Outcome) -> Option<Box<Passed<'a>>> {
        if self.pass_status.is_empty() || outcome.verdict == Verdict::Complete {
            return None;
        }
        first(&self.pass_status, outcome)
    }
}

#[cold]
fn first<'a>(all: &[PassStatus], outcome: &'a Outcome) -> Option<Box<Passed<'a>>> {
    outcome.results.iter().find_map(|call| {
        let failure = call.result.as_ref().err()?;
        // One that was given up may have a status too.
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
    /// The room that its own fields leave in a head for the list of all calls, in bytes.
    pub(super) fn room(&self) -> usize {
        let line = |name: header::HeaderName, value: &header::HeaderValue| {
            name.as_str().len() + ": \r\n".len() + value.len()
        };
        let Some(advice) = self.advice else {
            return LONGEST_LIST;
        };
        let challenges = advice.challenges.iter();
        let challenges = challenges.map(|value| line(header::WWW_AUTHENTICATE, value));
        let time = advice.retry_after.iter();
        let time = time.map(|value| line(header::RETRY_AFTER, value));
        LONGEST_LIST.saturating_sub(challenges.chain(time).sum())
    }

    /// Puts into the answer what its client may need to go on.
    pub(super) fn advise(&self, response: &mut HttpResponse) {
        let Some(advice) = self.advice else { return };
        let headers = response.headers_mut();
        for challenge in &advice.challenges {
            headers.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(time) = &advice.retry_after {
            headers.insert(header::RETRY_AFTER, time.clone());
        }
    }
}
