//! The forms in which a file writes a call and the awaited condition. It must not know if they make sense.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use super::{defaults::MOST_CALLS, pass_status::Passable};

/// One entry of `calls`.
#[derive(Debug, Clone)]
pub(super) enum RawCall {
    /// The name of an upstream.
    Name(String),
    /// A table.
    Table(RawCallTable),
    /// An entry that was refused before. It keeps its index in the list.
    Refused,
}

/// One call of an aggregate.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Call")]
pub(super) struct RawCallTable {
    /// The name of the upstream to call. Required.
    pub(super) upstream: Option<String>,
    /// The call's own name in the answer, once per aggregate. Default: the upstream's.
    pub(super) name: Option<String>,
    /// Lets the aggregate do without it. With `on_failure = "fail"` its failure does not end the aggregate, and
    /// `wait_for = "required"` does not wait for it. Default `false`.
    pub(super) optional: Option<bool>,
    /// Statuses from 400 to 599 that become the answer's own, as a problem, if the call fails with one and is not
    /// optional. Those that are about a connection, such as 407, are refused. Default: none.
    #[schemars(with = "Option<Vec<Passable>>", extend("uniqueItems" = true))]
    pub(super) pass_status: Option<Vec<Option<Passable>>>,
}

impl<'de> Deserialize<'de> for RawCall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Calls;

        impl<'de> Visitor<'de> for Calls {
            type Value = RawCall;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"an upstream's name or a table such as { upstream = "users" }"#)
            }

            fn visit_str<E>(self, name: &str) -> Result<RawCall, E> {
                Ok(RawCall::Name(name.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<RawCall, E> {
                Ok(RawCall::Refused)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawCall, A::Error> {
                let map = MapAccessDeserializer::new(map);
                RawCallTable::deserialize(map).map(RawCall::Table)
            }
        }

        deserializer.deserialize_any(Calls)
    }
}

impl Serialize for RawCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => name.serialize(serializer),
            Self::Table(table) => table.serialize(serializer),
            Self::Refused => serializer.serialize_unit(),
        }
    }
}

impl JsonSchema for RawCall {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NameOrCall".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawCallTable>();
        json_schema!({"anyOf": [
            {"type": "string", "description": "The name of the upstream to call."},
            table
        ]})
    }
}

/// `wait_for`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitFor {
    /// `"all"`
    All,
    /// `"required"`
    Required,
    /// `"first"`
    First,
    /// A number of calls, from 1.
    Count(usize),
}

impl<'de> Deserialize<'de> for WaitFor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Waits;

        impl Visitor<'_> for Waits {
            type Value = WaitFor;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""all", "required", "first" or a number of calls from 1"#)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<WaitFor, E> {
                match text {
                    "all" => Ok(WaitFor::All),
                    "required" => Ok(WaitFor::Required),
                    "first" => Ok(WaitFor::First),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<WaitFor, E> {
                match usize::try_from(number) {
                    Ok(calls @ 1..) => Ok(WaitFor::Count(calls)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }

        deserializer.deserialize_any(Waits)
    }
}

impl Serialize for WaitFor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => "all".serialize(serializer),
            Self::Required => "required".serialize(serializer),
            Self::First => "first".serialize(serializer),
            Self::Count(calls) => calls.serialize(serializer),
        }
    }
}

impl JsonSchema for WaitFor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WaitFor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"enum": ["all", "required", "first"]},
            {"type": "integer", "minimum": 1, "maximum": MOST_CALLS}
        ]})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_a_name_or_a_table_and_nothing_else() {
        let name = RawCall::deserialize(json!("users")).unwrap();
        assert!(matches!(name, RawCall::Name(name) if name == "users"));
        let table = RawCall::deserialize(json!({"upstream": "users", "optional": true})).unwrap();
        assert!(matches!(table, RawCall::Table(table) if table.optional == Some(true)));
        for value in [json!(1), json!(true), json!(["users"])] {
            let refusal = RawCall::deserialize(value).unwrap_err().to_string();
            assert!(
                refusal.contains("expected an upstream's name or a table"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn what_is_waited_for_is_one_of_three_words_or_a_number() {
        assert_eq!(WaitFor::deserialize(json!("all")).unwrap(), WaitFor::All);
        assert_eq!(
            WaitFor::deserialize(json!("required")).unwrap(),
            WaitFor::Required
        );
        assert_eq!(
            WaitFor::deserialize(json!("first")).unwrap(),
            WaitFor::First
        );
        assert_eq!(WaitFor::deserialize(json!(2)).unwrap(), WaitFor::Count(2));
        for value in [
            json!("2"),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(true),
            json!("most"),
        ] {
            assert!(WaitFor::deserialize(value).is_err());
        }
    }
}
