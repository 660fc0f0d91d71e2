//! Properties of every text of a configuration, whatever is in it. Either it is accepted: its configuration in force
//! then loads again to the same, and shows no secret. Or it is refused, with mistakes that each have a place and a
//! reason. It must not know who makes the texts.

use config::FileFormat;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Config, Mistakes, Surroundings, effective, finish, headers,
    layers::{Layers, Text},
    load_text,
    mistake::Origin,
    quantities::{HumanDuration, Size},
};

const FORMATS: [FileFormat; 3] = [FileFormat::Toml, FileFormat::Yaml, FileFormat::Json];

/// The text in place of a secret.
const MASK: &str = "***";

/// Reads `bytes` as a file in each format, and as a duration and a size.
///
/// # Panics
/// Panics if a property does not hold.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check_quantity::<HumanDuration>(&text);
    check_quantity::<Size>(&text);
    for format in FORMATS {
        let first = load(format, &text);
        match &first {
            Ok(config) => check_taken(config),
            Err(mistakes) => check_mistakes(mistakes),
        }
        // Tables have no order of their own in memory, but the messages about them have.
        let told = |result: &Result<Config, Mistakes>| match result {
            Ok(config) => effective(config),
            Err(mistakes) => mistakes.to_string(),
        };
        assert_eq!(told(&first), told(&load(format, &text)));
    }
}

fn load(format: FileFormat, text: &str) -> Result<Config, Mistakes> {
    let origin = Origin {
        name: "file".to_owned(),
        directory: "/nonexistent".into(),
    };
    let layers = Layers::of_text(Text {
        origin,
        format,
        text,
    })?;
    let narrow = Surroundings {
        in_container: true,
        open_files: Some(1024),
        memory: Some(1 << 20),
    };
    finish(layers, Some(&narrow), &[])
}

fn check_mistakes(mistakes: &Mistakes) {
    assert!(mistakes.iter().next().is_some());
    for mistake in mistakes {
        let beyond = mistake.message.starts_with("more than ");
        assert!(mistake.origin == "file" || beyond, "{mistake}");
        assert!(!mistake.message.is_empty());
        let line = mistake.to_string();
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

fn check_taken(config: &Config) {
    assert!(!config.services.upstreams.is_empty() && !config.services.aggregates.is_empty());
    for aggregate in &config.services.aggregates {
        assert!((1..=1000).contains(&aggregate.calls.len()));
        assert!(aggregate.rules.deadline <= config.process.server.drain);
        for (index, call) in aggregate.calls.iter().enumerate() {
            assert!(call.upstream.0 < config.services.upstreams.len());
            let before = &aggregate.calls[..index];
            assert!(before.iter().all(|other| other.name != call.name));
            let mut after = call.after.iter();
            assert!(after.all(|&other| other < aggregate.calls.len() && other != index));
        }
    }
    for warning in &config.warnings {
        assert!(!warning.origin.is_empty() && !warning.message.is_empty());
        let line = warning.to_string();
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    let shown = effective(config);
    let again = load_text("shown", &shown).unwrap_or_else(|mistakes| {
        panic!("what is in force does not load: {mistakes}\n{shown}");
    });
    assert_eq!(effective(&again), shown);
    check_masked(&shown);
}

/// Checks that each value that may be a secret is masked. It reads the text by other code than the masking.
fn check_masked(shown: &str) {
    let shown: Value = toml::from_str(shown).expect("TOML");
    let aggregates = shown["aggregates"].as_object().expect("a table");
    aggregates.values().for_each(check_masked_calls);
    let upstreams = shown["upstreams"].as_object().expect("a table");
    for upstream in upstreams.values() {
        if let Some(fixed) = upstream["headers"].as_object() {
            for (name, value) in fixed {
                let name = name.parse().expect("a header's name");
                assert!(headers::is_shown(&name) || value == MASK, "{name}");
            }
        }
        assert!(upstream.get("body").is_none_or(|body| body == MASK));
        let url = upstream["url"].as_str().expect("a text");
        let query = url.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&') {
            let value = pair.split_once('=').map_or(pair, |(_, value)| value);
            assert!(["", MASK].contains(&value), "{url}");
        }
    }
}

/// Checks the same of the calls of an aggregate. A part of a text between references is masked as a whole.
fn check_masked_calls(aggregate: &Value) {
    let calls = aggregate["calls"].as_array().expect("a list");
    for call in calls.iter().filter(|call| call.is_object()) {
        for key in ["query", "json", "form", "body"] {
            check_masked_value(&call[key]);
        }
        for (name, value) in call["headers"].as_object().into_iter().flatten() {
            let name = name.parse().expect("a header's name");
            if !headers::is_shown(&name) {
                check_masked_value(value);
            }
        }
    }
}

fn check_masked_value(value: &Value) {
    match value {
        Value::String(text) => {
            for part in text.split(MASK).filter(|part| !part.is_empty()) {
                // A default in a reference has a mask within quotes.
                let begins = part.starts_with(['{', '\'', '"']);
                let is_reference = begins && part.ends_with(['}', '\'', '"']);
                assert!(is_reference, "{text}");
            }
        }
        Value::Array(values) => values.iter().for_each(check_masked_value),
        Value::Object(members) => members.values().for_each(check_masked_value),
        Value::Number(_) => panic!("{value}"),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Checks that a quantity is written back with the same value.
fn check_quantity<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(quantity) = T::deserialize(Value::from(text)) else {
        return;
    };
    let written = serde_json::to_value(&quantity).expect("a text");
    let again = T::deserialize(&written);
    assert_eq!(again.ok().as_ref(), Some(&quantity), "{text:?} {written}");
}
