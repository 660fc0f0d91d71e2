//! One attempt of a call: the upstream's breaker and ceiling let it through, and it is timed, reported and judged. It
//! must not know the call's other attempts.

use std::{cell::Cell, num::NonZeroU64, pin::pin, time::Duration};

use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::{
    AttemptId, Call, Cause, Circuit, EachReport, Earlier, Event, Failure, FailureKind, HeadStatus,
    Mode, Observer, Pace, Pass, Permit, Refusal, Reply, Upstream, UpstreamId, pause,
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

/// The parts of its plan that a call knows.
pub(super) struct Scope<'a, O> {
    pub(super) observer: &'a O,
    /// The failure of an attempt that is dropped.
    pub(super) ending: &'a Cell<FailureKind>,
    pub(super) progress: &'a Progress,
    pub(super) pace: Option<&'a Pace>,
    /// The results of the calls that have settled.
    pub(super) earlier: Earlier<'a>,
    pub(super) deadline: Instant,
    /// The plan's mode.
    pub(super) mode: Mode,
    /// The call's index in the plan.
    pub(super) index: usize,
}

impl<O> Scope<'_, O> {
    /// Returns the number of times that the reader of the results kept the plan waiting.
    pub(super) fn holds(&self) -> u32 {
        self.pace.map_or(0, Pace::holds)
    }
}

impl<O: Observer> Scope<'_, O> {
    /// Reports the circuit's new state, if it has changed.
    fn changed(&self, upstream: UpstreamId, circuit: Option<Circuit>) {
        if let Some(circuit) = circuit {
            self.observer
                .observe(&Event::CircuitChanged { upstream, circuit });
        }
    }

    /// Reports that a retry or a hedge is not sent.
    #[cold]
    pub(super) fn refuse(&self, upstream: UpstreamId, cause: Cause, reason: Refusal) {
        // A call's own attempt is refused with a failure, which is reported as such.
        if cause != Cause::First {
            self.observer.observe(&Event::ExtraRefused {
                call: self.index,
                upstream,
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
pub(super) fn admit<U, O: Observer>(
    call: &Call<U>,
    scope: &Scope<'_, O>,
    cause: Cause,
) -> Result<Admission, Failure> {
    let policy = &call.policy;
    let pass = match &policy.breaker {
        None => None,
        Some(breaker) => {
            let Some((pass, circuit)) = breaker.admit() else {
                scope.refuse(call.id, cause, Refusal::Breaker);
                return Err(Failure::new(
                    FailureKind::CircuitOpen,
                    "the upstream failed too often; it is left alone for a while",
                ));
            };
            scope.changed(call.id, circuit);
            Some(pass)
        }
    };
    let Some(permit) = policy.limit.acquire() else {
        scope.refuse(call.id, cause, Refusal::Limit);
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
    call: &Call<U>,
    context: &U::Context,
    request: &U::Request,
    scope: &Scope<'_, O>,
    cause: Cause,
    admission: Admission,
) -> Result<Reply, Failure> {
    let policy = &call.policy;
    let mut watched = Attempt::start(call.id, scope, cause);
    let holds = scope.holds();
    let own = watched.started.checked_add(call.timeout);
    let until = own.map_or(scope.deadline, |own| own.min(scope.deadline));
    let mut result = timed(call, context, request, &watched, until, scope).await;
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
        policy.answered(elapsed);
    }
    if let Some(pass) = admission.pass {
        let circuit = match &result {
            Ok(_) => pass.settle(true),
            // Its client may have left it too little time.
            Err(_) if Instant::now() >= scope.deadline => None,
            Err(failure) if failure.is_sick() => pass.settle(false),
            // It answered, even if the answer is a failure.
            Err(failure) if failure.status.is_some() => pass.settle(true),
            Err(_) => None,
        };
        scope.changed(call.id, circuit);
    }
    result
}

/// Runs the upstream's own work, within the call's timeout.
async fn timed<U: Upstream>(
    call: &Call<U>,
    context: &U::Context,
    request: &U::Request,
    attempt: &Attempt<'_, impl Observer>,
    until: Instant,
    scope: &Scope<'_, impl Observer>,
) -> Result<Reply, Failure> {
    let Attempt { id, head, .. } = attempt;
    let mut work = pin!(
        call.upstream
            .attempt(context, request, scope.earlier, *id, until, head)
    );
    if until == scope.deadline {
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
        failure.status = head.get();
        Err(failure)
    })
}

/// Reports the end of an attempt to the observer, also if the attempt is dropped.
struct Attempt<'a, O: Observer> {
    observer: &'a O,
    ending: &'a Cell<FailureKind>,
    progress: &'a Progress,
    head: HeadStatus,
    id: AttemptId,
    upstream: UpstreamId,
    cause: Cause,
    started: Instant,
    open: bool,
}

impl<'a, O: Observer> Attempt<'a, O> {
    fn start(upstream: UpstreamId, scope: &Scope<'a, O>, cause: Cause) -> Self {
        let number = scope.progress.attempts.get() + 1;
        scope.progress.attempts.set(number);
        if cause == Cause::Hedge {
            scope.progress.hedges.set(scope.progress.hedges.get() + 1);
        }
        scope.observer.observe(&Event::AttemptStarted {
            call: scope.index,
            upstream,
            attempt: number,
            cause,
        });
        Self {
            observer: scope.observer,
            ending: scope.ending,
            progress: scope.progress,
            head: HeadStatus::default(),
            id: AttemptId {
                mode: scope.mode,
                call: scope.index,
                attempt: number,
            },
            upstream,
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
        self.observer.observe(&Event::AttemptFinished {
            call: self.id.call,
            upstream: self.upstream,
            attempt: self.id.attempt,
            elapsed,
            cause: self.cause,
            status,
            result,
        });
        elapsed
    }
}

impl<O: Observer> Drop for Attempt<'_, O> {
    fn drop(&mut self) {
        if self.open {
            let status = self.head.get();
            if status.is_some() {
                self.progress.last_status.set(status);
            }
            self.end(status, Err(self.ending.get()));
        }
    }
}
