//! Properties of the `Server-Timing` field of every outcome. It follows the grammar (W3C Server Timing, RFC 9110). It
//! has one total, then each call in plan order or the number of calls left out. It stays within its room.

use std::{ops::RangeInclusive, time::Duration};

use arbitrary::Unstructured;

use super::outcomes::outcome;
use crate::{
    fanout::{CallResult, Mode, Outcome},
    timing::{server_timing as field, server_timing_of_both as field_of_both},
};

/// The most calls of one aggregate, by the configuration.
const MOST: usize = 1000;

/// The room for a field, in bytes.
const ROOM: RangeInclusive<usize> = 512..=8192;

/// Makes two outcomes from `bytes` and reads their fields.
///
/// # Panics
/// Panics if a property does not hold.
pub fn server_timing(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let few = bytes.ratio(3, 4).unwrap_or(true);
    let most = if few { 12 } else { MOST };
    let mut outcome = |mode| outcome(&mut bytes, mode, most).ok();
    let (Some(sequential), Some(mut concurrent)) =
        (outcome(Mode::Sequential), outcome(Mode::Concurrent))
    else {
        return;
    };
    let total = sequential.elapsed + concurrent.elapsed;
    let most = bytes.int_in_range(ROOM).unwrap_or(*ROOM.start());
    let text = field(total, &sequential, most);
    assert!(text.len() <= most, "{} bytes of {most}", text.len());
    check(&text, total, &[], &[("", &sequential)]);

    // Both runs have the same calls.
    let both = sequential.results.len().min(concurrent.results.len());
    let mut sequential = sequential;
    sequential.results.truncate(both);
    concurrent.results.truncate(both);
    for (one, other) in sequential.results.iter().zip(&mut concurrent.results) {
        other.name = one.name.clone();
    }
    let text = field_of_both(total, [&sequential, &concurrent], most);
    assert!(text.len() <= most, "{} bytes of {most}", text.len());
    check(
        &text,
        total,
        &[&sequential, &concurrent],
        &[("sequential.", &sequential), ("concurrent.", &concurrent)],
    );
}

/// One metric of the field.
#[derive(Debug, PartialEq)]
struct Metric<'a> {
    name: &'a str,
    /// The duration in milliseconds.
    duration: Option<f64>,
    description: Option<String>,
}

fn check(text: &str, total: Duration, heads: &[&Outcome], runs: &[(&str, &Outcome)]) {
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let metrics = parse(text).unwrap_or_else(|| panic!("not in the grammar: {text}"));
    let totals = metrics.iter().filter(|metric| metric.name == "total");
    assert_eq!(totals.count(), 1, "{text}");
    let mut names: Vec<_> = metrics.iter().map(|metric| metric.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), metrics.len(), "a name stands twice: {text}");

    let mut metrics = metrics.into_iter();
    let first = metrics.next().expect("a total");
    assert_eq!(first.name, "total");
    assert!(is_near(first.duration, total));
    for head in heads {
        let metric = metrics.next().expect("each run");
        assert_eq!(metric.name, head.mode.as_str());
        assert!(is_near(metric.duration, head.elapsed));
    }
    for (prefix, outcome) in runs {
        let mut calls = outcome.results.iter();
        while !calls.as_slice().is_empty() {
            let metric = metrics.next().expect("a metric for each call");
            if metric.name == format!("{prefix}_more") {
                let left = calls.len().to_string();
                assert_eq!(metric.description, Some(left));
                break;
            }
            let call = calls.next().expect("one more");
            check_call(&metric, prefix, call);
        }
    }
    assert_eq!(metrics.next(), None, "{text}");
}

fn check_call(metric: &Metric<'_>, prefix: &str, call: &CallResult) {
    // A call may have the same name as the whole.
    let name = match (prefix, &*call.name) {
        ("", "total") => "_total".to_owned(),
        (prefix, name) => format!("{prefix}{name}"),
    };
    assert_eq!(metric.name, name);
    assert!(is_near(metric.duration, call.elapsed), "{metric:?}");
    let description = match &call.result {
        Ok(reply) => reply.status.as_u16().to_string(),
        Err(failure) => failure.kind.to_string(),
    };
    assert_eq!(metric.description, Some(description));
}

/// Returns true if the shown time is exact to a tenth of a millisecond.
fn is_near(shown: Option<f64>, time: Duration) -> bool {
    let exact = time.as_secs_f64() * 1000.0;
    shown.is_some_and(|shown| (shown - exact).abs() <= 0.051)
}

/// Reads `server-timing-metric` by the grammar. Returns `None` if the text breaks the grammar.
fn parse(text: &str) -> Option<Vec<Metric<'_>>> {
    let mut metrics = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = token(rest.trim_start_matches([' ', '\t']))?;
        let mut metric = Metric {
            name,
            duration: None,
            description: None,
        };
        rest = after.trim_start_matches([' ', '\t']);
        while let Some(parameter) = rest.strip_prefix(';') {
            let (name, after) = token(parameter.trim_start_matches([' ', '\t']))?;
            let (value, after) = value(after.strip_prefix('=')?)?;
            match name {
                "dur" if metric.duration.is_none() => metric.duration = Some(value.parse().ok()?),
                "desc" if metric.description.is_none() => metric.description = Some(value),
                _ => return None,
            }
            rest = after.trim_start_matches([' ', '\t']);
        }
        metrics.push(metric);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return rest.is_empty().then_some(metrics),
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Reads a token or a quoted string.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(token, rest)| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}
