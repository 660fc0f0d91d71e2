//! The whole answer to a request of an aggregate, composed when all is settled. It must not know how the calls are run.

use std::time::Duration;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};

use super::{
    client_upstream::ClientUpstream,
    execution::{Execution, Report, both},
    head::LONGEST_LIST,
    own_field::{GATHER_MODE, put, put_static},
    passed::Passed,
    problem::Problem,
};
use crate::{compose, fanout::Verdict, timing::Millis};

const GATHER_OUTCOME: HeaderName = HeaderName::from_static("gather-outcome");
const GATHER_ELAPSED: HeaderName = HeaderName::from_static("gather-elapsed");
const GATHER_SEQUENTIAL: HeaderName = HeaderName::from_static("gather-sequential");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Composes the answer, and counts the request by its end.
pub(super) fn answer<U: ClientUpstream>(
    execution: &Execution<U>,
    report: Report<'_>,
) -> HttpResponse {
    let total = execution.began.elapsed();
    let passed = execution.passed(&report);
    let passed = passed.as_deref();
    let aggregate = &execution.exposed().aggregate.name;
    let mut response = respond(report.verdict(), passed, |json| match &report {
        Report::Once(outcome, _) => compose::members(json, aggregate, outcome),
        Report::Both(runs) => compose::comparison(json, aggregate, both(runs)),
    });
    let timing = report.timing(total, passed.map_or(LONGEST_LIST, Passed::room));
    let elapsed = match &report {
        Report::Once(outcome, _) => outcome.elapsed,
        Report::Both(_) => total,
    };
    put_times(
        &mut response,
        report.mode(),
        elapsed,
        report.sequential(),
        &timing,
    );
    let status = passed.map(|passed| passed.status);
    report.finish(status);
    response
}

/// Composes 200 with the members as the whole body, or a problem that has them as its extension.
fn respond(
    verdict: Verdict,
    passed: Option<&Passed<'_>>,
    members: impl FnOnce(&mut Vec<u8>),
) -> HttpResponse {
    let mut response = match Problem::of_run(verdict, passed) {
        None => {
            let mut json = vec![b'{'];
            members(&mut json);
            json.push(b'}');
            let mut response = HttpResponseBuilder::new(StatusCode::OK).body(json);
            put_static(&mut response, header::CONTENT_TYPE, "application/json");
            put_static(&mut response, header::CACHE_CONTROL, "no-store");
            response
        }
        Some(problem) => problem.response_with(members),
    };
    put_static(&mut response, GATHER_OUTCOME, verdict.as_str());
    response
}

/// Sets the fields that give the times.
fn put_times(
    response: &mut HttpResponse,
    mode: &'static str,
    elapsed: Duration,
    sequential: Duration,
    timing: &str,
) {
    put_static(response, GATHER_MODE, mode);
    put(response, GATHER_ELAPSED, Millis(elapsed).text().as_str());
    put(
        response,
        GATHER_SEQUENTIAL,
        Millis(sequential).text().as_str(),
    );
    put(response, SERVER_TIMING, timing);
}
