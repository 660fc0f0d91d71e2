//! The statuses of a call that become the answer's own: the form in a file, and the refusal of those that would mislead
//! or never happen. It must not know how they are passed on.

use std::{borrow::Cow, fmt};

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected, Visitor},
};

use super::{
    mistake::KeyPath,
    review::{Review, Slot},
};

/// A status of a failure: from 400 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Passable(u16);

/// The statuses that are about the gateway's own connection to the upstream, or that need a field only the gateway
/// itself could fill. As the gateway's own statuses they would mislead its clients.
const OF_THE_HOP: [(u16, &str); 8] = [
    (405, "the methods of this gateway, which takes GET"),
    (407, "the way through a proxy"),
    (
        408,
        "a request that came too slowly, which clients would send again",
    ),
    (421, "the connection, and clients would try another"),
    (425, "the connection's TLS"),
    (426, "the connection's protocol"),
    (505, "the connection's version of HTTP"),
    (511, "access to the network"),
];

impl<'de> Deserialize<'de> for Passable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Statuses;

        impl Visitor<'_> for Statuses {
            type Value = Passable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status from 400 to 599, as a number such as 401")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Passable, E> {
                let status = u16::try_from(number).ok();
                let status = status.filter(|status| (400..600).contains(status));
                let found = Unexpected::Unsigned(number);
                let status = status.ok_or_else(|| E::invalid_value(found, &self));
                status.map(Passable)
            }
        }

        deserializer.deserialize_any(Statuses)
    }
}

impl JsonSchema for Passable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PassStatus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let refused = OF_THE_HOP.map(|(status, _)| status);
        json_schema!({"type": "integer", "minimum": 400, "maximum": 599, "not": {"enum": refused}})
    }
}

/// Returns the statuses of one call, in the order in which they are written. `path` is the call's.
pub(super) fn of_call(
    path: &KeyPath,
    raw: Option<&Vec<Option<Passable>>>,
    review: &mut Review<'_>,
) -> Vec<StatusCode> {
    let path = path.key("pass_status");
    let Slot::Given(entries) = review.slot(&path, raw) else {
        return Vec::new();
    };
    let mut statuses = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(Passable(number)) = *entry else {
            continue;
        };
        let refusal = match OF_THE_HOP.iter().find(|(own, _)| *own == number) {
            Some((_, what)) => {
                format!("found {number}, which is about {what}: it can't be the answer's own")
            }
            None => match StatusCode::from_u16(number) {
                Ok(status) if !statuses.contains(&status) => {
                    statuses.push(status);
                    continue;
                }
                _ => format!("{number} is listed twice"),
            },
        };
        review.mistake(&path.index(index), refusal);
    }
    statuses
}

/// Returns the raw form of the statuses in force.
pub(super) fn raw(statuses: &[StatusCode]) -> Option<Vec<Option<Passable>>> {
    let all = statuses.iter();
    let all = all.map(|status| Some(Passable(status.as_u16())));
    (!statuses.is_empty()).then(|| all.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(value: serde_json::Value) -> String {
        Passable::deserialize(value).unwrap_err().to_string()
    }

    #[test]
    fn a_status_is_a_whole_number_from_400_to_599() {
        for status in [400, 401, 404, 431, 451, 499, 500, 503, 599] {
            assert_eq!(
                Passable::deserialize(json!(status)).unwrap(),
                Passable(status)
            );
        }
        for value in [
            json!(0),
            json!(204),
            json!(304),
            json!(399),
            json!(600),
            json!(65_937),
            json!("401"),
            json!("4xx"),
            json!(401.0),
            json!(true),
        ] {
            let refusal = refusal(value);
            assert!(
                refusal.ends_with("expected a status from 400 to 599, as a number such as 401"),
                "{refusal}"
            );
        }
    }
}
