//! The kinds of value that a file may hold: tables, counts, texts, addresses. Each accepts only its own form: no number
//! for a text, no fraction for a count, no list for a table. It must not know the settings.

use std::{borrow::Cow, fmt, marker::PhantomData, net::SocketAddr, num::NonZeroUsize};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

/// A list of texts. An entry that was refused leaves `None` in its place.
pub(super) type Texts = Vec<Option<String>>;

/// A table `T`. Derived code alone would also take a list, field by field.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Table<T>(pub(super) T);

impl<T: JsonSchema> JsonSchema for Table<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tables<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Tables<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Tables(PhantomData)).map(Self)
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Count<const MIN: usize, const MAX: usize>(pub(super) usize);

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counts<const MIN: usize, const MAX: usize>;

        impl<const MIN: usize, const MAX: usize> Visitor<'_> for Counts<MIN, MAX> {
            type Value = usize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<usize, E> {
                match usize::try_from(number) {
                    Ok(count) if (MIN..=MAX).contains(&count) => Ok(count),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }

        deserializer.deserialize_u64(Counts::<MIN, MAX>).map(Self)
    }
}

impl<const MIN: usize, const MAX: usize> JsonSchema for Count<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Count{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
    }
}

/// Returns a count as the checked types have it. The raw type has checked its range.
pub(super) fn count<const MIN: usize, const MAX: usize>(
    raw: Option<Count<MIN, MAX>>,
    default: usize,
) -> NonZeroUsize {
    let count = raw.map_or(default, |Count(count)| count);
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

/// Accepts only text, and shows for a number how it would be written.
pub(super) struct Text<T> {
    /// The words for the expected form, if the value is not text.
    pub(super) expected: &'static str,
    /// The unit that a bare number lacks.
    pub(super) unit: Option<&'static str>,
    /// Reads the value, or returns the expected form.
    pub(super) parse: fn(&str) -> Result<T, &'static str>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(|expected| E::invalid_value(Unexpected::Str(text), &expected))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let found = Unexpected::Unsigned(number);
        Err(match self.unit {
            Some(unit) => {
                // A user who writes 800 may well mean milliseconds.
                let likelier = match (unit, number) {
                    ("s", 100..) => format!("\"{number}ms\" or "),
                    _ => String::new(),
                };
                let expected = format!("text with a unit, such as {likelier}\"{number}{unit}\"");
                E::invalid_type(found, &expected.as_str())
            }
            None => E::invalid_type(found, &self),
        })
    }
}

/// An IP address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Listen(pub(super) SocketAddr);

const LISTEN: &str = r#"an IP address and a port such as "127.0.0.1:8080" or "[::]:8080""#;

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |text: &str| text.parse().map(Self).map_err(|_| LISTEN);
        deserializer.deserialize_any(Text {
            expected: LISTEN,
            unit: None,
            parse,
        })
    }
}

impl JsonSchema for Listen {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]+$",
            "examples": ["127.0.0.1:8080", "[::]:8080"]
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal<T: for<'de> Deserialize<'de> + fmt::Debug>(value: serde_json::Value) -> String {
        T::deserialize(value).unwrap_err().to_string()
    }

    #[test]
    fn a_count_is_a_whole_number_within_its_range() {
        assert_eq!(Count::<1, 9>::deserialize(json!(9)).unwrap().0, 9);
        for value in [
            json!(0),
            json!(10),
            json!(-1),
            json!(1.0),
            json!("1"),
            json!(true),
        ] {
            let refusal = refusal::<Count<1, 9>>(value);
            assert!(
                refusal.ends_with("expected a whole number from 1 to 9"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_listener_is_an_address_and_a_port() {
        assert!(Listen::deserialize(json!("[::1]:0")).is_ok());
        for text in [
            "8080",
            "localhost:8080",
            "127.0.0.1",
            "127.0.0.1:80.7",
            "127.0.0.1:65536",
        ] {
            assert!(
                refusal::<Listen>(json!(text)).contains("an IP address and a port"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_list_is_no_table() {
        #[derive(Debug, Deserialize)]
        struct One {
            #[allow(dead_code)]
            a: u8,
        }
        assert!(One::deserialize(json!([1])).is_ok());
        assert!(refusal::<Table<One>>(json!([1])).ends_with("expected a table"));
        assert!(Table::<One>::deserialize(json!({"a": 1})).is_ok());
    }
}
