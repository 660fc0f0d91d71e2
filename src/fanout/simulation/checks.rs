//! The properties themselves: of a plan's events, of its outcome, and of what its upstreams have seen. It must not know
//! how a case is run.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use super::case::{Case, ms};
use crate::fanout::{
    Cause, Completion, Event, FailureKind, Observer, Outcome, Refusal, Verdict, fixture::Traffic,
};

/// Counts the events of each call, and refuses an event at a time when it must not happen.
pub(super) struct Ledger<'c> {
    case: &'c Case,
    /// True once the plan is over: no attempt may begin any more.
    over: Cell<bool>,
    calls: RefCell<Vec<Entry>>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Entry {
    started: u32,
    settled: u32,
    tried: u32,
    ended: u32,
    /// The number of retries and hedges that were announced.
    announced: u32,
    /// The number of them that were sent.
    extra: u32,
}

impl<'c> Ledger<'c> {
    pub(super) fn new(case: &'c Case) -> Self {
        Self {
            case,
            over: Cell::new(false),
            calls: RefCell::new(vec![Entry::default(); case.scripts.len()]),
        }
    }

    /// Notes that the plan is over.
    pub(super) fn close(&self) {
        self.over.set(true);
    }
}

impl Observer for Ledger<'_> {
    fn observe(&self, event: &Event<'_>) {
        let mut calls = self.calls.borrow_mut();
        match event {
            Event::CallStarted { call } => {
                assert!(!self.over.get(), "a call after the end");
                assert_eq!(calls[*call].settled, 0, "a call after its end");
                calls[*call].started += 1;
                let is_ready = |call: usize| {
                    let mut inputs = self.case.inputs(call).into_iter();
                    inputs.all(|input| calls[input].settled == 1)
                };
                assert!(is_ready(*call), "a call before its inputs");
                for before in 0..*call {
                    let had_turn = calls[before].started + calls[before].settled > 0;
                    assert!(had_turn || !is_ready(before), "turns come in plan order");
                }
                let open = calls.iter().filter(|e| e.started > e.settled).count();
                assert!(open <= self.case.most(), "{open} calls at a time");
            }
            Event::AttemptStarted {
                call,
                attempt,
                cause,
                ..
            } => {
                assert!(!self.over.get(), "an attempt after the end");
                assert!(calls[*call].started == 1 && calls[*call].settled == 0);
                calls[*call].tried += 1;
                calls[*call].extra += u32::from(*cause != Cause::First);
                assert_eq!(
                    calls[*call].tried, *attempt,
                    "attempts are numbered in order"
                );
            }
            Event::AttemptFinished { call, .. } => {
                assert_eq!(calls[*call].settled, 0, "attempts end before their call");
                calls[*call].ended += 1;
                assert!(calls[*call].ended <= calls[*call].tried);
            }
            Event::Retry { call, after, .. } => {
                assert_ne!(*after, FailureKind::InvalidBody, "a retry that can't help");
                calls[*call].announced += 1;
            }
            Event::Hedge { call, .. } => calls[*call].announced += 1,
            Event::ExtraRefused {
                call,
                cause,
                reason,
                ..
            } => {
                assert_ne!(*cause, Cause::First, "a call's own attempt is no extra");
                assert_eq!(calls[*call].settled, 0, "a refusal after the call's end");
                let rules = self.case.rules(*call);
                assert!(rules.repeatable, "nothing extra was due");
                assert!(*reason != Refusal::Breaker || rules.breaker.is_some());
            }
            Event::CircuitChanged { upstream, .. } => {
                assert!(self.case.policies[upstream.0].breaker.is_some());
            }
            Event::CallSettled { call, result, .. } => {
                assert_eq!(&*result.name, format!("call_{call}"));
                calls[*call].settled += 1;
            }
        }
    }
}

/// Checks what the upstreams have seen of a plan that is over.
pub(super) fn check_traffic(case: &Case, traffic: &[Rc<Traffic>]) {
    for (rules, seen) in case.policies.iter().zip(traffic) {
        assert_eq!(seen.in_flight.get(), 0, "an attempt that outlived its plan");
        let peak = seen.peak.get();
        assert!(peak <= rules.max_in_flight, "too many at a time");
    }
}

/// Returns the number of attempts that the upstreams have seen.
pub(super) fn attempts(traffic: &[Rc<Traffic>]) -> usize {
    traffic.iter().map(|seen| seen.attempts()).sum()
}

pub(super) fn check_ledger(case: &Case, ledger: &Ledger<'_>, turns: &[usize], took: Duration) {
    let calls = ledger.calls.borrow();
    for (index, call) in calls.iter().enumerate() {
        assert_eq!(call.settled, 1, "each call settles exactly once");
        assert!(call.started <= 1);
        assert!(turns[index] <= 1, "a call is asked once");
        assert!(turns[index] >= call.started as usize);
        let requests = case.requests(index);
        assert_eq!(call.tried, call.ended, "each attempt ends exactly once");
        assert!(
            call.tried <= call.started * requests + call.extra,
            "{call:?}"
        );
        assert!(call.extra <= call.announced, "{call:?}");
        let rules = case.rules(index);
        if !rules.repeatable {
            assert_eq!(call.announced, 0, "what may not be repeated is not");
        }
        // Each attempt may have a hedge beside it.
        assert!(
            call.tried <= 2 * requests * rules.attempts.max(1),
            "{call:?}"
        );
        if case.time().is_zero() {
            assert_eq!(turns[index], 0, "nothing begins when the time is over");
        }
    }
    for (policy, rules) in case.policies.iter().enumerate() {
        let own = (0..calls.len()).filter(|&call| case.policy(call) == policy);
        let (began, extra) = own.fold((0, 0), |(began, extra), call| {
            let requests = calls[call].started * case.requests(call);
            (began + requests, extra + calls[call].extra)
        });
        // The floor's first second in the bucket, the extra attempts since then, and each call's share.
        let passed = f64::from(case.spent) / 1000.0 + took.as_secs_f64();
        let floor = f64::from(rules.floor) * (1.0 + passed);
        let share = f64::from(began) * f64::from(rules.tenths) / 10.0;
        assert!(
            f64::from(extra) <= floor + share + 0.01,
            "{extra} extra attempts, {floor} and {share} allowed"
        );
    }
}

pub(super) fn check_outcome(case: &Case, outcome: &Outcome, ledger: &Ledger<'_>) {
    assert_eq!(outcome.results.len(), case.scripts.len());
    // The counts of all calls, and of the calls that the plan waits for.
    let (mut succeeded, mut waited, mut waited_succeeded) = (0, 0, 0);
    let completion = case.completion();
    for (index, result) in outcome.results.iter().enumerate() {
        assert_eq!(&*result.name, format!("call_{index}"), "plan order");
        assert_eq!(result.attempts, ledger.calls.borrow()[index].tried);
        assert!(result.start + result.elapsed <= outcome.elapsed + ms(1));
        succeeded += usize::from(result.result.is_ok());
        let is_omitted =
            matches!(&result.result, Err(failure) if failure.kind == FailureKind::Omitted);
        let is_needed = completion != Completion::Required || !case.scripts[index].optional;
        if is_needed && !is_omitted {
            waited += 1;
            waited_succeeded += usize::from(result.result.is_ok());
        }
        if result.result.is_ok() && case.requests(index) > 0 {
            assert!(
                result.attempts > 0 || result.each().is_some(),
                "a reply without an attempt"
            );
        }
        if let Some(each) = result.each() {
            assert_eq!(each.ok + each.failures.len(), each.total);
            assert!(each.failures.is_sorted_by(|a, b| a.index < b.index));
        }
    }
    let wanted = match completion {
        Completion::Quorum(needed) => needed.get(),
        Completion::All | Completion::Required => waited.min(1),
    };
    match outcome.verdict {
        Verdict::Complete | Verdict::Partial => assert!(waited_succeeded >= wanted),
        Verdict::Failed(_) => assert!(waited_succeeded < wanted || case.strict),
    }
    match (outcome.verdict, completion) {
        (Verdict::Partial, Completion::Quorum(_)) => panic!("a quorum is met or it is not"),
        (Verdict::Partial, _) => assert!(waited_succeeded < waited),
        (Verdict::Complete, Completion::All | Completion::Required) => {
            assert_eq!(waited_succeeded, waited);
        }
        (Verdict::Complete | Verdict::Failed(_), _) => {}
    }
    check_end(case, outcome, succeeded);
    assert!(outcome.critical_path() <= outcome.elapsed + ms(1));
}

/// Checks that no plan goes on once its condition is met, and that none ends before.
fn check_end(case: &Case, outcome: &Outcome, succeeded: usize) {
    let end = |index: usize| outcome.results[index].start + outcome.results[index].elapsed;
    let calls = 0..outcome.results.len();
    let given_up = calls.clone().filter(|&index| {
        let failure = outcome.results[index].result.as_ref().err();
        failure.is_some_and(|failure| failure.is_given_up() && failure.kind != FailureKind::Omitted)
    });
    let is_ended_early = given_up.count() > 0;
    let time_is_over = outcome.elapsed >= case.time();
    match case.completion() {
        Completion::Quorum(needed) => assert!(succeeded <= needed.get()),
        Completion::All => assert!(!is_ended_early || case.strict || time_is_over),
        Completion::Required => {
            let required = calls.filter(|&index| !case.scripts[index].optional);
            let last = required.map(end).max().unwrap_or_default();
            assert!(case.strict || time_is_over || outcome.elapsed <= last + ms(1));
        }
    }
}
