//! Runs a plan: starts its calls as the mode allows, settles each exactly once, and stops at the decision or the
//! deadline, whichever comes first. It must not know how an attempt is made.

use std::{
    cell::{Cell, OnceCell},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    Aside, Body, CallResult, Earlier, Event, Failure, FailureKind, Mode, Observer, Outcome, Plan,
    Reply, Turn, Upstream,
    attempt::{Progress, Run, Scope},
    completion::{Decision, Tally},
    pause,
    ready::Ready,
    verdict::judge,
    work::{Work, perform},
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
    let progress: Vec<Progress> = plan.calls.iter().map(|_| Progress::default()).collect();
    // Calls that run read the results of others while the board settles more.
    let settled: Vec<OnceCell<CallResult>> = plan.calls.iter().map(|_| OnceCell::new()).collect();
    let run = Run {
        context,
        observer,
        ending: Cell::new(FailureKind::Cancelled),
        pace: plan.pace.as_deref(),
        earlier: Earlier::running(&settled, plan.positions.as_deref()),
        deadline: plan.deadline,
        mode: plan.rules.mode,
    };
    let mut board = Board::new(plan, observer, &progress, &settled);
    if Instant::now() >= plan.deadline {
        // Nothing may be sent any more, not even an attempt that would be cancelled at once.
        let elapsed = board.finish(End::Late);
        return outcome(plan, settled, elapsed);
    }
    // Declared after the board: a dropped plan ends its attempts before it settles their calls.
    let mut running = FuturesUnordered::new();
    let deadline = sleep_until(plan.deadline);
    tokio::pin!(deadline);

    // No call is started any more, but an answer may have come without having been seen yet.
    let mut over = false;
    let end = 'plan: loop {
        // A call that failed as the time ended may have made room for another call. That call would come too late.
        while !over
            && !deadline.is_elapsed()
            && running.len() < plan.rules.concurrency.get()
            && let Some(index) = board.ready.take()
        {
            let call = plan.calls[index];
            let work = match board.turn(index, call.upstream.turn(context, run.earlier)) {
                Ok(work) => work,
                Err(Decision::GoOn) => continue,
                Err(Decision::Met) => break 'plan End::Enough,
                Err(Decision::Lost) => break 'plan End::Lost,
            };
            let scope = Scope {
                run: &run,
                call,
                progress: &progress[index],
                index,
            };
            running.push(perform(scope, work));
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
                    run.ending.set(FailureKind::Deadline);
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
    let elapsed = board.finish(end);
    outcome(plan, settled, elapsed)
}

/// Makes the outcome of a plan all of whose calls have settled.
fn outcome<U>(
    plan: &Plan<'_, U>,
    settled: Vec<OnceCell<CallResult>>,
    elapsed: Duration,
) -> Outcome {
    let results = settled.into_iter().filter_map(OnceCell::into_inner);
    let results: Vec<CallResult> = results.collect();
    let needs = plan.calls.iter().map(|call| call.need);
    let inputs = |index| plan.inputs(index);
    Outcome {
        mode: plan.rules.mode,
        verdict: judge(&plan.rules, needs, inputs, &results),
        elapsed,
        results,
        positions: plan.positions.clone(),
    }
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

/// Settles each call of a plan exactly once, also if the plan is dropped.
struct Board<'p, 'a, U, O: Observer> {
    plan: &'p Plan<'a, U>,
    observer: &'p O,
    began: Instant,
    /// By call.
    progress: &'p [Progress],
    /// By call. One that has no result waits for its turn, or runs.
    settled: &'p [OnceCell<CallResult>],
    ready: Ready,
    /// True as soon as a call has had its turn.
    has_begun: bool,
    tally: Tally,
}

impl<'p, 'a, U, O: Observer> Board<'p, 'a, U, O> {
    fn new(
        plan: &'p Plan<'a, U>,
        observer: &'p O,
        progress: &'p [Progress],
        settled: &'p [OnceCell<CallResult>],
    ) -> Self {
        Self {
            plan,
            observer,
            began: Instant::now(),
            progress,
            settled,
            ready: Ready::new(plan),
            has_begun: false,
            tally: Tally::new(&plan.rules, plan.calls.iter().map(|call| call.need)),
        }
    }

    /// Starts a call whose turn it is, and returns its work.
    ///
    /// # Errors
    /// If nothing is to be sent, the call is settled. The error is what that means for the plan.
    fn turn<'t, R>(&mut self, index: usize, turn: Turn<'t, R>) -> Result<Work<'t, R>, Decision> {
        self.has_begun = true;
        let start = self.began.elapsed();
        let work = match turn {
            Turn::Send(request) => Work::One(request),
            Turn::Each(elements) => Work::Each(elements),
            Turn::Omit => return Err(self.omit(index, start)),
            Turn::Fail(failure) => {
                return Err(self.count_and_put(index, start, Duration::ZERO, Err(failure)));
            }
        };
        self.progress[index].started(start);
        self.observer.observe(&Event::CallStarted { call: index });
        Ok(work)
    }

    #[cold]
    fn omit(&mut self, index: usize, start: Duration) -> Decision {
        let failure = Failure::new(FailureKind::Omitted, "the call's own condition was false");
        let decision = self.tally.omitted(self.plan.calls[index].need);
        self.put(index, start, Duration::ZERO, Err(failure));
        decision
    }

    fn settle(
        &mut self,
        index: usize,
        elapsed: Duration,
        result: Result<Reply, Failure>,
    ) -> Decision {
        let start = self.progress[index].start().unwrap_or_default();
        self.count_and_put(index, start, elapsed, result)
    }

    #[inline(always)]
    fn count_and_put(
        &mut self,
        index: usize,
        start: Duration,
        elapsed: Duration,
        result: Result<Reply, Failure>,
    ) -> Decision {
        let need = self.plan.calls[index].need;
        let decision = match &result {
            Ok(_) => self.tally.succeeded(need),
            Err(_) => self.tally.failed(need),
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
        let call = self.plan.calls[index];
        let progress = &self.progress[index];
        let fallback = match &result {
            Ok(_) => None,
            Err(failure) if failure.kind == FailureKind::Omitted => None,
            Err(_) => call.fallback.clone(),
        };
        let mut result = CallResult {
            name: call.name.clone(),
            start,
            elapsed,
            attempts: progress.attempts.get(),
            hedges: progress.hedges.get(),
            aside: Aside::of(fallback, progress.each.take().map(|each| *each)),
            result,
        };
        self.observer.observe(&Event::CallSettled {
            call: index,
            upstream: call.id,
            result: &result,
        });
        if self.plan.pace.is_some()
            && !call.is_read
            && let Ok(reply) = &mut result.result
        {
            reply.body = Body::Empty;
        }
        let put = self.settled[index].set(result);
        debug_assert!(put.is_ok(), "each call settles once");
        self.ready.settled(self.plan, index);
    }

    /// Settles the calls that are still open, in plan order. Most plans end without any, so they look at no clock.
    fn close(&mut self, end: End) {
        if self.settled.iter().any(|settled| settled.get().is_none()) {
            self.close_open(end);
        }
    }

    #[cold]
    fn close_open(&mut self, end: End) {
        let now = self.began.elapsed();
        for index in 0..self.settled.len() {
            if self.settled[index].get().is_some() {
                continue;
            }
            match self.progress[index].start() {
                Some(start) => {
                    let mut failure = given_up(end);
                    failure.status = self.progress[index].last_status.get();
                    self.put(index, start, now.saturating_sub(start), Err(failure));
                }
                None => {
                    let failure = match self.plan.rules.mode {
                        Mode::Sequential if self.has_begun => Failure::new(
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

    /// Settles the calls that are still open, and returns the plan's time.
    fn finish(mut self, end: End) -> Duration {
        self.close(end);
        self.began.elapsed()
    }
}

impl<U, O: Observer> Drop for Board<'_, '_, U, O> {
    /// Does nothing after `finish`, as no call is open then.
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

#[cfg(test)]
#[path = "graph_tests.rs"]
mod graph_tests;
