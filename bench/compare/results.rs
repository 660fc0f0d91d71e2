//! The figures of all rounds, and their medians. It must not know how they were measured or how they are used.

use std::collections::BTreeMap;

/// The meaning of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// User and system time, in microseconds an aggregate.
    Cpu,
    /// Aggregates a second.
    Rate,
    /// The median latency, in milliseconds. The next one is in milliseconds too.
    P50,
    P99,
    /// The share of one core that was used, in percent.
    Busy,
    /// The p50 less that of the direct call, in microseconds.
    Added,
    /// Growth of the resident memory, in KiB for each aggregate in flight.
    Memory,
    /// Resident memory when nothing is in flight, in MiB.
    Resting,
    /// Aggregates that were in flight.
    Held,
    /// Time over the slowest call, in milliseconds.
    OverP50,
    OverP99,
    /// The time of a start, in milliseconds.
    Start,
    /// The rate with two workers, as a multiple of the rate with one.
    TwoRate,
    TwoCpu,
}

impl Figure {
    /// Returns the title for the table, with the unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU an aggregate, µs",
            Self::Rate => "aggregates a second",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::Busy => "of its core, %",
            Self::Added => "p50 added, µs",
            Self::Memory => "RSS an aggregate, KiB",
            Self::Resting => "RSS before, MiB",
            Self::Held => "in flight",
            Self::OverP50 => "p50, ms",
            Self::OverP99 => "p99, ms",
            Self::Start => "time, ms",
            Self::TwoRate => "aggregates a second, times one's",
            Self::TwoCpu => "CPU an aggregate, times one's",
        }
    }

    /// Returns true if a ratio to Gather means something.
    pub fn compares(self) -> bool {
        !matches!(self, Self::Busy | Self::Held | Self::TwoRate | Self::TwoCpu)
    }
}

/// The numbers by scenario, program and figure, one for each round.
#[derive(Default)]
pub struct Results(BTreeMap<(String, String, Figure), Vec<f64>>);

impl Results {
    /// Adds the figures of one round.
    pub fn add(&mut self, scenario: &str, program: &str, figures: Vec<(Figure, f64)>) {
        for (figure, number) in figures {
            let key = (scenario.to_owned(), program.to_owned(), figure);
            self.0.entry(key).or_default().push(number);
        }
    }

    /// Returns the median over the rounds.
    pub fn median(&self, scenario: &str, program: &str, figure: Figure) -> Option<f64> {
        let mut numbers = self
            .0
            .get(&(scenario.to_owned(), program.to_owned(), figure))?
            .clone();
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        if numbers.len().is_multiple_of(2) {
            Some(f64::midpoint(numbers[middle - 1], numbers[middle]))
        } else {
            Some(numbers[middle])
        }
    }

    /// Returns the figures that any program has in a scenario.
    pub fn figures(&self, scenario: &str) -> Vec<Figure> {
        let keys = self.0.keys().filter(|(of, _, _)| of == scenario);
        let mut figures: Vec<_> = keys.map(|(_, _, figure)| *figure).collect();
        figures.sort_unstable();
        figures.dedup();
        figures
    }
}
