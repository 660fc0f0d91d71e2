//! What is known of a streamed answer while it comes, and how that looks now. It must not know where the messages come from
//! nor where the drawing goes.

use std::{io, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::lines::Message;
use crate::cli::{
    answer::{Answer, CallResult},
    waterfall::{self, Bar, Status, Style, Waterfall},
};

/// More calls than any plan has.
const MOST: usize = 100_000;

/// What the head of a streamed answer says.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) mode: String,
    /// Empty where the gateway doesn't say.
    pub(super) names: Vec<String>,
    /// How many calls are under way at a time, as far as the caller has bounded it.
    pub(super) concurrency: Option<usize>,
}

/// A streamed answer as far as it has come.
#[derive(Debug)]
pub(super) struct Live {
    names: Vec<String>,
    runs: Vec<Run>,
    outcome: Option<Value>,
}

#[derive(Debug)]
struct Run {
    mode: String,
    /// How many calls are under way at a time.
    width: usize,
    /// When it began, from the beginning of all; `None` before.
    began: Option<Duration>,
    results: Vec<Option<CallResult>>,
}

impl Live {
    pub(super) fn new(announced: Announced) -> Self {
        let modes = match &*announced.mode {
            "compare" => vec!["sequential", "concurrent"],
            mode => vec![mode],
        };
        let runs = modes.iter().enumerate().map(|(at, mode)| Run {
            mode: (*mode).to_owned(),
            width: match *mode {
                "sequential" => 1,
                _ => announced.concurrency.unwrap_or(usize::MAX),
            },
            began: (at == 0).then_some(Duration::ZERO),
            results: announced.names.iter().map(|_| None).collect(),
        });
        Self {
            runs: runs.collect(),
            names: announced.names,
            outcome: None,
        }
    }

    /// Takes a message that came so long after the beginning.
    pub(super) fn take(&mut self, message: Message, now: Duration) -> anyhow::Result<()> {
        if self.outcome.is_some() {
            bail!("the gateway went on after its answer's last line");
        }
        match message {
            Message::Outcome(outcome) => self.outcome = Some(outcome),
            Message::Result { run, index, call } => {
                let is_it = |known: &Run| run.as_deref().is_none_or(|run| run == known.mode);
                let at = self.runs.iter().position(is_it);
                let at = at.context("the gateway sent a result of a run that nobody asked for")?;
                let known = self.runs[at].results.len();
                let results = &mut self.runs[at].results;
                if index >= known && self.names.is_empty() && index < MOST {
                    results.resize_with(index + 1, || None);
                }
                let Some(slot) = results.get_mut(index) else {
                    bail!("the gateway sent result {index} of {known}");
                };
                if slot.replace(call).is_some() {
                    bail!("the gateway sent result {index} twice");
                }
                self.runs[at].began.get_or_insert(now);
                let is_over = !self.names.is_empty() && self.runs[at].is_settled();
                if is_over && let Some(next) = self.runs.get_mut(at + 1) {
                    next.began.get_or_insert(now);
                }
            }
        }
        Ok(())
    }

    /// Whether the last message has come and nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        let (told, all) = self.settled();
        self.outcome.is_some() && told == all
    }

    /// The whole answer.
    pub(super) fn answer(self) -> anyhow::Result<Answer> {
        let (told, all) = self.settled();
        let outcome = self
            .outcome
            .with_context(|| format!("the answer broke off after {told} of {all} results"))?;
        if told < all {
            bail!("the answer ended with {told} of {all} results");
        }
        let results = self
            .runs
            .into_iter()
            .map(|run| run.results.into_iter().flatten().collect());
        Answer::streamed(outcome, results.collect())
    }

    /// How many results have come, of how many that are known of.
    pub(super) fn settled(&self) -> (usize, usize) {
        let all = self.runs.iter().map(|run| run.results.len()).sum();
        let results = self.runs.iter().flat_map(|run| &run.results);
        (results.flatten().count(), all)
    }

    /// Draws all runs, on one time axis, as they are so long after the beginning.
    pub(super) fn draw(
        &self,
        out: &mut dyn io::Write,
        style: Style,
        now: Duration,
    ) -> io::Result<()> {
        let longest = self.runs.iter().map(|run| run.elapsed(now)).max();
        let scale = Some(round_up(longest.unwrap_or_default()));
        let notes: Vec<_> = self.runs.iter().map(Run::notes).collect();
        let bars: Vec<_> = self
            .runs
            .iter()
            .zip(&notes)
            .map(|(run, notes)| run.bars(&self.names, notes, now))
            .collect();
        let timelines: Vec<_> = self
            .runs
            .iter()
            .zip(&bars)
            .map(|(run, bars)| Waterfall {
                title: &run.mode,
                total: run.elapsed(now),
                bars,
                scale,
            })
            .collect();
        waterfall::draw_together(&timelines, out, style)
    }
}

impl Run {
    fn is_settled(&self) -> bool {
        self.results.iter().all(Option::is_some)
    }

    /// How long it has been under way, or was.
    fn elapsed(&self, now: Duration) -> Duration {
        if !self.results.is_empty() && self.is_settled() {
            let ends = self.results.iter().flatten().map(CallResult::end);
            return ends.max().unwrap_or_default();
        }
        self.began
            .map_or(Duration::ZERO, |began| now.saturating_sub(began))
    }

    /// What is to be said of each call that is settled.
    fn notes(&self) -> Vec<String> {
        let note = |result: &Option<CallResult>| result.as_ref().map(CallResult::note);
        self.results
            .iter()
            .map(|result| note(result).unwrap_or_default())
            .collect()
    }

    fn bars<'a>(&'a self, names: &'a [String], notes: &'a [String], now: Duration) -> Vec<Bar<'a>> {
        let elapsed = self.elapsed(now);
        let mut ends: Vec<_> = self.results.iter().flatten().map(CallResult::end).collect();
        ends.sort_unstable();
        let mut started = ends.len();
        let most = started.saturating_add(self.width);
        let bar = |(index, result): (usize, &'a Option<CallResult>)| {
            if let Some(call) = result {
                return call.bar(&notes[index]);
            }
            // Calls start in plan order; one that had to wait has started when another one ended.
            let before = started.checked_sub(self.width);
            let start = before.and_then(|before| ends.get(before).copied());
            let runs = self.began.is_some() && started < most;
            started += 1;
            let name = names.get(index).map_or("", String::as_str);
            unsettled(name, runs.then(|| start.unwrap_or_default()), elapsed)
        };
        self.results.iter().enumerate().map(bar).collect()
    }
}

/// A call without a result: under way since `start`, or waiting for its turn.
fn unsettled(name: &str, start: Option<Duration>, elapsed: Duration) -> Bar<'_> {
    Bar {
        name,
        start: start.unwrap_or_default(),
        elapsed: start.map_or(Duration::ZERO, |start| elapsed.saturating_sub(start)),
        status: Status::Running,
        note: if start.is_some() {
            "running"
        } else {
            "waiting"
        },
        attempts: start.is_some().into(),
    }
}

/// The next round time: an axis that grew with every frame would move what is on it.
fn round_up(time: Duration) -> Duration {
    let millis = time.as_millis().max(50);
    let power = 10_u128.pow(millis.ilog10());
    let round = [1, 2, 5, 10]
        .map(|times| times * power)
        .into_iter()
        .find(|round| *round >= millis);
    Duration::from_millis(round.unwrap_or(millis).try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
