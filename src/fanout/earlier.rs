//! The results of a plan's calls that have settled, for those that come after them. It must not know who reads them.

use std::cell::OnceCell;

use super::{CallResult, Outcome};

/// The calls of a plan that have settled so far, by their indices in the aggregate.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    settled: Settled<'a>,
    /// The indices in the plan, by those in the aggregate. Without it they are the same.
    positions: Option<&'a [Option<usize>]>,
}

#[derive(Debug, Clone, Copy)]
enum Settled<'a> {
    /// Of a plan that runs, in plan order.
    Running(&'a [OnceCell<CallResult>]),
    /// Of a plan that is over, in plan order.
    Over(&'a [CallResult]),
}

impl<'a> Earlier<'a> {
    /// No call has settled.
    pub const NONE: Self = Self {
        settled: Settled::Over(&[]),
        positions: None,
    };

    /// The results of a plan that runs.
    pub(super) const fn running(
        settled: &'a [OnceCell<CallResult>],
        positions: Option<&'a [Option<usize>]>,
    ) -> Self {
        Self {
            settled: Settled::Running(settled),
            positions,
        }
    }

    /// The results of a plan that is over. `positions` has their indices by those in the aggregate, if they differ.
    #[must_use]
    pub const fn over(results: &'a [CallResult], positions: Option<&'a [Option<usize>]>) -> Self {
        Self {
            settled: Settled::Over(results),
            positions,
        }
    }

    /// Returns the result of the call with this index in the aggregate, if it is in the plan and has settled.
    #[must_use]
    pub fn get(self, call: usize) -> Option<&'a CallResult> {
        let position = match self.positions {
            None => call,
            Some(positions) => (*positions.get(call)?)?,
        };
        match self.settled {
            Settled::Running(settled) => settled.get(position)?.get(),
            Settled::Over(results) => results.get(position),
        }
    }
}

impl Outcome {
    /// Returns the results by the calls' indices in the aggregate.
    #[must_use]
    pub fn earlier(&self) -> Earlier<'_> {
        Earlier::over(&self.results, self.positions.as_deref())
    }
}
