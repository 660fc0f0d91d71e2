//! The forms in which a file writes a call and the awaited condition. It must not know if they make sense.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use serde_json::Value;

use super::{
    call_values::{Pairs, RawCallMethod, RawTolerance},
    defaults::{MOST_CALLS, MOST_ELEMENTS},
    pass_status::Passable,
    values::{Count, Texts},
};

/// One entry of `calls`.
#[derive(Debug, Clone)]
pub(super) enum RawCall {
    /// The name of an upstream.
    Name(String),
    /// A table.
    Table(Box<RawCallTable>),
    /// An entry that was refused before. It keeps its index in the list.
    Refused,
}

/// One call of an aggregate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
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
    /// The path, which begins with `/` and is added to that of the upstream's `url`: `/users/{path.id}`. May hold
    /// references; each value is encoded as a part of one segment. Default: the upstream's.
    #[schemars(extend("x-gather" = "references"))]
    pub(super) path: Option<String>,
    /// Query parameters, after those of the upstream's `url`: `{ user = "{path.id}" }`. The values may hold references;
    /// a list gives one pair for each element. Default: none.
    #[schemars(extend("x-gather" = "references"))]
    pub(super) query: Option<Pairs>,
    /// Header fields, in place of the upstream's own and forwarded ones of the same names. The values may hold
    /// references. Default: none.
    #[schemars(extend("x-gather" = "references"))]
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// The method. Default: the upstream's.
    pub(super) method: Option<RawCallMethod>,
    /// The body: a JSON value, whose texts may hold references. A text that is one reference and nothing else takes the
    /// value with its type. Not with `GET` and `HEAD`.
    #[schemars(extend("x-gather" = "references"))]
    pub(super) json: Option<Value>,
    /// The body: pairs of a form (`application/x-www-form-urlencoded`), whose values may hold references. Not with
    /// `GET` and `HEAD`.
    #[schemars(extend("x-gather" = "references"))]
    pub(super) form: Option<Pairs>,
    /// The body: a fixed text. Not with `GET` and `HEAD`. Default: the upstream's.
    pub(super) body: Option<String>,
    /// Sends the client's body as it came, with its type. Default `false`.
    pub(super) forward_body: Option<bool>,
    /// The names of calls of this aggregate to wait for. A reference to a call waits for it in any case. Default: none.
    #[schemars(with = "Option<Vec<String>>", extend("uniqueItems" = true))]
    pub(super) after: Option<Texts>,
    /// An expression (CEL): if it is false, the call is not made. Default: it is made.
    #[schemars(extend("x-gather" = "expression"))]
    pub(super) when: Option<String>,
    /// A reference to a list, `"{orders.body.items}"`. One request is made for each element, which is `{item}` in the
    /// others of this table. Default: one request.
    #[schemars(extend("x-gather" = "references"))]
    pub(super) each: Option<String>,
    /// The most requests of `each` at a time. Default 10.
    pub(super) concurrency: Option<Count<1, MOST_CALLS>>,
    /// The most elements of `each`, from 1 to 10000; more of them fail the call. Default 100.
    pub(super) max: Option<Count<1, MOST_ELEMENTS>>,
    /// The number of elements that may fail, or their share such as `"10%"`. Default 0.
    pub(super) tolerate: Option<RawTolerance>,
    /// An expression (CEL) on the call's own result, by its own name: if it is false, the call has failed. Default:
    /// none.
    #[schemars(extend("x-gather" = "expression"))]
    pub(super) expect: Option<String>,
    /// A JSON value without references that stands for the body if the call fails. Default: none.
    pub(super) fallback: Option<Value>,
    /// The part of the body that goes into the answer: a reference without braces such as `orders.body.items`, whose
    /// bytes stay as they are, or an expression (CEL). Default: the whole.
    #[schemars(extend("x-gather" = "expression"))]
    pub(super) select: Option<String>,
    /// The only members that go into the answer: `["id", "items[*].price"]`. Not with `drop`. Default: all.
    #[schemars(with = "Option<Vec<String>>", extend("minItems" = 1))]
    pub(super) keep: Option<Texts>,
    /// The members that don't go into the answer. Not with `keep`. Default: none.
    #[schemars(with = "Option<Vec<String>>", extend("minItems" = 1))]
    pub(super) drop: Option<Texts>,
    /// The place in a merged answer: `"user.profile"`, or `"."` for an object whose members stand in the answer itself.
    /// Default: the call's name.
    pub(super) into: Option<String>,
    /// Takes the body into the answer. Default `true`; `false` leaves it out, so that only other calls see it.
    pub(super) answer: Option<bool>,
    /// Sends one generated `Idempotency-Key` with all attempts of the call, so that a `POST` may be retried and hedged.
    /// Default `false`.
    pub(super) idempotency_key: Option<bool>,
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
                RawCallTable::deserialize(map).map(|table| RawCall::Table(Box::new(table)))
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
