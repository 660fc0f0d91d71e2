//! Quantities with their units, as text: durations and sizes. A bare number is refused, with a hint at the right form.
//! It must not know the settings.

use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::values::Text;

/// The longest duration. A request that takes longer than a day is a mistake in the unit.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The largest size. A body is held in memory, and a larger size is a mistake in the unit.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Returns a duration as a file writes it.
pub(super) fn quoted(duration: Duration) -> String {
    format!("\"{}\"", humantime::format_duration(duration))
}

/// A duration as text, from zero to [`LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HumanDuration(pub(super) Duration);

const DURATION: &str = r#"a duration such as "150ms", "2s" or "1m""#;

fn duration(text: &str) -> Result<HumanDuration, &'static str> {
    match crate::duration::parse(text) {
        Some(duration) if duration <= LONGEST => Ok(HumanDuration(duration)),
        Some(_) => Err(r#"a duration of at most "24h""#),
        None => Err(DURATION),
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text {
            expected: DURATION,
            unit: Some("s"),
            parse: duration,
        })
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^\\s*[0-9][0-9.\\s]*[a-zA-Zµ]+[0-9a-zA-Zµ.\\s]*$",
            "examples": ["150ms", "2s", "1m"]
        })
    }
}

/// The least and the most memory that a gateway can be allowed.
const MEMORY: RangeInclusive<u64> = 1024 * 1024..=1024 * LARGEST;

/// A number of bytes as text, from 1 to [`LARGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

const SIZE: &str = r#"a size such as "512B", "64KiB" or "1MiB""#;

fn size(text: &str) -> Result<Size, &'static str> {
    let range = r#"a size from "1B" to "1GiB""#;
    bytes(text, SIZE, &(1..=LARGEST), range).map(Size)
}

/// Reads a number of bytes within `range`. The error says that `form` was expected, or `bounds` if the number is out of
/// range.
fn bytes(
    text: &str,
    form: &'static str,
    range: &RangeInclusive<u64>,
    bounds: &'static str,
) -> Result<u64, &'static str> {
    if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(form);
    }
    match text.parse::<bytesize::ByteSize>() {
        Ok(size) if range.contains(&size.0) => Ok(size.0),
        Ok(_) => Err(bounds),
        Err(_) => Err(form),
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text {
            expected: SIZE,
            unit: Some("B"),
            parse: size,
        })
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        in_whole_units(self.0, serializer)
    }
}

/// Writes a number of bytes in the largest unit that makes it a whole number.
fn in_whole_units<S: Serializer>(bytes: u64, serializer: S) -> Result<S::Ok, S::Error> {
    let units = [
        (bytesize::GIB, "GiB"),
        (bytesize::MIB, "MiB"),
        (bytesize::KIB, "KiB"),
    ];
    let whole = units
        .into_iter()
        .find(|(unit, _)| bytes.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "B"));
    serializer.collect_str(&format_args!("{}{name}", bytes / unit))
}

/// The memory of a process as text, 1 MiB to 1 TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemorySize(pub(super) u64);

const MEMORY_PATTERN: &str = "^[0-9]+(\\.[0-9]+)?\\s*[kKmMgGtT][iI]?[bB]?$";

const MEMORY_SIZE: &str = r#"a size such as "128MiB" or "1GiB""#;

fn memory_size(text: &str) -> Result<MemorySize, &'static str> {
    let range = r#"a size from "1MiB" to "1024GiB""#;
    bytes(text, MEMORY_SIZE, &MEMORY, range).map(MemorySize)
}

impl<'de> Deserialize<'de> for MemorySize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text {
            expected: MEMORY_SIZE,
            unit: Some("B"),
            parse: memory_size,
        })
    }
}

impl Serialize for MemorySize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        in_whole_units(self.0, serializer)
    }
}

impl JsonSchema for MemorySize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MemorySize".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Size::json_schema(generator);
        schema.insert("pattern".to_owned(), MEMORY_PATTERN.into());
        schema
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]+)?\\s*([kKmMgG][iI]?[bB]?|[bB])$",
            "examples": ["512B", "64KiB", "1MiB"]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use serde_json::json;

    use super::*;

    fn refusal<T: for<'de> Deserialize<'de> + fmt::Debug>(value: serde_json::Value) -> String {
        T::deserialize(value).unwrap_err().to_string()
    }

    #[test]
    fn a_duration_needs_a_unit_and_stays_below_a_day() {
        let taken = |text: &str| HumanDuration::deserialize(json!(text)).unwrap().0;
        assert_eq!(taken("150ms"), Duration::from_millis(150));
        assert_eq!(taken("1m 30s"), Duration::from_secs(90));
        assert_eq!(taken("1.5s"), Duration::from_millis(1500));
        assert_eq!(taken("0s"), Duration::ZERO);
        let longest = Duration::new(86_399, 999_999_999);
        assert_eq!(
            taken(&humantime::format_duration(longest).to_string()),
            longest
        );
        for text in [
            "",
            "abc",
            "5",
            "0",
            "-1s",
            "1e99",
            "2 apples",
            "1s500",
            "18446744073709551615s 1000ms",
        ] {
            assert!(
                refusal::<HumanDuration>(json!(text)).contains("such as \"150ms\""),
                "{text}"
            );
        }
        assert!(refusal::<HumanDuration>(json!("25h")).contains("at most \"24h\""));
        assert!(refusal::<HumanDuration>(json!(5)).contains("such as \"5s\""));
        assert!(refusal::<HumanDuration>(json!(5.5)).contains("such as \"150ms\""));
    }

    #[test]
    fn a_size_needs_a_unit_and_is_written_back_as_short_as_it_is_exact() {
        for (text, bytes, back) in [
            ("512B", 512, "512B"),
            ("64KiB", 65_536, "64KiB"),
            ("1.5 MiB", 1_572_864, "1536KiB"),
            ("1MB", 1_000_000, "1000000B"),
            ("1024MiB", LARGEST, "1GiB"),
        ] {
            let size = Size::deserialize(json!(text)).unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(serde_json::to_value(size).unwrap(), json!(back));
        }
        for text in ["", "1048576", "1 apple", "-1B", "1e3B"] {
            assert!(
                refusal::<Size>(json!(text)).contains("such as \"512B\""),
                "{text}"
            );
        }
        for text in ["0B", "0.5B", "2GiB", "99999999999999999999999EiB"] {
            assert!(
                refusal::<Size>(json!(text)).contains("to \"1GiB\""),
                "{text}"
            );
        }
        assert!(refusal::<Size>(json!(1024)).contains("such as \"1024B\""));
    }

    #[test]
    fn a_process_may_have_more_memory_than_a_body() {
        for (text, bytes) in [("1MiB", 1 << 20), ("24GiB", 24 << 30), ("1TiB", 1 << 40)] {
            assert_eq!(MemorySize::deserialize(json!(text)).unwrap().0, bytes);
        }
        for text in ["1023KiB", "1025GiB"] {
            assert!(refusal::<MemorySize>(json!(text)).contains("to \"1024GiB\""));
        }
    }
}
