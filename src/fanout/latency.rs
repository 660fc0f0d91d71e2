//! A small running estimate of an upstream's latency, which the workers share. It counts answers in buckets that grow
//! by an eighth. It halves the counts now and then, so that the past fades. Recording takes two atomic additions, and a
//! calculation now and then. Reading takes one load. It must not know what an answer is.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// The number of buckets for each power of two. An estimate is off by at most an eighth.
const STEPS: u32 = 8;
/// The number of powers of two, in microseconds: up to about an hour.
const POWERS: u32 = 32;
const BUCKETS: usize = (STEPS * POWERS) as usize;

/// The number of answers after which all counts are halved.
const MEMORY: u32 = 2048;

/// The least number of answers that make an estimate meaningful.
const ENOUGH: u32 = 32;

/// The number of answers between two calculations of the estimate.
const EVERY: u32 = 16;

/// The running estimate of one percentile.
#[derive(Debug)]
pub struct Latency {
    percentile: f64,
    counts: Box<[AtomicU32]>,
    total: AtomicU32,
    /// The estimate in microseconds; 0 while there is none.
    estimate: AtomicU64,
}

impl Latency {
    /// Makes an estimate of this percentile, from 0 to 100.
    #[must_use]
    pub fn new(percentile: f64) -> Self {
        Self {
            percentile: percentile.clamp(0.0, 100.0),
            counts: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
            total: AtomicU32::new(0),
            estimate: AtomicU64::new(0),
        }
    }

    /// Returns the percentile of recent answers, or `None` until there are enough of them.
    #[must_use]
    pub fn estimate(&self) -> Option<Duration> {
        match self.estimate.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// Records that an answer took this long.
    pub fn record(&self, elapsed: Duration) {
        self.counts[bucket(elapsed)].fetch_add(1, Ordering::Relaxed);
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        if total < ENOUGH || !total.is_multiple_of(EVERY) {
            return;
        }
        self.work_out();
        if total >= MEMORY {
            self.fade();
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a u32 is one"
    )]
    fn work_out(&self) {
        let counts: Vec<u32> = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let total: u32 = counts.iter().sum();
        let rank = (f64::from(total) * self.percentile / 100.0).ceil() as u32;
        let mut seen = 0;
        for (index, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                self.estimate.store(upper_bound(index), Ordering::Relaxed);
                return;
            }
        }
    }

    /// Halves every count. Answers that come meanwhile may be counted a little too low, which does no harm, as all
    /// counts fade.
    fn fade(&self) {
        let mut total = 0;
        for count in &self.counts {
            let half = count.load(Ordering::Relaxed) / 2;
            count.store(half, Ordering::Relaxed);
            total += half;
        }
        self.total.store(total, Ordering::Relaxed);
    }
}

fn bucket(elapsed: Duration) -> usize {
    let micros = u64::try_from(elapsed.as_micros())
        .unwrap_or(u64::MAX)
        .max(1);
    let power = micros.ilog2();
    // The three bits after the leading one.
    let step = if power >= 3 {
        (micros >> (power - 3)) & 7
    } else {
        (micros << (3 - power)) & 7
    };
    let index = u64::from(power * STEPS) + step;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// Returns the end of a bucket, in microseconds.
fn upper_bound(index: usize) -> u64 {
    let index = index as u64 + 1;
    let (power, step) = (index / u64::from(STEPS), index % u64::from(STEPS));
    ((u64::from(STEPS) + step) << power).div_ceil(u64::from(STEPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_bucket_holds_its_own_bounds() {
        for micros in [1, 7, 8, 9, 1_000, 10_001, 999_999, 60_000_000] {
            let upper = upper_bound(bucket(Duration::from_micros(micros)));
            assert!(
                upper >= micros && upper <= micros + micros / 8 + 1,
                "{micros}: {upper}"
            );
        }
    }

    #[test]
    fn there_is_no_estimate_before_there_were_enough_answers() {
        let latency = Latency::new(95.0);
        for _ in 0..ENOUGH - 1 {
            latency.record(ms(10));
        }
        assert_eq!(latency.estimate(), None);
        latency.record(ms(10));
        assert!(latency.estimate().is_some());
    }

    #[test]
    fn a_rare_slow_answer_does_not_move_the_95th_percentile() {
        let latency = Latency::new(95.0);
        for index in 0..1000 {
            latency.record(if index % 100 == 0 { ms(1000) } else { ms(10) });
        }
        let estimate = latency.estimate().unwrap();
        assert!((ms(10)..ms(12)).contains(&estimate), "{estimate:?}");
    }

    #[test]
    fn the_past_fades() {
        let latency = Latency::new(50.0);
        for _ in 0..10_000 {
            latency.record(ms(10));
        }
        for _ in 0..5_000 {
            latency.record(ms(100));
        }
        assert!(latency.estimate().unwrap() > ms(90));
    }
}
