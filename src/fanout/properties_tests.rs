//! What holds for every plan: random plans against random scripted upstreams on paused time.

use std::{
    cell::{Cell, RefCell},
    num::{NonZeroU32, NonZeroUsize},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use proptest::{collection::vec, prelude::*};
use tokio::time::{Instant, sleep};

use crate::fanout::{
    Aggregate, Body, BreakerSettings, BudgetSettings, Call, Choice, Completion, Event, Failure,
    FailureKind, Hedge, Lane, LaneSettings, Mode, Need, Observer, OnFailure, Outcome, Reply, Retry,
    RetryOn, Trip, Upstream, UpstreamId, Verdict, run,
};

/// How many random plans `cargo test` runs.
const PLANS: u32 = 10_000;

/// One attempt's script: how long it takes, and whether it succeeds.
#[derive(Debug, Clone, Copy)]
struct Step {
    delay: u16,
    good: bool,
}

/// One call's script and rules.
#[derive(Debug, Clone)]
struct Script {
    /// Repeated when it is over.
    steps: Vec<Step>,
    optional: bool,
    timeout: u16,
    attempts: u32,
    hedge: Option<u16>,
    max_in_flight: usize,
    breaker: Option<u32>,
    extra: u32,
}

/// A whole random plan.
#[derive(Debug, Clone)]
struct Case {
    scripts: Vec<Script>,
    mode: Mode,
    width: usize,
    deadline: u16,
    needed: Option<usize>,
    strict: bool,
    /// When the client goes away, if it does.
    leaves: Option<u16>,
}

fn step() -> impl Strategy<Value = Step> {
    (0..400_u16, any::<bool>()).prop_map(|(delay, good)| Step { delay, good })
}

fn script() -> impl Strategy<Value = Script> {
    (
        vec(step(), 1..4),
        any::<bool>(),
        1..500_u16,
        1..5_u32,
        proptest::option::of(1..200_u16),
        1..3_usize,
        proptest::option::of(1..3_u32),
        0..4_u32,
    )
        .prop_map(
            |(steps, optional, timeout, attempts, hedge, max_in_flight, breaker, extra)| Script {
                steps,
                optional,
                timeout,
                attempts,
                hedge,
                max_in_flight,
                breaker,
                extra,
            },
        )
}

fn case() -> impl Strategy<Value = Case> {
    (
        vec(script(), 1..8),
        any::<bool>(),
        1..9_usize,
        1..1_000_u16,
        proptest::option::of(1..9_usize),
        any::<bool>(),
        proptest::option::weighted(0.2, 0..1_000_u16),
    )
        .prop_map(
            |(scripts, sequential, width, deadline, needed, strict, leaves)| Case {
                mode: if sequential {
                    Mode::Sequential
                } else {
                    Mode::Concurrent
                },
                needed: needed.map(|needed| needed.min(scripts.len())),
                scripts,
                width,
                deadline,
                strict,
                leaves,
            },
        )
}

struct Scripted {
    steps: Vec<Step>,
    next: Cell<usize>,
    /// Set when the plan is over: nothing may be asked any more.
    over: Rc<Cell<bool>>,
}

impl Upstream for Scripted {
    type Context = ();

    async fn attempt(&self, (): &()) -> Result<Reply, Failure> {
        assert!(!self.over.get(), "an attempt after the end");
        let step = self.steps[self.next.get() % self.steps.len()];
        self.next.set(self.next.get() + 1);
        sleep(ms(step.delay)).await;
        assert!(!self.over.get(), "an attempt that outlived its plan");
        if step.good {
            return Ok(Reply {
                status: StatusCode::OK,
                body: Body::Json(Bytes::from_static(b"1")),
            });
        }
        Err(Failure::new(FailureKind::Connect, "as scripted"))
    }
}

fn ms(ms: u16) -> Duration {
    Duration::from_millis(ms.into())
}

fn aggregate(case: &Case, over: &Rc<Cell<bool>>) -> Aggregate<Scripted> {
    let calls = case.scripts.iter().enumerate().map(|(index, script)| Call {
        name: format!("call_{index}").into(),
        id: UpstreamId(index),
        upstream: Rc::new(Scripted {
            steps: script.steps.clone(),
            next: Cell::new(0),
            over: Rc::clone(over),
        }),
        need: if script.optional {
            Need::Optional
        } else {
            Need::Required
        },
        timeout: ms(script.timeout),
        lane: Arc::new(Lane::new(LaneSettings {
            max_in_flight: NonZeroUsize::new(script.max_in_flight).unwrap(),
            retry: Retry {
                attempts: NonZeroU32::new(script.attempts).unwrap(),
                backoff: ms(20),
                on: RetryOn::default(),
            },
            hedge: script.hedge.map(|after| Hedge::After(ms(after))),
            budget: BudgetSettings {
                ratio: 0.0,
                min_per_second: script.extra,
            },
            breaker: script.breaker.map(|failures| BreakerSettings {
                trip: Trip::InARow(NonZeroU32::new(failures).unwrap()),
                open_for: ms(50),
            }),
            ..LaneSettings::default()
        })),
    });
    Aggregate {
        name: "default".into(),
        calls: calls.collect(),
        mode: case.mode,
        concurrency: NonZeroUsize::new(case.width).unwrap(),
        deadline: ms(case.deadline),
        completion: match case.needed.and_then(NonZeroUsize::new) {
            Some(needed) => Completion::Quorum(needed),
            None => Completion::All,
        },
        on_failure: if case.strict {
            OnFailure::Fail
        } else {
            OnFailure::Partial
        },
    }
}

/// Counts what happens to each call.
struct Ledger {
    over: Rc<Cell<bool>>,
    calls: RefCell<Vec<Entry>>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Entry {
    started: u32,
    settled: u32,
    tried: u32,
    ended: u32,
    extra: u32,
}

impl Observer for Ledger {
    fn observe(&self, event: &Event<'_>) {
        let mut calls = self.calls.borrow_mut();
        match event {
            Event::CallStarted { call } => {
                assert!(!self.over.get(), "a call after the end");
                assert_eq!(calls[*call].settled, 0, "a call after its end");
                calls[*call].started += 1;
            }
            Event::AttemptStarted { call, attempt, .. } => {
                assert!(calls[*call].started == 1 && calls[*call].settled == 0);
                calls[*call].tried += 1;
                assert_eq!(
                    calls[*call].tried, *attempt,
                    "attempts are numbered in order"
                );
            }
            Event::AttemptFinished { call, .. } => {
                assert_eq!(calls[*call].settled, 0, "attempts end before their call");
                calls[*call].ended += 1;
            }
            Event::Retry { call, .. } | Event::Hedge { call, .. } => calls[*call].extra += 1,
            Event::CircuitChanged { .. } => {}
            Event::CallSettled { call, result, .. } => {
                assert_eq!(&*result.name, format!("call_{call}"));
                calls[*call].settled += 1;
            }
        }
    }
}

fn check(case: &Case) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let over = Rc::new(Cell::new(false));
        let aggregate = aggregate(case, &over);
        let ledger = Ledger {
            over: Rc::clone(&over),
            calls: RefCell::new(vec![Entry::default(); case.scripts.len()]),
        };
        let began = Instant::now();
        let choice = Choice::default();
        let deadline = aggregate.deadline(&choice, began);
        let plan = aggregate.plan(&choice, case.mode, deadline).unwrap();
        let work = run(&plan, &(), &ledger);
        let outcome = match case.leaves {
            None => Some(work.await),
            Some(after) => tokio::time::timeout(ms(after), work).await.ok(),
        };
        over.set(true);
        // Whatever still ran would be seen now.
        let took = began.elapsed();
        sleep(ms(2_000)).await;

        assert!(
            took <= ms(case.deadline) + ms(1),
            "{took:?} after the deadline"
        );
        for (call, script) in ledger.calls.borrow().iter().zip(&case.scripts) {
            assert_eq!(call.settled, 1, "each call settles exactly once");
            assert!(call.started <= 1);
            assert_eq!(call.tried, call.ended, "each attempt ends exactly once");
            assert!(call.tried <= call.started + call.extra, "{call:?}");
            // A second's floor in the bucket, and what comes in within the plan's second.
            assert!(call.extra <= 2 * script.extra, "{call:?} {script:?}");
        }
        if let Some(outcome) = outcome {
            check_outcome(case, &outcome, &ledger);
        }
    });
}

fn check_outcome(case: &Case, outcome: &Outcome, ledger: &Ledger) {
    assert_eq!(outcome.results.len(), case.scripts.len());
    let mut succeeded = 0;
    let mut last_end = Duration::ZERO;
    for (index, result) in outcome.results.iter().enumerate() {
        assert_eq!(&*result.name, format!("call_{index}"), "plan order");
        assert_eq!(result.attempts, ledger.calls.borrow()[index].tried);
        assert!(result.start + result.elapsed <= outcome.elapsed + ms(1));
        succeeded += usize::from(result.result.is_ok());
        if case.mode == Mode::Sequential {
            assert!(result.start >= last_end, "one after another");
            last_end = result.start + result.elapsed;
        }
    }
    let wanted = case.needed.unwrap_or(1);
    match outcome.verdict {
        Verdict::Complete | Verdict::Partial => assert!(succeeded >= wanted),
        Verdict::Failed(_) => assert!(succeeded < wanted || case.strict),
    }
    if outcome.verdict == Verdict::Partial {
        assert!(succeeded < outcome.results.len());
    }
    assert!(outcome.critical_path() <= outcome.elapsed + ms(1));
}

#[test]
fn every_plan_keeps_its_promises() {
    let config = ProptestConfig {
        cases: PLANS,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(case in case())| check(&case));
}
