//! A gateway's JSON answer as the commands read it, and its drawing.

use std::{io, time::Duration};

use anyhow::{Context as _, bail};
use http::StatusCode;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    client, critical, screen,
    shaped::{self, Shaped},
    times::millis,
    waterfall::{self, Bar, Status, Style, Waterfall, duration},
};
use crate::{
    compose::types::{
        CallReport, Comparison, Run, StreamedComparison, StreamedOutcome, StreamedResult,
    },
    fanout::Reply,
};

/// One run, or both of a comparison.
#[derive(Debug)]
pub(super) enum Answer {
    Single(Run),
    Compared(Comparison),
    /// An answer with a shape of its own, which has no results.
    Shaped(Shaped),
}

/// A streamed answer, whole.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) answer: Answer,
    /// The value of an answer with a shape of its own.
    value: Option<String>,
    /// A sentence that the drawing of the runs needs.
    beside: Option<String>,
}

impl Streamed {
    /// Draws the value, the runs, and what they do not explain.
    pub(super) fn draw(&self, out: &mut dyn io::Write, style: Style) -> io::Result<()> {
        if let Some(value) = &self.value {
            shaped::draw_value(value, out, style)?;
        }
        self.answer.draw(out, style)?;
        match &self.beside {
            Some(beside) => writeln!(out, "{beside}"),
            None => Ok(()),
        }
    }
}

/// One message of a streamed answer.
#[derive(Debug)]
pub(super) enum Message {
    /// The result of a settled call.
    Result(StreamedResult),
    /// Everything but the results. It ends the stream.
    Outcome(Box<Ending>),
}

/// The last message of a streamed answer. It has everything but the results.
#[derive(Debug)]
pub(super) enum Ending {
    Single(StreamedOutcome),
    Compared(StreamedComparison),
}

/// The members that tell the shapes of an answer apart. The upstreams' JSON is skipped.
#[derive(Deserialize)]
struct Marks {
    mode: Option<String>,
    index: Option<IgnoredAny>,
    results: Option<IgnoredAny>,
}

impl Marks {
    fn is_comparison(&self) -> bool {
        self.mode.as_deref() == Some("compare")
    }
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    title: String,
    detail: Option<String>,
}

/// The type of a problem that passes an upstream's status on. The drawn run does not show that status.
const PASSED: &str = "urn:gather:problem:upstream-status";

impl Problem {
    fn told(&self, status: StatusCode) -> String {
        let status = status.as_u16();
        match &self.detail {
            Some(detail) => format!("{status}: {} ({detail})", self.title),
            None => format!("{status}: {}", self.title),
        }
    }

    /// The sentence on a run whose drawing does not explain its answer: it has an upstream's status, or no call failed.
    fn beside(&self, status: StatusCode, answer: &Answer) -> Option<String> {
        let is_needed = self.kind.as_deref() == Some(PASSED) || !answer.has_failures();
        // The text goes to a terminal, so control characters are removed.
        let shown = |text: String| text.chars().filter(|shown| !shown.is_control()).collect();
        is_needed.then(|| shown(self.told(status)))
    }
}

impl Ending {
    /// Returns the problem that the answer would have been without a stream, with its status.
    fn problem(&self) -> Option<(Problem, StatusCode)> {
        let (Self::Single(StreamedOutcome { end, .. })
        | Self::Compared(StreamedComparison { end, .. })) = self;
        let problem = Problem {
            kind: end.kind.clone(),
            title: end.title.clone()?,
            detail: end.detail.clone(),
        };
        Some((problem, StatusCode::from_u16(end.status?).ok()?))
    }

    /// Returns the value of an answer with a shape of its own.
    fn value(&self) -> Option<&str> {
        match self {
            Self::Single(told) => told.value.as_deref().map(RawValue::get),
            Self::Compared(_) => None,
        }
    }
}

/// Explains why an answer is not the expected one, by the problem's own text or else by the status.
pub(super) fn refusal(reply: &Reply) -> String {
    match serde_json::from_slice::<Problem>(client::bytes(&reply.body)) {
        Ok(problem) => problem.told(reply.status),
        Err(_) => reply.status.to_string(),
    }
}

/// Returns true if the answer has the status of a call. The gateway has then run the aggregate.
pub(super) fn is_passed(reply: &Reply) -> bool {
    serde_json::from_slice::<Problem>(client::bytes(&reply.body))
        .is_ok_and(|problem| problem.kind.as_deref() == Some(PASSED))
}

/// Returns the answer's JSON as it came.
fn json(reply: &Reply) -> anyhow::Result<&str> {
    let json: Result<&RawValue, _> = serde_json::from_slice(client::bytes(&reply.body));
    let json = json.with_context(|| {
        format!(
            "the answer ({}) is not JSON: is that a gateway?",
            reply.status
        )
    })?;
    Ok(json.get())
}

impl Message {
    /// Reads a line of a stream.
    pub(super) fn read(line: &[u8]) -> serde_json::Result<Self> {
        let marks: Marks = serde_json::from_slice(line)?;
        if marks.index.is_some() {
            return Ok(Self::Result(serde_json::from_slice(line)?));
        }
        let ending = match marks.is_comparison() {
            true => Ending::Compared(serde_json::from_slice(line)?),
            false => Ending::Single(serde_json::from_slice(line)?),
        };
        Ok(Self::Outcome(Box::new(ending)))
    }
}

impl Answer {
    /// Reads a gateway's answer. A problem without results becomes an error with the problem's own words.
    pub(super) fn read(reply: &Reply) -> anyhow::Result<Self> {
        let json = json(reply)?;
        let read = Self::read_runs(json, reply);
        match Shaped::read(json, reply) {
            Some(shaped) if read.is_err() => Ok(Self::Shaped(shaped)),
            _ => read,
        }
    }

    fn read_runs(json: &str, reply: &Reply) -> anyhow::Result<Self> {
        let marks: Marks = serde_json::from_str(json).context(STRANGE)?;
        if marks.is_comparison() {
            let runs = serde_json::from_str(json).context(STRANGE)?;
            return Ok(Self::Compared(runs));
        }
        if marks.results.is_some() {
            let run = serde_json::from_str(json).context(STRANGE)?;
            return Ok(Self::Single(run));
        }
        let problem: Problem = serde_json::from_str(json).context(STRANGE)?;
        bail!("{}", problem.told(reply.status))
    }

    /// Puts a streamed answer together from its last message and the results before it, run by run.
    pub(super) fn streamed(ending: Ending, results: Vec<Vec<CallReport>>) -> Streamed {
        let value = ending.value().map(str::to_owned);
        let problem = ending.problem();
        let answer = Self::of_runs(ending, results);
        let beside = problem.and_then(|(problem, status)| problem.beside(status, &answer));
        Streamed {
            answer,
            value,
            beside,
        }
    }

    fn of_runs(ending: Ending, results: Vec<Vec<CallReport>>) -> Self {
        let mut results = results.into_iter();
        let mut run = |summary| Run {
            summary,
            results: results.next().unwrap_or_default(),
        };
        match ending {
            Ending::Single(told) => Self::Single(run(told.summary)),
            Ending::Compared(told) => Self::Compared(Comparison {
                aggregate: told.aggregate,
                mode: told.mode,
                sequential: run(told.sequential),
                concurrent: run(told.concurrent),
                speedup: told.speedup,
            }),
        }
    }

    /// Returns true if every run has the outcome `complete`.
    pub(super) fn is_complete(&self) -> bool {
        if let Self::Shaped(shaped) = self {
            return shaped.is_complete();
        }
        let mut runs = self.runs().into_iter();
        runs.all(|run| run.summary.outcome.0 == "complete")
    }

    /// Returns true if a call of some run failed.
    fn has_failures(&self) -> bool {
        let runs = self.runs().into_iter();
        runs.flat_map(|run| &run.results).any(|call| match call {
            CallReport::Succeeded(_) => false,
            CallReport::Failed(call) => &*call.failure.0 != "omitted",
        })
    }

    fn runs(&self) -> Vec<&Run> {
        match self {
            Self::Single(run) => vec![run],
            Self::Compared(runs) => vec![&runs.sequential, &runs.concurrent],
            Self::Shaped(_) => Vec::new(),
        }
    }

    /// Draws all runs on one time axis, and a sentence that sums them up.
    pub(super) fn draw(&self, out: &mut dyn io::Write, style: Style) -> io::Result<()> {
        if let Self::Shaped(shaped) = self {
            return shaped.draw(out, style);
        }
        draw_together(&self.runs(), out, style)?;
        writeln!(out)?;
        match self {
            Self::Single(run) => {
                writeln!(
                    out,
                    "{} {}: {} in {}; one after another {}{}",
                    run.summary.aggregate,
                    run.summary.mode.0,
                    run.summary.outcome.0,
                    duration(elapsed(run), style.unicode),
                    if is_cut(run) { "at least " } else { "" },
                    duration(millis(run.summary.sequential_ms), style.unicode),
                )?;
                critical::draw(run, out, style)
            }
            Self::Shaped(_) => Ok(()),
            Self::Compared(runs) => match runs.speedup {
                Some(ratio) => writeln!(out, "concurrent is {ratio:.2} times as fast"),
                None => writeln!(out, "no ratio: a run was not complete"),
            },
        }
    }
}

const STRANGE: &str = "the answer is not one of a gateway";

/// The time that a run took.
pub(super) fn elapsed(run: &Run) -> Duration {
    millis(run.summary.elapsed_ms)
}

/// Returns true if a call was given up before its end, so that its whole cost is unknown.
fn is_cut(run: &Run) -> bool {
    run.results.iter().any(|call| match call {
        CallReport::Succeeded(_) => false,
        CallReport::Failed(call) => {
            ["cancelled", "skipped", "deadline"].contains(&&*call.failure.0)
        }
    })
}

/// Draws runs in the same columns and on the same axis.
pub(super) fn draw_together(
    runs: &[&Run],
    out: &mut dyn io::Write,
    style: Style,
) -> io::Result<()> {
    let scale = runs.iter().map(|run| elapsed(run)).max();
    let notes: Vec<Vec<_>> = runs
        .iter()
        .map(|run| run.results.iter().map(note).collect())
        .collect();
    let bars: Vec<Vec<_>> = runs
        .iter()
        .zip(&notes)
        .map(|(run, notes)| {
            let calls = run.results.iter().zip(notes);
            calls.map(|(call, note)| bar(call, note)).collect()
        })
        .collect();
    let timelines: Vec<_> = runs
        .iter()
        .zip(&bars)
        .map(|(run, bars)| Waterfall {
            title: &run.summary.mode.0,
            total: elapsed(run),
            bars,
            scale,
        })
        .collect();
    waterfall::draw_together(&timelines, out, style)
}

/// Describes a call's end: its status or failure, the elements that succeeded, and if it had a hedge or a fallback. The
/// bar shows the number of attempts.
pub(super) fn note(call: &CallReport) -> String {
    let hedged = if call.times().hedges.is_some_and(|hedges| hedges > 0) {
        " hedged"
    } else {
        ""
    };
    let elements = call.times().each.as_ref();
    let elements = elements.map_or_else(String::new, |each| {
        format!(" {} of {}", each.ok, each.total)
    });
    match call {
        CallReport::Succeeded(call) => format!("{}{hedged}{elements}", call.status),
        CallReport::Failed(call) => {
            let fallback = if call.fallback == Some(true) {
                " (fallback)"
            } else {
                ""
            };
            let (failure, detail) = (&call.failure.0, &call.detail);
            format!("{failure}{hedged}{elements}{fallback}: {detail}")
        }
    }
}

pub(super) fn bar<'a>(call: &'a CallReport, note: &'a str) -> Bar<'a> {
    let times = call.times();
    Bar {
        name: &times.name,
        start: millis(times.start_ms),
        elapsed: millis(times.elapsed_ms),
        status: match call {
            CallReport::Succeeded(_) => Status::Ok,
            CallReport::Failed(call) => match &*call.failure.0 {
                "cancelled" | "skipped" | "omitted" => Status::Cancelled,
                _ => Status::Failed,
            },
        },
        note,
        attempts: times.attempts,
    }
}

/// Prints an answer on standard output, as it came or drawn.
pub(super) fn show(reply: &Reply, as_json: bool) -> anyhow::Result<Answer> {
    let mut out = screen::out();
    if as_json {
        json(reply)?;
        // A refusal is printed too, as a program that reads it wants all of it.
        io::Write::write_fmt(&mut out, format_args!("{}\n", client::text(&reply.body)))?;
    }
    let answer = Answer::read(reply)?;
    if !as_json {
        answer.draw(&mut out, screen::style())?;
        let problem = serde_json::from_slice::<Problem>(client::bytes(&reply.body)).ok();
        let problem = problem.filter(|_| !reply.status.is_success());
        if let Some(beside) = problem.and_then(|problem| problem.beside(reply.status, &answer)) {
            io::Write::write_fmt(&mut out, format_args!("{beside}\n"))?;
        }
    }
    Ok(answer)
}
