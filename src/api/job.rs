//! One request of one aggregate: its plan, its run, and the answer that says what came of it.

use std::{rc::Rc, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use tokio::time::Instant;

use super::{
    account::Account,
    gateway::{Exposed, Gateway},
    head::LONGEST_LIST,
    passed::{Passed, passed},
    problem::Problem,
    query::QueryError,
    summary::Summary,
};
use crate::{
    compose::{self, Comparison},
    exchange::ClientContext,
    fanout::{self, AggregateId, Choice, Mode, Outcome, Plan, Upstream, Verdict},
    telemetry::{PlanObserver, RequestGuard, spans::SpanObserver},
    timing::{Millis, server_timing, server_timing_of_both},
};

pub(super) const GATHER_MODE: HeaderName = HeaderName::from_static("gather-mode");
const GATHER_OUTCOME: HeaderName = HeaderName::from_static("gather-outcome");
const GATHER_ELAPSED: HeaderName = HeaderName::from_static("gather-elapsed");
const GATHER_SEQUENTIAL: HeaderName = HeaderName::from_static("gather-sequential");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The observer of every run, and that of a run whose trace is recorded.
pub(super) type Onlookers<'a> = (PlanObserver<'a>, Option<SpanObserver<'a>>);

/// One request of one aggregate.
pub(super) struct Job<U> {
    pub(super) gateway: Rc<Gateway<U>>,
    pub(super) id: AggregateId,
    pub(super) client: ClientContext,
    pub(super) began: Instant,
    pub(super) account: Option<Rc<Account>>,
}

impl<U: Upstream<Context = ClientContext>> Job<U> {
    pub(super) fn exposed(&self) -> &Exposed<U> {
        &self.gateway.exposed[self.id.0]
    }

    /// Runs it once, in the mode that was chosen or is configured.
    pub(super) async fn once(&self, choice: &Choice<'_>) -> Result<HttpResponse, Problem> {
        let aggregate = &self.exposed().aggregate;
        let deadline = aggregate.deadline(choice, self.began);
        let plan = self.plan(
            choice,
            choice.mode.unwrap_or(aggregate.rules.mode),
            deadline,
        )?;
        let guard = self.counted_from(self.began, plan.mode());
        let outcome = self.run(&plan).await;
        let total = self.began.elapsed();

        let passed = passed(&self.exposed().pass_status, &outcome);
        let passed = passed.as_deref();
        let mut response = self.respond(outcome.verdict, passed, |json| {
            compose::members(json, &aggregate.name, &outcome);
        });
        let timing = server_timing(total, &outcome, passed.map_or(LONGEST_LIST, Passed::room));
        let (mode, sequential) = (outcome.mode.as_str(), outcome.sequential());
        put_times(&mut response, mode, outcome.elapsed, sequential, &timing);
        self.sum_up(|| Summary::of(&aggregate.name, &outcome));
        let guard = guard.passing(passed.map(|passed| passed.status));
        guard.finish(&outcome);
        Ok(response)
    }

    /// Both modes in turn, under one deadline.
    pub(super) async fn compare(&self, choice: &Choice<'_>) -> Result<HttpResponse, Problem> {
        let aggregate = &self.exposed().aggregate;
        self.may_compare()?;
        let deadline = aggregate.deadline(choice, self.began);
        let sequential = self
            .counted(&self.plan(choice, Mode::Sequential, deadline)?)
            .await;
        let concurrent = self
            .counted(&self.plan(choice, Mode::Concurrent, deadline)?)
            .await;
        let total = self.began.elapsed();
        let runs = Comparison {
            sequential: &sequential,
            concurrent: &concurrent,
        };
        let passed = self.passed_of_either(runs);
        let passed = passed.as_deref();
        let mut response = self.respond(runs.verdict(), passed, |json| {
            compose::comparison(json, &aggregate.name, runs);
        });
        let room = passed.map_or(LONGEST_LIST, Passed::room);
        let timing = server_timing_of_both(total, [&sequential, &concurrent], room);
        put_times(&mut response, "compare", total, runs.all(), &timing);
        self.sum_up(|| Summary::of_both(&aggregate.name, runs));
        Ok(response)
    }

    /// The status that the answer takes from a call of either run, if it takes one.
    pub(super) fn passed_of_either<'a>(&self, runs: Comparison<'a>) -> Option<Box<Passed<'a>>> {
        let all = &self.exposed().pass_status;
        passed(all, runs.sequential).or_else(|| passed(all, runs.concurrent))
    }

    /// Refuses a comparison where `mode=compare` is not allowed.
    pub(super) fn may_compare(&self) -> Result<(), Problem> {
        if self.exposed().compare {
            return Ok(());
        }
        Err(QueryError::Invalid {
            name: "mode",
            found: "compare".to_owned(),
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

    /// Counts one run of it, in flight from now on.
    pub(super) fn counted_from(&self, began: Instant, mode: Mode) -> RequestGuard<'_> {
        let trace = self.client.trace.as_ref();
        let recorded = trace.filter(|trace| trace.is_sampled());
        let guard = self.gateway.metrics.request(self.id, mode, began);
        guard.recorded_as(recorded.map(|trace| trace.id()))
    }

    /// Those who count and record one run of it.
    pub(super) fn onlookers(&self, mode: Mode) -> Onlookers<'_> {
        let trace = self.account.as_ref().and_then(|it| it.trace.as_ref());
        (
            self.gateway.metrics.observer(),
            trace.and_then(|trace| trace.observer(mode, &self.gateway.targets)),
        )
    }

    /// Tells the log what came of it.
    pub(super) fn sum_up(&self, summary: impl FnOnce() -> Summary) {
        if let Some(account) = &self.account {
            account.set_summary(summary());
        }
    }

    async fn counted(&self, plan: &Plan<'_, U>) -> Outcome {
        let guard = self.counted_from(Instant::now(), plan.mode());
        let outcome = self.run(plan).await;
        let passed = passed(&self.exposed().pass_status, &outcome);
        let guard = guard.passing(passed.map(|passed| passed.status));
        guard.finish(&outcome);
        outcome
    }

    async fn run(&self, plan: &Plan<'_, U>) -> Outcome {
        fanout::run(plan, &self.client, &self.onlookers(plan.mode())).await
    }

    /// 200 with the members as the whole body, or a problem that has them as its extension.
    fn respond(
        &self,
        verdict: Verdict,
        passed: Option<&Passed<'_>>,
        members: impl FnOnce(&mut Vec<u8>),
    ) -> HttpResponse {
        let mut response = match Problem::of_run(verdict, passed) {
            None => {
                let mut json = vec![b'{'];
                members(&mut json);
                json.push(b'}');
                HttpResponseBuilder::new(StatusCode::OK)
                    .insert_header((header::CONTENT_TYPE, "application/json"))
                    .insert_header((header::CACHE_CONTROL, "no-store"))
                    .body(json)
            }
            Some(problem) => problem.response_with(members),
        };
        put(&mut response, GATHER_OUTCOME, verdict.as_str());
        response
    }
}

/// The fields that say how long what took.
fn put_times(
    response: &mut HttpResponse,
    mode: &str,
    elapsed: Duration,
    sequential: Duration,
    timing: &str,
) {
    put(response, GATHER_MODE, mode);
    put(response, GATHER_ELAPSED, Millis(elapsed).text().as_str());
    put(
        response,
        GATHER_SEQUENTIAL,
        Millis(sequential).text().as_str(),
    );
    put(response, SERVER_TIMING, timing);
}

/// All values here are visible ASCII of our own making.
pub(super) fn put(response: &mut HttpResponse, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
