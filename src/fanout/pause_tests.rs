//! Plans in a process that stands still for a while. The clock jumps, so all timers are late, and answers that had come
//! by then are seen only after them.

use std::{cell::RefCell, num::NonZeroU32, rc::Rc, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::time::{advance, sleep};

use crate::fanout::{
    Aggregate, BreakerSettings, CallResult, Circuit, Event, Failure, FailureKind, Hedge, Observer,
    Outcome, Policy, PolicySettings, Repeatable, Retry, Trip,
    fixture::{self, Scripted, Step, When, calls, ms, policy, refusal, reply},
};

struct Bench {
    aggregate: Aggregate<Scripted>,
    upstream: Rc<Scripted>,
    policy: Arc<Policy>,
    circuits: RefCell<Vec<Circuit>>,
}

impl Observer for Bench {
    fn observe(&self, event: &Event<'_>) {
        if let Event::CircuitChanged { circuit, .. } = event {
            self.circuits.borrow_mut().push(*circuit);
        }
    }
}

impl Bench {
    /// Makes eight calls of two seconds each, and a breaker that opens at the first failure. All are answered this long
    /// after the first of them began.
    fn answered_after(answer: Duration, settings: PolicySettings) -> Self {
        let upstream = Rc::new(Scripted::new([Step {
            when: When::AfterFirst(answer),
            result: Ok(reply()),
        }]));
        let policy = policy(PolicySettings {
            breaker: Some(BreakerSettings {
                trip: Trip::InARow(NonZeroU32::MIN),
                open_for: ms(60_000),
            }),
            ..settings
        });
        Self {
            aggregate: two_seconds_each(fixture::aggregate(calls(8, &upstream, &policy))),
            upstream,
            policy,
            circuits: RefCell::default(),
        }
    }

    fn within(mut self, deadline: Duration) -> Self {
        self.aggregate.rules.deadline = deadline;
        self
    }

    /// Runs it in a process that stands still for this long once all calls are under way.
    async fn run_through_a_pause_of(&self, pause: Duration) -> Outcome {
        let (outcome, ()) = tokio::join!(fixture::outcome(&self.aggregate, self), advance(pause));
        outcome
    }

    #[track_caller]
    fn assert_nobody_is_blamed(&self) {
        assert!(self.policy.is_closed());
        assert_eq!(*self.circuits.borrow(), []);
    }
}

fn two_seconds_each(mut aggregate: Aggregate<Scripted>) -> Aggregate<Scripted> {
    for call in &mut aggregate.calls {
        call.timeout = ms(2_000);
    }
    aggregate
}

/// Returns the result of all calls, which must be the same.
fn all(outcome: &Outcome) -> Result<StatusCode, FailureKind> {
    let result = |call: &CallResult| match &call.result {
        Ok(reply) => Ok(reply.status),
        Err(failure) => Err(failure.kind),
    };
    let first = result(&outcome.results[0]);
    assert!(
        outcome.results.iter().all(|call| result(call) == first),
        "{outcome:?}"
    );
    first
}

#[tokio::test(start_paused = true)]
async fn what_has_come_while_the_process_stood_still_is_taken_though_its_time_is_over() {
    // An answer that is seen only ten milliseconds after the pause stands for one that waits in the socket.
    let bench = Bench::answered_after(ms(3_010), PolicySettings::default());
    let outcome = bench.run_through_a_pause_of(ms(3_000)).await;
    assert_eq!(all(&outcome), Ok(StatusCode::OK));
    bench.assert_nobody_is_blamed();
}

#[tokio::test(start_paused = true)]
async fn a_timeout_after_a_pause_is_a_timeout_and_nobodys_fault() {
    let bench = Bench::answered_after(ms(9_000), PolicySettings::default());
    let outcome = bench.run_through_a_pause_of(ms(3_000)).await;
    assert_eq!(all(&outcome), Err(FailureKind::Timeout));
    bench.assert_nobody_is_blamed();
    let (least, most) = (ms(3_000), ms(3_100));
    assert!((least..most).contains(&outcome.elapsed), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_pause_a_timeout_comes_in_time_and_counts() {
    for answer in [2_001, 2_010, 9_000] {
        let bench = Bench::answered_after(ms(answer), PolicySettings::default());
        let outcome = bench.run_through_a_pause_of(ms(500)).await;
        assert_eq!(all(&outcome), Err(FailureKind::Timeout));
        assert_eq!(outcome.elapsed, ms(2_000));
        assert_eq!(*bench.circuits.borrow(), [Circuit::Open]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_come_is_taken_though_the_request_is_over_too() {
    for deadline in [1_500, 2_000, 2_500] {
        let bench =
            Bench::answered_after(ms(3_010), PolicySettings::default()).within(ms(deadline));
        let outcome = bench.run_through_a_pause_of(ms(3_000)).await;
        assert_eq!(all(&outcome), Ok(StatusCode::OK), "{deadline}");
        bench.assert_nobody_is_blamed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_after_a_pause_ends_the_plan_soon_and_without_a_pause_at_once() {
    for (pause, over) in [(3_000, 3_050), (0, 1_500)] {
        let bench = Bench::answered_after(ms(9_000), PolicySettings::default()).within(ms(1_500));
        let outcome = bench.run_through_a_pause_of(ms(pause)).await;
        assert_eq!(all(&outcome), Err(FailureKind::Deadline));
        assert_eq!(outcome.elapsed, ms(over));
        bench.assert_nobody_is_blamed();
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_sends_no_hedge() {
    let settings = PolicySettings {
        hedge: Some(Hedge::After(ms(100))),
        ..PolicySettings::default()
    };
    let bench = Bench::answered_after(ms(1_500), settings);
    let outcome = bench.run_through_a_pause_of(ms(1_000)).await;
    assert_eq!(all(&outcome), Ok(StatusCode::OK));
    assert_eq!(bench.upstream.attempts(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_pause_leaves_the_percentile_where_it_was() {
    let settings = PolicySettings {
        hedge: Some(Hedge::Percentile(50.0)),
        ..PolicySettings::default()
    };
    let bench = Bench::answered_after(ms(3_010), settings);
    for _ in 0..64 {
        bench.policy.answered(ms(10));
    }
    let before = bench.policy.hedge_after(Repeatable::Yes);
    assert!(before.is_some());
    for _ in 0..20 {
        bench.upstream.traffic.began.borrow_mut().clear();
        let outcome = bench.run_through_a_pause_of(ms(3_000)).await;
        assert_eq!(all(&outcome), Ok(StatusCode::OK));
    }
    assert_eq!(bench.policy.hedge_after(Repeatable::Yes), before);
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_nothing_is_sent_once_the_request_is_over() {
    let settings = PolicySettings {
        retry: Retry {
            attempts: NonZeroU32::new(3).unwrap(),
            backoff: ms(100),
            ..Retry::default()
        },
        ..PolicySettings::default()
    };
    // It asks for a retry later, within the deadline.
    let refusal = Failure {
        retry_after: Some(ms(500)),
        ..refusal(StatusCode::SERVICE_UNAVAILABLE)
    };
    let upstream = Rc::new(Scripted::new([Step::failed(0, refusal)]));
    let policy = policy(settings);
    let mut aggregate = two_seconds_each(fixture::aggregate(calls(1, &upstream, &policy)));
    aggregate.rules.deadline = ms(1_000);
    let pause = async {
        sleep(ms(1)).await;
        advance(ms(3_000)).await;
    };
    let (outcome, ()) = tokio::join!(fixture::outcome(&aggregate, &()), pause);
    assert_eq!(all(&outcome), Err(FailureKind::Status));
    assert_eq!(upstream.attempts(), 1);
}
