//! Plans in a process that stands still for a while: the clock jumps, so that all timers are late, and what had come by then is
//! seen only after them.

use std::{cell::RefCell, num::NonZeroUsize, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, advance, sleep, sleep_until};

use crate::fanout::{
    Aggregate, AttemptId, Body, BreakerSettings, Call, Choice, Circuit, Completion, Event, Failure,
    FailureKind, Heard, Hedge, Mode, Need, Observer, OnFailure, Outcome, Policy, PolicySettings,
    Reply, Retry, Trip, Upstream, UpstreamId, run,
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Answers at this time after its first attempt's start, whoever asks when.
struct At {
    answer: Duration,
    asked: RefCell<Vec<Instant>>,
}

impl Upstream for At {
    type Context = ();

    async fn attempt(
        &self,
        (): &(),
        _: AttemptId,
        _: Instant,
        _: &Heard,
    ) -> Result<Reply, Failure> {
        self.asked.borrow_mut().push(Instant::now());
        let began = self.asked.borrow()[0];
        sleep_until(began + self.answer).await;
        Ok(Reply {
            status: StatusCode::OK,
            body: Body::Json(Bytes::from_static(b"1")),
        })
    }
}

struct Bench {
    aggregate: Aggregate<At>,
    upstream: Rc<At>,
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
    /// Eight calls of two seconds each, which are answered after so long, and a breaker that opens at the first failure.
    fn answered_after(answer: Duration, settings: PolicySettings) -> Self {
        let upstream = Rc::new(At {
            answer,
            asked: RefCell::default(),
        });
        let policy = Arc::new(Policy::new(PolicySettings {
            breaker: Some(BreakerSettings {
                trip: Trip::InARow(std::num::NonZeroU32::MIN),
                open_for: ms(60_000),
            }),
            ..settings
        }));
        let call = |index: usize| Call {
            name: format!("call_{index}").into(),
            id: UpstreamId(0),
            upstream: Rc::clone(&upstream),
            need: Need::Required,
            timeout: ms(2_000),
            policy: Arc::clone(&policy),
        };
        Self {
            aggregate: Aggregate {
                name: "default".into(),
                calls: (0..8).map(call).collect(),
                mode: Mode::Concurrent,
                concurrency: NonZeroUsize::MAX,
                deadline: ms(10_000),
                completion: Completion::All,
                on_failure: OnFailure::Partial,
            },
            upstream,
            policy,
            circuits: RefCell::default(),
        }
    }

    fn within(mut self, deadline: Duration) -> Self {
        self.aggregate.deadline = deadline;
        self
    }

    /// Runs it in a process that stands still for so long once all calls are under way.
    async fn run_through_a_pause_of(&self, pause: Duration) -> Outcome {
        let choice = Choice::default();
        let deadline = self.aggregate.deadline(&choice, Instant::now());
        let plan = self.aggregate.plan(&choice, Mode::Concurrent, deadline);
        let plan = plan.unwrap();
        let (outcome, ()) = tokio::join!(run(&plan, &(), self), advance(pause));
        outcome
    }

    #[track_caller]
    fn assert_nobody_is_blamed(&self) {
        assert!(self.policy.is_closed());
        assert_eq!(*self.circuits.borrow(), []);
    }
}

/// The result of all calls, if it was the same.
fn all(outcome: &Outcome) -> Result<StatusCode, FailureKind> {
    let result = |call: &crate::fanout::CallResult| match &call.result {
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
    // What is seen only ten milliseconds after the pause stands for what is in the socket.
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
    assert_eq!(bench.upstream.asked.borrow().len(), 8);
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
    let before = bench.policy.hedge_after();
    assert!(before.is_some());
    for _ in 0..20 {
        bench.upstream.asked.borrow_mut().clear();
        let outcome = bench.run_through_a_pause_of(ms(3_000)).await;
        assert_eq!(all(&outcome), Ok(StatusCode::OK));
    }
    assert_eq!(bench.policy.hedge_after(), before);
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_nothing_is_sent_once_the_request_is_over() {
    let retry = Retry {
        attempts: std::num::NonZeroU32::new(3).unwrap(),
        backoff: ms(100),
        ..Retry::default()
    };
    let upstream = Rc::new(Refusing(RefCell::default()));
    let settings = PolicySettings {
        retry,
        ..PolicySettings::default()
    };
    let aggregate = Aggregate {
        name: "default".into(),
        calls: vec![Call {
            name: "call".into(),
            id: UpstreamId(0),
            upstream: Rc::clone(&upstream),
            need: Need::Required,
            timeout: ms(2_000),
            policy: Arc::new(Policy::new(settings)),
        }],
        mode: Mode::Concurrent,
        concurrency: NonZeroUsize::MIN,
        deadline: ms(1_000),
        completion: Completion::All,
        on_failure: OnFailure::Partial,
    };
    let choice = Choice::default();
    let deadline = aggregate.deadline(&choice, Instant::now());
    let plan = aggregate.plan(&choice, Mode::Concurrent, deadline).unwrap();
    let pause = async {
        sleep(ms(1)).await;
        advance(ms(3_000)).await;
    };
    let (outcome, ()) = tokio::join!(run(&plan, &(), &()), pause);
    assert_eq!(all(&outcome), Err(FailureKind::Status));
    assert_eq!(upstream.0.borrow().len(), 1);
}

/// Refuses at once, with a wish to be asked again later that is within the deadline.
struct Refusing(RefCell<Vec<Instant>>);

impl Upstream for Refusing {
    type Context = ();

    async fn attempt(
        &self,
        (): &(),
        _: AttemptId,
        _: Instant,
        _: &Heard,
    ) -> Result<Reply, Failure> {
        self.0.borrow_mut().push(Instant::now());
        let mut failure = Failure::new(FailureKind::Status, "as scripted");
        failure.retry_after = Some(ms(500));
        Err(failure.with_status(StatusCode::SERVICE_UNAVAILABLE))
    }
}
