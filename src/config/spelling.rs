//! The keys that a file may have, as the schema knows them, the unknown keys of a file, and the key that some words
//! spell. It must not know values.

use std::sync::LazyLock;

use serde_json::Value;

use super::{
    mistake::{KeyPath, Step, nearest},
    schema,
};

/// The tables whose keys have no name between them. If a key is in two of them, the first is meant.
const TABLES: [&str; 5] = ["server", "log", "defaults", "tracing", "admin"];

/// All keys of a file.
pub(super) struct Keys(Value);

/// A key that its table does not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown<'a> {
    pub(super) path: KeyPath,
    /// The keys that the table may have.
    pub(super) allowed: Vec<&'a str>,
}

impl Keys {
    /// Returns the keys of the schema.
    pub(super) fn of_the_file() -> &'static Self {
        static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys(schema::of_the_file()));
        &KEYS
    }

    /// Returns the keys of `file` that no table has, each with its path. Nothing below an unknown key is reported.
    pub(super) fn unknown(&self, file: &Value) -> Vec<Unknown<'_>> {
        let mut found = Vec::new();
        self.note_unknown(&self.0, file, &KeyPath::default(), &mut found);
        found
    }

    fn note_unknown<'a>(
        &'a self,
        schema: &'a Value,
        value: &Value,
        path: &KeyPath,
        found: &mut Vec<Unknown<'a>>,
    ) {
        let Some(schema) = self.form(schema, value) else {
            return;
        };
        match value {
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.note_unknown(&schema["items"], value, &path.index(index), found);
                }
            }
            Value::Object(table) => {
                let known = schema["properties"].as_object();
                let others = &schema["additionalProperties"];
                for (key, value) in table {
                    let path = path.key(key);
                    match (known.and_then(|known| known.get(key)), known) {
                        (Some(child), _) => self.note_unknown(child, value, &path, found),
                        (None, Some(known)) if *others == Value::Bool(false) => {
                            let allowed = known.keys().map(String::as_str).collect();
                            found.push(Unknown { path, allowed });
                        }
                        (None, _) => self.note_unknown(others, value, &path, found),
                    }
                }
            }
            _ => {}
        }
    }

    /// Returns the form of a schema that a value has. If there are several, it is the one for a table or a list.
    fn form<'a>(&'a self, schema: &'a Value, value: &Value) -> Option<&'a Value> {
        let schema = self.resolve(schema);
        let Some(forms) = schema.get("anyOf").and_then(Value::as_array) else {
            return schema.is_object().then_some(schema);
        };
        let kind = match value {
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            _ => return None,
        };
        let mut forms = forms.iter().map(|form| self.resolve(form));
        forms.find(|form| form["type"] == kind)
    }

    /// Returns the setting that `words` spell, whatever separates them: `log`, `level` are `log.level`. Words that are
    /// a key alone are looked for in every table, and a typing error is forgiven.
    pub(super) fn spelt(&self, words: &[&str]) -> Option<KeyPath> {
        let whole = self.below(&self.0, words).map(|steps| {
            let steps = steps.into_iter().rev().map(Step::Key);
            steps.collect::<KeyPath>()
        });
        let key = words.join("_");
        whole
            .or_else(|| Some(KeyPath::of([self.table_of(&key)?, &key])))
            .or_else(|| self.nearly(&key))
    }

    /// Returns the table that has this key, of those that have no names in them.
    pub(super) fn table_of(&self, key: &str) -> Option<&'static str> {
        TABLES
            .into_iter()
            .find(|table| self.in_table(table).contains(&key))
    }

    /// Returns true if a table with this name in the schema, such as `Upstream`, has this key.
    pub(super) fn has(&self, definition: &str, key: &str) -> bool {
        let place = format!("/$defs/{definition}/properties");
        self.0
            .pointer(&place)
            .is_some_and(|keys| keys.get(key).is_some())
    }

    fn nearly(&self, key: &str) -> Option<KeyPath> {
        let all = TABLES.into_iter().flat_map(|table| {
            let keys = self.in_table(table).into_iter();
            keys.map(move |key| (format!("{table}_{key}"), KeyPath::of([table, key])))
        });
        let all: Vec<_> = all.collect();
        let meant = nearest(key, all.iter().map(|(name, _)| name.as_str()))?.to_owned();
        all.into_iter()
            .find_map(|(name, path)| (name == meant).then_some(path))
    }

    fn in_table(&self, table: &str) -> Vec<&str> {
        let node = self.0["properties"].get(table);
        let keys = node.and_then(|node| self.resolve(node)["properties"].as_object());
        keys.map(|keys| keys.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// Returns the keys from `node` on that `words` spell, the last one first.
    fn below(&self, node: &Value, words: &[&str]) -> Option<Vec<String>> {
        if words.is_empty() {
            return Some(Vec::new());
        }
        let node = self.resolve(node);
        let extended = |rest: Option<Vec<String>>, key: String| {
            let mut keys = rest?;
            keys.push(key);
            Some(keys)
        };
        if let Some(keys) = node["properties"].as_object() {
            return keys.iter().find_map(|(key, child)| {
                let own: Vec<_> = key.split('_').collect();
                let rest = words.strip_prefix(own.as_slice())?;
                extended(self.below(child, rest), key.clone())
            });
        }
        let child = node
            .get("additionalProperties")
            .filter(|child| child.is_object())?;
        // The shortest name leaves the longest key: `users_max_body` is `max_body` of `users`.
        (1..=words.len()).find_map(|end| {
            let (name, rest) = words.split_at(end);
            extended(self.below(child, rest), name.join("_"))
        })
    }

    fn resolve<'a>(&'a self, node: &'a Value) -> &'a Value {
        let reference = node.get("$ref").and_then(Value::as_str);
        reference
            .and_then(|reference| self.0.pointer(reference.strip_prefix('#')?))
            .unwrap_or(node)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_no_table_has_is_found_wherever_it_stands() {
        let keys = Keys::of_the_file();
        let file = json!({
            "$schema": "x",
            "sevrer": {"listne": 1},
            "server": {"listen": 1, "listne": 2},
            "defaults": {"url": "http://a", "headers": {"x-any": "b"}},
            "upstreams": {"any": {"url": 5, "retry": {"attempt": 1}, "tls": "text"}},
            "aggregates": {"any": {"calls": ["a", {"upstream": "a", "timeout": "1s"}, null]}},
        });
        let unknown = keys.unknown(&file);
        let paths: Vec<_> = unknown.iter().map(|key| key.path.to_string()).collect();
        assert_eq!(
            paths,
            [
                "aggregates.any.calls[1].timeout",
                "defaults.url",
                "server.listne",
                "sevrer",
                "upstreams.any.retry.attempt"
            ]
        );
        assert_eq!(unknown[4].allowed, ["attempts", "backoff", "on"]);
        assert_eq!(keys.unknown(&json!(["no", {"table": 1}])), []);
    }

    #[test]
    fn words_spell_the_key_whatever_stands_between_them() {
        let keys = Keys::of_the_file();
        for (words, path) in [
            ("log level", "log.level"),
            ("server max connections", "server.max_connections"),
            ("upstreams users url", "upstreams.users.url"),
            (
                "upstreams user service max body",
                "upstreams.user_service.max_body",
            ),
            (
                "upstreams users headers x api key",
                "upstreams.users.headers.x_api_key",
            ),
            (
                "upstreams users retry attempts",
                "upstreams.users.retry.attempts",
            ),
            ("aggregates home deadline", "aggregates.home.deadline"),
            ("listen", "server.listen"),
            ("level", "log.level"),
            ("timeout", "defaults.timeout"),
            ("otlp endpoint", "tracing.otlp_endpoint"),
            ("server listne", "server.listen"),
        ] {
            let words: Vec<_> = words.split(' ').collect();
            let spelt = keys.spelt(&words).map(|path| path.to_string());
            assert_eq!(spelt.as_deref(), Some(path), "{words:?}");
        }
        for words in ["image", "home", "service host"] {
            let words: Vec<_> = words.split(' ').collect();
            assert_eq!(keys.spelt(&words), None, "{words:?}");
        }
    }
}
