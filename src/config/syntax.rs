//! Reads one file's text (TOML, YAML or JSON) as a tree of values. The `config` crate does that, after a check for
//! mistakes that it would accept silently: keys written twice, dates that become text, tags. It must not know settings.
//! A message never quotes the text, as a secret may be there.

use std::{collections::BTreeSet, fmt, path::Path};

use config::{FileFormat, Format, Map, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

use super::{mistake::KeyPath, yaml};

/// The mistakes in a text, and their places.
type Flaws = Vec<(KeyPath, String)>;

/// Returns the format of a file's extension, or the mistake in the extension.
pub(super) fn format_of(path: &Path) -> Result<FileFormat, String> {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("toml") => Ok(FileFormat::Toml),
        Some("yaml" | "yml") => Ok(FileFormat::Yaml),
        Some("json") => Ok(FileFormat::Json),
        Some(other) => Err(format!(
            "found the ending .{other}, expected .toml, .yaml, .yml or .json"
        )),
        None => Err("found no ending, expected .toml, .yaml, .yml or .json".to_owned()),
    }
}

/// Returns the tree for `text`. Every value in it knows `origin`.
pub(super) fn parse(
    format: FileFormat,
    origin: &str,
    text: &str,
) -> Result<Map<String, Value>, Flaws> {
    let flaws = match format {
        FileFormat::Toml => toml_flaws(text),
        FileFormat::Json => json_duplicates(text),
        _ => yaml::flaws(text),
    };
    if !flaws.is_empty() {
        return Err(flaws);
    }
    Format::parse(&format, Some(&origin.to_owned()), text)
        .map_err(|error| vec![(KeyPath::default(), in_plain_words(&error.to_string()))])
}

/// Returns a parser's message, without its quotations.
fn in_plain_words(error: &str) -> String {
    if error.contains(", expected a map") {
        return "expected a table of settings at the top level".to_owned();
    }
    if let Some((key, place)) = error.split_once(": duplicated key in mapping") {
        let key = key
            .strip_prefix("String(\"")
            .and_then(|key| key.strip_suffix("\")"));
        return format!("the key `{}` is written twice{place}", key.unwrap_or("…"));
    }
    if error.ends_with("unsupported hash key type") {
        return "found a key that is neither text nor a number".to_owned();
    }
    if error.ends_with("as floating point number failed") {
        return "found an infinite number or none at all (.inf, .nan)".to_owned();
    }
    format!("not well-formed: {error}")
}

/// Returns every key that is written twice, every number and date that has no place in a configuration, and the first
/// part that is not valid TOML.
fn toml_flaws(text: &str) -> Flaws {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    errors.sort_by_key(start);
    let mut flaws = Flaws::new();
    let mut torn = false;
    for error in &errors {
        let (line, column) = place(text, start(error));
        let key = error.span().and_then(|span| text.get(span)).unwrap_or("…");
        // Errors after the first broken part are guesses, but a doubled key is certain.
        let message = match error.message() {
            "duplicate key" => {
                format!("line {line}, column {column}: the key `{key}` is written twice")
            }
            _ if torn => continue,
            other => {
                torn = true;
                format!("not well-formed: line {line}, column {column}: {other}")
            }
        };
        flaws.push((KeyPath::default(), message));
    }
    if flaws.is_empty() {
        for (key, value) in table.get_ref() {
            odd_values(&KeyPath::of([key.get_ref()]), value.get_ref(), &mut flaws);
        }
    }
    flaws
}

/// Returns the line and the column of a byte, both from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |last| last.chars().count())
        + 1;
    (line, column)
}

fn odd_values(path: &KeyPath, value: &DeValue<'_>, flaws: &mut Flaws) {
    match value {
        DeValue::Datetime(_) => {
            // `config` would turn it into text.
            flaws.push((
                path.clone(),
                "found a date, expected another type; as text it goes in quotes".to_owned(),
            ));
        }
        DeValue::Integer(number)
            if i64::from_str_radix(number.as_str(), number.radix()).is_err() =>
        {
            flaws.push((path.clone(), "found a number that is too large".to_owned()));
        }
        DeValue::Float(number) if !number.as_str().parse().is_ok_and(f64::is_finite) => {
            flaws.push((
                path.clone(),
                "found a number that is infinite or none at all".to_owned(),
            ));
        }
        DeValue::Table(table) => {
            for (key, value) in table {
                odd_values(&path.key(key.get_ref()), value.get_ref(), flaws);
            }
        }
        DeValue::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                odd_values(&path.index(index), value.get_ref(), flaws);
            }
        }
        _ => {}
    }
}

/// Returns the keys that are written twice in one object. Invalid JSON has none here, as its parser reports it.
fn json_duplicates(text: &str) -> Flaws {
    let mut flaws = Flaws::new();
    let walk = Walk {
        path: KeyPath::default(),
        flaws: &mut flaws,
    };
    let well_formed = walk
        .deserialize(&mut serde_json::Deserializer::from_str(text))
        .is_ok();
    if well_formed { flaws } else { Flaws::new() }
}

/// Checks a JSON value without keeping it.
struct Walk<'a> {
    path: KeyPath,
    flaws: &'a mut Flaws,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0.. {
            let path = self.path.index(index);
            if list
                .next_element_seed(Walk {
                    path,
                    flaws: self.flaws,
                })?
                .is_none()
            {
                return Ok(());
            }
        }
        Err(A::Error::custom("a list without end"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = table.next_key::<String>()? {
            let path = self.path.key(&key);
            if !keys.insert(key) {
                self.flaws
                    .push((path.clone(), "the key is written twice".to_owned()));
            }
            table.next_value_seed(Walk {
                path,
                flaws: self.flaws,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaws(format: FileFormat, text: &str) -> Vec<String> {
        let told = |(path, message): (KeyPath, String)| format!("{path}|{message}");
        parse(format, "x", text)
            .unwrap_err()
            .into_iter()
            .map(told)
            .collect()
    }

    #[test]
    fn a_key_written_twice_is_refused_in_every_format() {
        assert_eq!(
            flaws(FileFormat::Toml, "a = 1\na = 2\n[b]\nc = 1\nc = 2\n"),
            [
                "|line 2, column 1: the key `a` is written twice",
                "|line 5, column 1: the key `c` is written twice"
            ]
        );
        assert_eq!(
            flaws(
                FileFormat::Json,
                r#"{"a": [{"b": 1, "b": 2}], "c": 1, "c": {}}"#
            ),
            [
                "a[0].b|the key is written twice",
                "c|the key is written twice"
            ]
        );
        assert_eq!(
            flaws(FileFormat::Yaml, "a: 1\na: 2\n"),
            ["|the key `a` is written twice at byte 8 line 2 column 4"]
        );
    }

    #[test]
    fn text_that_is_not_well_formed_is_told_by_its_place_and_never_quoted() {
        for (format, text) in [
            (
                FileFormat::Toml,
                "[upstreams.users.headers]\nauthorization = hunter2\n",
            ),
            (
                FileFormat::Toml,
                "[upstreams.users.headers]\nauthorization = \"hunter2\n",
            ),
            (FileFormat::Yaml, "headers: {authorization: hunter2\nx: y"),
            (FileFormat::Yaml, "a: hunter2: c"),
            (FileFormat::Yaml, "{ {hunter2: x}: y }"),
            (FileFormat::Json, r#"{"authorization": "hunter2", }"#),
            (FileFormat::Json, r#"{"authorization": hunter2 }"#),
        ] {
            let flaws = flaws(format, text);
            assert_eq!(flaws.len(), 1, "{flaws:?}");
            assert!(!flaws[0].contains("hunter2"), "{flaws:?}");
        }
        assert_eq!(
            flaws(FileFormat::Toml, "a = \"x\"\nb = = 2\nc = = 3\n"),
            ["|not well-formed: line 2, column 5: extra `=`, expected nothing"]
        );
    }

    #[test]
    fn a_top_level_that_is_no_table_is_refused_without_quoting_it() {
        let expected = "|expected a table of settings at the top level";
        assert_eq!(flaws(FileFormat::Yaml, "hunter2"), [expected]);
        assert_eq!(flaws(FileFormat::Yaml, "- a\n- b\n"), [expected]);
        assert_eq!(flaws(FileFormat::Json, "[1]"), [expected]);
        assert_eq!(flaws(FileFormat::Json, "null"), [expected]);
    }

    #[test]
    fn dates_and_numbers_beyond_all_bounds_are_named_by_their_path() {
        assert_eq!(
            flaws(
                FileFormat::Toml,
                "a = 1979-05-27\n[b]\nc = [99999999999999999999]\nd = inf\n"
            ),
            [
                "a|found a date, expected another type; as text it goes in quotes",
                "b.c[0]|found a number that is too large",
                "b.d|found a number that is infinite or none at all"
            ]
        );
        assert_eq!(
            flaws(FileFormat::Yaml, "a: .inf"),
            ["|found an infinite number or none at all (.inf, .nan)"]
        );
    }

    #[test]
    fn a_text_that_would_exhaust_the_stack_or_memory_is_refused_in_every_format() {
        let lists = |open: &str, close: &str| [open.repeat(100_000), close.repeat(100_000)];
        let [open, close] = lists("[", "]");
        let json = format!("{{\"a\": {open}{close}}}");
        let toml = format!("a = {open}{close}");
        let [items, _] = lists("- ", "");
        let yaml = format!("a:\n  {items}x");
        for (format, text) in [
            (FileFormat::Json, json),
            (FileFormat::Toml, toml),
            (FileFormat::Yaml, format!("a: {open}{close}")),
            (FileFormat::Yaml, yaml),
        ] {
            assert_eq!(flaws(format, &text).len(), 1);
        }
        // These are eight thousand million values in a kilobyte.
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for step in 1..11 {
            let before = format!("*a{}, ", step - 1).repeat(8);
            bomb.push_str(&format!("a{step}: &a{step} [{before}]\n"));
        }
        assert_eq!(
            flaws(FileFormat::Yaml, &bomb),
            ["|line 6, column 30: with its aliases replaced, the text has more than 200000 values"]
        );
    }

    #[test]
    fn only_the_three_formats_are_taken() {
        assert_eq!(format_of(Path::new("a/b.yml")), Ok(FileFormat::Yaml));
        assert_eq!(
            format_of(Path::new("a/b.ini")).unwrap_err(),
            "found the ending .ini, expected .toml, .yaml, .yml or .json"
        );
        assert!(format_of(Path::new("gather")).is_err());
    }
}
