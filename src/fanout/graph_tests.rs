//! Calls that wait for others, on paused time.

use std::rc::Rc;

use bytes::Bytes;

use super::*;
use crate::fanout::{
    Aggregate, Blame, Call, Choice, Completion, Need, OnFailure, PlanError, Verdict,
    fixture::{self, BODY, Scene, Scripted, Step, call_each, failure, ms, plan},
};

fn good(delay: u64) -> Scripted {
    Scripted::new([Step::good(delay)])
}

fn bad(delay: u64) -> Scripted {
    Scripted::new([Step::failed(delay, failure(FailureKind::Status))])
}

/// Goes on only if all of these calls have succeeded.
fn needing<const N: usize>(calls: [usize; N], delay: u64) -> Scripted {
    good(delay).deciding(move |earlier| {
        let has_failed = |&call: &usize| earlier.get(call).is_none_or(|call| call.result.is_err());
        match calls.iter().find(|&call| has_failed(call)) {
            Some(call) => Scene::Fail(Failure::skipped(format!("because of call {call}"))),
            None => Scene::Send,
        }
    })
}

fn omitted() -> Scripted {
    good(1).deciding(|_| Scene::Omit)
}

/// An aggregate of these upstreams. Each waits for the calls at its index in `after`.
fn graph<const N: usize>(upstreams: [Scripted; N], after: [&[usize]; N]) -> Aggregate<Scripted> {
    let calls = call_each(upstreams).zip(after);
    fixture::aggregate(calls.map(|(call, after)| Call {
        after: after.into(),
        ..call
    }))
}

async fn outcome(aggregate: &Aggregate<Scripted>, mode: Mode) -> Outcome {
    run(&plan(aggregate, mode, &Choice::default()), &(), &()).await
}

async fn chosen(aggregate: &Aggregate<Scripted>, calls: &[&str]) -> Outcome {
    let choice = Choice {
        calls: Some(calls.to_vec()),
        ..Choice::default()
    };
    run(&plan(aggregate, Mode::Concurrent, &choice), &(), &()).await
}

fn starts(outcome: &Outcome) -> Vec<Duration> {
    outcome.results.iter().map(|call| call.start).collect()
}

fn kinds(outcome: &Outcome) -> Vec<Option<FailureKind>> {
    let results = outcome.results.iter().map(|call| call.result.as_ref());
    results
        .map(|result| result.err().map(|failure| failure.kind))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn six_calls_of_fifty_milliseconds_in_three_layers_take_a_hundred_and_fifty() {
    let after: [&[usize]; 6] = [&[], &[], &[0], &[0, 1], &[2], &[2, 3]];
    let aggregate = graph([(); 6].map(|()| good(50)), after);
    let concurrent = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(concurrent.elapsed, ms(150));
    assert_eq!(starts(&concurrent), [0, 0, 50, 50, 100, 100].map(ms));
    assert_eq!(outcome(&aggregate, Mode::Sequential).await.elapsed, ms(300));
}

#[tokio::test(start_paused = true)]
async fn a_call_starts_as_soon_as_those_that_it_waits_for_have_settled_however() {
    let aggregate = graph(
        [good(30), bad(10), good(5), good(5)],
        [&[], &[], &[1], &[0, 1]],
    );
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(starts(&outcome), [0, 0, 10, 30].map(ms));
    assert_eq!(outcome.verdict, Verdict::Partial);
}

#[tokio::test(start_paused = true)]
async fn a_sequence_keeps_the_order_of_the_list_as_far_as_the_edges_allow() {
    let aggregate = graph([good(10), good(10), good(10)], [&[2], &[], &[]]);
    let outcome = outcome(&aggregate, Mode::Sequential).await;
    assert_eq!(starts(&outcome), [20, 0, 10].map(ms));
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_calls_holds_in_a_graph() {
    let mut aggregate = graph([(); 4].map(|()| good(10)), [&[], &[0], &[0], &[0]]);
    aggregate.rules.concurrency = 2.try_into().unwrap();
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(starts(&outcome), [0, 10, 10, 20].map(ms));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_asked_once_and_sees_the_results_that_it_waits_for() {
    let seen = Rc::new(Cell::new(0));
    let counted = Rc::clone(&seen);
    let last = good(1).deciding(move |earlier| {
        let results = [0, 1, 2].map(|call| earlier.get(call).map(|call| call.result.is_ok()));
        assert_eq!(results, [Some(true), Some(false), None]);
        counted.set(counted.get() + 1);
        Scene::Send
    });
    let aggregate = graph([good(10), bad(20), last], [&[], &[], &[0, 1]]);
    outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(seen.get(), 1);
    assert_eq!(aggregate.calls[2].upstream.turns.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_omitted_or_skipped_sends_nothing_and_takes_no_place() {
    let mut aggregate = graph(
        [omitted(), bad(10), needing([1], 10), good(10)],
        [&[], &[], &[1], &[]],
    );
    aggregate.rules.concurrency = 2.try_into().unwrap();
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(
        kinds(&outcome),
        [
            Some(FailureKind::Omitted),
            Some(FailureKind::Status),
            Some(FailureKind::Skipped),
            None
        ]
    );
    assert_eq!(starts(&outcome), [0, 0, 10, 0].map(ms));
    let attempts: Vec<_> = outcome.results.iter().map(|call| call.attempts).collect();
    assert_eq!(attempts, [0, 1, 0, 1]);
    assert_eq!(outcome.elapsed, ms(10));
    assert_eq!(outcome.verdict, Verdict::Partial);
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_skipped_calls_is_over_with_its_first() {
    let aggregate = graph(
        [bad(10), needing([0], 10), needing([1], 10)],
        [&[], &[0], &[1]],
    );
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(outcome.elapsed, ms(10));
    assert_eq!(kinds(&outcome)[2], Some(FailureKind::Skipped));
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_omitted_calls_alone_is_complete_at_once() {
    let aggregate = graph([omitted(), omitted()], [&[], &[0]]);
    for mode in Mode::ALL {
        let outcome = outcome(&aggregate, mode).await;
        assert_eq!(outcome.elapsed, Duration::ZERO);
        assert_eq!(outcome.verdict, Verdict::Complete);
        assert_eq!(kinds(&outcome), [Some(FailureKind::Omitted); 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_quorum_is_lost_with_the_omission_that_puts_it_out_of_reach() {
    let mut aggregate = graph([good(100), good(10), omitted()], [&[], &[], &[1]]);
    aggregate.rules.completion = Completion::Quorum(3.try_into().unwrap());
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(outcome.elapsed, ms(10));
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
}

#[tokio::test(start_paused = true)]
async fn a_skipped_call_that_is_required_ends_a_strict_plan() {
    let mut aggregate = graph([bad(10), needing([0], 1), good(100)], [&[], &[0], &[]]);
    aggregate.rules.on_failure = OnFailure::Fail;
    aggregate.calls[0].need = Need::Optional;
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(outcome.elapsed, ms(10));
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
    assert_eq!(kinds(&outcome)[2], Some(FailureKind::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_required_call_is_awaited_with_the_optional_one_that_it_waits_for() {
    let mut aggregate = graph([good(30), good(10), good(100)], [&[], &[0], &[]]);
    aggregate.rules.completion = Completion::Required;
    aggregate.calls[0].need = Need::Optional;
    aggregate.calls[2].need = Need::Optional;
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(outcome.elapsed, ms(40));
    assert_eq!(kinds(&outcome), [None, None, Some(FailureKind::Cancelled)]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_still_wait_when_the_plan_ends_are_told_why() {
    let aggregate = graph([good(20_000), good(10)], [&[], &[0]]);
    let late = outcome(&aggregate, Mode::Concurrent).await;
    assert_eq!(kinds(&late), [Some(FailureKind::Deadline); 2]);
    assert_eq!(late.verdict, Verdict::Failed(Blame::Time));
    let late = outcome(&aggregate, Mode::Sequential).await;
    let expected = [FailureKind::Deadline, FailureKind::Skipped].map(Some);
    assert_eq!(kinds(&late), expected);

    let mut aggregate = graph([good(10), good(50), good(10)], [&[], &[], &[1]]);
    aggregate.rules.completion = Completion::FIRST;
    let enough = outcome(&aggregate, Mode::Concurrent).await;
    let cancelled = Some(FailureKind::Cancelled);
    assert_eq!(kinds(&enough), [None, cancelled, cancelled]);
    assert_eq!(aggregate.calls[2].upstream.turns.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subset_may_come_in_any_order_but_edges_win() {
    let aggregate = graph([good(10), good(10), needing([0], 10)], [&[], &[], &[0]]);
    let outcome = chosen(&aggregate, &["call_2", "call_0"]).await;
    assert_eq!(starts(&outcome), [10, 0].map(ms));
    assert_eq!(kinds(&outcome), [None, None]);
    assert_eq!(&*outcome.earlier().get(0).unwrap().name, "call_0");
    assert_eq!(outcome.earlier().get(1), None);
    assert_eq!(&*outcome.earlier().get(2).unwrap().name, "call_2");
}

#[tokio::test]
async fn a_subset_that_lacks_what_a_call_needs_can_not_be_planned() {
    let aggregate = graph([good(1), good(1), good(1)], [&[], &[0], &[1]]);
    let plan = |calls: &[&str]| {
        let choice = Choice {
            calls: Some(calls.to_vec()),
            ..Choice::default()
        };
        aggregate
            .plan(&choice, Mode::Concurrent, Instant::now())
            .map(|_| ())
    };
    let missing = |call: &str, needs: &str| {
        Err(PlanError::MissingCall {
            call: call.to_owned(),
            needs: needs.to_owned(),
        })
    };
    assert_eq!(plan(&["call_2"]), missing("call_2", "call_1"));
    assert_eq!(plan(&["call_2", "call_1"]), missing("call_1", "call_0"));
    assert_eq!(plan(&["call_2", "call_0", "call_1"]), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_paced_plan_keeps_the_bodies_that_something_reads_and_no_others() {
    let sees_body = good(1).deciding(|earlier| {
        let reply = earlier.get(0).unwrap().result.as_ref().unwrap();
        assert_eq!(reply.body, Body::Json(Bytes::from_static(BODY)));
        Scene::Send
    });
    let mut aggregate = graph([good(10), sees_body], [&[], &[0]]);
    aggregate.calls[0].is_read = true;
    let plan = plan(&aggregate, Mode::Concurrent, &Choice::default()).paced(Rc::default());
    let outcome = run(&plan, &(), &()).await;
    let bodies: Vec<_> = outcome
        .results
        .iter()
        .map(|call| &call.result.as_ref().unwrap().body)
        .collect();
    assert_eq!(
        bodies,
        [&Body::Json(Bytes::from_static(BODY)), &Body::Empty]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fallback_stands_for_every_failed_call_but_no_omitted_one() {
    let fallback = Bytes::from_static(b"[]");
    let slow = good(20_000);
    let mut aggregate = graph(
        [good(1), bad(1), needing([1], 1), omitted(), slow],
        [&[], &[], &[1], &[], &[]],
    );
    for call in &mut aggregate.calls {
        call.fallback = Some(fallback.clone());
    }
    let outcome = outcome(&aggregate, Mode::Concurrent).await;
    let fallbacks: Vec<_> = outcome
        .results
        .iter()
        .map(|call| call.fallback().is_some())
        .collect();
    assert_eq!(fallbacks, [false, true, true, false, true]);
    assert_eq!(
        outcome.results[1].result.as_ref().unwrap_err().kind,
        FailureKind::Status
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_can_not_be_made_fails_with_its_own_class() {
    let many = good(1).deciding(|_| {
        Scene::Fail(Failure::new(
            FailureKind::TooLarge,
            "more than 100 elements",
        ))
    });
    let outcome = outcome(&graph([many], [&[]]), Mode::Concurrent).await;
    assert_eq!(kinds(&outcome), [Some(FailureKind::TooLarge)]);
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
}

/// Notes when calls start, and how attempts end.
#[derive(Default)]
struct Log(std::cell::RefCell<Vec<String>>);

impl Observer for Log {
    fn observe(&self, event: &Event<'_>) {
        let line = match event {
            Event::CallStarted { call } => format!("{call} starts"),
            Event::AttemptFinished { call, result, .. } => format!("{call} {result:?}"),
            Event::CallSettled { call, result, .. } => match &result.result {
                Ok(_) => format!("{call} ok"),
                Err(failure) => format!("{call} {}", failure.kind),
            },
            _ => return,
        };
        self.0.borrow_mut().push(line);
    }
}

#[tokio::test(start_paused = true)]
async fn only_calls_that_send_something_are_said_to_start() {
    let log = Log::default();
    let aggregate = graph([good(1), omitted(), good(1)], [&[], &[], &[0, 1]]);
    let plan = plan(&aggregate, Mode::Concurrent, &Choice::default());
    run(&plan, &(), &log).await;
    assert_eq!(
        *log.0.borrow(),
        [
            "0 starts",
            "1 omitted",
            "0 Ok(())",
            "0 ok",
            "2 starts",
            "2 Ok(())",
            "2 ok"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_plan_settles_the_calls_that_wait() {
    let log = Log::default();
    let aggregate = graph([good(100), good(1)], [&[], &[0]]);
    let plan = plan(&aggregate, Mode::Concurrent, &Choice::default());
    let work = tokio::time::timeout(ms(50), run(&plan, &(), &log));
    assert!(work.await.is_err());
    let expected = ["0 starts", "0 Err(Cancelled)", "0 cancelled", "1 cancelled"];
    assert_eq!(*log.0.borrow(), expected);
}
