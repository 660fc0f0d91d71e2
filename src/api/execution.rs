//! The run of one request of one aggregate: plans it, counts it, runs it, and notes its end for the log. It must not
//! know how the answer is delivered.

use std::{rc::Rc, slice, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    account::Account,
    client_upstream::ClientUpstream,
    gateway::{Exposed, Gateway},
    passed::{Passed, passed},
    problem::Problem,
    query::{COMPARE, Run},
    query_error::QueryError,
    summary::{Summary, failed, reason},
};
use crate::{
    compose::{self, Comparison, Shape, Shaping},
    exchange::ClientContext,
    fanout::{
        self, AggregateId, Blame, CallResult, Choice, Event, Mode, Observer, Outcome, Pace, Plan,
        Verdict,
    },
    telemetry::{
        PlanObserver, RequestGuard,
        spans::{PlanShape, SpanObserver},
    },
    timing::{server_timing, server_timing_of_both},
};

/// One request of one aggregate.
pub(super) struct Execution<U> {
    pub(super) gateway: Rc<Gateway<U>>,
    pub(super) id: AggregateId,
    pub(super) client: ClientContext,
    pub(super) began: Instant,
    pub(super) account: Option<Rc<Account>>,
}

/// The reader of results while a run goes on.
pub(super) trait ResultSink {
    /// Returns the back-pressure of a reader that takes each result by itself.
    fn pace(&self) -> Option<&Rc<Pace>>;

    /// Takes a result that is final. `run` is the mode of its run in a comparison.
    fn settled(&self, run: Option<Mode>, call: usize, result: &CallResult);
}

/// Takes no results, as the report has them all.
impl ResultSink for () {
    fn pace(&self) -> Option<&Rc<Pace>> {
        None
    }

    fn settled(&self, _: Option<Mode>, _: usize, _: &CallResult) {}
}

/// The observers of one run: the metrics, the trace if it is recorded, and the reader of results.
struct Observers<'a, S> {
    metrics: PlanObserver<'a>,
    spans: Option<SpanObserver<'a>>,
    sink: &'a S,
    /// The mode, if results have to say which run they are of.
    run: Option<Mode>,
}

impl<S: ResultSink> Observer for Observers<'_, S> {
    fn observe(&self, event: &Event<'_>) {
        self.metrics.observe(event);
        self.spans.observe(event);
        if let Event::CallSettled { call, result, .. } = *event {
            self.sink.settled(self.run, call, result);
        }
    }
}

/// The value that an answer is, where its aggregate's shape is an expression; or the reason why there is none.
pub(super) type Computed = Result<Vec<u8>, String>;

/// The end of a run.
pub(super) enum Report<'a> {
    /// It ran once. The guard counts it when its answer is composed. The value is boxed, as it is rare.
    Once(Outcome, RequestGuard<'a>, Option<Box<Computed>>),
    /// It ran sequentially, then concurrently. Both are counted.
    Both(Box<[Outcome; 2]>),
}

impl<U: ClientUpstream> Execution<U> {
    pub(super) fn exposed(&self) -> &Exposed<U> {
        &self.gateway.exposed[self.id.0]
    }

    /// Runs the request's choice: once, or in both modes in turn under one deadline.
    pub(super) async fn run<S: ResultSink>(
        &self,
        run: Run,
        choice: &Choice<'_>,
        sink: &S,
    ) -> Result<Report<'_>, Problem> {
        let deadline = self.exposed().aggregate.deadline(choice, self.began);
        let report = match run {
            Run::Once(mode) => {
                let mode = mode.unwrap_or(self.exposed().endpoint.rules.mode);
                let plan = self.paced(choice, mode, deadline, sink)?;
                let guard = self.counted(self.began, mode, sink);
                let mut outcome = self.observed(&plan, sink, None).await;
                let computed = self.computed(&mut outcome);
                Report::Once(outcome, guard, computed)
            }
            // On the heap: it is far larger, and a request that runs once would hold as much.
            Run::Compare => Report::Both(Box::pin(self.compare(choice, deadline, sink)).await?),
        };
        if let Some(account) = &self.account {
            account.set_summary(report.summary(&self.exposed().aggregate.name));
        }
        Ok(report)
    }

    async fn compare<S: ResultSink>(
        &self,
        choice: &Choice<'_>,
        deadline: Instant,
        sink: &S,
    ) -> Result<Box<[Outcome; 2]>, Problem> {
        self.may_compare()?;
        let [sequential, concurrent] =
            [Mode::Sequential, Mode::Concurrent].map(|mode| async move {
                let plan = self.paced(choice, mode, deadline, sink)?;
                let guard = self.counted(Instant::now(), mode, sink);
                let outcome = self.observed(&plan, sink, Some(mode)).await;
                let passed = passed(&self.exposed().endpoint.pass_status, &outcome);
                guard
                    .passing(passed.map(|passed| passed.status))
                    .finish(&outcome);
                Ok::<_, Problem>(outcome)
            });
        let sequential = sequential.await?;
        Ok(Box::new([sequential, concurrent.await?]))
    }

    /// Refuses a comparison if `mode=compare` is not allowed.
    pub(super) fn may_compare(&self) -> Result<(), Problem> {
        if self.exposed().endpoint.limits.compare {
            return Ok(());
        }
        Err(QueryError::Invalid {
            name: "mode".into(),
            found: COMPARE.to_owned(),
            expected: "`sequential` or `concurrent`, as this aggregate has no `compare = true`",
        }
        .into())
    }

    pub(super) fn plan(
        &self,
        choice: &Choice<'_>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Plan<'_, U>, Problem> {
        let plan = self.exposed().aggregate.plan(choice, mode, deadline);
        plan.map_err(|error| Problem::unplanned(&error, choice))
    }

    /// Plans a run that waits for its reader, if there is one.
    fn paced<S: ResultSink>(
        &self,
        choice: &Choice<'_>,
        mode: Mode,
        deadline: Instant,
        sink: &S,
    ) -> Result<Plan<'_, U>, Problem> {
        let plan = self.plan(choice, mode, deadline)?;
        Ok(match sink.pace() {
            Some(pace) => plan.paced(Rc::clone(pace)),
            None => plan,
        })
    }

    /// Counts one run, in flight from now on.
    fn counted<S: ResultSink>(&self, began: Instant, mode: Mode, sink: &S) -> RequestGuard<'_> {
        let account = self.account.as_ref();
        let guard = self.gateway.metrics.request(self.id, mode, began);
        let guard = guard.recorded_as(account.and_then(|account| account.recorded_id()));
        match sink.pace() {
            Some(_) => guard.streamed(),
            None => guard,
        }
    }

    /// Runs a plan with its observers.
    async fn observed<S: ResultSink>(
        &self,
        plan: &Plan<'_, U>,
        sink: &S,
        run: Option<Mode>,
    ) -> Outcome {
        let account = self.account.as_ref();
        let shape = PlanShape {
            aggregate: self.id,
            mode: plan.mode(),
            names: plan.names(),
        };
        let observers = Observers {
            metrics: self.gateway.metrics.observer(),
            spans: account.and_then(|account| account.observer(shape, &self.gateway.targets)),
            sink,
            run,
        };
        fanout::run(plan, &self.client, &observers).await
    }

    /// Returns the shaping of the calls with these names, in plan order. `None` if the answer is a report with each
    /// body as it came.
    pub(super) fn shaping<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<Shaping<'_>> {
        let endpoint = &self.exposed().endpoint;
        let shaping = || Shaping::new(&self.client, endpoint.shapes(names).collect());
        endpoint.is_shaped().then(shaping)
    }

    /// Computes the value that the answer is, if it is one. An outcome without its value has failed.
    fn computed(&self, outcome: &mut Outcome) -> Option<Box<Computed>> {
        let endpoint = &self.exposed().endpoint;
        let Shape::Value(expression) = &endpoint.shape else {
            return None;
        };
        let is_problem = matches!(outcome.verdict, Verdict::Failed(_));
        if is_problem || passed(&endpoint.pass_status, outcome).is_some() {
            return None;
        }
        let shaping = self.shaping(outcome.results.iter().map(|call| &*call.name))?;
        let mut json = Vec::new();
        let computed = shaping.computed(&mut json, expression, outcome);
        if computed.is_err() {
            outcome.verdict = Verdict::Failed(Blame::Upstream);
        }
        Some(Box::new(
            computed.map(|()| json).map_err(|why| why.to_string()),
        ))
    }

    /// Returns the status that the answer takes from a call of any run, if it takes one.
    pub(super) fn passed<'a>(&self, report: &'a Report<'_>) -> Option<Box<Passed<'a>>> {
        let all = &self.exposed().endpoint.pass_status;
        match report {
            Report::Once(_, _, Some(_)) => None,
            Report::Once(outcome, ..) => passed(all, outcome),
            Report::Both(runs) => runs.iter().find_map(|run| passed(all, run)),
        }
    }
}

impl Report<'_> {
    /// Returns the last run. It is the only one, unless both modes were run.
    pub(super) fn last(&self) -> &Outcome {
        match self {
            Self::Once(outcome, ..) => outcome,
            Self::Both(runs) => &runs[1],
        }
    }

    /// Returns the problem that the answer is, if it is one. `passed` is the status that it takes from a call.
    pub(super) fn problem(&self, passed: Option<&Passed<'_>>) -> Option<Problem> {
        match self {
            Self::Once(_, _, Some(computed)) => {
                let reason = computed.as_ref().as_ref().err()?;
                Some(Problem::not_computed(reason))
            }
            _ => Problem::of_run(self.verdict(), passed),
        }
    }

    /// Appends the answer's one value, if its aggregate's shape has one. A comparison is always a report.
    pub(super) fn value(
        &self,
        shape: &Shape,
        shaping: Option<&Shaping<'_>>,
        json: &mut Vec<u8>,
    ) -> bool {
        match (self, shape, shaping) {
            (Self::Once(_, _, Some(computed)), ..) => {
                if let Ok(value) = &**computed {
                    json.extend_from_slice(value);
                }
                computed.is_ok()
            }
            (Self::Once(outcome, ..), Shape::Merge, Some(shaping)) => {
                compose::merged(json, outcome, shaping);
                true
            }
            _ => false,
        }
    }

    /// Returns the verdict, which decides the answer's status.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Once(outcome, ..) => outcome.verdict,
            Self::Both(runs) => both(runs).verdict(),
        }
    }

    /// Returns the mode as answers write it.
    pub(super) fn mode(&self) -> &'static str {
        match self {
            Self::Once(outcome, ..) => outcome.mode.as_str(),
            Self::Both(_) => COMPARE,
        }
    }

    /// Returns the time that all calls take one after another.
    pub(super) fn sequential(&self) -> Duration {
        match self {
            Self::Once(outcome, ..) => outcome.sequential(),
            Self::Both(runs) => both(runs).all(),
        }
    }

    /// Returns `Server-Timing` for a request that took `total`, in at most `most` bytes.
    pub(super) fn timing(&self, total: Duration, most: usize) -> String {
        match self {
            Self::Once(outcome, ..) => server_timing(total, outcome, most),
            Self::Both(runs) => server_timing_of_both(total, [&runs[0], &runs[1]], most),
        }
    }

    fn summary(&self, aggregate: &Arc<str>) -> Summary {
        let outcomes = match self {
            Self::Once(outcome, ..) => slice::from_ref(outcome),
            Self::Both(runs) => &runs[..],
        };
        let failed = failed(outcomes);
        Summary {
            aggregate: Arc::clone(aggregate),
            mode: self.mode(),
            outcome: self.verdict().as_str(),
            sequential: self.sequential(),
            // A call that is skipped for a value has failed.
            reason: if failed.is_empty() {
                None
            } else {
                reason(outcomes)
            },
            failed,
        }
    }

    /// Counts the request by its end, once its answer is composed. `status` is the one that the answer takes from an
    /// upstream, if it takes one.
    pub(super) fn finish(self, status: Option<http::StatusCode>) {
        if let Self::Once(outcome, guard, _) = self {
            guard.passing(status).finish(&outcome);
        }
    }
}

/// Returns both runs of a comparison, as they are composed.
pub(super) fn both([sequential, concurrent]: &[Outcome; 2]) -> Comparison<'_> {
    Comparison {
        sequential,
        concurrent,
    }
}
