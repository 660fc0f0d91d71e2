//! The requests that the clients of the soak sent, and their answers. It must not know what the gateway counted.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{client::Answer, scene::HEALTHY};

/// The record of all clients together.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Requests sent.
    pub sent: u64,
    /// Requests answered with an outcome.
    pub answered: u64,
    /// Clients that left before an answer.
    pub left: u64,
    /// Faults of the gateway itself: no answer, or one that has nothing about the calls.
    pub broken: Vec<String>,
    /// Healthy calls that succeeded.
    pub healthy_ok: u64,
    /// Healthy calls that failed, except those that the plan itself had ended.
    pub healthy_failed: Vec<String>,
    /// The calls by upstream.
    pub calls: BTreeMap<String, Calls>,
}

/// The calls of one upstream.
#[derive(Debug, Default)]
pub struct Calls {
    /// Calls with an attempt that was sent.
    pub sent: u64,
    /// Their attempts.
    pub attempts: u64,
    /// Calls that ended as `overload` or `circuit_open`.
    pub refused: u64,
}

#[derive(Deserialize)]
struct Report {
    results: Vec<CallReport>,
}

/// The members that are counted. The body is skipped.
#[derive(Deserialize)]
struct CallReport {
    name: String,
    ok: bool,
    attempts: u64,
    failure: Option<String>,
    detail: Option<String>,
}

impl Ledger {
    /// Enters an answer.
    pub fn answer(&mut self, target: &str, answer: &Answer) {
        let report = match serde_json::from_slice::<Report>(&answer.body) {
            Ok(report) if matches!(answer.status, 200 | 502 | 504) => report,
            _ => {
                let text = String::from_utf8_lossy(&answer.body);
                let start: String = text.chars().take(200).collect();
                self.broken
                    .push(format!("{target}: {} {start}", answer.status));
                return;
            }
        };
        self.answered += 1;
        for call in report.results {
            let failure = call.failure.as_deref();
            if call.name == HEALTHY || call.name == "large" {
                match failure {
                    None if call.ok => self.healthy_ok += 1,
                    Some("cancelled" | "skipped") => {}
                    _ => self
                        .healthy_failed
                        .push(format!("{target}: {failure:?} {:?}", call.detail)),
                }
            }
            let calls = self.calls.entry(call.name).or_default();
            calls.sent += u64::from(call.attempts > 0);
            calls.attempts += call.attempts;
            calls.refused += u64::from(matches!(failure, Some("overload" | "circuit_open")));
        }
    }
}
