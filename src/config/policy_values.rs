//! The kinds of value that only `retry`, `hedge`, `budget` and `breaker` have: a time or a percentile, a number or a
//! share, a ratio. It must not know if they fit together.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::quantities::HumanDuration;

/// The most attempts of one call.
pub(super) const MOST_ATTEMPTS: usize = 10;

/// The most failures in a row that a breaker may wait for.
const MOST_FAILURES: usize = 10_000;

/// The most extra attempts a second.
pub(super) const MOST_EXTRA: usize = 100_000;

/// The forms of `after` of a hedge.
pub(super) const AFTER: &str = r#"a duration such as "50ms" or a percentile from "p50" to "p99.9""#;

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
