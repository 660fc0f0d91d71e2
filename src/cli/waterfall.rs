//! Draws a timeline as text, one bar for each call, to any `Write`. It must not know HTTP, the engine or the terminal.
//! Names, times and notes come in, lines go out, and the caller decides about colour.

mod axis;
#[cfg(test)]
mod tests;
mod text;

use std::{
    io::{self, Write},
    time::Duration,
};

use anstyle::{AnsiColor, Style as Paint};

use axis::Axis;
use text::{cells, fitted, padded_left, padded_right};

pub use text::{duration, shown};

/// The narrowest and the widest drawing, in columns.
const WIDTHS: (usize, usize) = (40, 200);

/// The number of columns between two columns of text.
const GAP: usize = 2;

/// The least width that a name and a note keep when the width is scarce, in columns.
const LEAST_TEXT: usize = 4;

/// The state of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The call succeeded.
    Ok,
    /// The call failed.
    Failed,
    /// The call was no longer needed, or never started.
    Cancelled,
    /// The call is under way.
    Running,
}

/// One call on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar<'a> {
    /// The call's name.
    pub name: &'a str,
    /// The call's start, counted from the start of the whole.
    pub start: Duration,
    /// The time that the call took.
    pub elapsed: Duration,
    /// The call's state.
    pub status: Status,
    /// A remark of a few characters: `200`, `timeout: …`.
    pub note: &'a str,
    /// The number of tries. More than one is shown with the note. Without a try there is neither a bar nor a time.
    pub attempts: u32,
}

/// A timeline with its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waterfall<'a> {
    /// The name of the whole.
    pub title: &'a str,
    /// The time that the whole took.
    pub total: Duration,
    /// The calls, from top to bottom.
    pub bars: &'a [Bar<'a>],
    /// The end of the time axis, so that two waterfalls can share one. It is `total` by default. A bar beyond it is
    /// drawn at its end.
    pub scale: Option<Duration>,
}

/// The settings for drawing a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of a line, from 40 to 200. A width outside is moved to the nearer end.
    pub width: usize,
    /// True for colour by ANSI escape sequences.
    pub colour: bool,
    /// True if a note may be longer than its column. It is the last column, and not every output has a width.
    pub whole_notes: bool,
    /// True if block characters, `µ`, `…` and other letters than ASCII can be shown.
    pub unicode: bool,
}

impl Default for Style {
    /// A style of 80 columns in Unicode, without colour.
    fn default() -> Self {
        Self {
            width: 80,
            colour: false,
            whole_notes: false,
            unicode: true,
        }
    }
}

impl Waterfall<'_> {
    /// Draws a line for the title, one for each bar and, where there are bars, one for the time axis.
    ///
    /// Characters of names and notes that would steer a terminal are shown escaped. A successful bar is solid, a
    /// failed one shaded, a cancelled one lightly shaded, so that they differ without colour too.
    ///
    /// # Errors
    /// Any error of `out`.
    pub fn draw(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        draw_together(std::slice::from_ref(self), out, style)
    }

    fn rows(&self, style: Style) -> Vec<Row<'_>> {
        self.bars.iter().map(|bar| Row::new(bar, style)).collect()
    }

    fn draw_rows(
        &self,
        out: &mut dyn Write,
        rows: &[Row<'_>],
        columns: Columns,
        style: Style,
    ) -> io::Result<()> {
        let total = duration(self.total, style.unicode);
        self.draw_title(out, &total, columns, style)?;
        if rows.is_empty() {
            return Ok(());
        }
        let axis = Axis::new(self.end(), columns.chart, style.unicode);
        for row in rows {
            row.draw(out, &axis, columns, style)?;
        }
        let indent = columns.chart_start();
        let labels = axis.labels();
        writeln!(
            out,
            "{:indent$}{}",
            "",
            painted(&labels, Paint::new().dimmed(), style)
        )
    }

    /// Returns the end of the time axis. An axis of no length would have no room for a bar, so the last end of a call
    /// replaces it.
    fn end(&self) -> Duration {
        let end = self.scale.unwrap_or(self.total);
        if !end.is_zero() {
            return end;
        }
        self.bars
            .iter()
            .map(|bar| bar.start.saturating_add(bar.elapsed))
            .max()
            .unwrap_or_default()
    }

    fn draw_title(
        &self,
        out: &mut dyn Write,
        total: &str,
        columns: Columns,
        style: Style,
    ) -> io::Result<()> {
        let end = columns.time_end();
        let room = end.saturating_sub(GAP + cells(total));
        let title = fitted(&shown(self.title, style.unicode), room, style.unicode);
        let gap = end.saturating_sub(cells(&title) + cells(total));
        let bold = Paint::new().bold();
        writeln!(
            out,
            "{}{:gap$}{}",
            painted(&title, bold, style),
            "",
            painted(total, bold, style)
        )
    }
}

/// Draws timelines below one another in the same columns, with an empty line between them. If their scales are the same
/// too, equal times take equal room.
///
/// # Errors
/// Any error of `out`.
pub fn draw_together(
    timelines: &[Waterfall<'_>],
    out: &mut dyn Write,
    style: Style,
) -> io::Result<()> {
    let rows: Vec<_> = timelines
        .iter()
        .map(|timeline| timeline.rows(style))
        .collect();
    let totals = timelines
        .iter()
        .map(|timeline| cells(&duration(timeline.total, style.unicode)));
    let all: Vec<_> = rows.iter().flatten().collect();
    let columns = Columns::fit(&all, totals.max().unwrap_or_default(), style);
    for (at, (timeline, rows)) in timelines.iter().zip(&rows).enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        timeline.draw_rows(out, rows, columns, style)?;
    }
    Ok(())
}

/// A bar's texts, made harmless but not yet cut to their columns.
struct Row<'a> {
    bar: &'a Bar<'a>,
    name: String,
    time: String,
    note: String,
    attempts: String,
}

impl<'a> Row<'a> {
    fn new(bar: &'a Bar<'a>, style: Style) -> Self {
        let note = shown(bar.note, style.unicode);
        let attempts = match (bar.attempts, style.unicode) {
            (0 | 1, _) => String::new(),
            (many, unicode) => {
                let space = if note.is_empty() { "" } else { " " };
                format!("{space}{}{many}", if unicode { '×' } else { 'x' })
            }
        };
        Self {
            bar,
            name: shown(bar.name, style.unicode),
            time: match (bar.attempts, style.unicode) {
                (0, true) => "–".to_owned(),
                (0, false) => "-".to_owned(),
                (_, unicode) => duration(bar.elapsed, unicode),
            },
            note,
            attempts,
        }
    }

    fn draw(
        &self,
        out: &mut dyn Write,
        axis: &Axis,
        columns: Columns,
        style: Style,
    ) -> io::Result<()> {
        let paint = match self.bar.status {
            Status::Ok => AnsiColor::Green.on_default(),
            Status::Failed => AnsiColor::Red.on_default(),
            Status::Cancelled => AnsiColor::Yellow.on_default().dimmed(),
            Status::Running => AnsiColor::Cyan.on_default(),
        };
        let name = padded_right(
            &fitted(&self.name, columns.name, style.unicode),
            columns.name,
        );
        let elapsed = match self.bar.attempts {
            0 => Duration::ZERO,
            _ => self.bar.elapsed,
        };
        let (before, bar) = axis.bar(self.bar.start, elapsed, self.bar.status);
        let after = columns.chart.saturating_sub(before + cells(&bar));
        let time = padded_left(&self.time, columns.time);
        let room = match style.whole_notes {
            true => usize::MAX,
            false => columns.note.saturating_sub(cells(&self.attempts)),
        };
        let note = format!(
            "{}{}",
            fitted(&self.note, room, style.unicode),
            self.attempts
        );
        write!(
            out,
            "{:GAP$}{name}{:GAP$}{:before$}{}",
            "",
            "",
            "",
            painted(&bar, paint, style)
        )?;
        write!(out, "{:after$}{:GAP$}{time}", "", "")?;
        if note.is_empty() {
            return writeln!(out);
        }
        writeln!(out, "{:GAP$}{}", "", painted(&note, paint, style))
    }
}

/// The widths of a row's columns.
#[derive(Clone, Copy)]
struct Columns {
    name: usize,
    chart: usize,
    time: usize,
    note: usize,
}

impl Columns {
    /// Divides a line's width. Names and notes get the width that they need, up to a share of it. The chart is the
    /// purpose of the drawing, so it gets the rest: at least a third.
    fn fit(rows: &[&Row<'_>], total: usize, style: Style) -> Self {
        let width = style.width.clamp(WIDTHS.0, WIDTHS.1);
        let widest = |text: &dyn Fn(&Row<'_>) -> usize| {
            rows.iter().map(|row| text(row)).max().unwrap_or_default()
        };
        let mut name = widest(&|row| cells(&row.name)).min(width / 4);
        let mut note = widest(&|row| cells(&row.note) + cells(&row.attempts)).min(width / 3);
        let time = widest(&|row| cells(&row.time)).max(total);
        let taken = |name: usize, note: usize| 4 * GAP + name + time + note;
        let mut lacking = (taken(name, note) + width / 3).saturating_sub(width);
        for column in [&mut note, &mut name] {
            let given = lacking.min(column.saturating_sub(LEAST_TEXT));
            *column -= given;
            lacking -= given;
        }
        Self {
            name,
            chart: width.saturating_sub(taken(name, note)).max(1),
            time,
            note,
        }
    }

    const fn chart_start(self) -> usize {
        GAP + self.name + GAP
    }

    const fn time_end(self) -> usize {
        self.chart_start() + self.chart + GAP + self.time
    }
}

fn painted(text: &str, paint: Paint, style: Style) -> String {
    if style.colour && !text.is_empty() {
        format!("{paint}{text}{paint:#}")
    } else {
        text.to_owned()
    }
}
