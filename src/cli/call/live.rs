//! The state of a streamed answer while it comes, and its drawing. It must not know where the messages come from nor
//! where the drawing goes.

use std::{io, time::Duration};

use anyhow::{Context as _, bail};

use crate::{
    cli::{
        answer::{self, Answer, Ending, Message, Streamed},
        times,
        waterfall::{self, Bar, Status, Style, Waterfall},
    },
    compose::types::{CallReport, StreamedResult},
};

/// A number above the calls of any plan.
const MOST: usize = 100_000;

/// The contents of a streamed answer's head.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) mode: String,
    /// The calls' names. Empty if the gateway leaves them out because its head would be too long.
    pub(super) names: Vec<String>,
    /// The number of calls under way at a time, if the caller has bounded it.
    pub(super) concurrency: Option<usize>,
}

/// A streamed answer as far as it has come.
#[derive(Debug)]
pub(super) struct Live {
    /// Names in plan order. A name that is not known is empty.
    names: Vec<String>,
    runs: Vec<Run>,
    ending: Option<Box<Ending>>,
}

#[derive(Debug)]
struct Run {
    mode: String,
    /// The most calls that are under way at a time.
    width: usize,
    /// The run's start, counted from the beginning of the command. `None` before it.
    began: Option<Duration>,
    /// A slot for each known call.
    results: Vec<Option<CallReport>>,
    /// True once all calls of the run are known.
    is_known: bool,
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
            is_known: !announced.names.is_empty(),
        });
        Self {
            runs: runs.collect(),
            names: announced.names,
            ending: None,
        }
    }

    /// Takes a message that came `now` after the beginning.
    pub(super) fn take(&mut self, message: Message, now: Duration) -> anyhow::Result<()> {
        if self.ending.is_some() {
            bail!("the gateway went on after its answer's last line");
        }
        match message {
            Message::Outcome(ending) => {
                self.ending = Some(ending);
                self.runs.iter_mut().for_each(|run| run.is_known = true);
                Ok(())
            }
            Message::Result(result) => self.settle(result, now),
        }
    }

    fn settle(&mut self, result: StreamedResult, now: Duration) -> anyhow::Result<()> {
        let StreamedResult {
            mode,
            index,
            result,
        } = result;
        let is_it = |known: &Run| mode.as_ref().is_none_or(|mode| mode.0 == known.mode);
        let at = self.runs.iter().position(is_it);
        let at = at.context("the gateway sent a result of a run that nobody asked for")?;
        self.learn(at);
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let run = &mut self.runs[at];
        if !run.is_known && (run.results.len()..MOST).contains(&index) {
            run.results.resize_with(index + 1, || None);
            self.names.resize(run.results.len(), String::new());
        }
        let known = run.results.len();
        let Some(slot) = run.results.get_mut(index) else {
            bail!("the gateway sent result {index} of {known}");
        };
        self.names[index].clone_from(&result.times().name);
        if slot.replace(result).is_some() {
            bail!("the gateway sent result {index} twice");
        }
        run.began.get_or_insert(now);
        let is_over = run.is_settled();
        if is_over && let Some(next) = self.runs.get_mut(at + 1) {
            next.began.get_or_insert(now);
        }
        Ok(())
    }

    /// Derives two facts from a result of the run at `at`: the runs before it are over, and all have the same calls.
    fn learn(&mut self, at: usize) {
        let (before, after) = self.runs.split_at_mut(at);
        before.iter_mut().for_each(|run| run.is_known = true);
        if let (Some(before), Some(run)) = (before.last(), after.first_mut())
            && !run.is_known
        {
            run.results.resize_with(before.results.len(), || None);
            run.is_known = true;
        }
    }

    /// Returns true if the last message has come and no result is missing.
    pub(super) fn is_whole(&self) -> bool {
        self.ending.is_some() && self.runs.iter().all(Run::is_settled)
    }

    /// Returns the whole answer, or an error if a part of it is missing.
    pub(super) fn answer(self) -> anyhow::Result<Streamed> {
        if self.ending.is_some() && !self.is_whole() {
            bail!("the answer ended with {} results", self.progress());
        }
        let broken_off = self.broken_off();
        let ending = self.ending.context(broken_off)?;
        let results = self
            .runs
            .into_iter()
            .map(|run| run.results.into_iter().flatten().collect());
        Ok(Answer::streamed(*ending, results.collect()))
    }

    /// Returns true if there is anything to show.
    pub(super) fn has_results(&self) -> bool {
        self.settled() > 0
    }

    fn settled(&self) -> usize {
        let results = self.runs.iter().flat_map(|run| &run.results);
        results.flatten().count()
    }

    /// Returns the number of results that have come and, if known, the number of all.
    pub(super) fn progress(&self) -> String {
        let settled = self.settled();
        if !self.runs.iter().all(|run| run.is_known) {
            return settled.to_string();
        }
        let all: usize = self.runs.iter().map(|run| run.results.len()).sum();
        format!("{settled} of {all}")
    }

    /// Returns the sentence about a stream that was cut.
    pub(super) fn broken_off(&self) -> String {
        format!("the answer broke off after {} results", self.progress())
    }

    /// Draws all runs on one time axis, as they are `now` after the beginning.
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
        self.is_known && self.results.iter().all(Option::is_some)
    }

    /// Returns the time that the run has been under way, or took in all.
    fn elapsed(&self, now: Duration) -> Duration {
        if self.is_settled() {
            let ends = self.results.iter().flatten().map(times::end);
            return ends.max().unwrap_or_default();
        }
        self.began
            .map_or(Duration::ZERO, |began| now.saturating_sub(began))
    }

    /// Returns a note for each call. It is empty for a call that is not settled.
    fn notes(&self) -> Vec<String> {
        let note = |result: &Option<CallReport>| result.as_ref().map(answer::note);
        self.results
            .iter()
            .map(|result| note(result).unwrap_or_default())
            .collect()
    }

    fn bars<'a>(&'a self, names: &'a [String], notes: &'a [String], now: Duration) -> Vec<Bar<'a>> {
        let elapsed = self.elapsed(now);
        let mut ends: Vec<_> = self.results.iter().flatten().map(times::end).collect();
        ends.sort_unstable();
        let mut started = ends.len();
        let most = started.saturating_add(self.width);
        let bar = |(index, result): (usize, &'a Option<CallReport>)| {
            if let Some(call) = result {
                return answer::bar(call, &notes[index]);
            }
            // Calls start in plan order. A call that had to wait started when another one ended.
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

/// Makes the bar of a call without a result. The call has run since `start`, or waits for its turn.
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

/// Rounds up to the next round time. Bars would move if the axis grew with every frame.
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
