//! Measured times and their exact percentiles, as all times are kept.
#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

use std::time::Duration;

/// Times in the order of their length.
pub struct Times(Vec<Duration>);

impl Times {
    /// Sorts the times. There must be at least one.
    pub fn new(mut times: Vec<Duration>) -> Self {
        assert!(!times.is_empty(), "nothing was measured");
        times.sort_unstable();
        Self(times)
    }

    /// Returns the shortest time that this share (0 to 100) of all does not exceed (nearest rank).
    pub fn percentile(&self, percentile: f64) -> Duration {
        let rank = (self.0.len() as f64 * percentile / 100.0).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// Returns the longest time.
    pub fn max(&self) -> Duration {
        self.percentile(100.0)
    }
}

/// Writes a time in milliseconds, as a table shows it.
pub fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
