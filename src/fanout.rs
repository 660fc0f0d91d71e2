//! The core. It runs one plan's calls, sequentially or concurrently, under one absolute deadline, and returns their
//! outcome.
//!
//! It makes every call through the [`Upstream`] trait and reports everything that happens as an [`Event`]. It knows
//! tokio's clock. It must not know sockets, servers, files or metrics, so its tests run on paused time against a
//! scripted upstream. There is no spawn, channel or lock on the path of a plan: its calls live in one
//! `FuturesUnordered` in the caller's task. Dropping the plan's future cancels every one of them.

mod attempt;
mod breaker;
mod budget;
mod call;
mod completion;
mod each;
mod earlier;
mod elements;
mod engine;
mod event;
#[cfg(any(test, fuzzing))]
pub(crate) mod fixture;
mod latency;
mod limit;
mod outcome;
mod pace;
mod pause;
mod plan;
mod policy;
mod ready;
mod reply;
mod retry;
mod rules;
#[cfg(any(test, fuzzing))]
pub(crate) mod simulation;
mod status;
mod upstream;
mod verdict;
mod work;

pub use breaker::{Breaker, BreakerSettings, Circuit, Pass, Trip};
pub use budget::{Budget, BudgetSettings};
pub use each::{EachFailure, EachReport};
pub use earlier::Earlier;
pub use engine::run;
pub use event::{AttemptId, Cause, Event, Observer};
pub use latency::Latency;
pub use limit::{Limit, Permit};
pub use outcome::{Aside, Blame, CallResult, Outcome, Verdict};
pub use pace::Pace;
pub(crate) use pause::{LOOK, is_pause, yield_to_io};
pub use plan::{
    Aggregate, AggregateId, Call, Choice, PARAMETERS, Plan, PlanError, Positions, UpstreamId,
};
pub use policy::{Hedge, Policy, PolicySettings, Refusal};
pub use reply::{Advice, Body, Failure, FailureKind, Fields, HeadStatus, Labels, Party, Reply};
pub use retry::{Retry, RetryOn};
pub use rules::{Completion, Mode, Need, OnFailure, Repeatable, Rules, UnknownRule};
pub use status::{StatusSet, UnknownStatus};
pub use upstream::{Elements, Question, Turn, Upstream};

#[cfg(test)]
mod properties_tests;
