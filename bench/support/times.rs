//! Measured times and their percentiles, exact: all of them are kept.

use std::time::Duration;

/// Times in the order of their length.
pub struct Times(Vec<Duration>);

impl Times {
    /// Sorts them; there must be at least one.
    pub fn new(mut times: Vec<Duration>) -> Self {
        assert!(!times.is_empty(), "nothing was measured");
        times.sort_unstable();
        Self(times)
    }

    /// The shortest time that this share (0 to 100) of all do not exceed (nearest rank).
    pub fn percentile(&self, percentile: f64) -> Duration {
        let rank = (self.0.len() as f64 * percentile / 100.0).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.percentile(100.0)
    }
}

/// A time in milliseconds, as a table shows it.
pub fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
