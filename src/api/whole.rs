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
    head::{LEAST_LIST, LONGEST_LIST},
    own_field::{GATHER_MODE, put, put_static},
    passed::Passed,
    response_headers,
};
use crate::{compose, timing::Millis};

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
    let endpoint = &execution.exposed().endpoint;
    let names = report.last().results.iter().map(|call| &*call.name);
    let shaping = execution.shaping(names);
    let shaping = shaping.as_ref();
    let members = |json: &mut Vec<u8>| match &report {
        Report::Once(outcome, ..) => compose::members(json, &endpoint.name, outcome, shaping),
        Report::Both(runs) => compose::comparison(json, &endpoint.name, both(runs), shaping),
    };
    let mut response = match report.problem(passed) {
        Some(problem) => problem.response_with(members),
        None => {
            let mut json = Vec::new();
            if !report.value(&endpoint.shape, shaping, &mut json) {
                json.push(b'{');
                members(&mut json);
                json.push(b'}');
            }
            if shaping.is_some() {
                trim(&mut json);
            }
            ok(json)
        }
    };
    put_static(&mut response, GATHER_OUTCOME, report.verdict().as_str());
    let taken = match &*endpoint.response_headers {
        [] => 0,
        names => response_headers::put(&mut response, names, report.last()),
    };
    let room = passed.map_or(LONGEST_LIST, Passed::room);
    let timing = report.timing(total, room.saturating_sub(taken).max(LEAST_LIST));
    let elapsed = match &report {
        Report::Once(outcome, ..) => outcome.elapsed,
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

/// Composes 200 with this body.
fn ok(json: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponseBuilder::new(StatusCode::OK).body(json);
    put_static(&mut response, header::CONTENT_TYPE, "application/json");
    put_static(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// Gives memory back that a body does not use, as its size was not known when it was begun. A slow client keeps it.
fn trim(json: &mut Vec<u8>) {
    const SPARE: usize = 4 * 1024;
    if json.capacity() - json.len() > SPARE {
        json.shrink_to_fit();
    }
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
