//! The rules that say which failed attempts are worth another, and the pause before it. It is pure.

use std::{num::NonZeroU32, time::Duration};

use http::StatusCode;

use super::{Failure, FailureKind, StatusSet};

/// The longest pause, however often it is doubled.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The number of attempts of a call, and the failures after which there is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The number of attempts in all; 1 means no retry.
    pub attempts: NonZeroU32,
    /// The first pause's upper bound. It doubles with each further pause. The pause itself is anything from zero up to
    /// the bound ("full jitter"), so that callers that failed together don't come back together.
    pub backoff: Duration,
    /// The failures after which there is a retry.
    pub on: RetryOn,
}

impl Default for Retry {
    /// Allows no retry.
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::MIN,
            backoff: Duration::from_millis(25),
            on: RetryOn::default(),
        }
    }
}

/// The failures after which another attempt may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryOn {
    kinds: Vec<FailureKind>,
    statuses: StatusSet,
}

impl Default for RetryOn {
    /// Selects failures that say nothing of the request: no connection, broken HTTP, a timeout, and the statuses that
    /// RFC 9110 and RFC 6585 call temporary (429, 502, 503, 504).
    fn default() -> Self {
        let mut statuses = StatusSet::empty();
        for status in ["429", "502", "503", "504"] {
            // None of these can fail: all are statuses.
            let _ = statuses.add(status);
        }
        Self {
            kinds: vec![
                FailureKind::Connect,
                FailureKind::Timeout,
                FailureKind::Protocol,
            ],
            statuses,
        }
    }
}

impl RetryOn {
    /// The classes that can be named beside statuses. The others are the plan's own end, or would only happen again.
    pub const NAMEABLE: [FailureKind; 7] = [
        FailureKind::Connect,
        FailureKind::Tls,
        FailureKind::Timeout,
        FailureKind::Protocol,
        FailureKind::TooLarge,
        FailureKind::InvalidBody,
        FailureKind::Unexpected,
    ];

    /// Selects these failures and no others.
    #[must_use]
    pub const fn new(kinds: Vec<FailureKind>, statuses: StatusSet) -> Self {
        Self { kinds, statuses }
    }

    /// Returns the classes.
    #[must_use]
    pub fn kinds(&self) -> &[FailureKind] {
        &self.kinds
    }

    /// Returns the statuses.
    #[must_use]
    pub const fn statuses(&self) -> &StatusSet {
        &self.statuses
    }

    fn contains(&self, failure: &Failure) -> bool {
        match (failure.kind, failure.status) {
            // RFC 9110, section 15: a status beyond 599 means the same as a 500.
            (FailureKind::Status, Some(status)) if status.as_u16() >= 600 => {
                self.statuses.contains(StatusCode::INTERNAL_SERVER_ERROR)
            }
            (FailureKind::Status, Some(status)) => self.statuses.contains(status),
            (kind, _) => self.kinds.contains(&kind),
        }
    }
}

impl Retry {
    /// Returns the pause after `failure` of attempt number `tried` (from 1); `None` if there is no further attempt.
    /// `random` is a number from 0 to 1.
    #[must_use]
    pub fn pause(&self, failure: &Failure, tried: u32, random: f64) -> Option<Duration> {
        if tried >= self.attempts.get() || !self.on.contains(failure) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(tried.saturating_sub(1));
        let bound = self.backoff.saturating_mul(doubled).min(LONGEST_PAUSE);
        // An upstream that names a time knows better than we do.
        Some(match failure.retry_after {
            Some(named) => named,
            None => bound.mul_f64(random.clamp(0.0, 1.0)),
        })
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn retry(attempts: u32) -> Retry {
        Retry {
            attempts: NonZeroU32::new(attempts).unwrap(),
            backoff: Duration::from_millis(100),
            on: RetryOn::default(),
        }
    }

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, "because")
    }

    #[test]
    fn the_pauses_bound_doubles_and_ends_at_ten_seconds() {
        let bounds: Vec<_> = [1, 2, 3, 30]
            .map(|tried| {
                retry(99)
                    .pause(&failure(FailureKind::Connect), tried, 1.0)
                    .unwrap()
            })
            .to_vec();
        assert_eq!(bounds, [100, 200, 400, 10_000].map(Duration::from_millis));
    }

    #[test]
    fn the_pause_is_anything_up_to_its_bound() {
        let pause = |random| {
            retry(2)
                .pause(&failure(FailureKind::Connect), 1, random)
                .unwrap()
        };
        assert_eq!(pause(0.0), Duration::ZERO);
        assert_eq!(pause(0.5), Duration::from_millis(50));
    }

    #[test]
    fn the_last_try_has_no_other() {
        assert_eq!(retry(2).pause(&failure(FailureKind::Connect), 2, 0.5), None);
        assert_eq!(
            Retry::default().pause(&failure(FailureKind::Connect), 1, 0.5),
            None
        );
    }

    #[test]
    fn only_what_another_try_may_mend_is_tried_again() {
        let status = |status| {
            failure(FailureKind::Status).with_status(StatusCode::from_u16(status).unwrap())
        };
        for (failure, again) in [
            (failure(FailureKind::Timeout), true),
            (failure(FailureKind::InvalidBody), false),
            (failure(FailureKind::Deadline), false),
            (failure(FailureKind::Cancelled), false),
            (status(503), true),
            (status(429), true),
            (status(500), false),
            (status(404), false),
        ] {
            assert_eq!(
                retry(2).pause(&failure, 1, 0.5).is_some(),
                again,
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_time_that_the_upstream_names_replaces_the_backoff() {
        let mut failure = failure(FailureKind::Status).with_status(StatusCode::SERVICE_UNAVAILABLE);
        failure.retry_after = Some(Duration::from_secs(3));
        assert_eq!(
            retry(2).pause(&failure, 1, 0.0),
            Some(Duration::from_secs(3))
        );
    }
}
