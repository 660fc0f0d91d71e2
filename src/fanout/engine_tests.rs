//! The engine on paused time, against upstreams that follow a script. Nothing here sleeps in real time.

use std::{cell::RefCell, num::NonZeroUsize, sync::Arc};

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::*;
use crate::fanout::{
    Aggregate, Blame, Choice, Completion, Need, OnFailure, PolicySettings, Verdict,
    fixture::{self, Scripted, Step, When, call_each, failure, ms, plan, policy},
};

fn good(delay: u64) -> Scripted {
    Scripted::new([Step::good(delay)])
}

fn bad(delay: u64) -> Scripted {
    Scripted::new([Step::failed(delay, failure(FailureKind::Status))])
}

/// An attempt that tries to connect until its time is over.
fn unconnected() -> Scripted {
    Scripted::new([Step {
        when: When::TimeOver,
        result: Err(failure(FailureKind::Connect)),
    }])
}

/// An aggregate with a call of each upstream, without retries, hedges and breakers.
fn aggregate(upstreams: impl IntoIterator<Item = Scripted>) -> Aggregate<Scripted> {
    fixture::aggregate(call_each(upstreams))
}

async fn outcome(aggregate: &Aggregate<Scripted>, mode: Mode) -> Outcome {
    chosen(aggregate, mode, &Choice::default()).await
}

async fn chosen(aggregate: &Aggregate<Scripted>, mode: Mode, choice: &Choice<'_>) -> Outcome {
    run(&plan(aggregate, mode, choice), &(), &()).await
}

fn kinds(outcome: &Outcome) -> Vec<Option<FailureKind>> {
    outcome
        .results
        .iter()
        .map(|call| call.result.as_ref().err().map(|failure| failure.kind))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn three_calls_of_two_seconds_take_six_in_a_row_and_two_together() {
    let aggregate = aggregate([good(2_000), good(2_000), good(2_000)]);
    let sequential = outcome(&aggregate, Mode::Sequential).await;
    let concurrent = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(sequential.elapsed, ms(6_000));
    assert_eq!(concurrent.elapsed, ms(2_000));
    assert_eq!(concurrent.sequential(), ms(6_000));
    assert_eq!(concurrent.verdict, Verdict::Complete);
}

#[tokio::test(start_paused = true)]
async fn results_stand_in_plan_order_whatever_the_order_of_arrival() {
    let outcome = outcome(&aggregate([good(30), good(10), good(20)]), Mode::Concurrent).await;
    let names: Vec<_> = outcome.results.iter().map(|call| &*call.name).collect();
    let elapsed: Vec<_> = outcome.results.iter().map(|call| call.elapsed).collect();
    assert_eq!(names, ["call_0", "call_1", "call_2"]);
    assert_eq!(elapsed, [ms(30), ms(10), ms(20)]);
}

#[tokio::test(start_paused = true)]
async fn a_sequential_call_starts_when_the_one_before_has_ended() {
    let outcome = outcome(&aggregate([good(30), bad(10), good(20)]), Mode::Sequential).await;
    let starts: Vec<_> = outcome.results.iter().map(|call| call.start).collect();
    assert_eq!(starts, [ms(0), ms(30), ms(40)]);
    assert_eq!(outcome.verdict, Verdict::Partial);
}

#[tokio::test(start_paused = true)]
async fn concurrency_bounds_the_calls_under_way() {
    let aggregate = aggregate((0..5).map(|_| good(100)));
    let choice = Choice {
        concurrency: NonZeroUsize::new(2),
        ..Choice::default()
    };
    let outcome = chosen(&aggregate, Mode::Concurrent, &choice).await;
    assert_eq!(outcome.elapsed, ms(300));
    let starts: Vec<_> = outcome.results.iter().map(|call| call.start).collect();
    assert_eq!(starts, [ms(0), ms(0), ms(100), ms(100), ms(200)]);
}

#[tokio::test(start_paused = true)]
async fn the_caller_can_lower_the_concurrency_but_not_raise_it() {
    let mut aggregate = aggregate((0..4).map(|_| good(100)));
    aggregate.rules.concurrency = NonZeroUsize::MIN;
    let choice = Choice {
        concurrency: NonZeroUsize::new(4),
        ..Choice::default()
    };
    let outcome = chosen(&aggregate, Mode::Concurrent, &choice).await;
    assert_eq!(outcome.elapsed, ms(400));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_answers_with_what_has_arrived() {
    let mut aggregate = aggregate([good(100), good(5_000)]);
    aggregate.rules.deadline = ms(1_000);
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(outcome.elapsed, ms(1_000));
    assert_eq!(kinds(&outcome), [None, Some(FailureKind::Deadline)]);
    assert_eq!(outcome.results[1].elapsed, ms(1_000));
    assert_eq!(outcome.verdict, Verdict::Partial);
}

#[tokio::test(start_paused = true)]
async fn a_sequence_cut_by_the_deadline_skips_what_it_had_not_started() {
    let mut aggregate = aggregate([good(5_000), good(1), good(1)]);
    aggregate.rules.deadline = ms(1_000);
    let outcome = outcome(&aggregate, Mode::Sequential).await;
    assert_eq!(
        kinds(&outcome),
        [
            Some(FailureKind::Deadline),
            Some(FailureKind::Skipped),
            Some(FailureKind::Skipped)
        ]
    );
    let attempts: Vec<_> = outcome.results.iter().map(|call| call.attempts).collect();
    assert_eq!(attempts, [1, 0, 0]);
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Time));
}

#[tokio::test(start_paused = true)]
async fn a_bounded_fan_out_cut_by_the_deadline_never_starts_the_rest() {
    let mut aggregate = aggregate((0..4).map(|_| good(5_000)));
    aggregate.rules.deadline = ms(1_000);
    aggregate.rules.concurrency = NonZeroUsize::new(2).unwrap();
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(kinds(&outcome), [Some(FailureKind::Deadline); 4]);
    let attempts: Vec<_> = outcome.results.iter().map(|call| call.attempts).collect();
    assert_eq!(attempts, [1, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_caller_can_shorten_the_deadline_but_not_lengthen_it() {
    let mut aggregate = aggregate([good(60_000)]);
    aggregate.rules.deadline = ms(1_000);
    for (asked, expected) in [(500, 500), (5_000, 1_000)] {
        let choice = Choice {
            timeout: Some(ms(asked)),
            ..Choice::default()
        };
        let outcome = chosen(&aggregate, Mode::Concurrent, &choice).await;
        assert_eq!(outcome.elapsed, ms(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_fails_alone() {
    let mut aggregate = aggregate([good(100), good(5_000)]);
    aggregate.calls[1].timeout = ms(300);
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(kinds(&outcome), [None, Some(FailureKind::Timeout)]);
    assert_eq!(outcome.elapsed, ms(300));
}

#[tokio::test(start_paused = true)]
async fn the_first_success_ends_a_plan_that_waits_for_one() {
    let aggregate = aggregate([good(5_000), bad(10), good(50)]);
    let choice = Choice {
        completion: Some(Completion::FIRST),
        ..Choice::default()
    };
    let outcome = chosen(&aggregate, Mode::Concurrent, &choice).await;
    assert_eq!(outcome.elapsed, ms(50));
    assert_eq!(
        kinds(&outcome),
        [
            Some(FailureKind::Cancelled),
            Some(FailureKind::Status),
            None
        ]
    );
    assert_eq!(outcome.verdict, Verdict::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_quorum_that_can_no_longer_be_met_fails_at_once() {
    let aggregate = aggregate([good(5_000), bad(10), bad(20)]);
    let choice = Choice {
        completion: Some(Completion::Quorum(NonZeroUsize::new(2).unwrap())),
        ..Choice::default()
    };
    let outcome = chosen(&aggregate, Mode::Concurrent, &choice).await;
    assert_eq!(outcome.elapsed, ms(20));
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
}

#[tokio::test(start_paused = true)]
async fn a_strict_sequence_stops_at_its_first_failure_and_skips_the_rest() {
    let mut aggregate = aggregate([good(10), bad(10), good(10)]);
    aggregate.rules.on_failure = OnFailure::Fail;
    let outcome = outcome(&aggregate, Mode::Sequential).await;
    assert_eq!(outcome.elapsed, ms(20));
    assert_eq!(
        kinds(&outcome),
        [None, Some(FailureKind::Status), Some(FailureKind::Skipped)]
    );
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_at_its_ceiling_refuses_without_an_attempt() {
    let mut aggregate = aggregate([good(10), good(10)]);
    let policy = policy(PolicySettings {
        max_in_flight: NonZeroUsize::MIN,
        ..PolicySettings::default()
    });
    for call in &mut aggregate.calls {
        call.policy = Arc::clone(&policy);
    }
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(kinds(&outcome), [None, Some(FailureKind::Overload)]);
    assert_eq!(outcome.results[1].attempts, 0);
    assert!(policy.limit.acquire().is_some(), "the permit came back");
}

/// Records what it observes, in a form that is easy to compare.
#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Observer for Log {
    fn observe(&self, event: &Event<'_>) {
        self.0.borrow_mut().push(match event {
            Event::CallStarted { call } => format!("{call} starts"),
            Event::AttemptStarted { call, .. } => format!("{call} is tried"),
            Event::AttemptFinished {
                call,
                elapsed,
                result,
                ..
            } => format!("{call} tried for {elapsed:?}: {result:?}"),
            Event::Retry { call, .. } => format!("{call} will be tried again"),
            Event::Hedge { call, .. } => format!("{call} gets a second try"),
            Event::ExtraRefused { call, reason, .. } => {
                format!("{call} gets no other try: {}", reason.as_str())
            }
            Event::CircuitChanged { circuit, .. } => format!("the circuit is {}", circuit.as_str()),
            Event::CallSettled { call, result, .. } => match &result.result {
                Ok(_) => format!("{call} ok"),
                Err(failure) => format!("{call} {}", failure.kind),
            },
        });
    }
}

#[tokio::test(start_paused = true)]
async fn every_step_is_told_in_order() {
    let aggregate = aggregate([good(20), bad(10)]);
    let plan = plan(&aggregate, Mode::Concurrent, &Choice::default());
    let log = Log::default();
    run(&plan, &(), &log).await;
    assert_eq!(
        *log.0.borrow(),
        [
            "0 starts",
            "1 starts",
            "0 is tried",
            "1 is tried",
            "1 tried for 10ms: Err(Status)",
            "1 status",
            "0 tried for 20ms: Ok(())",
            "0 ok",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_plan_ends_every_attempt_and_settles_every_call_once() {
    let mut aggregate = aggregate([good(10), good(5_000), good(5_000)]);
    aggregate.rules.concurrency = NonZeroUsize::new(2).unwrap();
    let plan = plan(&aggregate, Mode::Concurrent, &Choice::default());
    let log = Log::default();
    let went_away = tokio::time::timeout(ms(5), run(&plan, &(), &log)).await;
    assert!(went_away.is_err());
    assert_eq!(
        log.0.borrow()[4..],
        [
            "1 tried for 5ms: Err(Cancelled)",
            "0 tried for 5ms: Err(Cancelled)",
            "0 cancelled",
            "1 cancelled",
            "2 cancelled",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_told_as_such_by_the_attempts_that_it_ends() {
    let mut aggregate = aggregate([good(5_000)]);
    aggregate.rules.deadline = ms(100);
    let plan = plan(&aggregate, Mode::Concurrent, &Choice::default());
    let log = Log::default();
    run(&plan, &(), &log).await;
    assert_eq!(
        log.0.borrow()[2..],
        ["0 tried for 100ms: Err(Deadline)", "0 deadline"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_whose_time_is_over_before_it_begins_sends_nothing() {
    let aggregate = aggregate([good(0), good(0)]);
    for mode in Mode::ALL {
        let plan = aggregate
            .plan(&Choice::default(), mode, Instant::now())
            .unwrap();
        let log = Log::default();
        let outcome = run(&plan, &(), &log).await;
        assert_eq!(kinds(&outcome), [Some(FailureKind::Deadline); 2]);
        assert_eq!(outcome.verdict, Verdict::Failed(Blame::Time));
        assert_eq!(*log.0.borrow(), ["0 deadline", "1 deadline"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_an_await_is_over_in_its_first_poll() {
    let aggregate = aggregate([good(0), bad(0)]);
    let outcome = outcome(&aggregate, Mode::Concurrent).now_or_never();
    assert_eq!(outcome.unwrap().verdict, Verdict::Partial);
}

#[tokio::test(start_paused = true)]
async fn optional_calls_are_taken_as_far_as_they_are_there_when_the_required_ones_have_settled() {
    for mode in [Mode::Concurrent, Mode::Sequential] {
        let mut aggregate = aggregate([good(10), good(100), bad(120), good(793)]);
        aggregate.rules.completion = Completion::Required;
        for optional in [0, 3] {
            aggregate.calls[optional].need = Need::Optional;
        }
        let outcome = outcome(&aggregate, mode).await;
        let (elapsed, last) = match mode {
            Mode::Concurrent => (ms(120), FailureKind::Cancelled),
            Mode::Sequential => (ms(230), FailureKind::Skipped),
        };
        assert_eq!(outcome.elapsed, elapsed);
        assert_eq!(outcome.verdict, Verdict::Partial);
        assert_eq!(
            kinds(&outcome),
            [None, None, Some(FailureKind::Status), Some(last)]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_know_why_they_had_no_time_left_say_so_at_the_deadline() {
    let mut aggregate = aggregate((0..1000).map(|_| unconnected()).chain([good(20_000)]));
    let outcome_of = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(outcome_of.elapsed, ms(10_000));
    let kinds_of = kinds(&outcome_of);
    assert_eq!(kinds_of[..1000], [Some(FailureKind::Connect); 1000]);
    assert_eq!(kinds_of[1000], Some(FailureKind::Deadline));
    for call in &mut aggregate.calls {
        call.timeout = ms(9_000);
    }
    let outcome_of = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(outcome_of.elapsed, ms(9_000));
    assert_eq!(kinds(&outcome_of)[..1000], kinds_of[..1000]);
    assert_eq!(kinds(&outcome_of)[1000], Some(FailureKind::Timeout));
}

#[tokio::test(start_paused = true)]
async fn no_call_begins_once_an_earlier_one_has_taken_all_the_time() {
    for mode in [Mode::Sequential, Mode::Concurrent] {
        let mut aggregate = aggregate([unconnected(), good(0)]);
        aggregate.rules.concurrency = NonZeroUsize::MIN;
        let plan = aggregate
            .plan(&Choice::default(), mode, Instant::now() + ms(10_000))
            .unwrap();
        let outcome = run(&plan, &(), &()).await;
        let second = match mode {
            Mode::Sequential => FailureKind::Skipped,
            Mode::Concurrent => FailureKind::Deadline,
        };
        assert_eq!(kinds(&outcome), [Some(FailureKind::Connect), Some(second)]);
        assert_eq!(outcome.results[1].attempts, 0);
    }
}
