//! The keys that a file may have, as the schema knows them, and the one that some words spell. Knows no value.

use serde_json::Value;

use super::{
    mistake::{KeyPath, Step, nearest},
    schema,
};

/// The tables whose keys stand for themselves, without a name between them. Where a key is in two of them, the first is meant.
const TABLES: [&str; 5] = ["server", "log", "defaults", "tracing", "admin"];

/// All keys of a file.
pub(super) struct Keys(Value);

impl Keys {
    /// Those of the schema.
    pub(super) fn of_the_file() -> Self {
        Self(schema::of_the_file())
    }

    /// The setting that `words` spell, whatever stands between them: `log`, `level` are `log.level`. A key that the words
    /// have alone is looked for in every table, and a slip of the fingers is forgiven.
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

    /// The table that has this key, of those that have no names in them.
    pub(super) fn table_of(&self, key: &str) -> Option<&'static str> {
        TABLES
            .into_iter()
            .find(|table| self.in_table(table).contains(&key))
    }

    /// Tells whether a table with this name in the schema, such as `Upstream`, has this key.
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

    /// The keys from `node` on that `words` spell, the last one first.
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
    use super::*;

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
