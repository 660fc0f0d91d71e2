//! Runs a plan: starts its calls as the mode allows, settles each exactly once, and stops at the decision or the
//! deadline, whichever comes first. It must not know how an attempt is made.

use std::{cell::Cell, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    Body, Call, CallResult, Event, Failure, FailureKind, Mode, Observer, Outcome, Plan, Reply,
    Upstream,
    attempt::{Progress, Scope},
    call::perform,
    completion::{Decision, Tally},
    outcome::judge,
    pause,
};

/// Runs `plan` to its end and returns every call's result in plan order. It ends by the plan's deadline. If the process
/// could not run at that time, the answers that have come by then are still taken.
///
/// Dropping the returned future cancels every call that is under way, and reports that to the observer.
pub async fn run<U, O>(plan: &Plan<'_, U>, context: &U::Context, observer: &O) -> Outcome
where
    U: Upstream,
    O: Observer,
{
    let ending = Cell::new(FailureKind::Cancelled);
    let progress: Vec<Progress> = plan.calls.iter().map(|_| Progress::default()).collect();
    let mut board = Board::new(plan, observer, &progress);
    if Instant::now() >= plan.deadline {
        // Nothing may be sent any more, not even an attempt that would be cancelled at once.
        return board.finish(End::Late);
    }
    // Declared after the board: a dropped plan ends its attempts before it settles their calls.
    let mut running = FuturesUnordered::new();
    let deadline = sleep_until(plan.deadline);
    tokio::pin!(deadline);

    // No call is started any more, but an answer may have come without having been seen yet.
    let mut over = false;
    let end = loop {
        // A call that failed as the time ended may have made room for another call. That call would come too late.
        while !over
            && !deadline.is_elapsed()
            && running.len() < plan.rules.concurrency.get()
            && let Some((index, call)) = board.start_next()
        {
            let scope = Scope {
                observer,
                ending: &ending,
                progress: &progress[index],
                pace: plan.pace.as_deref(),
                deadline: plan.deadline,
                mode: plan.rules.mode,
                index,
            };
            running.push(perform(call, context, scope));
        }
        if let Some(pace) = &plan.pace
            && !over
        {
            pace.room().await;
        }
        tokio::select! {
            biased;
            settled = running.next() => match settled {
                None if over || deadline.is_elapsed() => break End::Late,
                None => break End::Done,
                Some((index, elapsed, result)) => match board.settle(index, elapsed, result) {
                    Decision::GoOn => {}
                    Decision::Met => break End::Enough,
                    Decision::Lost => break End::Lost,
                },
            },
            () = &mut deadline => {
                if over {
                    ending.set(FailureKind::Deadline);
                    break End::Late;
                }
                over = true;
                if let Some(look) = pause::over(plan.deadline).await {
                    deadline.as_mut().reset(Instant::now() + look);
                }
            }
        }
    };
    drop(running);
    board.finish(end)
}

/// The reason why a plan stopped.
#[derive(Clone, Copy)]
enum End {
    Done,
    Enough,
    Lost,
    Late,
    Dropped,
}

/// The state of one call of a plan.
enum Slot {
    Waiting,
    Running { start: Duration },
    Settled(CallResult),
}

/// Keeps the plan's results in plan order and settles each call exactly once, also if the plan is dropped.
struct Board<'p, 'a, U, O: Observer> {
    plan: &'p Plan<'a, U>,
    observer: &'p O,
    began: Instant,
    /// By call.
    progress: &'p [Progress],
    slots: Vec<Slot>,
    next: usize,
    tally: Tally,
}

impl<'p, 'a, U, O: Observer> Board<'p, 'a, U, O> {
    fn new(plan: &'p Plan<'a, U>, observer: &'p O, progress: &'p [Progress]) -> Self {
        let calls = plan.calls.len();
        Self {
            plan,
            observer,
            began: Instant::now(),
            progress,
            slots: (0..calls).map(|_| Slot::Waiting).collect(),
            next: 0,
            tally: Tally::new(&plan.rules, plan.calls.iter().map(|call| call.need)),
        }
    }

    /// Starts the next call in plan order and returns it.
    fn start_next(&mut self) -> Option<(usize, &'a Call<U>)> {
        let index = self.next;
        let call = *self.plan.calls.get(index)?;
        self.next += 1;
        self.slots[index] = Slot::Running {
            start: self.began.elapsed(),
        };
        self.observer.observe(&Event::CallStarted { call: index });
        Some((index, call))
    }

    fn settle(
        &mut self,
        index: usize,
        elapsed: Duration,
        result: Result<Reply, Failure>,
    ) -> Decision {
        let need = self.plan.calls[index].need;
        let decision = match &result {
            Ok(_) => self.tally.succeeded(need),
            Err(_) => self.tally.failed(need),
        };
        let start = match self.slots[index] {
            Slot::Running { start } => start,
            Slot::Waiting | Slot::Settled(_) => unreachable!("only a running call can settle"),
        };
        self.put(index, start, elapsed, result);
        decision
    }

    fn put(
        &mut self,
        index: usize,
        start: Duration,
        elapsed: Duration,
        result: Result<Reply, Failure>,
    ) {
        let mut result = CallResult {
            name: self.plan.calls[index].name.clone(),
            start,
            elapsed,
            attempts: self.progress[index].attempts.get(),
            hedges: self.progress[index].hedges.get(),
            result,
            fallback: None,
            each: None,
        };
        self.observer.observe(&Event::CallSettled {
            call: index,
            upstream: self.plan.calls[index].id,
            result: &result,
        });
        if self.plan.pace.is_some()
            && let Ok(reply) = &mut result.result
        {
            reply.body = Body::Empty;
        }
        self.slots[index] = Slot::Settled(result);
    }

    /// Settles the calls that are still open, in plan order.
    fn close(&mut self, end: End) {
        let now = self.began.elapsed();
        for index in 0..self.slots.len() {
            match self.slots[index] {
                Slot::Settled(_) => {}
                Slot::Running { start } => {
                    let mut failure = given_up(end);
                    failure.status = self.progress[index].last_status.get();
                    self.put(index, start, now.saturating_sub(start), Err(failure));
                }
                Slot::Waiting => {
                    let failure = match self.plan.rules.mode {
                        Mode::Sequential if self.next > 0 => Failure::new(
                            FailureKind::Skipped,
                            "the plan had stopped before this call",
                        ),
                        Mode::Sequential | Mode::Concurrent => given_up(end),
                    };
                    self.put(index, now, Duration::ZERO, Err(failure));
                }
            }
        }
    }

    fn finish(mut self, end: End) -> Outcome {
        self.close(end);
        let results: Vec<CallResult> = std::mem::take(&mut self.slots)
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Settled(result) => Some(result),
                Slot::Waiting | Slot::Running { .. } => None,
            })
            .collect();
        let needs = self.plan.calls.iter().map(|call| call.need);
        let verdict = judge(&self.plan.rules, needs, &results);
        Outcome {
            mode: self.plan.rules.mode,
            verdict,
            elapsed: self.began.elapsed(),
            results,
        }
    }
}

impl<U, O: Observer> Drop for Board<'_, '_, U, O> {
    /// Does nothing after `finish`, as there is no slot left.
    fn drop(&mut self) {
        self.close(End::Dropped);
    }
}

/// Returns the failure of a call that was open when its plan ended.
fn given_up(end: End) -> Failure {
    match end {
        End::Late => Failure::new(FailureKind::Deadline, "the request's time was over"),
        End::Lost => Failure::new(
            FailureKind::Cancelled,
            "another call's failure ended the plan",
        ),
        End::Enough => Failure::new(
            FailureKind::Cancelled,
            "the calls that were waited for had settled",
        ),
        End::Done | End::Dropped => Failure::new(FailureKind::Cancelled, "the client went away"),
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
