//! A case: a plan and the script of its upstreams, as plain numbers that a generator can draw. It must not know what
//! must be true of it.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use http::StatusCode;

use crate::fanout::{
    BreakerSettings, BudgetSettings, Completion, Failure, FailureKind, Hedge, Mode, PolicySettings,
    Retry, RetryOn, Trip,
    fixture::{self, When, failure, refusal, reply},
};

/// The end of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A reply.
    Good,
    /// No connection.
    Refused,
    /// A 503. It may ask for a retry after this many seconds.
    Unavailable(Option<u8>),
    /// A body that is not valid. Another attempt would not help.
    Invalid,
    /// No end at all.
    Never,
}

/// One attempt's script: its time in milliseconds, and its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) delay: u16,
    pub(crate) end: End,
}

impl Step {
    pub(super) fn scripted(self) -> fixture::Step {
        let delay = When::After(ms(self.delay));
        let (when, result) = match self.end {
            End::Good => (delay, Ok(reply())),
            End::Never => (When::Never, Ok(reply())),
            End::Refused => (delay, Err(failure(FailureKind::Connect))),
            End::Invalid => (delay, Err(failure(FailureKind::InvalidBody))),
            End::Unavailable(after) => {
                let failure = Failure {
                    retry_after: after.map(|seconds| Duration::from_secs(seconds.into())),
                    ..refusal(StatusCode::SERVICE_UNAVAILABLE)
                };
                (delay, Err(failure))
            }
        };
        fixture::Step { when, result }
    }
}

/// The decision of a call whose turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// It sends its request.
    Send,
    /// It sends its request if all calls that it waits for have succeeded.
    Need,
    /// It is left out.
    Omit,
    /// It can't be made.
    Fail,
    /// It sends this many requests. Each begins with another of the steps.
    Each {
        elements: u8,
        concurrency: u8,
        tolerate: u8,
        /// The element of which no request can be made, if it is there.
        broken: u8,
    },
}

/// One call's script.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The attempts, repeated when all are used.
    pub(crate) steps: Vec<Step>,
    pub(crate) act: Act,
    /// The calls that it waits for, a bit each. Only those of a lower rank count, and of the same rank those before it.
    pub(crate) after: u8,
    pub(crate) rank: u8,
    pub(crate) optional: bool,
    /// The call's time, in milliseconds, from 1.
    pub(crate) timeout: u16,
    /// The index of its policy in the case, modulo the number of policies.
    pub(crate) policy: usize,
}

/// The rules of one upstream, which several calls may share.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamRules {
    pub(crate) repeatable: bool,
    /// The number of attempts, from 1.
    pub(crate) attempts: u32,
    /// The delay of a hedge, in milliseconds.
    pub(crate) hedge: Option<u16>,
    /// The number of attempts at a time, from 1.
    pub(crate) max_in_flight: usize,
    /// The number of failures in a row that open the breaker, from 1.
    pub(crate) breaker: Option<u32>,
    /// The number of extra attempts a second.
    pub(crate) floor: u32,
    /// The number of extra attempts for ten calls.
    pub(crate) tenths: u8,
}

/// The condition that ends a plan's wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    All,
    /// The calls that are not optional, or all calls if every one is optional.
    Required,
    /// This many successes, from 1. A number above that of the calls means all calls.
    Quorum(usize),
}

/// A whole plan with its upstreams. Times are in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The calls' scripts, from 1 to 8.
    pub(crate) scripts: Vec<Script>,
    /// The rules of the policies, at least one.
    pub(crate) policies: Vec<UpstreamRules>,
    pub(crate) mode: Mode,
    /// The most calls at a time, from 1.
    pub(crate) width: usize,
    pub(crate) deadline: u16,
    /// The part of the deadline that is over when the plan begins, as in the second run of a comparison.
    pub(crate) spent: u16,
    pub(crate) waits: Waits,
    pub(crate) strict: bool,
    /// The time at which the client leaves, if it does.
    pub(crate) leaves: Option<u16>,
    /// The seed of the random pauses between attempts.
    pub(crate) seed: u64,
}

impl Case {
    pub(super) fn policy(&self, call: usize) -> usize {
        self.scripts[call].policy % self.policies.len()
    }

    pub(super) fn rules(&self, call: usize) -> &UpstreamRules {
        &self.policies[self.policy(call)]
    }

    /// Returns the calls that this one waits for.
    pub(super) fn inputs(&self, call: usize) -> Vec<usize> {
        let rank = |call: usize| (self.scripts[call].rank, call);
        let is_input = |&other: &usize| {
            rank(other) < rank(call) && self.scripts[call].after & (1 << (other % 8)) != 0
        };
        (0..self.scripts.len()).filter(is_input).collect()
    }

    /// Returns the most calls at a time.
    pub(super) fn most(&self) -> usize {
        match self.mode {
            Mode::Sequential => 1,
            Mode::Concurrent => self.width,
        }
    }

    /// Returns the number of requests of a call, retries and hedges not counted.
    pub(super) fn requests(&self, call: usize) -> u32 {
        match self.scripts[call].act {
            Act::Each { elements, .. } => elements.into(),
            Act::Send | Act::Need | Act::Omit | Act::Fail => 1,
        }
    }

    pub(super) fn completion(&self) -> Completion {
        match self.waits {
            Waits::Required if self.scripts.iter().any(|script| !script.optional) => {
                Completion::Required
            }
            Waits::All | Waits::Required => Completion::All,
            Waits::Quorum(needed) => {
                Completion::Quorum(at_least_one(needed.min(self.scripts.len())))
            }
        }
    }

    /// Returns the time that is left for the plan.
    pub(super) fn time(&self) -> Duration {
        ms(self.deadline.saturating_sub(self.spent))
    }
}

pub(super) fn ms(ms: u16) -> Duration {
    Duration::from_millis(ms.into())
}

/// Converts `count` for the core. 0 becomes 1.
pub(super) fn at_least_one(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

pub(super) fn settings(rules: &UpstreamRules) -> PolicySettings {
    let row = |failures| NonZeroU32::new(failures).unwrap_or(NonZeroU32::MIN);
    PolicySettings {
        max_in_flight: at_least_one(rules.max_in_flight),
        retry: Retry {
            attempts: row(rules.attempts),
            backoff: ms(20),
            on: RetryOn::default(),
        },
        hedge: rules.hedge.map(|after| Hedge::After(ms(after))),
        budget: BudgetSettings {
            ratio: f64::from(rules.tenths) / 10.0,
            min_per_second: rules.floor,
        },
        breaker: rules.breaker.map(|failures| BreakerSettings {
            trip: Trip::InARow(row(failures)),
            open_for: ms(50),
        }),
    }
}
