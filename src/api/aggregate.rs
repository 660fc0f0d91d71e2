//! `GET /aggregate` and `GET /aggregate/{name}`: read the request, run the plan, show what came of it.

use std::{rc::Rc, time::Duration};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use super::{
    answer::Answer,
    error::{self, Problem, ProblemKind, shown},
    gateway::{Exposed, Gateway},
    guard::{Account, Summary},
    query::{Query, QueryError, Run, preferred_wait},
    request_id::RequestId,
};
use crate::{
    compose::{self, Comparison},
    fanout::{self, Allowance, Choice, Forward, Mode, Outcome, Plan, Upstream, Verdict},
    timing::{Millis, server_timing, server_timing_of_both},
};

const GATHER_MODE: HeaderName = HeaderName::from_static("gather-mode");
const GATHER_OUTCOME: HeaderName = HeaderName::from_static("gather-outcome");
const GATHER_ELAPSED: HeaderName = HeaderName::from_static("gather-elapsed");
const GATHER_SEQUENTIAL: HeaderName = HeaderName::from_static("gather-sequential");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The aggregate that `/aggregate` alone means.
const DEFAULT: &str = "default";

pub(super) async fn default<U>(request: HttpRequest) -> Result<HttpResponse, Problem>
where
    U: Upstream<Context = Forward> + 'static,
{
    answer::<U>(&request, DEFAULT).await
}

/// The aggregate that the rest of the path names, if that is one segment.
pub(super) async fn named<U>(request: HttpRequest) -> Result<HttpResponse, Problem>
where
    U: Upstream<Context = Forward> + 'static,
{
    let rest = request.match_info().unprocessed();
    let name = rest.strip_prefix('/').unwrap_or(rest);
    if name.is_empty() || name.contains('/') {
        return Err(error::not_found(request).await);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(error::method_not_allowed(request).await);
    }
    let name = percent_decode_str(name).decode_utf8_lossy();
    answer::<U>(&request, &name).await
}

async fn answer<U>(request: &HttpRequest, name: &str) -> Result<HttpResponse, Problem>
where
    U: Upstream<Context = Forward> + 'static,
{
    let began = Instant::now();
    let gateway = request
        .app_data::<Rc<Gateway<U>>>()
        .ok_or_else(|| Problem::new(ProblemKind::Internal, "the gateway has no aggregates"))?;
    let (index, exposed) = gateway.find(name).ok_or_else(|| unknown(name))?;
    // Before anything is read or planned: a refusal must cost next to nothing.
    let place = gateway.admit(index)?;
    let mut query = Query::parse(request.query_string(), &exposed.forward_query)?;
    let preferred = preferred(request);
    let account = request.extensions().get::<Rc<Account>>().cloned();
    let id = account.as_ref().map(|account| account.id.clone());
    let forwarded = std::mem::take(&mut query.forwarded);
    let forward = forward(request, id, exposed, forwarded);
    if let Some(account) = &account {
        let mode = match query.run {
            Run::Once(mode) => mode.unwrap_or(exposed.aggregate.mode).as_str(),
            Run::Compare => "compare",
        };
        account.runs(&exposed.aggregate.name, mode);
    }
    let choice = query.choice(preferred.map(Duration::from_secs));
    let job = Job {
        gateway,
        index,
        exposed,
        forward,
        began,
        account,
    };
    let mut response = match query.run {
        Run::Once(_) => job.once(&choice).await?,
        Run::Compare => job.compare(&choice).await?,
    };
    // Only where it was the bound that held.
    let held = preferred.filter(|&seconds| {
        let wait = Duration::from_secs(seconds);
        choice.timeout == Some(wait) && wait < exposed.aggregate.deadline
    });
    if let Some(seconds) = held
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={seconds}"))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(Answer::keeping(place, response))
}

/// One request of one aggregate.
struct Job<'a, U> {
    gateway: &'a Gateway<U>,
    index: usize,
    exposed: &'a Exposed<U>,
    forward: Forward,
    began: Instant,
    account: Option<Rc<Account>>,
}

impl<U: Upstream<Context = Forward>> Job<'_, U> {
    async fn once(&self, choice: &Choice<'_>) -> Result<HttpResponse, Problem> {
        let aggregate = &self.exposed.aggregate;
        let deadline = aggregate.deadline(choice, self.began);
        let plan = self.plan(choice, choice.mode.unwrap_or(aggregate.mode), deadline)?;
        let guard = self
            .gateway
            .metrics
            .request(self.index, plan.mode(), self.began);
        let outcome = self.run(&plan).await;
        let total = self.began.elapsed();

        let mut response = self.respond(outcome.verdict, |json| {
            compose::members(json, &aggregate.name, &outcome);
        });
        let timing = server_timing(total, &outcome);
        let (mode, sequential) = (outcome.mode.as_str(), outcome.sequential());
        put_times(&mut response, mode, outcome.elapsed, sequential, &timing);
        self.sum_up(|| Summary::of(&aggregate.name, &outcome));
        guard.finish(&outcome);
        Ok(response)
    }

    /// Both modes in turn, under one deadline.
    async fn compare(&self, choice: &Choice<'_>) -> Result<HttpResponse, Problem> {
        let aggregate = &self.exposed.aggregate;
        if !self.exposed.compare {
            return Err(QueryError::Invalid {
                name: "mode",
                found: "compare".to_owned(),
                expected: "`sequential` or `concurrent`: this aggregate is not set to be compared",
            }
            .into());
        }
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
        let mut response = self.respond(runs.verdict(), |json| {
            compose::comparison(json, &aggregate.name, runs);
        });
        let all = sequential.sequential() + concurrent.sequential();
        let timing = server_timing_of_both(total, [&sequential, &concurrent]);
        put_times(&mut response, "compare", total, all, &timing);
        self.sum_up(|| Summary {
            aggregate: aggregate.name.clone(),
            mode: "compare",
            outcome: runs.verdict().as_str(),
            sequential: all,
            failed: Summary::failed([&sequential, &concurrent]),
        });
        Ok(response)
    }

    fn plan(
        &self,
        choice: &Choice<'_>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Plan<'_, U>, Problem> {
        let plan = self.exposed.aggregate.plan(choice, mode, deadline);
        plan.map_err(|error| Problem::unplanned(&error, choice))
    }

    fn sum_up(&self, summary: impl FnOnce() -> Summary) {
        if let Some(account) = &self.account {
            account.sums_up(summary());
        }
    }

    async fn counted(&self, plan: &Plan<'_, U>) -> Outcome {
        let metrics = &self.gateway.metrics;
        let guard = metrics.request(self.index, plan.mode(), Instant::now());
        let outcome = self.run(plan).await;
        guard.finish(&outcome);
        outcome
    }

    async fn run(&self, plan: &Plan<'_, U>) -> Outcome {
        fanout::run(plan, &self.forward, &self.gateway.metrics.observer()).await
    }

    /// 200 with the members as the whole body, or a problem that has them as its extension.
    fn respond(&self, verdict: Verdict, members: impl FnOnce(&mut Vec<u8>)) -> HttpResponse {
        let mut response = match verdict {
            Verdict::Complete | Verdict::Partial => {
                let mut json = vec![b'{'];
                members(&mut json);
                json.push(b'}');
                HttpResponseBuilder::new(StatusCode::OK)
                    .insert_header((header::CONTENT_TYPE, "application/json"))
                    .insert_header((header::CACHE_CONTROL, "no-store"))
                    .body(json)
            }
            Verdict::Failed(blame) => {
                let kind = ProblemKind::from(blame);
                let detail = match kind {
                    ProblemKind::UpstreamTimeout => "what was waited for did not come in time",
                    _ => "what was waited for can't come: see the results",
                };
                Problem::new(kind, detail).response_with(members)
            }
        };
        put(&mut response, GATHER_OUTCOME, verdict.as_str());
        response
    }
}

fn unknown(name: &str) -> Problem {
    let detail = format!("no aggregate is named `{}`", shown(name));
    Problem::new(ProblemKind::UnknownAggregate, detail)
}

/// The seconds that the client is willing to wait, by `Prefer: wait=…` (RFC 7240).
fn preferred(request: &HttpRequest) -> Option<u64> {
    let fields = request.headers().get_all(PREFER);
    fields
        .filter_map(|field| field.to_str().ok())
        .find_map(preferred_wait)
}

/// What of the request its calls may pass on. Fields that the client's `Connection` names end here (RFC 9110, 7.6.1).
fn forward<U>(
    request: &HttpRequest,
    id: Option<RequestId>,
    exposed: &Exposed<U>,
    query: Vec<(String, String)>,
) -> Forward {
    let request_id = id.unwrap_or_else(RequestId::random).0;
    let headers = request.headers();
    let is_hop = |name: &HeaderName| {
        headers
            .get_all(header::CONNECTION)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
    };
    let passed = exposed
        .forward_headers
        .iter()
        .filter(|name| headers.contains_key(*name) && !is_hop(name))
        .flat_map(|name| {
            let values = headers.get_all(name);
            values.map(|value| (name.clone(), value.clone()))
        })
        .collect();
    Forward {
        request_id,
        headers: passed,
        query,
        allowance: Allowance::new(exposed.max_body),
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
fn put(response: &mut HttpResponse, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
