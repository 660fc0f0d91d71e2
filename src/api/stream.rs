//! An aggregate's answer as a stream: each result leaves the moment it is settled. It must not know how the calls are
//! run, nor how the bytes leave.

use std::{rc::Rc, time::Duration};

use actix_web::{
    HttpResponse,
    body::BoxBody,
    http::header::{self, HeaderName},
};

use super::{
    client_upstream::ClientUpstream,
    execution::{Execution, Report, ResultSink, both},
    head::LONGEST_LIST,
    negotiation::Wanted,
    own_field::{GATHER_MODE, put, put_static},
    problem::Problem,
    query::{Query, Run},
    stream_body::{Outbox, Stream},
};
use crate::{
    compose::{self, Shaping},
    exchange::Allowance,
    fanout::{Aggregate, Body, CallResult, Mode, Pace, Permit},
};

const GATHER_CALLS: HeaderName = HeaderName::from_static("gather-calls");
/// Asks proxies on the way to pass each piece on as it comes (RFC 10036).
const INCREMENTAL: HeaderName = HeaderName::from_static("incremental");
/// Asks nginx for the same.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers a browser whose stream has ended, unless its request is refused.
pub(super) fn over<U: ClientUpstream>(
    execution: &Execution<U>,
    query: &Query<'_>,
    wait: Option<Duration>,
) -> Result<HttpResponse, Problem> {
    announced(execution, query, wait)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Begins a stream of the results of `execution`, which keeps its `permit` to the end.
pub(super) fn start<U>(
    execution: Execution<U>,
    Wanted {
        framing,
        heartbeats,
    }: Wanted,
    query: Query<'static>,
    wait: Option<Duration>,
    permit: Permit,
) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    let (mode, names) = announced(&execution, &query, wait)?;
    let mut response = HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, framing.media_type()))
        // A proxy that transforms a stream holds it back.
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        .insert_header((header::VARY, "accept"))
        .insert_header((INCREMENTAL, "?1"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .finish();
    put_static(&mut response, GATHER_MODE, mode);
    // A part of the list would be taken for the whole. Each result has its call's name.
    if names.len() <= LONGEST_LIST {
        put(&mut response, GATHER_CALLS, &names);
    }
    if let Some(account) = &execution.account {
        account.set_streamed();
    }
    let outbox = Rc::new(Outbox::new(framing));
    let run = {
        let outbox = Rc::clone(&outbox);
        // The plan was made once already, so it can be made again.
        async move {
            let shaping = execution.shaping(names.split(','));
            let writer = ResultWriter {
                outbox: &outbox,
                allowance: &execution.client.allowance,
                shaping: shaping.as_ref(),
                kept: kept(&execution.exposed().aggregate),
            };
            let choice = query.choice(wait);
            if let Ok(report) = execution.run(query.run, &choice, &writer).await {
                end(&execution, report, &outbox, shaping.as_ref());
            }
            outbox.keep(execution.client.allowance);
        }
    };
    let body = Stream::new(Box::pin(run), outbox, heartbeats, permit);
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

/// Returns the stream's mode and the names of its calls. An error in the request has to be reported before the stream
/// begins.
fn announced<U: ClientUpstream>(
    execution: &Execution<U>,
    query: &Query<'_>,
    wait: Option<Duration>,
) -> Result<(&'static str, String), Problem> {
    let configured = execution.exposed().endpoint.rules.mode;
    let mode = match query.run {
        Run::Once(mode) => mode.unwrap_or(configured),
        Run::Compare => {
            execution.may_compare()?;
            Mode::Sequential
        }
    };
    let plan = execution.plan(&query.choice(wait), mode, execution.began)?;
    let names: Vec<_> = plan.names().collect();
    Ok((query.run.mode(configured), names.join(",")))
}

/// Writes each result as it is settled.
struct ResultWriter<'a> {
    outbox: &'a Outbox,
    allowance: &'a Allowance,
    shaping: Option<&'a Shaping<'a>>,
    /// The names of the calls whose bodies are kept when they have settled.
    kept: Vec<&'a str>,
}

/// Returns the names of the calls whose bodies something reads when they have settled.
fn kept<U>(aggregate: &Aggregate<U>) -> Vec<&str> {
    let read = aggregate.calls.iter().filter(|call| call.is_read);
    read.map(|call| &*call.name).collect()
}

impl ResultSink for ResultWriter<'_> {
    fn pace(&self) -> Option<&Rc<Pace>> {
        Some(&self.outbox.pace)
    }

    fn settled(&self, run: Option<Mode>, call: usize, result: &CallResult) {
        self.outbox
            .write(|framing, out| framing.result(out, run, call, result, self.shaping));
        if self.kept.is_empty() {
            self.outbox.passed_on(self.allowance);
            return;
        }
        let size = match &result.result {
            Ok(reply) if !self.kept.contains(&&*result.name) => size(&reply.body),
            _ => 0,
        };
        self.outbox.passed_one_on(self.allowance, size);
    }
}

const fn size(body: &Body) -> usize {
    match body {
        Body::Empty => 0,
        Body::Json(bytes) | Body::Text { text: bytes, .. } | Body::Binary { bytes, .. } => {
            bytes.len()
        }
    }
}

/// Counts the request by its end, and writes the last message: the outcome, the timing, and the problem if it is one.
fn end<U: ClientUpstream>(
    execution: &Execution<U>,
    report: Report<'_>,
    outbox: &Outbox,
    shaping: Option<&Shaping<'_>>,
) {
    let total = execution.began.elapsed();
    let timing = report.timing(total, LONGEST_LIST);
    let passed = execution.passed(&report);
    let problem = report.problem(passed.as_deref());
    let endpoint = &execution.exposed().endpoint;
    let aggregate = &endpoint.name;
    outbox.write(|framing, out| {
        framing.outcome(out, |json| {
            match &report {
                Report::Once(outcome, ..) => compose::summary(json, aggregate, outcome),
                Report::Both(runs) => {
                    compose::comparison_summary(json, aggregate, both(runs), total);
                }
            }
            json.extend_from_slice(b",\"server_timing\":");
            compose::string(json, &timing);
            if let Some(problem) = &problem {
                json.push(b',');
                problem.members(json);
                return;
            }
            let before = json.len();
            json.extend_from_slice(b",\"value\":");
            if !report.value(&endpoint.shape, shaping, json) {
                json.truncate(before);
            }
        });
    });
    if let Some(problem) = problem {
        execution.gateway.metrics.process().problem(problem.kind());
    }
    let status = passed.map(|passed| passed.status);
    report.finish(status);
}
