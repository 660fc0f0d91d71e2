//! The kinds of value that only a call, or an aggregate with a route, has: pairs, a tolerance, methods, a shape. It
//! must not know if they fit together.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use super::defaults::MOST_ELEMENTS;

/// Query parameters, or the fields of a form, by name.
pub(super) type Pairs = BTreeMap<String, PairValue>;

/// The value of one pair, or the values of several with the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PairValue {
    /// One text.
    One(String),
    /// Several. An entry that was refused leaves `None` in its place.
    Several(Vec<Option<Scalar>>),
}

/// A text, a whole number, or true or false: each as its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Scalar(pub(super) String);

/// Reads a scalar, and a list of them if `takes_list`.
struct PairValues {
    takes_list: bool,
}

impl<'de> Visitor<'de> for PairValues {
    type Value = PairValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.takes_list {
            true => "text, a whole number, true or false, or a list of them",
            false => "text, a whole number, or true or false",
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<PairValue, E> {
        Ok(PairValue::One(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<PairValue, E> {
        Ok(PairValue::One(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<PairValue, E> {
        Ok(PairValue::One(number.to_string()))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<PairValue, E> {
        Ok(PairValue::One(truth.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<PairValue, A::Error> {
        if !self.takes_list {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut all = Vec::new();
        while let Some(value) = values.next_element()? {
            all.push(value);
        }
        Ok(PairValue::Several(all))
    }
}

impl<'de> Deserialize<'de> for PairValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairValues { takes_list: true })
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = PairValues { takes_list: false };
        match deserializer.deserialize_any(values)? {
            PairValue::One(text) => Ok(Self(text)),
            PairValue::Several(_) => Err(D::Error::custom("a list")),
        }
    }
}

impl Serialize for PairValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(text) => text.serialize(serializer),
            Self::Several(texts) => texts.serialize(serializer),
        }
    }
}

impl JsonSchema for PairValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PairValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let scalars = ["string", "integer", "boolean"];
        json_schema!({"anyOf": [
            {"type": scalars},
            {"type": "array", "items": {"type": scalars}}
        ]})
    }
}

const TOLERANCE: &str = r#"a number of elements, or a share such as "10%""#;

/// `tolerate`: a number of elements, or their share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RawTolerance {
    /// A number of elements.
    Count(usize),
    /// From 0 to 100.
    Percent(f64),
}

impl<'de> Deserialize<'de> for RawTolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        let percent = value
            .as_str()
            .and_then(|text| text.strip_suffix('%'))
            .and_then(|text| text.parse::<f64>().ok());
        match (count, percent) {
            (Some(count), _) if count <= MOST_ELEMENTS => Ok(Self::Count(count)),
            (_, Some(percent)) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
            _ => Err(D::Error::custom(format!(
                "found {value}, expected {TOLERANCE}"
            ))),
        }
    }
}

impl Serialize for RawTolerance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => count.serialize(serializer),
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

impl JsonSchema for RawTolerance {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tolerance".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST_ELEMENTS},
                {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$"}
            ],
            "examples": [0, "10%"]
        })
    }
}

/// Returns the method QUERY (RFC 10008), which the library has no name for.
fn query() -> Method {
    Method::from_bytes(b"QUERY").expect("a token")
}

/// The method of a call, in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "CallMethod")]
pub(super) enum RawCallMethod {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Query,
}

impl From<RawCallMethod> for Method {
    fn from(method: RawCallMethod) -> Self {
        match method {
            RawCallMethod::Get => Self::GET,
            RawCallMethod::Head => Self::HEAD,
            RawCallMethod::Post => Self::POST,
            RawCallMethod::Put => Self::PUT,
            RawCallMethod::Patch => Self::PATCH,
            RawCallMethod::Delete => Self::DELETE,
            RawCallMethod::Options => Self::OPTIONS,
            RawCallMethod::Query => query(),
        }
    }
}

/// A method of a route, in upper case. `GET` stands for `HEAD` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "RouteMethod")]
pub(super) enum RawRouteMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Query,
}

impl RawRouteMethod {
    const ALL: [Self; 6] = [
        Self::Get,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Query,
    ];

    /// Returns the raw form of a method in force.
    pub(super) fn of(method: &Method) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|raw| Method::from(*raw) == *method)
    }
}

impl From<RawRouteMethod> for Method {
    fn from(method: RawRouteMethod) -> Self {
        match method {
            RawRouteMethod::Get => Self::GET,
            RawRouteMethod::Post => Self::POST,
            RawRouteMethod::Put => Self::PUT,
            RawRouteMethod::Patch => Self::PATCH,
            RawRouteMethod::Delete => Self::DELETE,
            RawRouteMethod::Query => query(),
        }
    }
}

const SHAPE: &str = r#""report", "merge" or a table such as { value = "users.body" }"#;

/// `shape` of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawShape {
    /// `"report"`
    Report,
    /// `"merge"`
    Merge,
    /// `{ value = "EXPRESSION" }`
    Value(Option<String>),
}

/// A shape that an expression makes.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShapeValue")]
struct RawShapeValue {
    /// The expression (CEL) of the whole answer, over the results of all calls. Required.
    #[schemars(extend("x-gather" = "expression"))]
    value: Option<String>,
}

impl<'de> Deserialize<'de> for RawShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;

        impl<'de> Visitor<'de> for Shapes {
            type Value = RawShape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SHAPE)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawShape, E> {
                match text {
                    "report" => Ok(RawShape::Report),
                    "merge" => Ok(RawShape::Merge),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawShape, A::Error> {
                let map = MapAccessDeserializer::new(map);
                RawShapeValue::deserialize(map).map(|table| RawShape::Value(table.value))
            }
        }

        deserializer.deserialize_any(Shapes)
    }
}

impl Serialize for RawShape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Report => "report".serialize(serializer),
            Self::Merge => "merge".serialize(serializer),
            Self::Value(value) => RawShapeValue {
                value: value.clone(),
            }
            .serialize(serializer),
        }
    }
}

impl JsonSchema for RawShape {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Shape".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<RawShapeValue>();
        json_schema!({"anyOf": [{"enum": ["report", "merge"]}, table]})
    }
}

#[cfg(test)]
#[path = "call_values_tests.rs"]
mod tests;
