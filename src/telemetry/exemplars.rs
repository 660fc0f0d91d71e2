//! Keeps the last recorded request of each bucket of a histogram. It leads from a slow bucket to a trace. It must not
//! know what is measured.

use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// An observation with a recorded trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    /// Its trace.
    pub(super) trace: u128,
    /// The observed value.
    pub(super) value: f64,
    /// The time, in seconds since 1970.
    pub(super) at: f64,
}

/// The exemplars of one histogram. It is empty, and without memory of its own, until the first is noted.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<Vec<Option<Exemplar>>>);

impl Exemplars {
    /// Notes an observation for its bucket, which the upper `bounds` give. Never waits: if it comes at the same time as
    /// another, or as a reader, it is dropped.
    #[allow(
        clippy::disallowed_methods,
        reason = "the time of day, which others compare"
    )]
    pub(super) fn note(&self, bounds: &[f64], value: f64, trace: u128) {
        let Ok(mut buckets) = self.0.try_lock() else {
            return;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let exemplar = Exemplar {
            trace,
            value,
            at: now.unwrap_or_default().as_secs_f64(),
        };
        if buckets.is_empty() {
            // One more than there are bounds, as the last bucket has none.
            buckets.resize(bounds.len() + 1, None);
        }
        buckets[bounds.partition_point(|&bound| bound < value)] = Some(exemplar);
    }

    /// Returns the exemplar of a bucket.
    pub(super) fn of(&self, bucket: usize) -> Option<Exemplar> {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *buckets.get(bucket)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_observation_of_each_bucket_is_kept() {
        let exemplars = Exemplars::default();
        assert_eq!(exemplars.of(0), None);
        let bounds = [0.1, 1.0];
        for (value, trace) in [(0.05, 1), (0.1, 2), (0.10001, 3), (7.0, 4)] {
            exemplars.note(&bounds, value, trace);
        }
        let kept: Vec<_> = (0..4)
            .map(|bucket| exemplars.of(bucket).map(|it| (it.trace, it.value)))
            .collect();
        // A bound is in its own bucket.
        assert_eq!(
            kept,
            [Some((2, 0.1)), Some((3, 0.10001)), Some((4, 7.0)), None]
        );
    }

    #[test]
    fn while_they_are_read_nobody_waits() {
        let exemplars = Exemplars::default();
        let reading = exemplars.0.lock().unwrap();
        exemplars.note(&[1.0], 0.5, 1);
        drop(reading);
        assert_eq!(exemplars.of(0), None);
    }
}
