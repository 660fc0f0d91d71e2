//! Decides as early as possible if a plan goes on. It is pure: it takes counts and returns a decision.

use super::{Completion, Need, OnFailure, Rules};

/// The effect of a settled call on its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Not decided yet.
    GoOn,
    /// The condition is met; the rest is no longer needed.
    Met,
    /// The condition can no longer be met.
    Lost,
}

/// The running count of a plan's settled calls.
#[derive(Debug)]
pub(super) struct Tally {
    completion: Completion,
    on_failure: OnFailure,
    open: usize,
    /// The number of open calls that are not optional.
    required: usize,
    succeeded: usize,
}

impl Tally {
    pub(super) fn new(rules: &Rules, needs: impl Iterator<Item = Need>) -> Self {
        let mut tally = Self {
            completion: rules.completion,
            on_failure: rules.on_failure,
            open: 0,
            required: 0,
            succeeded: 0,
        };
        for need in needs {
            tally.open += 1;
            tally.required += (need == Need::Required) as usize;
        }
        tally
    }

    pub(super) fn succeeded(&mut self, need: Need) -> Decision {
        self.settled(need);
        self.succeeded += 1;
        match self.completion {
            Completion::Quorum(needed) if self.succeeded >= needed.get() => Decision::Met,
            Completion::Quorum(_) | Completion::All | Completion::Required => self.waiting(),
        }
    }

    pub(super) fn failed(&mut self, need: Need) -> Decision {
        self.settled(need);
        if (self.on_failure, need) == (OnFailure::Fail, Need::Required) {
            return Decision::Lost;
        }
        self.without_success()
    }

    /// Counts a call that was left out: it is neither a success nor a failure.
    pub(super) fn omitted(&mut self, need: Need) -> Decision {
        self.settled(need);
        self.without_success()
    }

    fn without_success(&self) -> Decision {
        match self.completion {
            Completion::Quorum(needed) if self.succeeded + self.open < needed.get() => {
                Decision::Lost
            }
            Completion::Quorum(_) | Completion::All | Completion::Required => self.waiting(),
        }
    }

    fn settled(&mut self, need: Need) {
        self.open -= 1;
        self.required -= (need == Need::Required) as usize;
    }

    /// Decides by the number of open calls alone.
    fn waiting(&self) -> Decision {
        // If all are settled, the plan is over anyway.
        if self.completion == Completion::Required && self.required == 0 && self.open > 0 {
            Decision::Met
        } else {
            Decision::GoOn
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

    fn rules(completion: Completion, on_failure: OnFailure) -> Rules {
        Rules {
            completion,
            on_failure,
            ..Rules::default()
        }
    }

    /// A tally of so many calls, none of them optional.
    fn tally(completion: Completion, on_failure: OnFailure, calls: usize) -> Tally {
        let needs = std::iter::repeat_n(Need::Required, calls);
        Tally::new(&rules(completion, on_failure), needs)
    }

    #[test]
    fn waiting_for_all_never_ends_a_plan_early() {
        let mut tally = tally(Completion::All, OnFailure::Partial, 2);
        assert_eq!(tally.failed(Need::Required), Decision::GoOn);
        assert_eq!(tally.succeeded(Need::Required), Decision::GoOn);
    }

    #[test]
    fn a_quorum_is_met_by_its_last_success_and_not_before() {
        let mut tally = tally(quorum(2), OnFailure::Partial, 3);
        assert_eq!(tally.succeeded(Need::Required), Decision::GoOn);
        assert_eq!(tally.succeeded(Need::Required), Decision::Met);
    }

    #[test]
    fn a_quorum_is_lost_with_the_failure_that_puts_it_out_of_reach() {
        let mut tally = tally(quorum(2), OnFailure::Partial, 3);
        assert_eq!(tally.failed(Need::Required), Decision::GoOn);
        assert_eq!(tally.failed(Need::Required), Decision::Lost);
    }

    #[test]
    fn an_optional_call_may_fail_where_a_required_one_may_not() {
        let needs = [Need::Required, Need::Optional, Need::Optional];
        let mut tally = Tally::new(&rules(Completion::All, OnFailure::Fail), needs.into_iter());
        assert_eq!(tally.failed(Need::Optional), Decision::GoOn);
        assert_eq!(tally.failed(Need::Required), Decision::Lost);
    }

    #[test]
    fn an_omitted_call_ends_no_strict_plan_but_may_put_a_quorum_out_of_reach() {
        let mut strict = tally(Completion::All, OnFailure::Fail, 2);
        assert_eq!(strict.omitted(Need::Required), Decision::GoOn);
        let mut tally = tally(quorum(2), OnFailure::Fail, 3);
        assert_eq!(tally.omitted(Need::Required), Decision::GoOn);
        assert_eq!(tally.omitted(Need::Required), Decision::Lost);
    }

    #[test]
    fn an_omitted_call_may_be_the_last_that_is_waited_for() {
        let needs = [Need::Required, Need::Optional].into_iter();
        let mut tally = Tally::new(&rules(Completion::Required, OnFailure::Fail), needs);
        assert_eq!(tally.omitted(Need::Required), Decision::Met);
    }

    #[test]
    fn the_last_required_call_ends_the_wait_however_it_settles() {
        use Need::{Optional, Required};
        for fails in [false, true] {
            let needs = [Required, Optional, Required, Optional].into_iter();
            let mut tally = Tally::new(&rules(Completion::Required, OnFailure::Partial), needs);
            assert_eq!(tally.succeeded(Required), Decision::GoOn);
            assert_eq!(tally.failed(Optional), Decision::GoOn);
            let last = match fails {
                true => tally.failed(Required),
                false => tally.succeeded(Required),
            };
            assert_eq!(last, Decision::Met);
        }
    }
}
