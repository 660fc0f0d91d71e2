//! The state of one upstream that all workers share: its ceiling, its budget for extra attempts, its breaker and its
//! latency. It is made once at start. Nothing in it waits or locks. It must not know calls or plans.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::{Breaker, BreakerSettings, Budget, BudgetSettings, Latency, Limit, Repeatable, Retry};

/// The moment at which a second attempt joins a first that has not answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hedge {
    /// After this long.
    After(Duration),
    /// After this percentile (0 to 100) of the upstream's recent answers. There is no hedge before there are enough of
    /// them.
    Percentile(f64),
}

/// The reason why a retry or a hedge was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The upstream's budget for extra attempts was spent.
    Budget,
    /// Its circuit breaker was not closed.
    Breaker,
    /// The upstream's ceiling of attempts in flight was reached.
    Limit,
    /// The pause before it would have outlasted the request's deadline.
    Deadline,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Budget, Self::Breaker, Self::Limit, Self::Deadline];

    /// Returns the reason's one name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Breaker => "breaker",
            Self::Limit => "limit",
            Self::Deadline => "deadline",
        }
    }
}

/// The settings by which calls of one upstream are made.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySettings {
    /// The most attempts at a time.
    pub max_in_flight: NonZeroUsize,
    /// The number of attempts of a call, and the failures after which there is another.
    pub retry: Retry,
    /// The moment at which a slow attempt gets a second beside it; `None` if it never does.
    pub hedge: Option<Hedge>,
    /// The load that retries and hedges together may add.
    pub budget: BudgetSettings,
    /// The condition under which attempts are refused; `None` if they never are.
    pub breaker: Option<BreakerSettings>,
}

impl Default for PolicySettings {
    /// Allows 4096 attempts at a time and one attempt a call, without a breaker.
    fn default() -> Self {
        Self {
            max_in_flight: MAX_IN_FLIGHT,
            retry: Retry::default(),
            hedge: None,
            budget: BudgetSettings::default(),
            breaker: None,
        }
    }
}

/// The most attempts at a time by default. It is far above what a healthy upstream sees: 4,096 calls of 100 ms are
/// 40,000 a second. It is low enough that an upstream that hangs does not exhaust ports and memory.
const MAX_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The shared state of one upstream.
#[derive(Debug)]
pub struct Policy {
    pub(super) limit: Arc<Limit>,
    pub(super) retry: Retry,
    hedge: Option<Hedge>,
    latency: Option<Latency>,
    pub(super) budget: Budget,
    pub(super) breaker: Option<Arc<Breaker>>,
}

impl Policy {
    /// Makes the state of an unused upstream: nothing in flight, the breaker closed, no latency known.
    #[must_use]
    pub fn new(settings: PolicySettings) -> Self {
        Self {
            limit: Arc::new(Limit::new(settings.max_in_flight)),
            retry: settings.retry,
            hedge: settings.hedge,
            latency: match settings.hedge {
                Some(Hedge::Percentile(percentile)) => Some(Latency::new(percentile)),
                Some(Hedge::After(_)) | None => None,
            },
            budget: Budget::new(settings.budget),
            breaker: settings.breaker.map(Breaker::new).map(Arc::new),
        }
    }

    /// Pays for a request that no call has asked for, from the budget of retries and hedges. Returns false if it may
    /// not be sent.
    #[must_use]
    pub fn pays_for_another(&self) -> bool {
        self.budget.withdraw()
    }

    /// Lets a retry or a hedge through if the circuit is closed. It is still to be paid for.
    pub(super) fn admits_extra(&self) -> Result<(), Refusal> {
        match self.is_closed() {
            true => Ok(()),
            false => Err(Refusal::Breaker),
        }
    }

    /// Pays for a retry or a hedge.
    pub(super) fn pay_for_extra(&self) -> Result<(), Refusal> {
        match self.budget.withdraw() {
            true => Ok(()),
            false => Err(Refusal::Budget),
        }
    }

    /// Returns true if its circuit lets everything through, or if it has none.
    pub(super) fn is_closed(&self) -> bool {
        self.breaker
            .as_ref()
            .is_none_or(|breaker| breaker.is_closed())
    }

    /// Returns the time that a call's first attempt may take before a second joins it.
    pub(super) fn hedge_after(&self, repeatable: Repeatable) -> Option<Duration> {
        match (repeatable, self.hedge?) {
            (Repeatable::No, _) => None,
            (Repeatable::Yes, Hedge::After(time)) => Some(time),
            (Repeatable::Yes, Hedge::Percentile(_)) => self.latency.as_ref()?.estimate(),
        }
    }

    /// Records the time in which an attempt was answered.
    pub(super) fn answered(&self, elapsed: Duration) {
        if let Some(latency) = &self.latency {
            latency.record(elapsed);
        }
    }
}
