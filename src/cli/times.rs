//! The times of a call's result, as durations. It must not know the rest of an answer.

use std::time::Duration;

use crate::compose::types::CallReport;

/// Returns the time from the run's start to the call's end.
pub(super) fn end(call: &CallReport) -> Duration {
    let times = call.times();
    millis(times.start_ms) + millis(times.elapsed_ms)
}

/// Converts milliseconds to a duration. A value that no gateway can have sent becomes zero.
pub(super) fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default()
}
