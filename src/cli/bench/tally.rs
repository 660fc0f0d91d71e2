//! The result of one mode's load: every request in one count, and the latencies of the 2xx answers.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Deserialize;

use crate::{
    cli::client,
    fanout::{Failure, Reply},
};

/// The longest latency that is recorded as it is. A longer one is recorded as this one.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The number of digits that are kept of each latency.
const DIGITS: u8 = 3;

/// One mode's measurement.
#[derive(Debug)]
pub(super) struct Tally {
    /// Latencies of 2xx answers, in microseconds. With a rate, each counts from the time at which its request was due.
    pub(super) latency: Histogram<u64>,
    /// The same latencies, counted from the real start of each request. Only with a rate.
    pub(super) service: Option<Histogram<u64>>,
    /// The number of 2xx answers, by outcome.
    pub(super) outcomes: BTreeMap<String, u64>,
    /// The number of all others: problems by their name, other answers by their status, and missing answers by the
    /// failure.
    pub(super) failures: BTreeMap<String, u64>,
    /// Time from the load's beginning to the last answer.
    pub(super) elapsed: Duration,
    /// The longest time that a request waited for a connection after it was due.
    pub(super) behind: Duration,
    /// True if the load was stopped before its end.
    pub(super) cut_short: bool,
}

/// The times at which a request was due, was sent and was answered, counted from the load's beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) intended: Duration,
    pub(super) sent: Duration,
    pub(super) answered: Duration,
}

/// The members of an answer that are read.
#[derive(Default, Deserialize)]
struct AnswerMembers {
    outcome: Option<String>,
    r#type: Option<String>,
}

impl Tally {
    /// Makes an empty tally. `by_the_clock` is set if requests start at a rate.
    pub(super) fn new(by_the_clock: bool) -> Self {
        Self {
            latency: histogram(),
            service: by_the_clock.then(histogram),
            outcomes: BTreeMap::new(),
            failures: BTreeMap::new(),
            elapsed: Duration::ZERO,
            behind: Duration::ZERO,
            cut_short: false,
        }
    }

    /// Counts one request.
    pub(super) fn count(&mut self, times: Times, result: &Result<Reply, Failure>) {
        self.elapsed = self.elapsed.max(times.answered);
        self.behind = self.behind.max(times.sent.saturating_sub(times.intended));
        let reply = match result {
            Ok(reply) => reply,
            Err(failure) => return add(&mut self.failures, failure.kind.as_str()),
        };
        let said: AnswerMembers =
            serde_json::from_slice(client::bytes(&reply.body)).unwrap_or_default();
        if !reply.status.is_success() {
            let name = problem(said.r#type.as_deref()).unwrap_or(reply.status.as_str());
            return add(&mut self.failures, name);
        }
        match said.outcome.as_deref() {
            Some(outcome @ ("complete" | "partial")) => add(&mut self.outcomes, outcome),
            _ => return add(&mut self.failures, "not an aggregate's answer"),
        }
        self.latency
            .saturating_record(micros(times.answered.saturating_sub(times.intended)));
        if let Some(service) = &mut self.service {
            service.saturating_record(micros(times.answered.saturating_sub(times.sent)));
        }
    }

    /// The number of requests that came to an end.
    pub(super) fn requests(&self) -> u64 {
        self.latency.len() + self.failures.values().sum::<u64>()
    }

    /// The number of 2xx answers a second.
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn throughput(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.latency.len() as f64 / seconds
        } else {
            0.0
        }
    }

    /// Returns true if every request went well and the load ran to its end.
    pub(super) fn is_flawless(&self) -> bool {
        self.failures.is_empty() && !self.latency.is_empty() && !self.cut_short
    }
}

/// Returns a problem's own name. It goes to a terminal and into reports, so a name that no gateway sends is not
/// repeated.
fn problem(kind: Option<&str>) -> Option<&str> {
    let name = kind?.strip_prefix("urn:gather:problem:")?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    ((1..=40).contains(&name.len()) && name.bytes().all(is_plain)).then_some(name)
}

/// Returns the latency that this share of the answers (0 to 1) did not exceed.
pub(super) fn quantile(histogram: &Histogram<u64>, share: f64) -> Duration {
    Duration::from_micros(histogram.value_at_quantile(share).min(histogram.max()))
}

fn histogram() -> Histogram<u64> {
    let longest = micros(LONGEST);
    Histogram::new_with_bounds(1, longest, DIGITS).expect("these bounds are fixed and allowed")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => _ = counts.insert(name.to_owned(), 1),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::fanout::{Body, FailureKind};

    fn reply(status: u16, json: &'static str) -> Result<Reply, Failure> {
        Ok(Reply::new(
            StatusCode::from_u16(status).unwrap(),
            Body::Json(Bytes::from_static(json.as_bytes())),
        ))
    }

    fn times(intended: u64, sent: u64, answered: u64) -> Times {
        let [intended, sent, answered] = [intended, sent, answered].map(Duration::from_millis);
        Times {
            intended,
            sent,
            answered,
        }
    }

    #[test]
    fn every_request_is_in_one_count_and_only_good_answers_have_a_latency() {
        let mut tally = Tally::new(false);
        let at = times(0, 0, 10);
        tally.count(at, &reply(200, r#"{"outcome":"complete","results":[]}"#));
        tally.count(at, &reply(200, r#"{"outcome":"partial"}"#));
        tally.count(
            at,
            &reply(
                502,
                r#"{"type":"urn:gather:problem:upstream-failed","outcome":"failed"}"#,
            ),
        );
        tally.count(at, &reply(500, "[]"));
        tally.count(at, &reply(200, "\"pong\""));
        tally.count(at, &reply(200, r#"{"outcome":"\u001b[31m"}"#));
        tally.count(
            at,
            &reply(503, r#"{"type":"urn:gather:problem:\u001b[31m"}"#),
        );
        tally.count(at, &Err(Failure::new(FailureKind::Connect, "refused")));
        let counted = |counts: &BTreeMap<String, u64>| {
            let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(counted(&tally.outcomes), "complete 1, partial 1");
        assert_eq!(
            counted(&tally.failures),
            "500 1, 503 1, connect 1, not an aggregate's answer 2, upstream-failed 1"
        );
        assert_eq!((tally.requests(), tally.latency.len()), (8, 2));
        assert!(!tally.is_flawless());
    }

    #[test]
    fn by_the_clock_a_latency_counts_from_when_its_request_was_to_start() {
        let mut tally = Tally::new(true);
        tally.count(
            times(100, 600, 650),
            &reply(200, r#"{"outcome":"complete"}"#),
        );
        let near = |histogram: &Histogram<u64>, expected: f64| {
            let found = quantile(histogram, 0.5).as_secs_f64() * 1e3;
            assert!((found - expected).abs() < 1.0, "{found} is not {expected}");
        };
        near(&tally.latency, 550.0);
        near(tally.service.as_ref().unwrap(), 50.0);
        assert_eq!(tally.behind, Duration::from_millis(500));
        assert!(tally.is_flawless());
    }
}
