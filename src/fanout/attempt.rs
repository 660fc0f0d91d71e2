//! One attempt of a call: the upstream's breaker and ceiling let it through, and it is timed, reported and judged. It
//! must not know the call's other attempts.

use std::{cell::Cell, num::NonZeroU64, pin::pin, time::Duration};

use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::{
    AttemptId, Call, Cause, Circuit, EachReport, Earlier, Event, Failure, FailureKind, HeadStatus,
    Mode, Observer, Pace, Pass, Permit, Question, Refusal, Reply, Upstream, pause,
};

/// The progress of a call: the attempts that it has sent so far.
#[derive(Default)]
pub(super) struct Progress {
    /// The number of attempts in all.
    pub(super) attempts: Cell<u32>,
    /// The number of them that joined a slow attempt.
    pub(super) hedges: Cell<u32>,
    /// The status of the attempt that was given up last after the head of its answer had come.
    pub(super) last_status: Cell<Option<StatusCode>>,
    /// The call's start, in nanoseconds since that of the plan and one more. `None` before it.
    start: Cell<Option<NonZeroU64>>,
    /// The counts of the elements, when a call with one request for each of them is over.
    pub(super) each: Cell<Option<Box<EachReport>>>,
}

impl Progress {
    /// Notes the call's start, as a time since that of the plan.
    pub(super) fn started(&self, start: Duration) {
        let nanos = u64::try_from(start.as_nanos()).unwrap_or(u64::MAX);
        self.start.set(NonZeroU64::MIN.checked_add(nanos));
    }

    /// Returns the call's start, as a time since that of the plan; `None` before it.
    pub(super) fn start(&self) -> Option<Duration> {
        let nanos = self.start.get()?.get() - 1;
        Some(Duration::from_nanos(nanos))
    }
}

/// The parts that all calls of a plan that runs share.
pub(super) struct Run<'a, U: Upstream, O> {
    /// The part of the client's request that the calls need.
    pub(super) context: &'a U::Context,
    pub(super) observer: &'a O,
    /// The failure of an attempt that is dropped.
    pub(super) ending: Cell<FailureKind>,
    pub(super) pace: Option<&'a Pace>,
    /// The results of the calls that have settled.
    pub(super) earlier: Earlier<'a>,
    pub(super) deadline: Instant,
    pub(super) mode: Mode,
}

/// One call of it. It is small, as each call in flight holds it.
pub(super) struct Scope<'a, U: Upstream, O> {
    pub(super) run: &'a Run<'a, U, O>,
    pub(super) call: &'a Call<U>,
    pub(super) progress: &'a Progress,
    /// The call's index in the plan.
    pub(super) index: usize,
}

impl<U: Upstream, O> Scope<'_, U, O> {
    /// Returns the number of times that the reader of the results kept the plan waiting.
    pub(super) fn holds(&self) -> u32 {
        self.run.pace.map_or(0, Pace::holds)
    }
}

impl<U: Upstream, O: Observer> Scope<'_, U, O> {
    /// Reports the circuit's new state, if it has changed.
    fn changed(&self, circuit: Option<Circuit>) {
        if let Some(circuit) = circuit {
            let upstream = self.call.id;
            self.run
                .observer
                .observe(&Event::CircuitChanged { upstream, circuit });
        }
    }

    /// Reports that a retry or a hedge is not sent.
    #[cold]
    pub(super) fn refuse(&self, cause: Cause, reason: Refusal) {
        // A call's own attempt is refused with a failure, which is reported as such.
        if cause != Cause::First {
            self.run.observer.observe(&Event::ExtraRefused {
                call: self.index,
                upstream: self.call.id,
                cause,
                reason,
            });
        }
    }
}

/// The right to send one attempt.
pub(super) struct Admission {
    pass: Option<Pass>,
    /// Given back when the attempt ends.
    _permit: Permit,
}

/// Asks the upstream's breaker and ceiling for an attempt.
///
/// # Errors
/// Fails if one of them refuses it. Nothing is sent then.
pub(super) fn admit<U: Upstream, O: Observer>(
    scope: &Scope<'_, U, O>,
    cause: Cause,
) -> Result<Admission, Failure> {
    let policy = &scope.call.policy;
    let pass = match &policy.breaker {
        None => None,
        Some(breaker) => {
            let Some((pass, circuit)) = breaker.admit() else {
                scope.refuse(cause, Refusal::Breaker);
                return Err(Failure::new(
                    FailureKind::CircuitOpen,
                    "the upstream failed too often; it is left alone for a while",
                ));
            };
            scope.changed(circuit);
            Some(pass)
        }
    };
    let Some(permit) = policy.limit.acquire() else {
        scope.refuse(cause, Refusal::Limit);
        return Err(Failure::new(
            FailureKind::Overload,
            format!("{} attempts are already in flight", policy.limit.max()),
        ));
    };
    Ok(Admission {
        pass,
        _permit: permit,
    })
}

/// Sends one attempt that the upstream's breaker and ceiling have let through, and judges it.
pub(super) async fn attempt<U: Upstream, O: Observer>(
    scope: &Scope<'_, U, O>,
    request: &U::Request,
    cause: Cause,
    admission: Admission,
) -> Result<Reply, Failure> {
    let mut watched = Attempt::start(scope, cause);
    let holds = scope.holds();
    let deadline = scope.run.deadline;
    let own = watched.started.checked_add(scope.call.timeout);
    let until = own.map_or(deadline, |own| own.min(deadline));
    let mut result = timed(&watched, request, until).await;
    let held = scope.holds() != holds;
    if held && matches!(&result, Err(failure) if failure.kind == FailureKind::Timeout) {
        result = Err(Failure::new(
            FailureKind::Cancelled,
            "the client was too slow to take the results before this one",
        ));
    }
    let elapsed = watched.finish(&result);
    let ended = watched.started + elapsed;
    if held || (ended > until && pause::is_pause(ended - until)) {
        // Its time and its failure say nothing of the upstream.
        return result;
    }
    if result.is_ok() {
        scope.call.policy.answered(elapsed);
    }
    if let Some(pass) = admission.pass {
        let circuit = match &result {
            Ok(_) => pass.settle(true),
            // Its client may have left it too little time.
            Err(_) if Instant::now() >= deadline => None,
            Err(failure) if failure.is_sick() => pass.settle(false),
            // It answered, even if the answer is a failure.
            Err(failure) if failure.status.is_some() => pass.settle(true),
            Err(_) => None,
        };
        scope.changed(circuit);
    }
    result
}

/// Runs the upstream's own work, within the call's timeout.
async fn timed<U: Upstream, O: Observer>(
    attempt: &Attempt<'_, U, O>,
    request: &U::Request,
    until: Instant,
) -> Result<Reply, Failure> {
    let Scope { run, call, .. } = attempt.scope;
    let question = Question {
        context: run.context,
        request,
        earlier: run.earlier,
        id: attempt.id,
        until,
        head: &attempt.head,
    };
    let mut work = pin!(call.upstream.attempt(&question));
    if until == run.deadline {
        // The plan's own timer covers this case: one timer for all its calls.
        return work.await;
    }
    if let Ok(result) = timeout_at(until, work.as_mut()).await {
        return result;
    }
    // On the heap, as it is rare.
    let seen = Box::pin(pause::last_look(until, work.as_mut())).await;
    seen.unwrap_or_else(|| {
        let mut failure = Failure::new(
            FailureKind::Timeout,
            format!("no complete answer within {:?}", call.timeout),
        );
        failure.status = attempt.head.get();
        Err(failure)
    })
}

/// Reports the end of an attempt to the observer, also if the attempt is dropped.
struct Attempt<'a, U: Upstream, O: Observer> {
    scope: &'a Scope<'a, U, O>,
    head: HeadStatus,
    id: AttemptId,
    cause: Cause,
    started: Instant,
    open: bool,
}

impl<'a, U: Upstream, O: Observer> Attempt<'a, U, O> {
    fn start(scope: &'a Scope<'a, U, O>, cause: Cause) -> Self {
        let progress = scope.progress;
        let number = progress.attempts.get() + 1;
        progress.attempts.set(number);
        if cause == Cause::Hedge {
            progress.hedges.set(progress.hedges.get() + 1);
        }
        scope.run.observer.observe(&Event::AttemptStarted {
            call: scope.index,
            upstream: scope.call.id,
            attempt: number,
            cause,
        });
        Self {
            scope,
            head: HeadStatus::default(),
            id: AttemptId {
                mode: scope.run.mode,
                call: scope.index,
                attempt: number,
            },
            cause,
            started: Instant::now(),
            open: true,
        }
    }

    fn finish(&mut self, result: &Result<Reply, Failure>) -> Duration {
        match result {
            Ok(reply) => self.end(Some(reply.status), Ok(())),
            Err(failure) => self.end(failure.status, Err(failure.kind)),
        }
    }

    /// Reports the end, once, and returns the time until then.
    fn end(&mut self, status: Option<StatusCode>, result: Result<(), FailureKind>) -> Duration {
        self.open = false;
        let elapsed = self.started.elapsed();
        self.scope.run.observer.observe(&Event::AttemptFinished {
            call: self.id.call,
            upstream: self.scope.call.id,
            attempt: self.id.attempt,
            elapsed,
            cause: self.cause,
            status,
            result,
        });
        elapsed
    }
}

impl<U: Upstream, O: Observer> Drop for Attempt<'_, U, O> {
    fn drop(&mut self) {
        if self.open {
            let status = self.head.get();
            if status.is_some() {
                self.scope.progress.last_status.set(status);
            }
            self.end(status, Err(self.scope.run.ending.get()));
        }
    }
}
