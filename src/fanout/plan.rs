//! The work of one request: an aggregate as configured, the caller's choices within it, and the plan made from both. It
//! must not know how a plan is run.

use std::{num::NonZeroUsize, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Completion, Mode, Need, Pace, Policy, Repeatable, Rules};

/// The indices of an aggregate's calls in a plan, by those in the aggregate. `None` for a call that is not in the plan.
pub type Positions = Arc<[Option<usize>]>;

/// The id of an aggregate: its position in the configuration. Telemetry and the memory's shares know it by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AggregateId(pub usize);

/// The id of an upstream: its position in the configuration. Telemetry knows it by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);

/// One upstream in one aggregate.
#[derive(Debug)]
pub struct Call<U> {
    /// Its name in answers; unique within the aggregate.
    pub name: Arc<str>,
    /// The upstream's id, for observers.
    pub id: UpstreamId,
    /// The way to reach it.
    pub upstream: Rc<U>,
    /// Required or optional: whether the plan needs it.
    pub need: Need,
    /// The permission for retries and hedges. It follows from the request's method.
    pub repeatable: Repeatable,
    /// The time of one attempt, from its start to the last byte.
    pub timeout: Duration,
    /// The state of the upstream that all workers share.
    pub policy: Arc<Policy>,
    /// The calls that it waits for, by their indices in the aggregate, in order, each once. They make no cycle.
    pub after: Box<[usize]>,
    /// The JSON value that stands for its body if it fails.
    pub fallback: Option<Bytes>,
    /// True if something reads its body after it has settled: another call, or the shape of the answer.
    pub is_read: bool,
}

impl<U> Call<U> {
    /// Makes a required call of `upstream` that may be repeated. Each of its attempts may take `timeout`.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        id: UpstreamId,
        upstream: Rc<U>,
        timeout: Duration,
        policy: Arc<Policy>,
    ) -> Self {
        Self {
            name: name.into(),
            id,
            upstream,
            need: Need::Required,
            repeatable: Repeatable::Yes,
            timeout,
            policy,
            after: Box::default(),
            fallback: None,
            is_read: false,
        }
    }
}

/// A named list of calls with the rules for them. Plans are made from it.
#[derive(Debug)]
pub struct Aggregate<U> {
    /// The configured name.
    pub name: Arc<str>,
    /// At least one, in the order of results.
    pub calls: Vec<Call<U>>,
    /// The rules of its plans.
    pub rules: Rules,
}

/// The caller's choices. `None` leaves the aggregate's own setting in force.
#[derive(Debug, Default, Clone)]
pub struct Choice<'q> {
    /// `mode`
    pub mode: Option<Mode>,
    /// `concurrency`: can only lower the configured one.
    pub concurrency: Option<NonZeroUsize>,
    /// `calls`: a subset by name, in this order.
    pub calls: Option<Vec<&'q str>>,
    /// `timeout`: can only shorten the deadline.
    pub timeout: Option<Duration>,
    /// `wait_for`
    pub completion: Option<Completion>,
}

/// Gather's own query parameters, in which a caller makes these choices. No upstream gets them.
pub const PARAMETERS: [&str; 5] = ["mode", "concurrency", "calls", "timeout", "wait_for"];

/// The reason why a choice can't be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `calls` names a call that the aggregate does not have.
    #[error("the aggregate has no call named `{0}`")]
    UnknownCall(String),
    /// `calls` names a call twice.
    #[error("the call `{0}` is named twice")]
    RepeatedCall(String),
    /// `calls` names a call, but not one that it waits for.
    #[error("the call `{call}` needs `{needs}`, which is not among the calls")]
    MissingCall {
        /// The call that was chosen.
        call: String,
        /// The call that it waits for.
        needs: String,
    },
    /// `wait_for` is `required`, and every call is optional.
    #[error("calls that are not optional are to be waited for, but every call is optional")]
    NothingRequired,
    /// `wait_for` asks for more successes than there are calls.
    #[error("{needed} calls are to be waited for, but only {calls} would be made")]
    QuorumTooLarge {
        /// The number that was asked for.
        needed: usize,
        /// The number that the plan has.
        calls: usize,
    },
}

/// The calls of one request, in order, and the rules for them. It is valid by construction: it has at least one call,
/// and its condition can be met.
#[derive(Debug)]
pub struct Plan<'a, U> {
    pub(super) calls: Vec<&'a Call<U>>,
    /// The positions of the calls, if they are chosen ones. Otherwise they stand as in the aggregate.
    pub(super) positions: Option<Positions>,
    /// The aggregate's rules with the caller's choices in them.
    pub(super) rules: Rules,
    /// The moment by which it must be over. `rules` has only the time for all calls together.
    pub(super) deadline: Instant,
    /// The back-pressure of a reader that takes the results one by one, if there is one.
    pub(super) pace: Option<Rc<Pace>>,
}

impl<U> Aggregate<U> {
    /// Returns the deadline of a request that began at `began`.
    #[must_use]
    pub fn deadline(&self, choice: &Choice<'_>, began: Instant) -> Instant {
        let asked = choice.timeout.unwrap_or(self.rules.deadline);
        began + asked.min(self.rules.deadline)
    }

    /// Plans a run of this aggregate in `mode` that ends by `deadline`.
    ///
    /// # Errors
    /// Fails if the choice names calls that do not exist, leaves out a call that a chosen one needs, or waits for more
    /// calls than there are.
    pub fn plan(
        &self,
        choice: &Choice<'_>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Plan<'_, U>, PlanError> {
        let (calls, positions) = match &choice.calls {
            None => (self.calls.iter().collect(), None),
            Some(names) => {
                let (calls, positions) = self.select(names)?;
                (calls, Some(positions))
            }
        };
        let completion = choice.completion.unwrap_or(self.rules.completion);
        if let Completion::Quorum(needed) = completion
            && needed.get() > calls.len()
        {
            return Err(PlanError::QuorumTooLarge {
                needed: needed.get(),
                calls: calls.len(),
            });
        }
        let is_required = |call: &&Call<U>| call.need == Need::Required;
        if completion == Completion::Required && !calls.iter().any(is_required) {
            return Err(PlanError::NothingRequired);
        }
        let concurrency = match mode {
            Mode::Sequential => NonZeroUsize::MIN,
            Mode::Concurrent => {
                let most = self.rules.concurrency;
                choice.concurrency.map_or(most, |asked| asked.min(most))
            }
        };
        Ok(Plan {
            calls,
            positions,
            rules: Rules {
                mode,
                concurrency,
                completion,
                ..self.rules
            },
            deadline,
            pace: None,
        })
    }

    /// Returns the calls of these names, in this order, and their positions.
    fn select(&self, names: &[&str]) -> Result<(Vec<&Call<U>>, Positions), PlanError> {
        let mut calls: Vec<&Call<U>> = Vec::with_capacity(names.len().min(self.calls.len()));
        let mut positions = vec![None; self.calls.len()];
        for &name in names {
            let index = self.calls.iter().position(|call| &*call.name == name);
            let index = index.ok_or_else(|| PlanError::UnknownCall(name.to_owned()))?;
            // A subset is no longer than the aggregate, so the first repetition ends this.
            if positions[index].replace(calls.len()).is_some() {
                return Err(PlanError::RepeatedCall(name.to_owned()));
            }
            calls.push(&self.calls[index]);
        }
        for call in &calls {
            if let Some(&missing) = call.after.iter().find(|&&index| positions[index].is_none()) {
                return Err(PlanError::MissingCall {
                    call: call.name.to_string(),
                    needs: self.calls[missing].name.to_string(),
                });
            }
        }
        Ok((calls, positions.into()))
    }
}

impl<U> Plan<'_, U> {
    /// Returns the way in which the calls follow one another.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.rules.mode
    }

    /// Returns the calls' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.calls.iter().map(|call| &*call.name)
    }

    /// Returns the index in the plan of the call with this index in the aggregate.
    pub(super) fn position(&self, call: usize) -> Option<usize> {
        match &self.positions {
            None => Some(call),
            Some(positions) => *positions.get(call)?,
        }
    }

    /// Returns the indices of the calls that one waits for. All are indices in the plan.
    pub(super) fn inputs(&self, index: usize) -> impl Iterator<Item = usize> {
        let after = self.calls[index].after.iter();
        after.filter_map(|&call| self.position(call))
    }

    /// Changes the plan for an observer that takes each result as it is settled. The outcome then has an empty body in
    /// place of each body that nothing reads later, and the plan goes no faster than `pace` allows.
    #[must_use]
    pub fn paced(mut self, pace: Rc<Pace>) -> Self {
        self.pace = Some(pace);
        self
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
