//! A gateway's JSON answer as the commands read it, and how it is drawn.

use std::{io, time::Duration};

use anyhow::{Context as _, bail};
use http::StatusCode;
use serde::Deserialize;

use super::{
    client, screen,
    waterfall::{self, Bar, Status, Style, Waterfall, duration},
};
use crate::fanout::Reply;

/// One run, or both of a comparison.
#[derive(Debug)]
pub(super) enum Answer {
    Single(Run),
    Compared {
        sequential: Run,
        concurrent: Run,
        speedup: Option<f64>,
    },
}

/// One run of an aggregate.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    aggregate: String,
    mode: String,
    outcome: String,
    elapsed_ms: f64,
    sequential_ms: f64,
    /// A stream has told them before.
    #[serde(default)]
    results: Vec<CallResult>,
}

/// What came of one call.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct CallResult {
    pub(super) name: String,
    ok: bool,
    status: Option<u16>,
    start_ms: f64,
    elapsed_ms: f64,
    attempts: u32,
    #[serde(default)]
    hedges: u32,
    failure: Option<String>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct Comparison {
    sequential: Run,
    concurrent: Run,
    speedup: Option<f64>,
}

#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: Option<String>,
}

impl Problem {
    fn told(&self, status: StatusCode) -> String {
        let status = status.as_u16();
        match &self.detail {
            Some(detail) => format!("{status}: {} ({detail})", self.title),
            None => format!("{status}: {}", self.title),
        }
    }
}

/// Why an answer is not what was asked for: in a problem's own words, else by its status.
pub(super) fn refusal(reply: &Reply) -> String {
    let problem = json(reply).and_then(|value| Ok(serde_json::from_value::<Problem>(value)?));
    match problem {
        Ok(problem) => problem.told(reply.status),
        Err(_) => reply.status.to_string(),
    }
}

fn json(reply: &Reply) -> anyhow::Result<serde_json::Value> {
    serde_json::from_str(&client::text(&reply.body)).with_context(|| {
        format!(
            "the answer ({}) is not JSON: is that a gateway?",
            reply.status
        )
    })
}

impl Answer {
    /// Reads what a gateway answered; a problem without results is an error with the problem's own words.
    pub(super) fn read(reply: &Reply) -> anyhow::Result<Self> {
        Self::of(reply, json(reply)?)
    }

    fn of(reply: &Reply, value: serde_json::Value) -> anyhow::Result<Self> {
        if value.get("mode").is_some_and(|mode| mode == "compare") {
            let runs: Comparison = serde_json::from_value(value).context(STRANGE)?;
            return Ok(Self::Compared {
                sequential: runs.sequential,
                concurrent: runs.concurrent,
                speedup: runs.speedup,
            });
        }
        if value.get("results").is_some() {
            return Ok(Self::Single(
                serde_json::from_value(value).context(STRANGE)?,
            ));
        }
        let problem: Problem = serde_json::from_value(value).context(STRANGE)?;
        bail!("{}", problem.told(reply.status))
    }

    /// Puts together what a stream has told: the last message and, run by run, the results before it.
    pub(super) fn streamed(
        outcome: serde_json::Value,
        mut results: Vec<Vec<CallResult>>,
    ) -> anyhow::Result<Self> {
        let mut next = || match results.is_empty() {
            true => Vec::new(),
            false => results.remove(0),
        };
        if outcome.get("mode").is_some_and(|mode| mode == "compare") {
            let mut runs: Comparison = serde_json::from_value(outcome).context(STRANGE)?;
            runs.sequential.results = next();
            runs.concurrent.results = next();
            return Ok(Self::Compared {
                sequential: runs.sequential,
                concurrent: runs.concurrent,
                speedup: runs.speedup,
            });
        }
        let mut run: Run = serde_json::from_value(outcome).context(STRANGE)?;
        run.results = next();
        Ok(Self::Single(run))
    }

    /// Whether everything that was asked for came.
    pub(super) fn is_complete(&self) -> bool {
        self.runs().iter().all(|run| run.outcome == "complete")
    }

    fn runs(&self) -> Vec<&Run> {
        match self {
            Self::Single(run) => vec![run],
            Self::Compared {
                sequential,
                concurrent,
                ..
            } => vec![sequential, concurrent],
        }
    }

    /// Draws every run, on one time axis, and what they come to.
    pub(super) fn draw(&self, out: &mut dyn io::Write, style: Style) -> io::Result<()> {
        draw_together(&self.runs(), out, style)?;
        writeln!(out)?;
        match self {
            Self::Single(run) => writeln!(
                out,
                "{} {}: {} in {}; one after another {}{}",
                run.aggregate,
                run.mode,
                run.outcome,
                duration(run.elapsed(), style.unicode),
                if run.is_cut() { "at least " } else { "" },
                duration(millis(run.sequential_ms), style.unicode),
            ),
            Self::Compared { speedup, .. } => match speedup {
                Some(ratio) => writeln!(out, "concurrent is {ratio:.2} times as fast"),
                None => writeln!(out, "no ratio: a run was not complete"),
            },
        }
    }
}

const STRANGE: &str = "the answer is not one of a gateway";

impl Run {
    pub(super) fn elapsed(&self) -> Duration {
        millis(self.elapsed_ms)
    }

    /// Whether some call was given up before its end, so that nobody knows what it would have cost.
    fn is_cut(&self) -> bool {
        let cut = ["cancelled", "skipped", "deadline"];
        let mut failures = self
            .results
            .iter()
            .filter_map(|call| call.failure.as_deref());
        failures.any(|failure| cut.contains(&failure))
    }
}

/// Draws runs in the same columns and on the same axis.
pub(super) fn draw_together(
    runs: &[&Run],
    out: &mut dyn io::Write,
    style: Style,
) -> io::Result<()> {
    let scale = runs.iter().map(|run| run.elapsed()).max();
    let notes: Vec<Vec<_>> = runs
        .iter()
        .map(|run| run.results.iter().map(CallResult::note).collect())
        .collect();
    let bars: Vec<Vec<_>> = runs
        .iter()
        .zip(&notes)
        .map(|(run, notes)| {
            let calls = run.results.iter().zip(notes);
            calls.map(|(call, note)| call.bar(note)).collect()
        })
        .collect();
    let timelines: Vec<_> = runs
        .iter()
        .zip(&bars)
        .map(|(run, bars)| Waterfall {
            title: &run.mode,
            total: run.elapsed(),
            bars,
            scale,
        })
        .collect();
    waterfall::draw_together(&timelines, out, style)
}

impl CallResult {
    /// What came of it, and whether a hedge was among its attempts; how many there were is the bar's to show.
    pub(super) fn note(&self) -> String {
        let end = match (&self.failure, self.status) {
            (Some(failure), _) => failure.clone(),
            (None, Some(status)) => status.to_string(),
            (None, None) => String::new(),
        };
        let hedged = if self.hedges > 0 { " hedged" } else { "" };
        match &self.detail {
            Some(detail) if !self.ok => format!("{end}{hedged}: {detail}"),
            _ => format!("{end}{hedged}"),
        }
    }

    /// From the run's start to the call's end.
    pub(super) fn end(&self) -> Duration {
        millis(self.start_ms) + millis(self.elapsed_ms)
    }

    pub(super) fn bar<'a>(&'a self, note: &'a str) -> Bar<'a> {
        Bar {
            name: &self.name,
            start: millis(self.start_ms),
            elapsed: millis(self.elapsed_ms),
            status: match self.failure.as_deref() {
                _ if self.ok => Status::Ok,
                Some("cancelled" | "skipped") => Status::Cancelled,
                _ => Status::Failed,
            },
            note,
            attempts: self.attempts,
        }
    }
}

/// Milliseconds as a duration; what a gateway can't have sent counts as nothing.
fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default()
}

/// Prints an answer on standard output, as it came or drawn.
pub(super) fn show(reply: &Reply, as_json: bool) -> anyhow::Result<Answer> {
    let value = json(reply)?;
    let mut out = screen::out();
    if as_json {
        // A refusal too: whoever reads it by program wants it whole.
        io::Write::write_fmt(&mut out, format_args!("{}\n", client::text(&reply.body)))?;
    }
    let answer = Answer::of(reply, value)?;
    if !as_json {
        answer.draw(&mut out, screen::style())?;
    }
    Ok(answer)
}
