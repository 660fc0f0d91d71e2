//! The circuit breaker of one upstream, which all workers share. It is made of atomics. *Closed* lets attempts through,
//! *open* refuses them in microseconds, and *half-open* lets one through as a probe. It must not know calls or plans.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The condition under which a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trip {
    /// After this many failures in a row.
    InARow(NonZeroU32),
    /// At least this share (0 to 1) of the attempts within `window` failed, and there were at least
    /// [`Trip::ENOUGH`] of them.
    Share {
        /// From above 0 to 1.
        share: f64,
        /// The time for which an attempt counts.
        window: Duration,
    },
}

impl Trip {
    /// The number of attempts from which a share means something.
    pub const ENOUGH: u32 = 20;
}

/// A breaker's rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// The condition under which it opens.
    pub trip: Trip,
    /// The time for which it refuses before it lets one attempt through.
    pub open_for: Duration,
}

/// The state of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// Lets everything through.
    Closed,
    /// Lets one attempt through as a probe.
    HalfOpen,
    /// Refuses everything.
    Open,
}

impl Circuit {
    /// Returns the state's one name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// The number of parts of a window. A part is forgotten as a whole.
const PARTS: u64 = 10;

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    began: Instant,
    /// Milliseconds since `began` until which it refuses; 0 while it is closed.
    open_until: AtomicU64,
    /// True while a probe is under way.
    probing: AtomicBool,
    in_a_row: AtomicU32,
    parts: [Part; PARTS as usize],
}

/// One part of the window.
#[derive(Debug, Default)]
struct Part {
    /// The number of the part since `began`.
    number: AtomicU64,
    good: AtomicU32,
    bad: AtomicU32,
}

/// The right to one attempt. If it is dropped without a verdict, it says nothing of the upstream.
#[derive(Debug)]
pub struct Pass {
    breaker: Arc<Breaker>,
    is_probe: bool,
}

impl Breaker {
    /// Makes a closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            began: Instant::now(),
            open_until: AtomicU64::new(0),
            probing: AtomicBool::new(false),
            in_a_row: AtomicU32::new(0),
            parts: Default::default(),
        }
    }

    /// Asks for an attempt, and returns `None` while the breaker refuses. If the question changed the state, the new
    /// state comes with the pass.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<(Pass, Option<Circuit>)> {
        let open_until = self.open_until.load(Ordering::Acquire);
        let pass = |is_probe| Pass {
            breaker: Arc::clone(self),
            is_probe,
        };
        if open_until == 0 {
            return Some((pass(false), None));
        }
        if self.now() < open_until || self.probing.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some((pass(true), Some(Circuit::HalfOpen)))
    }

    /// Returns true if it lets everything through.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.open_until.load(Ordering::Acquire) == 0
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn open(&self) {
        let open_for = u64::try_from(self.settings.open_for.as_millis()).unwrap_or(u64::MAX);
        // Never 0, which means closed.
        let until = self.now().saturating_add(open_for).max(1);
        self.open_until.store(until, Ordering::Release);
    }

    fn close(&self) {
        self.in_a_row.store(0, Ordering::Release);
        for part in &self.parts {
            part.good.store(0, Ordering::Relaxed);
            part.bad.store(0, Ordering::Relaxed);
        }
        self.open_until.store(0, Ordering::Release);
    }

    /// Counts an attempt of a closed breaker. Returns true if the breaker has to open.
    fn count(&self, good: bool) -> bool {
        match self.settings.trip {
            Trip::InARow(limit) => {
                if good {
                    self.in_a_row.store(0, Ordering::Release);
                    return false;
                }
                self.in_a_row.fetch_add(1, Ordering::AcqRel) + 1 >= limit.get()
            }
            Trip::Share { share, window } => {
                let number = self.part_number(window);
                let part = &self.parts[usize::try_from(number % PARTS).unwrap_or(0)];
                if part.number.swap(number, Ordering::AcqRel) != number {
                    part.good.store(0, Ordering::Relaxed);
                    part.bad.store(0, Ordering::Relaxed);
                }
                let count = if good { &part.good } else { &part.bad };
                count.fetch_add(1, Ordering::AcqRel);
                !good && self.share_failed(number) >= share
            }
        }
    }

    fn part_number(&self, window: Duration) -> u64 {
        let part = u64::try_from(window.as_millis()).unwrap_or(u64::MAX) / PARTS;
        self.now() / part.max(1)
    }

    /// Returns the share of failures in the window up to part `number`; 0 while there are too few attempts.
    fn share_failed(&self, number: u64) -> f64 {
        let (mut good, mut bad) = (0, 0);
        for part in &self.parts {
            if part.number.load(Ordering::Acquire) + PARTS > number {
                good += part.good.load(Ordering::Acquire);
                bad += part.bad.load(Ordering::Acquire);
            }
        }
        let all: u32 = good + bad;
        if all < Trip::ENOUGH {
            return 0.0;
        }
        f64::from(bad) / f64::from(all)
    }
}

impl Pass {
    /// Settles the attempt's verdict on the upstream. Returns the new state if it changed.
    #[must_use]
    pub fn settle(mut self, good: bool) -> Option<Circuit> {
        let breaker = &self.breaker;
        if self.is_probe {
            if good {
                breaker.close();
            } else {
                breaker.open();
            }
            breaker.probing.store(false, Ordering::Release);
            self.is_probe = false;
            return Some(if good { Circuit::Closed } else { Circuit::Open });
        }
        // Attempts that were under way when it opened have no effect any more.
        if breaker.is_closed() && breaker.count(good) {
            breaker.open();
            return Some(Circuit::Open);
        }
        None
    }
}

impl Drop for Pass {
    /// Lets another probe through if this one ended without a verdict.
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.probing.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn breaker(trip: Trip) -> Arc<Breaker> {
        Arc::new(Breaker::new(BreakerSettings {
            trip,
            open_for: Duration::from_secs(5),
        }))
    }

    fn in_a_row(limit: u32) -> Arc<Breaker> {
        breaker(Trip::InARow(NonZeroU32::new(limit).unwrap()))
    }

    fn attempt(breaker: &Arc<Breaker>, good: bool) -> Option<Circuit> {
        let (pass, _) = breaker.admit().expect("let through");
        pass.settle(good)
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let breaker = in_a_row(3);
        for good in [false, false, true, false, false] {
            assert_eq!(attempt(&breaker, good), None);
        }
        assert_eq!(attempt(&breaker, false), Some(Circuit::Open));
        assert!(breaker.admit().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_time_it_lets_exactly_one_through() {
        let breaker = in_a_row(1);
        let _ = attempt(&breaker, false);
        advance(Duration::from_millis(4_999)).await;
        assert!(breaker.admit().is_none());
        advance(Duration::from_millis(1)).await;
        let (probe, changed) = breaker.admit().unwrap();
        assert_eq!(changed, Some(Circuit::HalfOpen));
        assert!(breaker.admit().is_none(), "one is enough");
        assert_eq!(probe.settle(true), Some(Circuit::Closed));
        assert!(breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_for_another_turn() {
        let breaker = in_a_row(1);
        let _ = attempt(&breaker, false);
        advance(Duration::from_secs(5)).await;
        assert_eq!(attempt(&breaker, false), Some(Circuit::Open));
        advance(Duration::from_millis(4_999)).await;
        assert!(breaker.admit().is_none());
        advance(Duration::from_millis(1)).await;
        assert!(breaker.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_makes_way_for_the_next() {
        let breaker = in_a_row(1);
        let _ = attempt(&breaker, false);
        advance(Duration::from_secs(5)).await;
        drop(breaker.admit().unwrap());
        assert!(breaker.admit().unwrap().0.is_probe);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_from_before_it_opened_have_no_say() {
        let breaker = in_a_row(1);
        let (late, _) = breaker.admit().unwrap();
        let _ = attempt(&breaker, false);
        assert_eq!(late.settle(true), None);
        assert!(!breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_the_window_opens_it_once_there_were_enough() {
        let breaker = breaker(Trip::Share {
            share: 0.5,
            window: Duration::from_secs(10),
        });
        for _ in 0..Trip::ENOUGH / 2 {
            assert_eq!(attempt(&breaker, true), None);
        }
        for _ in 0..Trip::ENOUGH / 2 - 1 {
            assert_eq!(attempt(&breaker, false), None);
        }
        assert_eq!(attempt(&breaker, false), Some(Circuit::Open));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_the_window_does_not_count() {
        let breaker = breaker(Trip::Share {
            share: 0.5,
            window: Duration::from_secs(10),
        });
        for _ in 0..Trip::ENOUGH - 1 {
            assert_eq!(attempt(&breaker, false), None);
        }
        advance(Duration::from_secs(11)).await;
        for _ in 0..Trip::ENOUGH - 1 {
            assert_eq!(attempt(&breaker, false), None);
        }
        assert_eq!(attempt(&breaker, false), Some(Circuit::Open));
    }
}
