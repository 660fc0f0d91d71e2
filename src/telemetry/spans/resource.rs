//! The sender of spans: this gateway, as described by `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`. The SDK reads
//! the latter too, but leaves its values percent-encoded. It must not know the spans.

use std::env;

use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, resource::TelemetryResourceDetector};
use percent_encoding::percent_decode_str;

const SERVICE_NAME: &str = "service.name";
const NAME: &str = "OTEL_SERVICE_NAME";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Describes the sender, by the environment of this process.
pub(super) fn resource() -> Resource {
    let set = |variable| env::var(variable).ok().filter(|text| !text.is_empty());
    let attributes = attributes(&set(ATTRIBUTES).unwrap_or_default()).unwrap_or_else(|reason| {
        tracing::warn!(reason, "{ATTRIBUTES} is left out as a whole");
        Vec::new()
    });
    let named = attributes
        .iter()
        .rev()
        .find(|(key, value)| key == SERVICE_NAME && !value.is_empty());
    let name = set(NAME).or_else(|| named.map(|(_, name)| name.clone()));
    let attributes = attributes
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value));
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(attributes)
        .with_service_name(name.unwrap_or_else(|| "gather".to_owned()))
        .build()
}

/// Reads the pairs of `key1=value1,key2=value2`, both percent-encoded. By the specification, one unreadable pair makes
/// all invalid.
fn attributes(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let pair = |entry: &str| {
        let (key, value) = entry.split_once('=').ok_or("an entry has no =")?;
        let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
        if key.is_empty() {
            return Err("an entry has no key");
        }
        Ok((key, value))
    };
    entries.map(pair).collect()
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let is_whole = |escape: &str| {
        let digits = escape.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_whole) {
        return Err("a % without two hexadecimal digits; % itself is written %25");
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(String::from)
        .map_err(|_| "what is encoded is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_percent_decoded() {
        let pairs = attributes(" team = shop%2C%20Z%C3%BCrich ,a%3Db=1%25,empty=,x=y=z,").unwrap();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (&**key, &**value))
            .collect();
        let expected = [
            ("team", "shop, Zürich"),
            ("a=b", "1%"),
            ("empty", ""),
            ("x", "y=z"),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(attributes(""), Ok(Vec::new()));
    }

    #[test]
    fn an_attribute_that_cant_be_read_spoils_all() {
        for text in [
            "a=1,b", "a=1,=2", "a=100%", "a=%zz", "a=%2", "a=%é1", "a=%ff",
        ] {
            assert!(attributes(text).is_err(), "{text}");
        }
    }
}
