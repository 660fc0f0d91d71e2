//! Makes outcomes from bytes: every outcome that a plan can have, and no other.

use std::{sync::Arc, time::Duration};

use arbitrary::{Result, Unstructured};
use http::StatusCode;

use crate::fanout::{Blame, Body, CallResult, Failure, FailureKind, Mode, Outcome, Reply, Verdict};

/// Makes a name that the configuration accepts: a letter, then letters, digits and `_`, at most 64 characters.
fn name(bytes: &mut Unstructured<'_>, index: usize) -> Result<Arc<str>> {
    const FIRST: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    const REST: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789_";
    // Other entries and fields have these names too.
    const TAKEN: [&str; 4] = ["total", "sequential", "concurrent", "more"];
    if index == 0 && bytes.ratio(1, 4)? {
        return Ok((*bytes.choose(&TAKEN)?).into());
    }
    let mut name = String::new();
    name.push(char::from(*bytes.choose(FIRST)?));
    for _ in 0..bytes.int_in_range(0..=50)? {
        name.push(char::from(*bytes.choose(REST)?));
    }
    // The index keeps the names of two calls different.
    Ok(format!("{name}_{index}").into())
}

fn time(bytes: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(match bytes.int_in_range(0..=3)? {
        0 => Duration::from_nanos(bytes.arbitrary::<u16>()?.into()),
        1 => Duration::from_micros(bytes.arbitrary::<u32>()?.into()),
        _ => Duration::from_micros(bytes.int_in_range(0..=24 * 3600 * 1_000_000)?),
    })
}

fn status(bytes: &mut Unstructured<'_>) -> Result<StatusCode> {
    let status = StatusCode::from_u16(bytes.int_in_range(100..=599)?);
    Ok(status.unwrap_or(StatusCode::OK))
}

fn result(bytes: &mut Unstructured<'_>) -> Result<std::result::Result<Reply, Failure>> {
    if bytes.ratio(1, 2)? {
        return Ok(Ok(Reply::new(status(bytes)?, Body::Empty)));
    }
    let mut failure = Failure::new(*bytes.choose(&FailureKind::ALL)?, "because");
    if bytes.ratio(1, 2)? {
        failure = failure.with_status(status(bytes)?);
    }
    Ok(Err(failure))
}

/// Makes an outcome of up to `most` calls without bodies.
pub(super) fn outcome(bytes: &mut Unstructured<'_>, mode: Mode, most: usize) -> Result<Outcome> {
    let count = bytes.int_in_range(1..=most)?;
    let mut results = Vec::new();
    for index in 0..count {
        results.push(CallResult {
            name: name(bytes, index)?,
            start: time(bytes)?,
            elapsed: time(bytes)?,
            attempts: bytes.int_in_range(0..=20)?,
            hedges: bytes.int_in_range(0..=20)?,
            aside: None,
            result: result(bytes)?,
        });
    }
    Ok(Outcome {
        mode,
        verdict: *bytes.choose(&[
            Verdict::Complete,
            Verdict::Partial,
            Verdict::Failed(Blame::Time),
            Verdict::Failed(Blame::Upstream),
        ])?,
        elapsed: time(bytes)?,
        results,
        positions: None,
    })
}
