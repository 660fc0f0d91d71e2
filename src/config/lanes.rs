//! Checks `retry`, `hedge`, `budget` and `breaker` of an upstream: how a call is made of attempts. Knows nothing of where
//! the upstream is or what is sent to it.

use std::{borrow::Cow, num::NonZeroU32, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{
    defaults,
    mistake::KeyPath,
    quantities::HumanDuration,
    raw::{RawBreaker, RawBudget, RawHedge, RawRetry, Texts},
    review::{Review, Slot},
    values::{Count, Table},
};
use crate::fanout::{
    BreakerSettings, BudgetSettings, FailureKind, Hedge, Retry, RetryOn, StatusSet, Trip,
};

/// The most tries of one call.
pub(super) const MOST_ATTEMPTS: usize = 10;

/// The most failures in a row that a breaker may wait for.
pub(super) const MOST_FAILURES: usize = 10_000;

/// The most extra attempts a second.
pub(super) const MOST_EXTRA: usize = 100_000;

const AFTER: &str = r#"a duration such as "50ms" or a percentile from "p50" to "p99.9""#;

/// `after` of a hedge: a duration or a percentile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum HedgeAfter {
    Time(Duration),
    Percentile(f64),
}

const FAILURES: &str =
    r#"a whole number of failures in a row from 1 to 10000, or a share such as "50%""#;

/// `failures` of a breaker: in a row, or a share of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Failures {
    InARow(u32),
    /// From above 0 to 1.
    Share(f64),
}

/// `ratio` of a budget, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Ratio(pub(super) f64);

impl<'de> Deserialize<'de> for HedgeAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().unwrap_or_default();
        let percentile = text.strip_prefix('p').map(str::parse::<f64>);
        if let Some(Ok(percentile)) = percentile
            && (50.0..=99.9).contains(&percentile)
        {
            return Ok(Self::Percentile(percentile));
        }
        match HumanDuration::deserialize(&value) {
            Ok(HumanDuration(time)) if !time.is_zero() => Ok(Self::Time(time)),
            _ => Err(D::Error::custom(format!("found {value}, expected {AFTER}"))),
        }
    }
}

impl Serialize for HedgeAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Time(time) => HumanDuration(*time).serialize(serializer),
            Self::Percentile(percentile) => serializer.collect_str(&format_args!("p{percentile}")),
        }
    }
}

impl JsonSchema for HedgeAfter {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HedgeAfter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let duration = HumanDuration::json_schema(generator);
        json_schema!({
            "anyOf": [duration, {"type": "string", "pattern": "^p[0-9]+([.][0-9]+)?$"}],
            "examples": ["50ms", "p95"]
        })
    }
}

impl<'de> Deserialize<'de> for Failures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let in_a_row = value.as_u64().and_then(|count| u32::try_from(count).ok());
        let share = value
            .as_str()
            .and_then(|text| text.strip_suffix('%'))
            .and_then(|text| text.parse::<f64>().ok());
        match (in_a_row, share) {
            (Some(count), _) if (1..=MOST_FAILURES as u32).contains(&count) => {
                Ok(Self::InARow(count))
            }
            (_, Some(share)) if share > 0.0 && share <= 100.0 => Ok(Self::Share(share / 100.0)),
            _ => Err(D::Error::custom(format!(
                "found {value}, expected {FAILURES}"
            ))),
        }
    }
}

impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::InARow(count) => serializer.serialize_u32(*count),
            Self::Share(share) => serializer.collect_str(&format_args!("{}%", share * 100.0)),
        }
    }
}

impl JsonSchema for Failures {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Failures".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_FAILURES},
                {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$"}
            ],
            "examples": [5, "50%"]
        })
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match value.as_f64() {
            Some(ratio) if (0.0..=1.0).contains(&ratio) => Ok(Self(ratio)),
            _ => Err(D::Error::custom(format!(
                "found {value}, expected a number from 0 to 1"
            ))),
        }
    }
}

impl JsonSchema for Ratio {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": 0, "maximum": 1})
    }
}

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

/// The raw forms of what is in force, for showing it.
pub(super) fn raw_retry(retry: &Retry, statuses: Texts) -> Table<RawRetry> {
    let kinds = retry.on.kinds().iter();
    let mut on: Texts = kinds.map(|kind| Some(kind.as_str().to_owned())).collect();
    on.extend(statuses);
    Table(RawRetry {
        attempts: Some(Count(retry.attempts.get() as usize)),
        backoff: Some(HumanDuration(retry.backoff)),
        on: Some(on),
    })
}

pub(super) fn raw_hedge(hedge: Hedge) -> Table<RawHedge> {
    Table(RawHedge {
        after: Some(match hedge {
            Hedge::After(time) => HedgeAfter::Time(time),
            Hedge::Percentile(percentile) => HedgeAfter::Percentile(percentile),
        }),
    })
}

pub(super) fn raw_budget(budget: BudgetSettings) -> Table<RawBudget> {
    Table(RawBudget {
        ratio: Some(Ratio(budget.ratio)),
        min_per_second: Some(Count(budget.min_per_second as usize)),
    })
}

pub(super) fn raw_breaker(breaker: BreakerSettings) -> Table<RawBreaker> {
    let (failures, window) = match breaker.trip {
        Trip::InARow(count) => (Failures::InARow(count.get()), None),
        Trip::Share { share, window } => (Failures::Share(share), Some(HumanDuration(window))),
    };
    Table(RawBreaker {
        failures: Some(failures),
        window,
        open_for: Some(HumanDuration(breaker.open_for)),
    })
}
