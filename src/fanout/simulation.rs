//! Properties of every plan. A plan calls upstreams that follow a script, on paused time, and everything that must be
//! true of it is checked. It does not know who makes the scripts (a property test, a fuzzer).

use std::{
    cell::{Cell, RefCell},
    num::{NonZeroU32, NonZeroUsize},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::fanout::{
    Aggregate, AttemptId, Body, BreakerSettings, BudgetSettings, Call, Cause, Choice, Completion,
    Event, Failure, FailureKind, Heard, Hedge, Mode, Need, Observer, OnFailure, Outcome, Policy,
    PolicySettings, Refusal, Repeatable, Reply, Retry, RetryOn, Trip, Upstream, UpstreamId,
    Verdict, run,
};

/// The end of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A reply.
    Good,
    /// No connection.
    Refused,
    /// A 503. It may ask for a retry after this many seconds.
    Unavailable(Option<u8>),
    /// A body that is no use. Another attempt would not help.
    Invalid,
    /// No end at all.
    Never,
}

/// One attempt's script: its time in milliseconds, and its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) delay: u16,
    pub(crate) end: End,
}

/// One call's script.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// The attempts, repeated when all are used.
    pub(crate) steps: Vec<Step>,
    pub(crate) optional: bool,
    /// The call's time, in milliseconds, from 1.
    pub(crate) timeout: u16,
    /// The index of the case's policy that it uses, counted round.
    pub(crate) policy: usize,
}

/// The rules of one upstream, which several calls may share.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) repeatable: bool,
    /// The number of attempts, from 1.
    pub(crate) attempts: u32,
    /// The delay of a hedge, in milliseconds.
    pub(crate) hedge: Option<u16>,
    /// The number of attempts at a time, from 1.
    pub(crate) max_in_flight: usize,
    /// The number of failures in a row that open the breaker, from 1.
    pub(crate) breaker: Option<u32>,
    /// The number of extra attempts a second.
    pub(crate) floor: u32,
    /// The number of extra attempts for ten calls.
    pub(crate) tenths: u8,
}

/// The condition that ends a plan's wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    All,
    /// The calls that are not optional, or all calls if every one is optional.
    Required,
    /// This many successes, from 1. A number above that of the calls means all calls.
    Quorum(usize),
}

/// A whole plan with its upstreams. Times are in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The calls' scripts, from 1 to 8.
    pub(crate) scripts: Vec<Script>,
    /// The rules of the policies, at least one.
    pub(crate) policies: Vec<Rules>,
    pub(crate) mode: Mode,
    /// The most calls at a time, from 1.
    pub(crate) width: usize,
    pub(crate) deadline: u16,
    /// The part of the deadline that is over when the plan begins, as in the second run of a comparison.
    pub(crate) spent: u16,
    pub(crate) waits: Waits,
    pub(crate) strict: bool,
    /// The time at which the client leaves, if it does.
    pub(crate) leaves: Option<u16>,
    /// The seed of the random pauses between attempts.
    pub(crate) seed: u64,
}

impl Case {
    fn policy(&self, call: usize) -> usize {
        self.scripts[call].policy % self.policies.len()
    }

    fn rules(&self, call: usize) -> &Rules {
        &self.policies[self.policy(call)]
    }

    fn completion(&self) -> Completion {
        match self.waits {
            Waits::Required if self.scripts.iter().any(|script| !script.optional) => {
                Completion::Required
            }
            Waits::All | Waits::Required => Completion::All,
            Waits::Quorum(needed) => {
                Completion::Quorum(at_least_one(needed.min(self.scripts.len())))
            }
        }
    }

    /// Returns the time that is left for the plan.
    fn time(&self) -> Duration {
        ms(self.deadline.saturating_sub(self.spent))
    }
}

/// An upstream that does what its script says.
struct Scripted {
    steps: Vec<Step>,
    next: Cell<usize>,
    world: Rc<World>,
    policy: usize,
    max_in_flight: usize,
}

/// The state that all upstreams of a case share.
struct World {
    /// True once the plan is over: no attempt may begin any more.
    over: Cell<bool>,
    /// The number of attempts under way, by policy.
    in_flight: Vec<Cell<usize>>,
}

/// One attempt under way.
struct InFlight<'a>(&'a Cell<usize>);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
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
        assert!(!self.world.over.get(), "an attempt after the end");
        let in_flight = &self.world.in_flight[self.policy];
        in_flight.set(in_flight.get() + 1);
        let _under_way = InFlight(in_flight);
        assert!(in_flight.get() <= self.max_in_flight, "too many at a time");
        let step = self.steps[self.next.get() % self.steps.len()];
        self.next.set(self.next.get() + 1);
        sleep(ms(step.delay)).await;
        if step.end == End::Never {
            std::future::pending::<()>().await;
        }
        assert!(!self.world.over.get(), "an attempt that outlived its plan");
        let unavailable = Failure::new(FailureKind::Status, "as scripted")
            .with_status(StatusCode::SERVICE_UNAVAILABLE);
        Err(match step.end {
            End::Good | End::Never => {
                return Ok(Reply {
                    status: StatusCode::OK,
                    body: Body::Json(Bytes::from_static(b"1")),
                });
            }
            End::Refused => Failure::new(FailureKind::Connect, "as scripted"),
            End::Invalid => Failure::new(FailureKind::InvalidBody, "as scripted"),
            End::Unavailable(after) => Failure {
                retry_after: after.map(|seconds| Duration::from_secs(seconds.into())),
                ..unavailable
            },
        })
    }
}

fn ms(ms: u16) -> Duration {
    Duration::from_millis(ms.into())
}

/// Converts `count` for the core. 0 becomes 1.
fn at_least_one(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

fn shared(rules: &Rules) -> Arc<Policy> {
    let row = |failures| NonZeroU32::new(failures).unwrap_or(NonZeroU32::MIN);
    Arc::new(Policy::new(PolicySettings {
        max_in_flight: at_least_one(rules.max_in_flight),
        repeatable: if rules.repeatable {
            Repeatable::Yes
        } else {
            Repeatable::No
        },
        retry: Retry {
            attempts: row(rules.attempts),
            backoff: ms(20),
            on: RetryOn::default(),
        },
        hedge: rules.hedge.map(|after| Hedge::After(ms(after))),
        budget: BudgetSettings {
            ratio: f64::from(rules.tenths) / 10.0,
            min_per_second: rules.floor,
        },
        breaker: rules.breaker.map(|failures| BreakerSettings {
            trip: Trip::InARow(row(failures)),
            open_for: ms(50),
        }),
    }))
}

fn aggregate(case: &Case, world: &Rc<World>) -> Aggregate<Scripted> {
    let policies: Vec<_> = case.policies.iter().map(shared).collect();
    let calls = case.scripts.iter().enumerate().map(|(index, script)| Call {
        name: format!("call_{index}").into(),
        id: UpstreamId(case.policy(index)),
        upstream: Rc::new(Scripted {
            steps: script.steps.clone(),
            next: Cell::new(0),
            world: Rc::clone(world),
            policy: case.policy(index),
            max_in_flight: case.rules(index).max_in_flight,
        }),
        need: if script.optional {
            Need::Optional
        } else {
            Need::Required
        },
        timeout: ms(script.timeout),
        policy: Arc::clone(&policies[case.policy(index)]),
    });
    Aggregate {
        name: "default".into(),
        calls: calls.collect(),
        mode: case.mode,
        concurrency: at_least_one(case.width),
        deadline: ms(case.deadline),
        completion: case.completion(),
        on_failure: if case.strict {
            OnFailure::Fail
        } else {
            OnFailure::Partial
        },
    }
}

/// Counts the events of each call, and refuses an event at a time when it must not happen.
struct Ledger<'c> {
    case: &'c Case,
    world: Rc<World>,
    calls: RefCell<Vec<Entry>>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Entry {
    started: u32,
    settled: u32,
    tried: u32,
    ended: u32,
    /// Retries and hedges that were announced.
    announced: u32,
    /// Those of them that were sent.
    extra: u32,
}

impl Observer for Ledger<'_> {
    fn observe(&self, event: &Event<'_>) {
        let mut calls = self.calls.borrow_mut();
        match event {
            Event::CallStarted { call } => {
                assert!(!self.world.over.get(), "a call after the end");
                assert_eq!(calls[*call].settled, 0, "a call after its end");
                calls[*call].started += 1;
                let begun = calls.iter().take_while(|entry| entry.started == 1).count();
                assert_eq!(begun, *call + 1, "calls start in plan order");
                let open = calls.iter().filter(|e| e.started > e.settled).count();
                let most = match self.case.mode {
                    Mode::Sequential => 1,
                    Mode::Concurrent => self.case.width,
                };
                assert!(open <= most, "{open} calls at a time");
            }
            Event::AttemptStarted {
                call,
                attempt,
                cause,
                ..
            } => {
                assert!(!self.world.over.get(), "an attempt after the end");
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

/// Runs the plan and checks all properties.
///
/// # Panics
/// Panics if a property does not hold.
pub(crate) fn check(case: &Case) {
    fastrand::seed(case.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing");
    runtime.block_on(async {
        let world = Rc::new(World {
            over: Cell::new(false),
            in_flight: vec![Cell::new(0); case.policies.len()],
        });
        let aggregate = aggregate(case, &world);
        let ledger = Ledger {
            case,
            world: Rc::clone(&world),
            calls: RefCell::new(vec![Entry::default(); case.scripts.len()]),
        };
        let choice = Choice::default();
        let deadline = aggregate.deadline(&choice, Instant::now());
        sleep(ms(case.spent)).await;
        let plan = aggregate
            .plan(&choice, case.mode, deadline)
            .expect("a quorum that can be met");
        let began = Instant::now();
        let work = run(&plan, &(), &ledger);
        let outcome = match case.leaves {
            None => Some(work.await),
            Some(after) => tokio::time::timeout(ms(after), work).await.ok(),
        };
        world.over.set(true);
        let took = began.elapsed();
        for in_flight in &world.in_flight {
            assert_eq!(in_flight.get(), 0, "an attempt that outlived its plan");
        }
        // An attempt that still ran would be seen now.
        sleep(ms(2_000)).await;

        assert!(took <= case.time() + ms(1), "{took:?} after the deadline");
        check_ledger(case, &ledger, took);
        if let Some(outcome) = outcome {
            check_outcome(case, &outcome, &ledger);
        }
    });
}

fn check_ledger(case: &Case, ledger: &Ledger<'_>, took: Duration) {
    let calls = ledger.calls.borrow();
    for (index, call) in calls.iter().enumerate() {
        assert_eq!(call.settled, 1, "each call settles exactly once");
        assert!(call.started <= 1);
        assert_eq!(call.tried, call.ended, "each attempt ends exactly once");
        assert!(call.tried <= call.started + call.extra, "{call:?}");
        assert!(call.extra <= call.announced, "{call:?}");
        let rules = case.rules(index);
        if !rules.repeatable {
            assert_eq!(call.announced, 0, "what may not be repeated is not");
        }
        // Each try may have a hedge beside it.
        assert!(call.tried <= 2 * rules.attempts.max(1), "{call:?}");
        if case.time().is_zero() {
            assert_eq!(call.started, 0, "nothing begins when the time is over");
        }
    }
    for (policy, rules) in case.policies.iter().enumerate() {
        let own = (0..calls.len()).filter(|&call| case.policy(call) == policy);
        let (began, extra) = own.fold((0, 0), |(began, extra), call| {
            (began + calls[call].started, extra + calls[call].extra)
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

fn check_outcome(case: &Case, outcome: &Outcome, ledger: &Ledger<'_>) {
    assert_eq!(outcome.results.len(), case.scripts.len());
    // The counts of all calls, and of the calls that the plan waits for.
    let (mut succeeded, mut waited, mut waited_succeeded) = (0, 0, 0);
    let completion = case.completion();
    let mut last_end = Duration::ZERO;
    for (index, result) in outcome.results.iter().enumerate() {
        assert_eq!(&*result.name, format!("call_{index}"), "plan order");
        assert_eq!(result.attempts, ledger.calls.borrow()[index].tried);
        assert!(result.start + result.elapsed <= outcome.elapsed + ms(1));
        succeeded += usize::from(result.result.is_ok());
        if completion != Completion::Required || !case.scripts[index].optional {
            waited += 1;
            waited_succeeded += usize::from(result.result.is_ok());
        }
        if case.mode == Mode::Sequential {
            assert!(result.start >= last_end, "one after another");
            last_end = result.start + result.elapsed;
        }
        if result.result.is_ok() {
            assert!(result.attempts > 0, "a reply without an attempt");
        }
    }
    let wanted = match completion {
        Completion::Quorum(needed) => needed.get(),
        Completion::All | Completion::Required => 1,
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
        failure.is_some_and(|failure| failure.kind.is_given_up())
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
