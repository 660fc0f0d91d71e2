//! One call of a plan: its attempts one after another (retries) and beside one another (hedges), each admitted by the
//! upstream's breaker, ceiling and budget. Knows nothing of the other calls.

use std::{cell::Cell, pin::pin, time::Duration};

use http::StatusCode;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    AttemptId, Call, Cause, Circuit, Event, Failure, FailureKind, Heard, Mode, Observer, Pace,
    Pass, Permit, Refusal, Repeatable, Reply, Upstream, UpstreamId, pause,
};

/// The attempts that a call has sent so far.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Attempts in all.
    pub(super) attempts: Cell<u32>,
    /// Those of them that joined a slow one.
    pub(super) hedges: Cell<u32>,
    /// The status of the attempt that was given up last after its answer's head had come.
    pub(super) heard: Cell<Option<StatusCode>>,
}

/// The parts of its plan that a call knows.
pub(super) struct Scope<'a, O> {
    pub(super) observer: &'a O,
    /// The failure of an attempt that is dropped.
    pub(super) ending: &'a Cell<FailureKind>,
    pub(super) sent: &'a Sent,
    pub(super) pace: Option<&'a Pace>,
    pub(super) deadline: Instant,
    /// The plan's mode.
    pub(super) mode: Mode,
    /// The call's place in the plan.
    pub(super) index: usize,
}

impl<O> Scope<'_, O> {
    /// The number of times that the plan was kept waiting by who takes its results.
    fn holds(&self) -> u32 {
        self.pace.map_or(0, Pace::holds)
    }
}

impl<O: Observer> Scope<'_, O> {
    /// Tells that the upstream's circuit has changed, if it has.
    fn changed(&self, upstream: UpstreamId, circuit: Option<Circuit>) {
        if let Some(circuit) = circuit {
            self.observer
                .observe(&Event::CircuitChanged { upstream, circuit });
        }
    }

    /// Tells that a retry or a hedge is not sent.
    #[cold]
    fn refuse(&self, upstream: UpstreamId, cause: Cause, reason: Refusal) {
        // A call's own attempt is refused with a failure, which is told as such.
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

/// Makes the call and returns its place, its time and what came of it.
pub(super) async fn perform<U: Upstream, O: Observer>(
    call: &Call<U>,
    context: &U::Context,
    scope: Scope<'_, O>,
) -> (usize, Duration, Result<Reply, Failure>) {
    let started = Instant::now();
    call.policy.budget.deposit();
    let mut tries = 1;
    // The last failure, and the number of attempts that were sent until then.
    let mut before = None;
    let mut sent = 0;
    let result = loop {
        let cause = if tries == 1 {
            Cause::First
        } else {
            Cause::Retry
        };
        let failure = match hedged(call, context, &scope, cause).await {
            Ok(reply) => break Ok(reply),
            // It was refused, a retry after its pause: what this call had seen says more.
            Err(failure) if scope.sent.attempts.get() == sent => {
                if cause == Cause::Retry {
                    call.policy.budget.refund();
                }
                break Err(before.unwrap_or(failure));
            }
            Err(failure) => failure,
        };
        sent = scope.sent.attempts.get();
        let pause = match pause_before(call, &failure, tries, scope.deadline) {
            Ok(Some(pause)) => pause,
            Ok(None) => break Err(failure),
            Err(reason) => {
                scope.refuse(call.id, Cause::Retry, reason);
                break Err(failure);
            }
        };
        scope.observer.observe(&Event::Retry {
            call: scope.index,
            upstream: call.id,
            after: failure.kind,
            pause,
        });
        sleep(pause).await;
        if Instant::now() >= scope.deadline {
            // It took longer than it was to. Nothing is sent any more.
            scope.refuse(call.id, Cause::Retry, Refusal::Deadline);
            call.policy.budget.refund();
            break Err(failure);
        }
        before = Some(failure);
        tries += 1;
    };
    (scope.index, started.elapsed(), result)
}

/// Returns the pause before another attempt; `None` where one would not help or is not configured.
///
/// # Errors
/// When it would help and is refused: the circuit is open, the pause would end after the deadline, or the budget is spent.
fn pause_before<U>(
    call: &Call<U>,
    failure: &Failure,
    tries: u32,
    deadline: Instant,
) -> Result<Option<Duration>, Refusal> {
    if call.repeatable == Repeatable::No {
        return Ok(None);
    }
    let Some(pause) = call.policy.retry.pause(failure, tries, fastrand::f64()) else {
        return Ok(None);
    };
    let in_time = Instant::now()
        .checked_add(pause)
        .is_some_and(|next| next < deadline);
    call.policy.admits_extra()?;
    if !in_time {
        return Err(Refusal::Deadline);
    }
    call.policy.pay_for_extra()?;
    Ok(Some(pause))
}

/// One try, with a second beside it where the first takes too long. The first good answer wins and the other try is
/// dropped; the failure of both is that of the last.
async fn hedged<U: Upstream, O: Observer>(
    call: &Call<U>,
    context: &U::Context,
    scope: &Scope<'_, O>,
    cause: Cause,
) -> Result<Reply, Failure> {
    let admission = admit(call, scope, cause)?;
    // Held once for all ways through this: whatever the future is, every call in flight has it.
    let mut first = pin!(attempt(call, context, scope, cause, admission));
    let Some(after) = call.policy.hedge_after(call.repeatable) else {
        return first.await;
    };
    let began = Instant::now();
    let holds = scope.holds();
    tokio::select! {
        biased;
        result = &mut first => return result,
        () = sleep(after) => {}
    }
    // What has come may not have been seen yet.
    tokio::select! {
        biased;
        result = &mut first => return result,
        () = pause::turn() => {}
    }
    // It may have been answered, had anybody looked.
    let held = scope.holds() != holds || pause::is_pause(began.elapsed().saturating_sub(after));
    if held || Instant::now() >= scope.deadline {
        return first.await;
    }
    let Some(admission) = admit_hedge(call, scope) else {
        return first.await;
    };
    scope.observer.observe(&Event::Hedge {
        call: scope.index,
        upstream: call.id,
        after,
    });
    // On the heap: every call would have to hold its place.
    let mut second = Box::pin(attempt(call, context, scope, Cause::Hedge, admission));
    tokio::select! {
        biased;
        result = &mut first => match result {
            Ok(reply) => Ok(reply),
            Err(_) => second.await,
        },
        result = &mut second => match result {
            Ok(reply) => {
                // The first was at least this slow. Unless that counts, only the quick ones are remembered, the percentile
                // sinks, and ever more is hedged.
                let elapsed = began.elapsed();
                // Beyond its timeout it was not slow, but the gateway stood still.
                if elapsed <= call.timeout {
                    call.policy.answered(elapsed);
                }
                Ok(reply)
            }
            Err(_) => first.await,
        },
    }
}

/// Admits a second attempt beside a slow one, and pays for it. A refusal is an event, and costs nothing.
fn admit_hedge<U, O: Observer>(call: &Call<U>, scope: &Scope<'_, O>) -> Option<Admission> {
    let policy = &call.policy;
    // Paid first: a permit that is held for a moment might be missing to a call's own attempt.
    let paid = policy.admits_extra().and_then(|()| policy.pay_for_extra());
    if let Err(reason) = paid {
        scope.refuse(call.id, Cause::Hedge, reason);
        return None;
    }
    let admission = admit(call, scope, Cause::Hedge);
    if admission.is_err() {
        policy.budget.refund();
    }
    admission.ok()
}

/// The right to send one attempt.
struct Admission {
    pass: Option<Pass>,
    /// Given back when the attempt ends.
    _permit: Permit,
}

/// Asks the upstream's breaker and ceiling for an attempt.
///
/// # Errors
/// When one of them refuses it. Nothing is sent then.
fn admit<U, O: Observer>(
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

/// One try, which the upstream's breaker and ceiling have let through.
async fn attempt<U: Upstream, O: Observer>(
    call: &Call<U>,
    context: &U::Context,
    scope: &Scope<'_, O>,
    cause: Cause,
    admission: Admission,
) -> Result<Reply, Failure> {
    let policy = &call.policy;
    let mut watched = Attempt::start(call.id, scope, cause);
    let holds = scope.holds();
    let own = watched.started.checked_add(call.timeout);
    let until = own.map_or(scope.deadline, |own| own.min(scope.deadline));
    let mut result = timed(call, context, &watched, until, scope.deadline).await;
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
        // Neither its time nor its failure is the upstream's.
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
            // It answered, if not to our liking.
            Err(failure) if failure.status.is_some() => pass.settle(true),
            Err(_) => None,
        };
        scope.changed(call.id, circuit);
    }
    result
}

/// The upstream's own work, within the call's timeout.
async fn timed<U: Upstream>(
    call: &Call<U>,
    context: &U::Context,
    attempt: &Attempt<'_, impl Observer>,
    until: Instant,
    deadline: Instant,
) -> Result<Reply, Failure> {
    let Attempt { id, heard, .. } = attempt;
    let mut work = pin!(call.upstream.attempt(context, *id, until, heard));
    if until == deadline {
        // The plan's own timer covers this case, so that it has one and not one a call.
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
        failure.status = heard.status();
        Err(failure)
    })
}

/// Tells the observer of an attempt's end, also when the attempt is dropped.
struct Attempt<'a, O: Observer> {
    observer: &'a O,
    ending: &'a Cell<FailureKind>,
    sent: &'a Sent,
    heard: Heard,
    id: AttemptId,
    upstream: UpstreamId,
    cause: Cause,
    started: Instant,
    open: bool,
}

impl<'a, O: Observer> Attempt<'a, O> {
    fn start(upstream: UpstreamId, scope: &Scope<'a, O>, cause: Cause) -> Self {
        let number = scope.sent.attempts.get() + 1;
        scope.sent.attempts.set(number);
        if cause == Cause::Hedge {
            scope.sent.hedges.set(scope.sent.hedges.get() + 1);
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
            sent: scope.sent,
            heard: Heard::default(),
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

    /// Tells of the end, once, and returns the time until then.
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
            let status = self.heard.status();
            if status.is_some() {
                self.sent.heard.set(status);
            }
            self.end(status, Err(self.ending.get()));
        }
    }
}

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
