//! The measurements, as a table for a person and as JSON for a program.

use std::{fmt::Write as _, io, num::NonZeroUsize, time::Duration};

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::tally::{Tally, quantile};
use crate::{
    cli::waterfall::{Style, duration},
    fanout::Mode,
};

/// The shares of answers whose latency is shown, with their names in JSON.
const SHARES: [(f64, &str); 5] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99_9"),
    (1.0, "max"),
];

/// The least number of answers for which one of them is slower than the p99.
const ENOUGH: u64 = 100;

/// A row of the table.
pub(super) struct Row {
    /// The mode, or the kind of latencies in a further row of that mode.
    pub(super) name: String,
    /// The cells, one for each column.
    pub(super) cells: Vec<String>,
}

/// The headings of the columns.
pub(super) const COLUMNS: [&str; 7] =
    ["requests", "p50", "p90", "p99", "p99.9", "max", "answers/s"];

/// The report on one mode or on both.
pub(super) struct Report<'a> {
    pub(super) url: &'a str,
    pub(super) concurrency: NonZeroUsize,
    /// Requests a second, if they started by the clock.
    pub(super) rate: Option<f64>,
    pub(super) runs: &'a [(Mode, Tally)],
}

impl Report<'_> {
    /// Draws the table and the remarks on it.
    pub(super) fn draw(&self, out: &mut dyn io::Write, style: Style) -> io::Result<()> {
        writeln!(out, "{}\n", self.settings())?;
        let rows = self.rows(style.unicode);
        let named = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        write!(out, "{:named$}", "")?;
        for (at, head) in COLUMNS.iter().enumerate() {
            write!(out, "  {head:>width$}", width = width(&rows, at))?;
        }
        writeln!(out)?;
        for row in &rows {
            write!(out, "{:named$}", row.name)?;
            for (at, cell) in row.cells.iter().enumerate() {
                // The µ is one column and two bytes.
                let width = width(&rows, at) + cell.len() - cell.chars().count();
                write!(out, "  {cell:>width$}")?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
        let remarks = self.remarks(style.unicode);
        for sentence in self.comparison().into_iter().chain(remarks) {
            writeln!(out, "{sentence}")?;
        }
        Ok(())
    }

    /// Describes the load and names the URL.
    pub(super) fn settings(&self) -> String {
        let pace = match self.rate {
            Some(rate) => format!("{rate} requests a second on at most {}", self.concurrency),
            None => format!("{} at a time", self.concurrency),
        };
        format!("{}, {pace}", self.url)
    }

    /// Returns a row for each mode. With a rate, a second row has the latencies that are not corrected.
    pub(super) fn rows(&self, unicode: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        for (mode, run) in self.runs {
            rows.push(Row {
                name: mode.to_string(),
                cells: cells(run, &run.latency, unicode),
            });
            if let Some(service) = &run.service {
                rows.push(Row {
                    name: "  uncorrected".to_owned(),
                    cells: cells(run, service, unicode),
                });
            }
        }
        rows
    }

    /// Compares the modes in a sentence.
    pub(super) fn comparison(&self) -> Option<String> {
        self.ratio().map(|ratio| {
            format!(
                "concurrent answers {:.2} times as fast at p50, {:.2} at p99, with {:.2} times the throughput",
                ratio.p50, ratio.p99, ratio.throughput
            )
        })
    }

    /// Returns the remarks that a reader of the table needs.
    pub(super) fn remarks(&self, unicode: bool) -> Vec<String> {
        let mut said = Vec::new();
        for (mode, run) in self.runs {
            if run.cut_short {
                said.push(format!("{mode} was stopped before its end"));
            }
            let answers = run.latency.len();
            if (1..ENOUGH).contains(&answers) {
                said.push(format!(
                    "{mode}: of {answers} answers the p99 is the slowest; {ENOUGH} are the least for one"
                ));
            }
            let others: Vec<_> = run
                .outcomes
                .iter()
                .filter(|(outcome, _)| *outcome != "complete")
                .chain(&run.failures)
                .map(|(name, count)| format!("{count} × {name}"))
                .collect();
            if !others.is_empty() {
                let others = others.join(", ");
                let others = if unicode {
                    others
                } else {
                    others.replace('×', "x")
                };
                said.push(format!("{mode}, not complete: {others}"));
            }
            if run.service.is_some() && run.behind > Duration::from_millis(1) {
                let behind = duration(run.behind, unicode);
                said.push(format!(
                    "{mode} fell behind the rate: a request waited {behind} for a connection"
                ));
            }
        }
        said
    }

    /// Compares the modes. `None` if one of them has no answer.
    pub(super) fn ratio(&self) -> Option<Ratio> {
        let of = |mode| {
            let run = self.runs.iter().find(|(known, _)| *known == mode);
            run.map(|(_, run)| run)
                .filter(|run| !run.latency.is_empty())
        };
        let (slow, fast) = (of(Mode::Sequential)?, of(Mode::Concurrent)?);
        let times = |share| {
            let fast = quantile(&fast.latency, share).as_secs_f64();
            quantile(&slow.latency, share).as_secs_f64() / fast.max(1e-6)
        };
        Some(Ratio {
            p50: times(0.5),
            p90: times(0.9),
            p99: times(0.99),
            throughput: fast.throughput() / slow.throughput().max(f64::MIN_POSITIVE),
        })
    }

    /// Returns the whole report for programs. Times are in milliseconds.
    pub(super) fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("url".into(), self.url.into());
        all.insert("concurrency".into(), self.concurrency.get().into());
        all.insert("rate".into(), self.rate.into());
        for (mode, run) in self.runs {
            all.insert(mode.to_string(), run_json(run));
        }
        let ratio = self.ratio().map(|ratio| {
            json!({
                "p50": hundredths(ratio.p50),
                "p90": hundredths(ratio.p90),
                "p99": hundredths(ratio.p99),
                "throughput": hundredths(ratio.throughput),
            })
        });
        all.insert("ratio".into(), ratio.into());
        all.into()
    }
}

/// The speed of the concurrent mode, as a multiple of the sequential mode's.
pub(super) struct Ratio {
    pub(super) p50: f64,
    p90: f64,
    pub(super) p99: f64,
    pub(super) throughput: f64,
}

fn cells(run: &Tally, latency: &Histogram<u64>, unicode: bool) -> Vec<String> {
    let mut cells = vec![run.requests().to_string()];
    cells.extend(SHARES.iter().map(|(share, _)| {
        if latency.is_empty() {
            "-".to_owned()
        } else {
            duration(quantile(latency, *share), unicode)
        }
    }));
    cells.push(format!("{:.1}", run.throughput()));
    cells
}

fn width(rows: &[Row], at: usize) -> usize {
    let cells = rows.iter().map(|row| row.cells[at].chars().count());
    cells.chain([COLUMNS[at].len()]).max().unwrap_or(0)
}

fn run_json(run: &Tally) -> Value {
    json!({
        "requests": run.requests(),
        "answers": run.latency.len(),
        "elapsed_ms": millis(run.elapsed),
        "throughput": hundredths(run.throughput()),
        "outcomes": run.outcomes,
        "failures": run.failures,
        "latency_ms": latency_json(&run.latency),
        "uncorrected_ms": run.service.as_ref().map(latency_json),
        "behind_ms": run.service.as_ref().map(|_| millis(run.behind)),
        "cut_short": run.cut_short,
    })
}

fn latency_json(latency: &Histogram<u64>) -> Value {
    if latency.is_empty() {
        return Value::Null;
    }
    let mut all = Map::new();
    all.insert(
        "min".into(),
        millis(Duration::from_micros(latency.min())).into(),
    );
    all.insert(
        "mean".into(),
        millis(Duration::from_secs_f64(latency.mean() / 1e6)).into(),
    );
    for (share, name) in SHARES {
        all.insert(name.into(), millis(quantile(latency, share)).into());
    }
    all.into()
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Escapes text for the content of an element or attribute of HTML or XML.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            control if control.is_control() => _ = write!(safe, "{}", control.escape_default()),
            other => safe.push(other),
        }
    }
    safe
}
