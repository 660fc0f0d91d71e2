//! Checks `retry`, `hedge`, `budget` and `breaker` of an upstream: how a call is made of attempts. It must not know
//! where the upstream is, nor what is sent to it.

use std::num::NonZeroU32;

use super::{
    defaults,
    mistake::KeyPath,
    policy_values::{AFTER, Failures, HedgeAfter, Ratio},
    raw::{RawBreaker, RawBudget, RawHedge, RawRetry},
    review::{Review, Slot},
    values::{Count, Texts},
};
use crate::fanout::{
    BreakerSettings, BudgetSettings, FailureKind, Hedge, Retry, RetryOn, StatusSet, Trip,
};

pub(super) fn retry(path: &KeyPath, raw: RawRetry, review: &mut Review<'_>) -> Retry {
    let built_in = Retry::default();
    let backoff = review.duration(&path.key("backoff"), raw.backoff);
    let attempts = raw
        .attempts
        .and_then(|Count(count)| u32::try_from(count).ok())
        .and_then(NonZeroU32::new);
    Retry {
        attempts: attempts.unwrap_or(built_in.attempts),
        backoff: backoff.given().unwrap_or(built_in.backoff),
        on: match raw.on {
            Some(texts) => retry_on(&path.key("on"), &texts, review),
            None => built_in.on,
        },
    }
}

fn retry_on(path: &KeyPath, texts: &Texts, review: &mut Review<'_>) -> RetryOn {
    let mut kinds: Vec<FailureKind> = Vec::new();
    let mut statuses = StatusSet::empty();
    for (index, text) in texts.iter().enumerate() {
        let Some(text) = text else { continue };
        let kind = RetryOn::NAMEABLE.iter().find(|kind| kind.as_str() == text);
        match kind {
            Some(kind) if kinds.contains(kind) => {
                review.mistake(&path.index(index), format!("`{text}` is listed twice"));
            }
            Some(kind) => kinds.push(*kind),
            None if statuses.add(text).is_ok() => {}
            None => {
                let names = RetryOn::NAMEABLE.map(FailureKind::as_str).join(", ");
                let message = format!(
                    "found {text:?}, expected {names}, a status or a class such as \"5xx\""
                );
                review.mistake(&path.index(index), message);
            }
        }
    }
    if texts.is_empty() {
        review.mistake(
            path,
            "found an empty list; leave `retry` out for no retries",
        );
    }
    RetryOn::new(kinds, statuses)
}

pub(super) fn hedge(path: &KeyPath, raw: RawHedge, review: &mut Review<'_>) -> Option<Hedge> {
    let at = path.key("after");
    match review.slot(&at, raw.after) {
        Slot::Given(HedgeAfter::Time(time)) => Some(Hedge::After(time)),
        Slot::Given(HedgeAfter::Percentile(percentile)) => Some(Hedge::Percentile(percentile)),
        Slot::Refused => None,
        Slot::Absent => {
            review.mistake(&at, format!("missing; expected {AFTER}"));
            None
        }
    }
}

pub(super) fn budget(raw: RawBudget) -> BudgetSettings {
    let built_in = BudgetSettings::default();
    BudgetSettings {
        ratio: raw.ratio.map_or(built_in.ratio, |Ratio(ratio)| ratio),
        min_per_second: raw
            .min_per_second
            .and_then(|Count(count)| u32::try_from(count).ok())
            .unwrap_or(built_in.min_per_second),
    }
}

pub(super) fn breaker(path: &KeyPath, raw: RawBreaker, review: &mut Review<'_>) -> BreakerSettings {
    let window = review.duration(&path.key("window"), raw.window);
    let open_for = review.duration(&path.key("open_for"), raw.open_for);
    let failures = raw.failures.unwrap_or(Failures::InARow(defaults::FAILURES));
    if let (Failures::InARow(_), Slot::Given(_)) = (failures, &window) {
        let message = "only a share of failures, such as \"50%\", has a window";
        review.mistake(&path.key("window"), message);
    }
    BreakerSettings {
        trip: match failures {
            Failures::InARow(count) => {
                Trip::InARow(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN))
            }
            Failures::Share(share) => Trip::Share {
                share,
                window: window.given().unwrap_or(defaults::WINDOW),
            },
        },
        open_for: open_for.given().unwrap_or(defaults::OPEN_FOR),
    }
}
