//! The time axis of a waterfall: the position of a bar on it, and the labels under it. It must not know of names, notes
//! or colours.

use std::time::Duration;

use super::{
    Status,
    text::{cells, round_duration},
};

/// Columns that a label should have for itself, so that the axis stays easy to read.
const LABEL_EVERY: usize = 12;

/// Blocks that fill a cell from the left by eighths.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A stretch of time laid out over a number of cells.
pub(super) struct Axis {
    end: u128,
    cells: usize,
    unicode: bool,
}

impl Axis {
    /// Lays the time from zero to `end` over `cells` columns.
    pub(super) fn new(end: Duration, cells: usize, unicode: bool) -> Self {
        Self {
            end: end.as_nanos(),
            cells: cells.max(1),
            unicode,
        }
    }

    /// Returns the number of free columns before the bar, and the bar. Only a call that took no time has an empty bar.
    pub(super) fn bar(
        &self,
        start: Duration,
        elapsed: Duration,
        status: Status,
    ) -> (usize, String) {
        if elapsed.is_zero() {
            return (0, String::new());
        }
        let from = self.place(start.as_nanos(), 1).min(self.cells - 1);
        let to = self
            .place(start.saturating_add(elapsed).as_nanos(), 8)
            .max(from * 8 + 1);
        let (full, eighths) = (to / 8 - from, to % 8);
        let solid = match (self.unicode, status) {
            (true, Status::Ok | Status::Running) => '█',
            (true, Status::Failed) => '▒',
            (true, Status::Cancelled) => '░',
            (false, Status::Ok) => '#',
            (false, Status::Failed) => 'x',
            (false, Status::Cancelled) => '-',
            (false, Status::Running) => '=',
        };
        let mut bar: String = std::iter::repeat_n(solid, full).collect();
        match (solid, eighths) {
            (_, 0) => {}
            ('█', eighths) => bar.push(EIGHTHS[eighths - 1]),
            // The other glyphs can't be cut: half a cell and more counts as one.
            (_, eighths) if eighths >= 4 || full == 0 => bar.push(solid),
            _ => {}
        }
        (from, bar)
    }

    /// Returns the position nearest to `time`, in parts of a cell. It is at most the axis' end.
    fn place(&self, time: u128, parts: usize) -> usize {
        let all = self.cells * parts;
        if self.end == 0 || time >= self.end {
            return if time == 0 { 0 } else { all };
        }
        usize::try_from((time * all as u128 + self.end / 2) / self.end).unwrap_or(all)
    }

    /// Returns the labels: zero, the end, and round times between them. Each begins under its time; the last one ends
    /// the line.
    pub(super) fn labels(&self) -> String {
        let step = self.step();
        let mut last = (self.cells, round_duration(self.end, self.unicode));
        let mut ticks = Vec::new();
        for time in (0..)
            .map(|tick| step * tick)
            .take_while(|time| *time <= self.end)
        {
            let (at, label) = (self.place(time, 1), round_duration(time, self.unicode));
            // A round time in the last cell is easier to read than the exact end.
            if at + 1 >= self.cells && time > 0 {
                last.1 = label;
            } else {
                ticks.push((at, label));
            }
            if step == 0 {
                break;
            }
        }
        last.0 = self.cells.saturating_sub(cells(&last.1));
        let mut line = String::new();
        let mut used = 0;
        for (at, label) in ticks {
            let fits = at + cells(&label) + 2 <= last.0;
            if at == 0 || (fits && at >= used + 2) {
                line.extend(std::iter::repeat_n(' ', at - used));
                used = at + cells(&label);
                line.push_str(&label);
            }
        }
        if self.end > 0 && last.0 > used {
            line.extend(std::iter::repeat_n(' ', last.0 - used));
            line.push_str(&last.1);
        }
        line
    }

    /// Returns the time between two labels: 1, 2 or 5 times a power of ten nanoseconds. It leaves the labels enough
    /// room.
    fn step(&self) -> u128 {
        let labels = (self.cells / LABEL_EVERY).max(1) as u128;
        let least = self.end.div_ceil(labels);
        let mut power: u128 = 1;
        loop {
            if let Some(step) = [1, 2, 5]
                .into_iter()
                .map(|digit| digit * power)
                .find(|step| *step >= least)
            {
                return if self.end == 0 { 0 } else { step };
            }
            power *= 10;
        }
    }
}
