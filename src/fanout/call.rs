//! One call of a plan: its attempts one after another (retries) and beside one another (hedges). The upstream's budget
//! pays for the extra ones. It must not know the other calls.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    Call, Cause, Event, Failure, Observer, Refusal, Repeatable, Reply, Upstream,
    attempt::{Admission, Scope, admit, attempt},
    pause,
};

/// Sends a request, again if that may help, and returns the last result.
pub(super) async fn send<U: Upstream, O: Observer>(
    scope: &Scope<'_, U, O>,
    request: &U::Request,
) -> Result<Reply, Failure> {
    scope.call.policy.budget.deposit();
    let admission = admit(scope, Cause::First)?;
    let failure = match hedged(scope, request, Cause::First, admission).await {
        Ok(reply) => return Ok(reply),
        Err(failure) => failure,
    };
    match pause_after(scope, &failure, 1) {
        None => Err(failure),
        // On the heap: otherwise every call would have to keep room for it.
        Some(pause) => Box::pin(again(scope, request, failure, pause)).await,
    }
}

/// Sends a request again after a failure and a pause that is paid for, as often as that may help.
async fn again<U: Upstream, O: Observer>(
    scope: &Scope<'_, U, O>,
    request: &U::Request,
    mut failure: Failure,
    mut pause: Duration,
) -> Result<Reply, Failure> {
    let Scope { run, call, .. } = *scope;
    let mut tries = 1;
    loop {
        run.observer.observe(&Event::Retry {
            call: scope.index,
            upstream: call.id,
            after: failure.kind,
            pause,
        });
        sleep(pause).await;
        if Instant::now() >= run.deadline {
            // The pause took longer than it was meant to. Nothing is sent any more.
            scope.refuse(Cause::Retry, Refusal::Deadline);
            call.policy.budget.refund();
            return Err(failure);
        }
        // A retry that is refused after its pause: the failure before it says more.
        let Ok(admission) = admit(scope, Cause::Retry) else {
            call.policy.budget.refund();
            return Err(failure);
        };
        failure = match hedged(scope, request, Cause::Retry, admission).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        tries += 1;
        pause = match pause_after(scope, &failure, tries) {
            Some(pause) => pause,
            None => return Err(failure),
        };
    }
}

/// Returns the pause before another attempt; `None` if there is none. A refusal is an event.
fn pause_after<U: Upstream, O: Observer>(
    scope: &Scope<'_, U, O>,
    failure: &Failure,
    tries: u32,
) -> Option<Duration> {
    pause_before(scope.call, failure, tries, scope.run.deadline).unwrap_or_else(|reason| {
        scope.refuse(Cause::Retry, reason);
        None
    })
}

/// Returns the pause before another attempt; `None` if one would not help or is not configured.
///
/// # Errors
/// Fails if it would help and is refused: the circuit is open, the pause would end after the deadline, or the budget is
/// spent.
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

/// Makes one attempt, with a second beside it if the first takes too long.
async fn hedged<U: Upstream, O: Observer>(
    scope: &Scope<'_, U, O>,
    request: &U::Request,
    cause: Cause,
    admission: Admission,
) -> Result<Reply, Failure> {
    // One future for all paths through this function: every call in flight holds it, whatever its size.
    let mut first = pin!(attempt(scope, request, cause, admission));
    match scope.call.policy.hedge_after(scope.call.repeatable) {
        None => first.await,
        // On the heap: otherwise every call would have to keep room for it.
        Some(after) => Box::pin(beside(first.as_mut(), scope, request, after)).await,
    }
}

/// Waits for an attempt, and makes a second beside it after this time. The first good answer wins and the other attempt
/// is dropped. If both fail, the last failure is returned.
async fn beside<U: Upstream, O: Observer>(
    mut first: Pin<&mut impl Future<Output = Result<Reply, Failure>>>,
    scope: &Scope<'_, U, O>,
    request: &U::Request,
    after: Duration,
) -> Result<Reply, Failure> {
    let Scope { run, call, .. } = *scope;
    let began = Instant::now();
    let holds = scope.holds();
    tokio::select! {
        biased;
        result = &mut first => return result,
        () = sleep(after) => {}
    }
    // An answer may have come without having been seen yet.
    tokio::select! {
        biased;
        result = &mut first => return result,
        () = pause::yield_to_io() => {}
    }
    // An answer may have come that the gateway had no time to look at.
    let held = scope.holds() != holds || pause::is_pause(began.elapsed().saturating_sub(after));
    if held || Instant::now() >= run.deadline {
        return first.await;
    }
    let Some(admission) = admit_hedge(scope) else {
        return first.await;
    };
    run.observer.observe(&Event::Hedge {
        call: scope.index,
        upstream: call.id,
        after,
    });
    // On the heap: most calls with a hedge never send it.
    let mut second = Box::pin(attempt(scope, request, Cause::Hedge, admission));
    tokio::select! {
        biased;
        result = &mut first => match result {
            Ok(reply) => Ok(reply),
            Err(_) => second.await,
        },
        result = &mut second => match result {
            Ok(reply) => {
                // The first was at least this slow, and that counts. Otherwise only quick answers are remembered, the
                // percentile sinks, and ever more is hedged.
                let elapsed = began.elapsed();
                // Beyond its timeout, the gateway stood still: that says nothing of the upstream.
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
fn admit_hedge<U: Upstream, O: Observer>(scope: &Scope<'_, U, O>) -> Option<Admission> {
    let policy = &scope.call.policy;
    // Paid first: a permit that is held for a moment could be the one that a call's own attempt needs.
    let paid = policy.admits_extra().and_then(|()| policy.pay_for_extra());
    if let Err(reason) = paid {
        scope.refuse(Cause::Hedge, reason);
        return None;
    }
    let admission = admit(scope, Cause::Hedge);
    if admission.is_err() {
        policy.budget.refund();
    }
    admission.ok()
}

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
