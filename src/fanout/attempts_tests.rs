//! Retries, hedges and breakers on paused time, against an upstream that answers each attempt by its script.

use std::{
    cell::RefCell,
    num::{NonZeroU32, NonZeroUsize},
    rc::Rc,
    time::Duration,
};

use http::StatusCode;
use tokio::time::sleep;

use crate::fanout::{
    Aggregate, BreakerSettings, BudgetSettings, Event, Failure, FailureKind, Hedge, Observer,
    Outcome, PolicySettings, Repeatable, Retry, RetryOn, Trip,
    fixture::{self, Scripted, Step, calls, failure, ms, policy, refusal},
};

#[path = "ceiling_tests.rs"]
mod ceiling;
#[path = "refusals_tests.rs"]
mod refusals;

fn good(delay: u64) -> Step {
    Step::good(delay)
}

fn bad(delay: u64, failure: Failure) -> Step {
    Step::failed(delay, failure)
}

/// A failure that speaks against the upstream.
fn sick() -> Failure {
    refusal(StatusCode::SERVICE_UNAVAILABLE)
}

/// The same failure, which asks for a retry after `pause` milliseconds.
fn later(pause: u64) -> Failure {
    Failure {
        retry_after: Some(ms(pause)),
        ..sick()
    }
}

/// One call of one upstream.
struct Bench {
    aggregate: Aggregate<Scripted>,
    upstream: Rc<Scripted>,
}

impl Bench {
    fn new(settings: PolicySettings, steps: impl IntoIterator<Item = Step>) -> Self {
        let upstream = Rc::new(Scripted::new(steps));
        Self {
            aggregate: fixture::aggregate(calls(1, &upstream, &policy(settings))),
            upstream,
        }
    }

    fn repeatable(mut self, repeatable: Repeatable) -> Self {
        self.aggregate.calls[0].repeatable = repeatable;
        self
    }

    async fn run(&self) -> Outcome {
        self.run_watched(&()).await
    }

    async fn run_watched(&self, observer: &impl Observer) -> Outcome {
        fixture::outcome(&self.aggregate, observer).await
    }

    fn attempts(&self) -> usize {
        self.upstream.attempts()
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

/// Records the events' names.
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
    let bench = Bench::new(retrying(3), [bad(10, sick()), good(10)]);
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
    let bench = Bench::new(retrying(4), [bad(0, sick())]);
    bench.run().await;
    let seen = bench.upstream.traffic.began.borrow();
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
        [bad(0, sick()), bad(0, failure(FailureKind::Connect))],
    );
    let outcome = bench.run().await;
    assert_eq!(kind(&outcome), Some(FailureKind::Connect));
    assert_eq!(outcome.results[0].attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_repeated_is_tried_once() {
    let settings = PolicySettings {
        hedge: Some(Hedge::After(ms(1))),
        ..retrying(5)
    };
    let bench = Bench::new(settings, [bad(50, sick())]).repeatable(Repeatable::No);
    bench.run().await;
    assert_eq!(bench.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_outlast_the_deadline_is_not_begun() {
    let bench = Bench::new(retrying(5), [bad(10, later(60_000))]);
    let outcome = bench.run().await;
    assert_eq!(bench.attempts(), 1);
    assert_eq!(outcome.elapsed, ms(10));
    assert_eq!(kind(&outcome), Some(FailureKind::Status));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_fits_is_kept_to() {
    let bench = Bench::new(retrying(2), [bad(10, later(3_000)), good(10)]);
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
    let bench = Bench::new(settings, [bad(0, failure(FailureKind::Connect))]);
    for _ in 0..1_000 {
        bench.run().await;
    }
    assert_eq!(bench.attempts(), 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_gets_a_second_and_the_first_good_answer_wins() {
    let bench = Bench::new(hedging(Hedge::After(ms(50))), [good(1_000), good(10)]);
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
    let bench = Bench::new(hedging(Hedge::After(ms(50))), [good(200), bad(10, sick())]);
    let outcome = bench.run().await;
    assert_eq!(kind(&outcome), None);
    assert_eq!(outcome.elapsed, ms(200));
}

#[tokio::test(start_paused = true)]
async fn a_quick_failure_is_not_hedged() {
    let bench = Bench::new(hedging(Hedge::After(ms(50))), [bad(10, sick())]);
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
    let bench = Bench::new(settings, [good(100)]);
    for _ in 0..100 {
        bench.run().await;
    }
    assert_eq!(bench.attempts(), 110);
}

#[tokio::test(start_paused = true)]
async fn a_percentile_hedges_only_what_is_slower_than_usual() {
    let bench = Bench::new(hedging(Hedge::Percentile(95.0)), [good(10)]);
    for _ in 0..100 {
        bench.run().await;
    }
    assert_eq!(bench.attempts(), 100, "usual answers are not hedged");
    bench.upstream.follow([good(1_000), good(10)]);
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
    let bench = Bench::new(settings, [good(10)]);
    // Every fifth first attempt is slow, from 100 ms to 1 s. The 95th percentile is near 775 ms, far above the usual
    // time.
    let random = RefCell::new(fastrand::Rng::with_seed(20));
    let load = async |calls: usize| {
        let before = bench.attempts();
        for index in 0..calls {
            let slow = random.borrow_mut().u64(100..1_000);
            let first = if index % 5 == 0 { slow } else { 10 };
            bench.upstream.follow([good(first), good(10)]);
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
    let bench = Bench::new(settings, [bad(10, sick()), bad(10, sick()), good(10)]);
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
    let bench = Bench::new(settings, [bad(10, sick()), bad(10, sick())]);
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
    let seen = bench.upstream.traffic.began.borrow();
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
    let bench = Bench::new(settings, [bad(0, refusal(StatusCode::NOT_FOUND))]);
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
    let mut bench = Bench::new(settings, [bad(1_000, failure(FailureKind::Connect))]);
    bench.aggregate.rules.deadline = ms(1_000);
    for _ in 0..2 {
        assert_eq!(kind(&bench.run().await), Some(FailureKind::Connect));
    }
    bench.aggregate.rules.deadline = ms(1_001);
    for expected in [FailureKind::Connect, FailureKind::CircuitOpen] {
        assert_eq!(kind(&bench.run().await), Some(expected));
    }
}
