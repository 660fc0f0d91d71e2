//! Retries, hedges and breakers on paused time, against an upstream that answers each attempt by its script.

use std::{
    cell::RefCell,
    collections::VecDeque,
    num::{NonZeroU32, NonZeroUsize},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::fanout::{
    Aggregate, AttemptId, Body, BreakerSettings, BudgetSettings, Call, Choice, Completion, Event,
    Failure, FailureKind, Heard, Hedge, Mode, Need, Observer, OnFailure, Outcome, Policy,
    PolicySettings, Repeatable, Reply, Retry, RetryOn, Trip, Upstream, UpstreamId, run,
};

#[path = "ceiling_tests.rs"]
mod ceiling;
#[path = "refusals_tests.rs"]
mod refusals;

/// The end of one attempt: after a delay, a reply or a failure.
type Step = (u64, Option<Failure>);

/// Answers attempt by attempt; the last step stays.
struct Scripted {
    steps: RefCell<VecDeque<Step>>,
    /// The moment at which each attempt began, from the first.
    seen: RefCell<Vec<Instant>>,
}

impl Upstream for Scripted {
    type Context = ();

    async fn attempt(
        &self,
        (): &(),
        _: AttemptId,
        _: Instant,
        _: &Heard,
    ) -> Result<Reply, Failure> {
        self.seen.borrow_mut().push(Instant::now());
        let (delay, failure) = {
            let mut steps = self.steps.borrow_mut();
            match steps.len() {
                1 => steps.front().cloned(),
                _ => steps.pop_front(),
            }
            .unwrap()
        };
        sleep(ms(delay)).await;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(Reply {
                status: StatusCode::OK,
                body: Body::Json(Bytes::from_static(b"1")),
            }),
        }
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn failure(kind: FailureKind) -> Option<Failure> {
    Some(Failure::new(kind, "as scripted"))
}

fn sick() -> Option<Failure> {
    let failure = Failure::new(FailureKind::Status, "as scripted");
    Some(failure.with_status(StatusCode::SERVICE_UNAVAILABLE))
}

/// One call of one upstream.
struct Bench {
    aggregate: Aggregate<Scripted>,
    upstream: Rc<Scripted>,
}

impl Bench {
    fn new(settings: PolicySettings, steps: impl IntoIterator<Item = Step>) -> Self {
        let upstream = Rc::new(Scripted {
            steps: RefCell::new(steps.into_iter().collect()),
            seen: RefCell::default(),
        });
        let call = Call {
            name: "call".into(),
            id: UpstreamId(0),
            upstream: Rc::clone(&upstream),
            need: Need::Required,
            timeout: ms(2_000),
            policy: Arc::new(Policy::new(settings)),
        };
        Self {
            aggregate: Aggregate {
                name: "default".into(),
                calls: vec![call],
                mode: Mode::Concurrent,
                concurrency: NonZeroUsize::MIN,
                deadline: ms(10_000),
                completion: Completion::All,
                on_failure: OnFailure::Partial,
            },
            upstream,
        }
    }

    async fn run(&self) -> Outcome {
        self.run_watched(&()).await
    }

    async fn run_watched(&self, observer: &impl Observer) -> Outcome {
        let choice = Choice::default();
        let deadline = self.aggregate.deadline(&choice, Instant::now());
        let plan = self
            .aggregate
            .plan(&choice, Mode::Concurrent, deadline)
            .unwrap();
        run(&plan, &(), observer).await
    }

    fn attempts(&self) -> usize {
        self.upstream.seen.borrow().len()
    }
}

fn retrying(attempts: u32) -> PolicySettings {
    PolicySettings {
        retry: Retry {
            attempts: NonZeroU32::new(attempts).unwrap(),
            backoff: ms(100),
            on: RetryOn::default(),
        },
        ..PolicySettings::default()
    }
}

fn hedging(after: Hedge) -> PolicySettings {
    PolicySettings {
        hedge: Some(after),
        ..PolicySettings::default()
    }
}

fn kind(outcome: &Outcome) -> Option<FailureKind> {
    let result = &outcome.results[0].result;
    result.as_ref().err().map(|failure| failure.kind)
}

/// Writes the events' names down.
#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Observer for Log {
    fn observe(&self, event: &Event<'_>) {
        let text = match event {
            Event::AttemptStarted { attempt, .. } => format!("{attempt} starts"),
            Event::AttemptFinished {
                attempt, result, ..
            } => match result {
                Ok(()) => format!("{attempt} ok"),
                Err(kind) => format!("{attempt} {kind}"),
            },
            Event::Retry { after, .. } => format!("retry after {after}"),
            Event::Hedge { after, .. } => format!("hedge after {after:?}"),
            Event::ExtraRefused { cause, reason, .. } => {
                format!("{cause:?} refused: {}", reason.as_str())
            }
            Event::CircuitChanged { circuit, .. } => circuit.as_str().to_owned(),
            Event::CallStarted { .. } | Event::CallSettled { .. } => return,
        };
        self.0.borrow_mut().push(text);
    }
}

impl Log {
    fn refusals(&self) -> Vec<String> {
        let log = self.0.borrow();
        let refused = log.iter().filter(|line| line.contains("refused"));
        refused.cloned().collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_followed_by_another_and_both_are_told() {
    let bench = Bench::new(retrying(3), [(10, sick()), (10, None)]);
    let log = Log::default();
    let outcome = bench.run_watched(&log).await;
    assert_eq!(kind(&outcome), None);
    assert_eq!(outcome.results[0].attempts, 2);
    assert_eq!(
        *log.0.borrow(),
        [
            "1 starts",
            "1 status",
            "retry after status",
            "2 starts",
            "2 ok"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_never_longer_than_its_doubling_bound() {
    let bench = Bench::new(retrying(4), [(0, sick())]);
    bench.run().await;
    let seen = bench.upstream.seen.borrow();
    let pauses: Vec<_> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The clock of the tests ticks in whole milliseconds.
    for (pause, bound) in pauses.iter().zip([101, 201, 401]) {
        assert!(*pause <= ms(bound), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_the_calls_own() {
    let bench = Bench::new(
        retrying(2),
        [(0, sick()), (0, failure(FailureKind::Connect))],
    );
    let outcome = bench.run().await;
    assert_eq!(kind(&outcome), Some(FailureKind::Connect));
    assert_eq!(outcome.results[0].attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_repeated_is_tried_once() {
    let settings = PolicySettings {
        repeatable: Repeatable::No,
        hedge: Some(Hedge::After(ms(1))),
        ..retrying(5)
    };
    let bench = Bench::new(settings, [(50, sick())]);
    bench.run().await;
    assert_eq!(bench.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_outlast_the_deadline_is_not_begun() {
    let mut later = sick().unwrap();
    later.retry_after = Some(ms(60_000));
    let bench = Bench::new(retrying(5), [(10, Some(later))]);
    let outcome = bench.run().await;
    assert_eq!(bench.attempts(), 1);
    assert_eq!(outcome.elapsed, ms(10));
    assert_eq!(kind(&outcome), Some(FailureKind::Status));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_fits_is_kept_to() {
    let mut later = sick().unwrap();
    later.retry_after = Some(ms(3_000));
    let bench = Bench::new(retrying(2), [(10, Some(later)), (10, None)]);
    let outcome = bench.run().await;
    assert_eq!(outcome.elapsed, ms(3_020));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_always_fails_gets_no_more_than_the_budget_allows() {
    let settings = PolicySettings {
        budget: BudgetSettings {
            ratio: 0.2,
            min_per_second: 0,
        },
        ..retrying(10)
    };
    let bench = Bench::new(settings, [(0, failure(FailureKind::Connect))]);
    for _ in 0..1_000 {
        bench.run().await;
    }
    assert_eq!(bench.attempts(), 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_gets_a_second_and_the_first_good_answer_wins() {
    let bench = Bench::new(hedging(Hedge::After(ms(50))), [(1_000, None), (10, None)]);
    let log = Log::default();
    let outcome = bench.run_watched(&log).await;
    assert_eq!(outcome.elapsed, ms(60));
    assert_eq!(outcome.results[0].attempts, 2);
    assert_eq!(
        *log.0.borrow(),
        [
            "1 starts",
            "hedge after 50ms",
            "2 starts",
            "2 ok",
            "1 cancelled"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_that_fails_leaves_the_first_its_chance() {
    let bench = Bench::new(hedging(Hedge::After(ms(50))), [(200, None), (10, sick())]);
    let outcome = bench.run().await;
    assert_eq!(kind(&outcome), None);
    assert_eq!(outcome.elapsed, ms(200));
}

#[tokio::test(start_paused = true)]
async fn a_quick_failure_is_not_hedged() {
    let bench = Bench::new(hedging(Hedge::After(ms(50))), [(10, sick())]);
    bench.run().await;
    assert_eq!(bench.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn hedges_are_paid_from_the_same_budget() {
    let settings = PolicySettings {
        budget: BudgetSettings {
            ratio: 0.1,
            min_per_second: 0,
        },
        ..hedging(Hedge::After(ms(50)))
    };
    let bench = Bench::new(settings, [(100, None)]);
    for _ in 0..100 {
        bench.run().await;
    }
    assert_eq!(bench.attempts(), 110);
}

#[tokio::test(start_paused = true)]
async fn a_percentile_hedges_only_what_is_slower_than_usual() {
    let bench = Bench::new(hedging(Hedge::Percentile(95.0)), [(10, None)]);
    for _ in 0..100 {
        bench.run().await;
    }
    assert_eq!(bench.attempts(), 100, "usual answers are not hedged");
    *bench.upstream.steps.borrow_mut() = [(1_000, None), (10, None)].into();
    let outcome = bench.run().await;
    assert!(outcome.elapsed < ms(30), "{:?}", outcome.elapsed);
}

#[tokio::test(start_paused = true)]
async fn a_percentile_does_not_sink_because_slow_attempts_lose_to_their_hedges() {
    let settings = PolicySettings {
        budget: BudgetSettings {
            ratio: 1.0,
            min_per_second: 0,
        },
        ..hedging(Hedge::Percentile(95.0))
    };
    let bench = Bench::new(settings, [(10, None)]);
    // Every fifth first attempt is slow, from 100 ms to 1 s: the 95th percentile is near 775 ms, far above the usual.
    let random = RefCell::new(fastrand::Rng::with_seed(20));
    let load = async |calls: usize| {
        let before = bench.attempts();
        for index in 0..calls {
            let slow = random.borrow_mut().u64(100..1_000);
            let first = if index % 5 == 0 { slow } else { 10 };
            *bench.upstream.steps.borrow_mut() = [(first, None), (10, None)].into();
            bench.run().await;
        }
        bench.attempts() - before - calls
    };
    load(2_000).await;
    let hedges = load(4_000).await;
    assert!(
        (100..=260).contains(&hedges),
        "{hedges} hedges of 4,000 calls"
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_without_an_attempt_and_lets_one_through_later() {
    let settings = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(NonZeroU32::new(2).unwrap()),
            open_for: ms(5_000),
        }),
        ..PolicySettings::default()
    };
    let bench = Bench::new(settings, [(10, sick()), (10, sick()), (10, None)]);
    let log = Log::default();
    for _ in 0..2 {
        bench.run_watched(&log).await;
    }
    let refused = bench.run_watched(&log).await;
    assert_eq!(kind(&refused), Some(FailureKind::CircuitOpen));
    assert_eq!((refused.elapsed, refused.results[0].attempts), (ms(0), 0));
    sleep(ms(5_000)).await;
    assert_eq!(kind(&bench.run_watched(&log).await), None);
    assert_eq!(bench.attempts(), 3);
    assert_eq!(
        log.0.borrow()[4..],
        ["open", "half_open", "1 starts", "1 ok", "closed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_failure_opened_the_circuit_tells_that_failure_at_once() {
    let settings = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(NonZeroU32::new(2).unwrap()),
            open_for: ms(5_000),
        }),
        ..retrying(5)
    };
    let bench = Bench::new(settings, [(10, sick()), (10, sick())]);
    let log = Log::default();
    let outcome = bench.run_watched(&log).await;
    assert_eq!(kind(&outcome), Some(FailureKind::Status));
    assert_eq!(outcome.results[0].attempts, 2);
    assert_eq!(log.refusals(), ["Retry refused: breaker"]);
    assert_eq!(
        outcome.elapsed,
        ms(20) + retried(&bench),
        "no pause follows"
    );
}

/// The pause between the first two attempts, which is random.
fn retried(bench: &Bench) -> Duration {
    let seen = bench.upstream.seen.borrow();
    seen[1] - seen[0] - ms(10)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_request_does_not_open_the_circuit() {
    let settings = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(NonZeroU32::MIN),
            open_for: ms(5_000),
        }),
        ..PolicySettings::default()
    };
    let missing =
        Failure::new(FailureKind::Status, "as scripted").with_status(StatusCode::NOT_FOUND);
    let bench = Bench::new(settings, [(0, Some(missing))]);
    for _ in 0..10 {
        assert_eq!(kind(&bench.run().await), Some(FailureKind::Status));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_requests_deadline_brought_does_not_open_the_circuit() {
    let settings = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(NonZeroU32::MIN),
            open_for: ms(1_000),
        }),
        ..PolicySettings::default()
    };
    let mut bench = Bench::new(settings, [(1_000, failure(FailureKind::Connect))]);
    bench.aggregate.deadline = ms(1_000);
    for _ in 0..2 {
        assert_eq!(kind(&bench.run().await), Some(FailureKind::Connect));
    }
    bench.aggregate.deadline = ms(1_001);
    for expected in [FailureKind::Connect, FailureKind::CircuitOpen] {
        assert_eq!(kind(&bench.run().await), Some(expected));
    }
}
