//! Decides, at the earliest moment that it can be decided, whether a plan goes on. Pure: counts in, a decision out.

use super::{Completion, Need, OnFailure};

/// What a settled call means for its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Not decided yet.
    GoOn,
    /// What was waited for is there; the rest is no longer needed.
    Met,
    /// What was waited for can no longer come.
    Lost,
}

/// The running count of a plan's settled calls.
#[derive(Debug)]
pub(super) struct Tally {
    completion: Completion,
    on_failure: OnFailure,
    open: usize,
    succeeded: usize,
}

impl Tally {
    pub(super) const fn new(completion: Completion, on_failure: OnFailure, calls: usize) -> Self {
        Self {
            completion,
            on_failure,
            open: calls,
            succeeded: 0,
        }
    }

    pub(super) const fn succeeded(&mut self) -> Decision {
        self.open -= 1;
        self.succeeded += 1;
        match self.completion {
            Completion::Quorum(needed) if self.succeeded >= needed.get() => Decision::Met,
            _ => Decision::GoOn,
        }
    }

    pub(super) const fn failed(&mut self, need: Need) -> Decision {
        self.open -= 1;
        if matches!((self.on_failure, need), (OnFailure::Fail, Need::Required)) {
            return Decision::Lost;
        }
        match self.completion {
            Completion::Quorum(needed) if self.succeeded + self.open < needed.get() => {
                Decision::Lost
            }
            _ => Decision::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn quorum(needed: usize) -> Completion {
        Completion::Quorum(NonZeroUsize::new(needed).unwrap())
    }

    #[test]
    fn waiting_for_all_never_ends_a_plan_early() {
        let mut tally = Tally::new(Completion::All, OnFailure::Partial, 2);
        assert_eq!(tally.failed(Need::Required), Decision::GoOn);
        assert_eq!(tally.succeeded(), Decision::GoOn);
    }

    #[test]
    fn a_quorum_is_met_by_its_last_success_and_not_before() {
        let mut tally = Tally::new(quorum(2), OnFailure::Partial, 3);
        assert_eq!(tally.succeeded(), Decision::GoOn);
        assert_eq!(tally.succeeded(), Decision::Met);
    }

    #[test]
    fn a_quorum_is_lost_with_the_failure_that_puts_it_out_of_reach() {
        let mut tally = Tally::new(quorum(2), OnFailure::Partial, 3);
        assert_eq!(tally.failed(Need::Required), Decision::GoOn);
        assert_eq!(tally.failed(Need::Required), Decision::Lost);
    }

    #[test]
    fn an_optional_call_may_fail_where_a_required_one_may_not() {
        let mut tally = Tally::new(Completion::All, OnFailure::Fail, 3);
        assert_eq!(tally.failed(Need::Optional), Decision::GoOn);
        assert_eq!(tally.failed(Need::Required), Decision::Lost);
    }
}
