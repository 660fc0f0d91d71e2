//! The core's fixture: upstreams that follow a script, and the calls, aggregates and plans of the tests. A test changes
//! only the fields that it is about. It must not know what a test checks.

#![cfg_attr(
    not(test),
    allow(dead_code, reason = "the fuzz targets use a part of it")
)]

use std::{
    cell::{Cell, RefCell},
    num::NonZeroUsize,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Aggregate, Body, Call, Choice, Earlier, Elements, Failure, FailureKind, Mode, Observer,
    Outcome, Plan, Policy, PolicySettings, Question, Reply, Rules, Turn, Upstream, UpstreamId, run,
};

/// The body of every scripted reply.
pub(crate) const BODY: &[u8] = b"\"pong\"";

/// The moment at which a scripted attempt ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// This long after it began.
    After(Duration),
    /// This long after the first attempt of all began.
    AfterFirst(Duration),
    /// When the attempt's own time is over.
    TimeOver,
    /// It never ends by itself.
    Never,
}

/// The script of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) when: When,
    pub(crate) result: Result<Reply, Failure>,
}

impl Step {
    /// A reply after `delay` milliseconds.
    pub(crate) fn good(delay: u64) -> Self {
        Self {
            when: When::After(ms(delay)),
            result: Ok(reply()),
        }
    }

    /// A failure after `delay` milliseconds.
    pub(crate) fn failed(delay: u64, failure: Failure) -> Self {
        Self {
            when: When::After(ms(delay)),
            result: Err(failure),
        }
    }
}

/// The attempts that scripted upstreams have seen. Several upstreams may share one.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// The moment at which each attempt began.
    pub(crate) began: RefCell<Vec<Instant>>,
    /// The number of attempts under way.
    pub(crate) in_flight: Cell<usize>,
    /// The most attempts that were under way at a time.
    pub(crate) peak: Cell<usize>,
}

impl Traffic {
    /// Returns the number of attempts in all.
    pub(crate) fn attempts(&self) -> usize {
        self.began.borrow().len()
    }

    fn enter(&self) -> InFlight<'_> {
        self.began.borrow_mut().push(Instant::now());
        self.in_flight.set(self.in_flight.get() + 1);
        self.peak.set(self.peak.get().max(self.in_flight.get()));
        InFlight(self)
    }
}

/// One attempt under way.
struct InFlight<'a>(&'a Traffic);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}

/// The steps of one request's attempts. They are repeated when all are used.
#[derive(Debug)]
pub(crate) struct Steps {
    steps: RefCell<Vec<Step>>,
    next: Cell<usize>,
}

impl Steps {
    /// Makes a script of at least one step.
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Rc<Self> {
        Rc::new(Self {
            steps: RefCell::new(steps.into_iter().collect()),
            next: Cell::new(0),
        })
    }

    fn next_step(&self) -> Step {
        let steps = self.steps.borrow();
        let step = steps[self.next.get() % steps.len()].clone();
        self.next.set(self.next.get() + 1);
        step
    }
}

/// The scripted decision of a call whose turn has come.
#[derive(Debug, Clone)]
pub(crate) enum Scene {
    /// It sends a request, which follows the upstream's own script.
    Send,
    Omit,
    Fail(Failure),
    /// It sends a request for each element, with its own script, or can't make one.
    Each {
        elements: Vec<Result<Vec<Step>, Failure>>,
        concurrency: usize,
        tolerate: usize,
    },
}

type Decide = Box<dyn Fn(Earlier<'_>) -> Scene>;

/// An upstream that answers attempt by attempt.
pub(crate) struct Scripted {
    steps: Rc<Steps>,
    decide: Decide,
    /// The number of times that it was asked for a turn.
    pub(crate) turns: Cell<usize>,
    pub(crate) traffic: Rc<Traffic>,
}

impl Scripted {
    /// An upstream with this script, which has at least one step.
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: Steps::new(steps),
            decide: Box::new(|_| Scene::Send),
            turns: Cell::new(0),
            traffic: Rc::default(),
        }
    }

    /// Lets the results of earlier calls decide about each call.
    pub(crate) fn deciding(mut self, decide: impl Fn(Earlier<'_>) -> Scene + 'static) -> Self {
        self.decide = Box::new(decide);
        self
    }

    /// Replaces the script and begins with its first step.
    pub(crate) fn follow(&self, steps: impl IntoIterator<Item = Step>) {
        *self.steps.steps.borrow_mut() = steps.into_iter().collect();
        self.steps.next.set(0);
    }

    /// Returns the number of attempts that it has seen.
    pub(crate) fn attempts(&self) -> usize {
        self.traffic.attempts()
    }
}

impl Upstream for Scripted {
    type Context = ();
    type Request = Rc<Steps>;

    fn turn<'a>(&'a self, (): &'a (), earlier: Earlier<'a>) -> Turn<'a, Rc<Steps>> {
        self.turns.set(self.turns.get() + 1);
        match (self.decide)(earlier) {
            Scene::Send => Turn::Send(Rc::clone(&self.steps)),
            Scene::Omit => Turn::Omit,
            Scene::Fail(failure) => Turn::Fail(failure),
            Scene::Each {
                elements,
                concurrency,
                tolerate,
            } => Turn::Each(Box::new(Elements {
                total: elements.len(),
                requests: Box::new(elements.into_iter().map(|steps| steps.map(Steps::new))),
                concurrency: NonZeroUsize::new(concurrency).expect("at least one at a time"),
                tolerate,
            })),
        }
    }

    fn list(&self, (): &(), bodies: Vec<Option<Body>>) -> Result<Body, Failure> {
        let texts: Vec<_> = bodies
            .into_iter()
            .map(|body| match body {
                Some(Body::Json(json)) => String::from_utf8_lossy(&json).into_owned(),
                _ => "null".to_owned(),
            })
            .collect();
        Ok(Body::Json(format!("[{}]", texts.join(",")).into()))
    }

    async fn attempt(&self, question: &Question<'_, Self>) -> Result<Reply, Failure> {
        let _under_way = self.traffic.enter();
        let Step { when, result } = question.request.next_step();
        match when {
            When::After(Duration::ZERO) => {}
            When::After(delay) => sleep(delay).await,
            When::AfterFirst(delay) => {
                let first = self.traffic.began.borrow()[0];
                sleep_until(first + delay).await;
            }
            When::TimeOver => sleep_until(question.until).await,
            When::Never => std::future::pending().await,
        }
        result
    }
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A 200 with [`BODY`].
pub(crate) fn reply() -> Reply {
    Reply::new(StatusCode::OK, Body::Json(Bytes::from_static(BODY)))
}

pub(crate) fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "as scripted")
}

/// A failure with this status.
pub(crate) fn refusal(status: StatusCode) -> Failure {
    failure(FailureKind::Status).with_status(status)
}

/// A policy that no worker has used yet.
pub(crate) fn policy(settings: PolicySettings) -> Arc<Policy> {
    Arc::new(Policy::new(settings))
}

/// A required call with a minute for each attempt.
pub(crate) fn call(name: &str, upstream: &Rc<Scripted>, policy: &Arc<Policy>) -> Call<Scripted> {
    let (upstream, policy) = (Rc::clone(upstream), Arc::clone(policy));
    Call::new(name, UpstreamId(0), upstream, ms(60_000), policy)
}

/// Makes this many calls of one upstream, `call_0` and on.
pub(crate) fn calls<'a>(
    count: usize,
    upstream: &'a Rc<Scripted>,
    policy: &'a Arc<Policy>,
) -> impl Iterator<Item = Call<Scripted>> + use<'a> {
    (0..count).map(|index| call(&format!("call_{index}"), upstream, policy))
}

/// A call of each upstream, `call_0` and on, each with a policy of its own.
pub(crate) fn call_each(
    upstreams: impl IntoIterator<Item = Scripted>,
) -> impl Iterator<Item = Call<Scripted>> {
    let upstreams = upstreams.into_iter().enumerate();
    upstreams.map(|(index, upstream)| Call {
        id: UpstreamId(index),
        ..call(
            &format!("call_{index}"),
            &Rc::new(upstream),
            &policy(PolicySettings::default()),
        )
    })
}

/// An aggregate with the default rules: all calls at once, all of them waited for, and ten seconds.
pub(crate) fn aggregate(calls: impl IntoIterator<Item = Call<Scripted>>) -> Aggregate<Scripted> {
    Aggregate {
        name: "default".into(),
        calls: calls.into_iter().collect(),
        rules: Rules::default(),
    }
}

/// Plans a request that begins now.
///
/// # Panics
/// Panics if the choice can't be planned.
pub(crate) fn plan<'a>(
    aggregate: &'a Aggregate<Scripted>,
    mode: Mode,
    choice: &Choice<'_>,
) -> Plan<'a, Scripted> {
    let deadline = aggregate.deadline(choice, Instant::now());
    let plan = aggregate.plan(choice, mode, deadline);
    plan.expect("a choice that can be planned")
}

/// Runs a request that begins now, in concurrent mode and without any choice.
pub(crate) async fn outcome(aggregate: &Aggregate<Scripted>, observer: &impl Observer) -> Outcome {
    let plan = plan(aggregate, Mode::Concurrent, &Choice::default());
    run(&plan, &(), observer).await
}
