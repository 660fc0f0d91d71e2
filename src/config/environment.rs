//! The environment as a layer of settings: `GATHER__SERVER__LISTEN=…` is `server.listen`. It must not know which
//! settings exist. The `config` crate has such a source too, but its values no longer know their variables.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::mistake::{KeyPath, Report, Step};

/// The prefix of a variable that is a setting. Two underscores also go between the keys.
pub(super) const PREFIX: &str = "GATHER__";

/// The settings in the environment.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// The settings, as texts in tables.
    pub(super) tree: Map<String, Value>,
    /// The variable that set each path.
    pub(super) names: BTreeMap<KeyPath, String>,
    /// The text that each path was set to.
    pub(super) texts: BTreeMap<KeyPath, String>,
}

/// Reads the settings in `environment`. Two variables that set one key differently are a mistake.
pub(super) fn read(
    environment: impl IntoIterator<Item = (String, String)>,
    report: &mut Report,
) -> Variables {
    let mut settings = BTreeMap::<String, String>::new();
    settings.extend(
        environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX)),
    );
    let mut names = BTreeMap::<KeyPath, String>::new();
    let mut texts = BTreeMap::new();
    for (name, text) in settings {
        report.expect_origin(&name);
        let keys = name[PREFIX.len()..].to_lowercase();
        let path: KeyPath = keys
            .split("__")
            .map(|key| Step::Key(key.to_owned()))
            .collect();
        if let Some(other) = names.get(&path) {
            report.add(
                &name,
                &path,
                format!("the variable {other} sets the same key"),
            );
            continue;
        }
        names.insert(path.clone(), name);
        texts.insert(path, text);
    }
    let mut root = Value::new(None, Map::<String, Value>::new());
    // A path comes after every path that it begins with, so a table is there before what is set in it.
    for (path, text) in &texts {
        let name = &names[path];
        if set(&mut root, path.steps(), name, text.clone()).is_err() {
            let message =
                "another variable sets the table of this key to something else than a table";
            report.add(name, path, message);
        }
    }
    match root.kind {
        ValueKind::Table(tree) => Variables { tree, names, texts },
        _ => Variables {
            names,
            texts,
            ..Variables::default()
        },
    }
}

/// The error for a key whose path goes through a value that is not a table.
struct NoTable;

fn set(node: &mut Value, steps: &[Step], name: &String, text: String) -> Result<(), NoTable> {
    let Some((Step::Key(key), rest)) = steps.split_first() else {
        *node = Value::new(Some(name), text);
        return Ok(());
    };
    if let ValueKind::String(table) = &node.kind {
        let origin = node.origin().unwrap_or(name).to_owned();
        *node = toml_value(&origin, table).ok_or(NoTable)?;
    }
    let ValueKind::Table(table) = &mut node.kind else {
        return Err(NoTable);
    };
    let child = table
        .entry(key.clone())
        .or_insert_with(|| Value::new(Some(name), Map::<String, Value>::new()));
    set(child, rest, name, text)
}

/// Returns true if a text has quotes around it, as a file of variables has for a program that keeps them.
pub(super) fn is_quoted(text: &str) -> bool {
    let text = text.trim();
    let with = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    with('"') || with('\'')
}

/// The hint at quotes around a value that are not meant to be part of it.
pub(super) const QUOTES: &str =
    "the value has quotes around it; docker's --env-file does not take them off";

/// Returns the value that `text` stands for, read as TOML: a number, a list, a table. `None` if it is not one.
pub(super) fn toml_value(origin: &str, text: &str) -> Option<Value> {
    from_toml(&origin.to_owned(), text.parse().ok()?)
}

fn from_toml(origin: &String, value: toml::Value) -> Option<Value> {
    let kind = match value {
        toml::Value::String(text) => ValueKind::String(text),
        toml::Value::Integer(number) => ValueKind::I64(number),
        toml::Value::Float(number) => ValueKind::Float(number),
        toml::Value::Boolean(truth) => ValueKind::Boolean(truth),
        toml::Value::Datetime(_) => return None,
        toml::Value::Array(values) => ValueKind::Array(
            values
                .into_iter()
                .map(|value| from_toml(origin, value))
                .collect::<Option<_>>()?,
        ),
        toml::Value::Table(table) => {
            let values = table.into_iter();
            let values = values.map(|(key, value)| Some((key, from_toml(origin, value)?)));
            ValueKind::Table(values.collect::<Option<_>>()?)
        }
    };
    Some(Value::new(Some(origin), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> (Variables, Report) {
        let mut report = Report::default();
        let pairs = pairs
            .iter()
            .map(|&(name, text)| (name.to_owned(), text.to_owned()));
        let variables = read(pairs, &mut report);
        (variables, report)
    }

    #[test]
    fn a_variable_sets_the_key_that_its_name_spells_and_is_remembered_with_it() {
        let (variables, _) = variables(&[
            ("GATHER__UPSTREAMS__USERS__MAX_BODY", "4KiB"),
            ("GATHER_UPSTREAMS", "not ours"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(variables.tree.len(), 1);
        let upstreams = variables.tree["upstreams"].clone().into_table().unwrap();
        let users = upstreams["users"].clone().into_table().unwrap();
        assert_eq!(users["max_body"].kind, ValueKind::String("4KiB".to_owned()));
        assert_eq!(
            users["max_body"].origin(),
            Some("GATHER__UPSTREAMS__USERS__MAX_BODY")
        );
    }

    #[test]
    fn a_variable_may_add_to_a_table_that_another_sets() {
        let (variables, report) = variables(&[
            ("GATHER__SERVER__WORKERS", "4"),
            ("GATHER__SERVER", "{ listen = \"127.0.0.1:0\" }"),
        ]);
        assert_eq!(report.len(), 0);
        let server = variables.tree["server"].clone().into_table().unwrap();
        assert_eq!(server.len(), 2);
    }

    #[test]
    fn two_variables_that_contradict_each_other_are_a_mistake() {
        let (_, report) = variables(&[
            ("GATHER__SERVER__WORKERS", "4"),
            ("GATHER__SERVER__workers", "5"),
            ("GATHER__LOG", "text"),
            ("GATHER__LOG__LEVEL", "info"),
        ]);
        let mistakes = report.into_result(Some(())).unwrap_err().to_string();
        assert_eq!(
            mistakes,
            "GATHER__LOG__LEVEL: log.level: another variable sets the table of this key to something else than a table\n\
             GATHER__SERVER__workers: server.workers: the variable GATHER__SERVER__WORKERS sets the same key"
        );
    }
}
