//! The load that retries and hedges may add to an upstream's, over all workers. It is a token bucket: calls fill it and
//! extra attempts empty it. If an upstream fails entirely, the extra load stays within the ratio and the floor. It must
//! not know calls or attempts.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::time::Instant;

/// A token, in the bucket's unit.
const TOKEN: i64 = 1000;

/// The capacity of the bucket: the seconds of the floor, and the calls' worth of the ratio. It is enough for a burst,
/// and too little to save up tokens from a quiet hour.
const FLOOR_SECONDS: i64 = 1;
const CALLS: i64 = 500;

/// The load that extra attempts may add.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetSettings {
    /// Extra attempts a call, such as 0.2.
    pub ratio: f64,
    /// Extra attempts a second that are allowed whatever the ratio says, so that a quiet upstream gets some.
    pub min_per_second: u32,
}

impl Default for BudgetSettings {
    /// Allows a fifth more load, or ten a second.
    fn default() -> Self {
        Self {
            ratio: 0.2,
            min_per_second: 10,
        }
    }
}

/// A token bucket.
#[derive(Debug)]
pub struct Budget {
    /// The amount that a call puts in.
    deposit: i64,
    /// The amount that a second puts in.
    floor: i64,
    most: i64,
    tokens: AtomicI64,
    began: Instant,
    /// Milliseconds since `began` up to which the floor was put in.
    filled: AtomicU64,
}

impl Budget {
    /// Makes a bucket with a second's worth of the floor in it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a ratio has few digits")]
    pub fn new(settings: BudgetSettings) -> Self {
        let deposit = (settings.ratio.clamp(0.0, 10.0) * 1000.0) as i64;
        let floor = i64::from(settings.min_per_second) * TOKEN;
        Self {
            deposit,
            floor,
            most: floor * FLOOR_SECONDS + deposit * CALLS,
            tokens: AtomicI64::new(floor * FLOOR_SECONDS),
            began: Instant::now(),
            filled: AtomicU64::new(0),
        }
    }

    /// Adds the deposit of one call.
    pub fn deposit(&self) {
        self.add(self.deposit);
    }

    /// Pays for one more attempt. Returns false if the attempt is not allowed.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.fill();
        self.tokens
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |tokens| {
                (tokens >= TOKEN).then_some(tokens - TOKEN)
            })
            .is_ok()
    }

    /// Gives back the token of an attempt that was not sent.
    #[cold]
    pub fn refund(&self) {
        self.add(TOKEN);
    }

    fn fill(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let filled = self.filled.fetch_max(now, Ordering::AcqRel);
        let passed = i64::try_from(now.saturating_sub(filled)).unwrap_or(i64::MAX);
        self.add(self.floor.saturating_mul(passed) / 1000);
    }

    fn add(&self, tokens: i64) {
        // This never fails: the closure always returns a value.
        let _ = self
            .tokens
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                Some(held.saturating_add(tokens).min(self.most))
            });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn withdrawn(budget: &Budget, tries: usize) -> usize {
        (0..tries).filter(|_| budget.withdraw()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_all_fail_add_their_ratio_and_the_floor_and_no_more() {
        let budget = Budget::new(BudgetSettings {
            ratio: 0.2,
            min_per_second: 10,
        });
        let mut extra = 0;
        for _ in 0..1000 {
            budget.deposit();
            extra += withdrawn(&budget, 3);
        }
        assert_eq!(extra, 200 + 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_floor_comes_back_with_time() {
        let budget = Budget::new(BudgetSettings {
            ratio: 0.0,
            min_per_second: 10,
        });
        assert_eq!(withdrawn(&budget, 100), 10);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(withdrawn(&budget, 100), 5);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(withdrawn(&budget, 100), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_day_saves_up_only_a_burst() {
        let budget = Budget::new(BudgetSettings {
            ratio: 0.1,
            min_per_second: 0,
        });
        for _ in 0..1_000_000 {
            budget.deposit();
        }
        assert_eq!(withdrawn(&budget, 1_000), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_allowed_means_nothing() {
        let budget = Budget::new(BudgetSettings {
            ratio: 0.0,
            min_per_second: 0,
        });
        budget.deposit();
        assert_eq!(withdrawn(&budget, 10), 0);
    }
}
