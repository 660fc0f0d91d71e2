//! The written form of a number, for a message about it: as values, `4.0` and `4` look the same. It is looked up only
//! if something is wrong with the number. It must not know settings.

use std::collections::BTreeMap;

use config::FileFormat;
use serde_json::value::RawValue;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use yaml_rust2::{Yaml, YamlLoader};

use super::mistake::Step;

/// Returns the number at `steps` as it is written in a file's text.
pub(super) fn in_file(format: FileFormat, text: &str, steps: &[Step]) -> Option<String> {
    match format {
        FileFormat::Toml => in_table(DeTable::parse(text).ok()?.get_ref(), text, steps),
        FileFormat::Json => in_json(text, steps),
        _ => in_yaml(YamlLoader::load_from_str(text).ok()?.first()?, steps),
    }
}

/// Returns the number at `steps` as it is written in a variable's text, which is one TOML value.
pub(super) fn in_variable(text: &str, steps: &[Step]) -> Option<String> {
    in_value(&DeValue::parse(text).ok()?, text, steps)
}

fn in_table(table: &DeTable<'_>, text: &str, steps: &[Step]) -> Option<String> {
    let (Step::Key(key), rest) = steps.split_first()? else {
        return None;
    };
    let (_, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    in_value(value, text, rest)
}

fn in_value(value: &Spanned<DeValue<'_>>, text: &str, steps: &[Step]) -> Option<String> {
    match (value.get_ref(), steps) {
        (DeValue::Float(_), []) => text.get(value.span()).map(str::to_owned),
        (DeValue::Table(table), _) => in_table(table, text, steps),
        (DeValue::Array(values), [Step::Index(index), rest @ ..]) => {
            in_value(values.get(*index)?, text, rest)
        }
        _ => None,
    }
}

fn in_json(text: &str, steps: &[Step]) -> Option<String> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(text.trim().to_owned());
    };
    let below = match step {
        Step::Key(key) => serde_json::from_str::<BTreeMap<String, &RawValue>>(text)
            .ok()?
            .remove(key)?,
        Step::Index(index) => *serde_json::from_str::<Vec<&RawValue>>(text)
            .ok()?
            .get(*index)?,
    };
    in_json(below.get(), rest)
}

fn in_yaml(value: &Yaml, steps: &[Step]) -> Option<String> {
    match (value, steps) {
        (Yaml::Real(number), []) => Some(number.clone()),
        (Yaml::Hash(table), [Step::Key(key), rest @ ..]) => {
            let named = |name: &Yaml| match name {
                Yaml::String(name) | Yaml::Real(name) => name == key,
                Yaml::Integer(name) => name.to_string() == *key,
                Yaml::Boolean(name) => name.to_string() == *key,
                _ => false,
            };
            let (_, value) = table.iter().find(|(name, _)| named(name))?;
            in_yaml(value, rest)
        }
        (Yaml::Array(values), [Step::Index(index), rest @ ..]) => {
            in_yaml(values.get(*index)?, rest)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_as_it_was_written_in_every_format() {
        let path = |last: &str| {
            ["a", "b"]
                .map(|key| Step::Key(key.to_owned()))
                .into_iter()
                .chain([Step::Index(1), Step::Key(last.to_owned())])
                .collect::<Vec<_>>()
        };
        for number in ["4.0", "4.00", "1e3", "1E+3", "-0.0", "80.7"] {
            let json = format!(r#"{{"x": 1, "a": {{"b": [1, {{"c": {number} }}]}}}}"#);
            let toml = format!("x = 1\n[a]\nb = [1, {{ c = {number} }}]");
            let yaml = format!("x: 1\na:\n  b:\n    - 1\n    - c: {number}\n");
            for (format, text) in [
                (FileFormat::Json, json),
                (FileFormat::Toml, toml),
                (FileFormat::Yaml, yaml),
            ] {
                assert_eq!(
                    in_file(format, &text, &path("c")).as_deref(),
                    Some(number),
                    "{text}"
                );
                assert_eq!(in_file(format, &text, &path("d")), None, "{text}");
            }
            assert_eq!(in_variable(number, &[]).as_deref(), Some(number));
            let list = format!("{{ b = [1, {{ c = {number} }}] }}");
            assert_eq!(in_variable(&list, &path("c")[1..]).as_deref(), Some(number));
        }
    }
}
