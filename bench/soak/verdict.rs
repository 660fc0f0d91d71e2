//! Judges the soak: memory and descriptors are flat, healthy calls are unaffected, and the gateway's books agree with
//! those of its clients and upstreams. It must not know how the load was made.

use std::{collections::BTreeMap, fmt};

use crate::{
    gateway::Holdings,
    ledger::Ledger,
    metrics::Metrics,
    scene::{HEALTHY, UPSTREAMS},
};

/// The share by which memory may grow from the second tenth of the time to the last, and the bytes beside it.
const MEMORY_SHARE: f64 = 0.05;
const MEMORY_BYTES: f64 = 4.0 * MIB;

/// The number by which descriptors without load may grow. The number of connections that the last calls left pooled
/// varies.
const DESCRIPTORS: u64 = 8;

/// The number of descriptors beyond those before the load that may be left after it: two pooled connections for each
/// upstream on each of two workers.
const LEFT_OVER: u64 = 4 * UPSTREAMS.len() as u64;

const MIB: f64 = 1024.0 * 1024.0;

/// The records of clients, gateway and upstreams about the same time.
pub struct Books {
    pub ledger: Ledger,
    pub metrics: Metrics,
    /// Requests by upstream.
    pub upstream: BTreeMap<String, u64>,
}

/// The checks and their findings.
pub struct Verdict {
    head: String,
    checks: Vec<Check>,
}

struct Check {
    what: &'static str,
    found: String,
    well: bool,
}

impl Verdict {
    pub fn new(seconds: u64, rate: u32) -> Self {
        Self {
            head: format!("{seconds} s of {rate} aggregates a second"),
            checks: Vec::new(),
        }
    }

    pub fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.well)
    }

    fn check(&mut self, what: &'static str, well: bool, found: String) {
        self.checks.push(Check { what, found, well });
    }

    /// Checks that no healthy call failed, and that every client that waited was answered.
    pub fn healthy(&mut self, mixed: &Books, exact: &Books) {
        let both = [&mixed.ledger, &exact.ledger];
        let sum = |of: fn(&Ledger) -> u64| both.iter().map(|ledger| of(ledger)).sum::<u64>();
        let failed: Vec<_> = both
            .iter()
            .flat_map(|ledger| &ledger.healthy_failed)
            .collect();
        let broken: Vec<_> = both.iter().flat_map(|ledger| &ledger.broken).collect();
        let first = |of: &[&String]| of.first().map_or(String::new(), |text| format!(": {text}"));
        self.check(
            "no healthy call failed",
            failed.is_empty() && sum(|ledger| ledger.healthy_ok) > 0,
            format!(
                "{} succeeded, {} failed{}",
                sum(|ledger| ledger.healthy_ok),
                failed.len(),
                first(&failed)
            ),
        );
        self.check(
            "every client that stayed was answered",
            broken.is_empty(),
            format!(
                "{} sent: {} answered, {} left early, {} broken{}",
                sum(|ledger| ledger.sent),
                sum(|ledger| ledger.answered),
                sum(|ledger| ledger.left),
                broken.len(),
                first(&broken)
            ),
        );
    }

    /// Checks that memory is flat.
    pub fn memory(&mut self, samples: &[Holdings]) {
        let (early, late) = tenths(samples, |holdings| holdings.memory);
        self.check(
            "memory is flat",
            late <= early * (1.0 + MEMORY_SHARE) + MEMORY_BYTES,
            format!(
                "{:.1} MiB in the second tenth, {:.1} MiB in the last (medians)",
                early / MIB,
                late / MIB
            ),
        );
    }

    /// Checks that without load the gateway holds as many descriptors at the end as after a fifth of the time. Under
    /// load they follow the highest number of calls at a time, whose connections stay pooled. Those are shown, not
    /// judged.
    pub fn descriptors(&mut self, [before, early, late]: [Holdings; 3], samples: &[Holdings]) {
        let (loaded, last) = tenths(samples, |holdings| holdings.descriptors);
        self.check(
            "descriptors are flat, and go with the load",
            late.descriptors <= early.descriptors + DESCRIPTORS
                && late.descriptors <= before.descriptors + LEFT_OVER,
            format!(
                "without load {} at first, {} after a fifth, {} at the end; under load {loaded} in the second tenth, {last} in the last (medians)",
                before.descriptors, early.descriptors, late.descriptors
            ),
        );
    }

    /// Checks all that must hold even if clients left and calls were cancelled.
    pub fn mixed(&mut self, books: &Books) {
        let (ledger, metrics) = (&books.ledger, &books.metrics);
        let counted = metrics.sum("gather_requests_total", &[]);
        let cancelled = metrics.sum("gather_requests_total", &[r#"outcome="cancelled""#]);
        let (sent, left) = (ledger.sent as f64, ledger.left as f64);
        self.check(
            "requests counted = sent, but for those left before they were read",
            counted <= sent && counted >= sent - left && cancelled <= left,
            format!("{sent} sent, {counted} counted, {cancelled} of them cancelled, {left} left"),
        );
        let mut seen = Vec::new();
        let mut well = true;
        for upstream in UPSTREAMS {
            let came = books.upstream.get(upstream).copied().unwrap_or_default() as f64;
            let sent = attempts(metrics, upstream) + of(metrics, "gather_resent_total", upstream);
            well &= came <= sent;
            seen.push(format!("{upstream} {came}/{sent}"));
        }
        self.check(
            "no upstream saw more than was counted",
            well,
            seen.join(", "),
        );
    }

    /// Checks all that must hold exactly if nothing was cancelled.
    pub fn exact(&mut self, before: &Books, after: &Books) {
        let ledger = &after.ledger;
        let grown =
            |count: &dyn Fn(&Metrics) -> f64| count(&after.metrics) - count(&before.metrics);
        let requests = grown(&|metrics| metrics.sum("gather_requests_total", &[]));
        let timed = grown(&|metrics| metrics.sum("gather_request_duration_seconds_count", &[]));
        self.check(
            "requests = sent = answered = timed",
            [requests, timed, ledger.answered as f64] == [ledger.sent as f64; 3],
            format!("{requests}, {}, {}, {timed}", ledger.sent, ledger.answered),
        );
        let mut sums = [0.0; 4];
        let mut wrong = Vec::new();
        for upstream in UPSTREAMS {
            let calls = ledger.calls.get(upstream);
            let told = |what: fn(&crate::ledger::Calls) -> u64| calls.map_or(0, what) as f64;
            let sent = grown(&|metrics| attempts(metrics, upstream));
            let retries = grown(&|metrics| of(metrics, "gather_retries_total", upstream));
            let hedges = grown(&|metrics| of(metrics, "gather_hedges_total", upstream));
            let refused = grown(&|metrics| refusals(metrics, upstream));
            let first = told(|calls| calls.sent);
            if sent != first + retries + hedges
                || sent != told(|calls| calls.attempts)
                || refused != told(|calls| calls.refused)
            {
                wrong.push(format!(
                    "; {upstream}: {sent} ≠ {first} + {retries} + {hedges}, answers tell {calls:?}, {refused} refused"
                ));
            }
            for (sum, more) in sums.iter_mut().zip([sent, first, retries, hedges]) {
                *sum += more;
            }
        }
        let [sent, first, retries, hedges] = sums;
        self.check(
            "attempts = calls + retries + hedges = what the answers tell",
            wrong.is_empty(),
            format!("{sent} = {first} + {retries} + {hedges}{}", wrong.concat()),
        );
        let came = after.upstream.get(HEALTHY).copied().unwrap_or_default() as f64;
        let sent = grown(&|metrics| {
            attempts(metrics, HEALTHY) + of(metrics, "gather_resent_total", HEALTHY)
        });
        self.check(
            "the healthy upstream saw what was counted",
            came == sent,
            format!("{came} seen, {sent} counted"),
        );
        let gauges = after.metrics.sum("gather_requests_in_flight", &[])
            + after.metrics.sum("gather_attempts_in_flight", &[]);
        self.check("nothing is in flight", gauges == 0.0, gauges.to_string());
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n\n| check | | found |\n|---|---|---|", self.head)?;
        for Check { what, found, well } in &self.checks {
            let mark = if *well { "ok" } else { "FAILED" };
            writeln!(f, "| {what} | {mark} | {found} |")?;
        }
        Ok(())
    }
}

const REFUSED: [&str; 2] = [r#"result="overload""#, r#"result="circuit_open""#];

/// Returns the number of attempts that were sent.
fn attempts(metrics: &Metrics, upstream: &str) -> f64 {
    metrics.sum_without("gather_attempts_total", &[&label(upstream)], &REFUSED)
}

/// Returns the number of calls that were refused.
fn refusals(metrics: &Metrics, upstream: &str) -> f64 {
    REFUSED
        .iter()
        .map(|refused| metrics.sum("gather_attempts_total", &[&label(upstream), refused]))
        .sum()
}

fn of(metrics: &Metrics, metric: &str, upstream: &str) -> f64 {
    metrics.sum(metric, &[&label(upstream)])
}

fn label(upstream: &str) -> String {
    format!("upstream=\"{upstream}\"")
}

/// Returns the medians of the second tenth and of the last.
fn tenths(samples: &[Holdings], of: impl Fn(&Holdings) -> u64) -> (f64, f64) {
    let tenth = (samples.len() / 10).max(1);
    let median = |part: &[Holdings]| {
        let mut values: Vec<_> = part.iter().map(&of).collect();
        values.sort_unstable();
        values[values.len() / 2] as f64
    };
    (
        median(&samples[tenth..2 * tenth]),
        median(&samples[samples.len() - tenth..]),
    )
}
