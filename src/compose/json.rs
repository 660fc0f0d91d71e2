//! The JSON of an answer, written straight into one buffer: an upstream's own JSON goes in byte for byte. It must not
//! know how the answer is sent.

use std::time::Duration;

use super::{
    shaping::Shaping,
    written::{plain, put, string, value},
};
use crate::{
    fanout::{Blame, Body, CallResult, EachReport, Outcome, Verdict},
    timing::{Decimal, Millis},
};

/// The two runs of `mode=compare`.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The run of one call after another.
    pub sequential: &'a Outcome,
    /// The run of all calls together.
    pub concurrent: &'a Outcome,
}

impl Comparison<'_> {
    /// Returns how many times faster the concurrent run was. `None` if a run was not complete, as it then proves
    /// nothing.
    #[must_use]
    pub fn speedup(&self) -> Option<f64> {
        let complete = [self.sequential, self.concurrent]
            .iter()
            .all(|run| run.verdict == Verdict::Complete);
        let (slow, fast) = (self.sequential.elapsed, self.concurrent.elapsed);
        (complete && !fast.is_zero()).then(|| slow.as_secs_f64() / fast.as_secs_f64())
    }

    /// Returns the sum of the times of all calls of both runs.
    #[must_use]
    pub fn all(&self) -> Duration {
        self.sequential.sequential() + self.concurrent.sequential()
    }

    /// Returns the worse of the two verdicts, which is the verdict of the whole answer.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match (self.sequential.verdict, self.concurrent.verdict) {
            (Verdict::Failed(Blame::Upstream), _) | (_, Verdict::Failed(Blame::Upstream)) => {
                Verdict::Failed(Blame::Upstream)
            }
            (Verdict::Failed(Blame::Time), _) | (_, Verdict::Failed(Blame::Time)) => {
                Verdict::Failed(Blame::Time)
            }
            (Verdict::Partial, _) | (_, Verdict::Partial) => Verdict::Partial,
            (Verdict::Complete, Verdict::Complete) => Verdict::Complete,
        }
    }
}

/// Writes two outcomes as a JSON object's members, without its braces. Both are of the same plan.
pub fn comparison(
    json: &mut Vec<u8>,
    aggregate: &str,
    runs: Comparison<'_>,
    shaping: Option<&Shaping<'_>>,
) {
    let room: usize = [runs.sequential, runs.concurrent]
        .map(|run| capacity(run, shaping))
        .iter()
        .sum();
    json.reserve(128 + room);
    json.extend_from_slice(b"\"aggregate\":");
    plain(json, aggregate);
    json.extend_from_slice(b",\"mode\":\"compare\"");
    compared(json, aggregate, runs, |json, aggregate, run| {
        members(json, aggregate, run, shaping);
    });
}

/// Writes the last message of a stream of two outcomes: everything but the results, and the headers' summary of both.
pub fn comparison_summary(
    json: &mut Vec<u8>,
    aggregate: &str,
    runs: Comparison<'_>,
    elapsed: Duration,
) {
    json.extend_from_slice(b"\"aggregate\":");
    plain(json, aggregate);
    let verdict = runs.verdict().as_str();
    put(
        json,
        format_args!(",\"mode\":\"compare\",\"outcome\":\"{verdict}\""),
    );
    times(json, elapsed, runs.all());
    compared(json, aggregate, runs, summary);
}

fn compared(
    json: &mut Vec<u8>,
    aggregate: &str,
    runs: Comparison<'_>,
    members: impl Fn(&mut Vec<u8>, &str, &Outcome),
) {
    for run in [runs.sequential, runs.concurrent] {
        put(json, format_args!(",\"{}\":{{", run.mode));
        members(json, aggregate, run);
        json.push(b'}');
    }
    match runs.speedup() {
        Some(speedup) => put(json, format_args!(",\"speedup\":{speedup:.2}")),
        None => json.extend_from_slice(b",\"speedup\":null"),
    }
}

/// Writes one outcome as a JSON object's members, without its braces. Bodies go in as they came, or as `shaping` has
/// them.
pub fn members(
    json: &mut Vec<u8>,
    aggregate: &str,
    outcome: &Outcome,
    shaping: Option<&Shaping<'_>>,
) {
    json.reserve(capacity(outcome, shaping));
    summary(json, aggregate, outcome);
    json.extend_from_slice(b",\"results\":[");
    for (index, call) in outcome.results.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        let shown = shaping.map(|shaping| (shaping, index));
        result(json, call, shown, |_| {});
    }
    json.push(b']');
}

/// Writes one outcome without its results.
pub fn summary(json: &mut Vec<u8>, aggregate: &str, outcome: &Outcome) {
    json.extend_from_slice(b"\"aggregate\":");
    plain(json, aggregate);
    member(json, b",\"mode\":\"", outcome.mode.as_str().as_bytes());
    member(
        json,
        b"\",\"outcome\":\"",
        outcome.verdict.as_str().as_bytes(),
    );
    json.push(b'"');
    times(json, outcome.elapsed, outcome.sequential());
}

fn times(json: &mut Vec<u8>, elapsed: Duration, sequential: Duration) {
    member(json, b",\"elapsed_ms\":", Millis(elapsed).text().as_bytes());
    let sequential = Millis(sequential).text();
    member(json, b",\"sequential_ms\":", sequential.as_bytes());
}

/// Writes one call's result as an object. `shaping` comes with the call's position in the plan. `first` writes the
/// members that come first, each with its comma.
pub(super) fn result(
    json: &mut Vec<u8>,
    call: &CallResult,
    shaping: Option<(&Shaping<'_>, usize)>,
    first: impl FnOnce(&mut Vec<u8>),
) {
    json.push(b'{');
    first(json);
    json.extend_from_slice(b"\"name\":");
    plain(json, &call.name);
    let ok = if call.result.is_ok() { "true" } else { "false" };
    member(json, b",\"ok\":", ok.as_bytes());
    let status = match &call.result {
        Ok(reply) => Some(reply.status),
        Err(failure) => failure.status,
    };
    if let Some(status) = status {
        member(json, b",\"status\":", status.as_str().as_bytes());
    }
    member(
        json,
        b",\"start_ms\":",
        Millis(call.start).text().as_bytes(),
    );
    member(
        json,
        b",\"elapsed_ms\":",
        Millis(call.elapsed).text().as_bytes(),
    );
    let attempts = Decimal::new(call.attempts.into(), 0);
    member(json, b",\"attempts\":", attempts.as_bytes());
    if call.hedges > 0 {
        put(json, format_args!(",\"hedges\":{}", call.hedges));
    }
    if let Some(report) = call.each() {
        each(json, report);
    }
    // Only a shape that changes something about the body.
    let changed = shaping.filter(|(shaping, position)| shaping.changed(*position).is_some());
    match &call.result {
        Ok(_) if changed.is_some() => {}
        Ok(reply) => body(json, &reply.body),
        Err(failure) => {
            put(
                json,
                format_args!(",\"failure\":\"{}\",\"detail\":", failure.kind),
            );
            string(json, &failure.detail);
            if let Some(fallback) = call.fallback() {
                json.extend_from_slice(b",\"fallback\":true");
                if changed.is_none() {
                    member(json, b",\"body\":", fallback);
                }
            }
        }
    }
    if let Some((shaping, position)) = changed {
        part(json, call, shaping, position);
    }
    json.push(b'}');
}

/// Appends the member `body` with the part of a body that goes into the answer, if there is one.
fn part(json: &mut Vec<u8>, call: &CallResult, shaping: &Shaping<'_>, position: usize) {
    let before = json.len();
    json.extend_from_slice(b",\"body\":");
    if !shaping.part(position, call, json) {
        json.truncate(before);
    }
}

/// Writes the counts of a call with one request for each element of a list.
#[cold]
fn each(json: &mut Vec<u8>, report: &EachReport) {
    let (total, ok, failed) = (report.total, report.ok, report.failures.len());
    put(
        json,
        format_args!(
            ",\"each\":{{\"total\":{total},\"ok\":{ok},\"failed\":{failed},\"failures\":["
        ),
    );
    for (place, failure) in report.failures.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let (index, kind) = (failure.index, failure.kind);
        put(
            json,
            format_args!("{comma}{{\"index\":{index},\"failure\":\"{kind}\""),
        );
        if let Some(status) = failure.status {
            member(json, b",\"status\":", status.as_str().as_bytes());
        }
        json.push(b'}');
    }
    json.extend_from_slice(b"]}");
}

fn body(json: &mut Vec<u8>, body: &Body) {
    match body {
        Body::Empty | Body::Json(_) => {}
        Body::Text { content_type, .. } => described(json, content_type.as_deref()),
        Body::Binary { labels, .. } => {
            described(json, labels.content_type.as_deref());
            if let Some(content_encoding) = &labels.content_encoding {
                json.extend_from_slice(b",\"content_encoding\":");
                string(json, content_encoding);
            }
            json.extend_from_slice(b",\"encoding\":\"base64\"");
        }
    }
    json.extend_from_slice(b",\"body\":");
    value(json, body);
}

fn described(json: &mut Vec<u8>, content_type: Option<&str>) {
    if let Some(content_type) = content_type {
        json.extend_from_slice(b",\"content_type\":");
        string(json, content_type);
    }
}

/// Appends `before`, then a value that needs no escape.
fn member(json: &mut Vec<u8>, before: &[u8], value: &[u8]) {
    json.extend_from_slice(before);
    json.extend_from_slice(value);
}

/// Returns enough room for an outcome's text, so that the buffer need not grow.
fn capacity(outcome: &Outcome, shaping: Option<&Shaping<'_>>) -> usize {
    let calls = outcome.results.iter().enumerate();
    let room = |(position, call)| room(call, shaping.map(|shaping| (shaping, position)));
    160 + calls.map(room).sum::<usize>()
}

/// Returns enough room for one result's text, without the part of a body that is not known yet.
pub(super) fn room(call: &CallResult, shaping: Option<(&Shaping<'_>, usize)>) -> usize {
    let body = match &call.result {
        Ok(_) if shaping.is_some_and(|(all, position)| all.changed(position).is_some()) => 16,
        Ok(reply) => match &reply.body {
            Body::Empty => 0,
            Body::Json(bytes) => bytes.len(),
            body @ Body::Text { text, .. } => text.len() + body.grows() + 96,
            body @ Body::Binary { bytes, .. } => bytes.len() + body.grows() + 64,
        },
        Err(failure) => {
            let fallback = call.fallback().map_or(0, |value| value.len() + 32);
            failure.detail.len() + 32 + fallback
        }
    };
    let each = call.each();
    128 + body + each.map_or(0, |each| 64 + 64 * each.failures.len())
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
