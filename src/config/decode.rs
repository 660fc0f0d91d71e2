//! Turns the tree of layers into the raw structs, without any coercion, and with every mistake in one go. A refused
//! value is noted and taken out, and the rest is read again. It must not know what settings mean.

use std::collections::BTreeSet;

use config::{Value, ValueKind};
use serde::Deserialize as _;
use serde_json::Value as Json;
use serde_path_to_error::Segment;

use super::{
    environment, hints,
    inheritance::Inherited,
    layers::Layers,
    mistake::{KeyPath, Report, Step, nearest},
    raw::RawConfig,
    spelling::{Keys, Unknown},
};

/// The most mistakes that are looked for. A file with more is not a configuration, and each costs a pass.
const MOST_MISTAKES: usize = 1000;

/// The settings that could be read.
pub(super) struct Decoded {
    /// The settings, without the refused ones. `None` after so many mistakes that it gave up.
    pub(super) raw: Option<RawConfig>,
    /// The paths of refused values, and of keys that a misspelt one was probably meant to be. If such a key is absent,
    /// that is not another mistake.
    pub(super) refused: BTreeSet<KeyPath>,
    /// The settings that upstreams have from `[defaults]`.
    pub(super) inherited: Inherited,
}

/// Reads the settings from their tree. A variable is replaced by the TOML value that it holds, if its text alone does
/// not fit.
pub(super) fn decode(layers: &mut Layers, report: &mut Report) -> Decoded {
    let mut refused = BTreeSet::new();
    let mut json = to_json(&layers.tree, &KeyPath::default(), &mut |path, found| {
        report.add(
            layers.origin(path),
            path,
            format!("found {found}; leave the key out for its default"),
        );
        refused.insert(path.clone());
    });
    take_out_unknown(&mut json, layers, report, &mut refused);
    while report.len() < MOST_MISTAKES {
        let error = match serde_path_to_error::deserialize::<_, RawConfig>(&json) {
            Ok(raw) => return inherit(raw, json, refused),
            Err(error) => error,
        };
        let path = key_path(error.path());
        if let Some(value) = reread(layers, &path) {
            put(&mut json, &path, to_json(&value, &path, &mut |_, _| {}));
            layers.replace(&path, value);
            layers.variables.remove(&path);
            take_out_unknown(&mut json, layers, report, &mut refused);
            continue;
        }
        let message = refusal(&error.inner().to_string(), layers, &path);
        report.add(layers.origin(&path), &path, message);
        if !take_out(&mut json, &path) {
            break;
        }
        refused.insert(path);
    }
    if report.len() >= MOST_MISTAKES {
        let message = format!("more than {MOST_MISTAKES} mistakes; the rest is not shown");
        report.add("", &KeyPath::default(), message);
    }
    Decoded {
        raw: None,
        refused,
        inherited: Inherited::default(),
    }
}

/// Lays `[defaults]` under each upstream of a file that could be read, and reads it again. It comes last, so that a
/// mistake in `[defaults]` is reported once, however many upstreams there are.
fn inherit(raw: RawConfig, mut json: Json, refused: BTreeSet<KeyPath>) -> Decoded {
    let inherited = Inherited::lay(&mut json, &refused);
    let raw = if inherited.is_empty() {
        Some(raw)
    } else {
        // Each table could be read alone, so nothing is refused now.
        RawConfig::deserialize(&json).ok()
    };
    Decoded {
        raw,
        refused,
        inherited,
    }
}

/// Takes out the keys that no table has, and notes each.
fn take_out_unknown(
    json: &mut Json,
    layers: &Layers,
    report: &mut Report,
    refused: &mut BTreeSet<KeyPath>,
) {
    let mut unknown = Keys::of_the_file().unknown(json);
    unknown.truncate(MOST_MISTAKES.saturating_sub(report.len()));
    for Unknown { path, allowed } in unknown {
        let Some((Step::Key(key), table)) = path.split_last() else {
            continue;
        };
        let origin = layers.origin(&path);
        let by_variable = layers.variables.values().any(|name| name == origin);
        let hint = hints::other_name(&path);
        let meant = nearest(key, allowed.iter().copied()).filter(|_| hint.is_none());
        let hint = hint
            .or_else(|| Some(format!("did you mean `{}`?", meant?)))
            .or_else(|| hints::other_place(&path, by_variable));
        if let Some(meant) = meant {
            refused.insert(table.key(meant));
        }
        report.add(
            origin,
            &path,
            unknown_key_message(hint.as_deref(), &allowed),
        );
        take_out(json, &path);
        refused.insert(path);
    }
}

/// Returns the same tree as JSON values. `odd` is called for values that no setting can have. They are left out, or
/// null in a list.
fn to_json(value: &Value, path: &KeyPath, odd: &mut dyn FnMut(&KeyPath, &str)) -> Json {
    match &value.kind {
        ValueKind::Nil => {
            odd(path, "no value (null)");
            Json::Null
        }
        ValueKind::Boolean(truth) => Json::from(*truth),
        ValueKind::I64(number) => Json::from(*number),
        ValueKind::U64(number) => Json::from(*number),
        ValueKind::I128(_) | ValueKind::U128(_) => {
            odd(path, "a number that is too large");
            Json::Null
        }
        ValueKind::Float(number) => serde_json::Number::from_f64(*number).map_or_else(
            || {
                odd(path, "a number that is infinite or none at all");
                Json::Null
            },
            Json::Number,
        ),
        ValueKind::String(text) => Json::from(text.as_str()),
        ValueKind::Array(values) => {
            let values = values.iter().enumerate();
            values
                .map(|(index, value)| to_json(value, &path.index(index), odd))
                .collect()
        }
        ValueKind::Table(table) => {
            let mut object = serde_json::Map::new();
            for (key, value) in table {
                let value = to_json(value, &path.key(key), odd);
                if !value.is_null() {
                    object.insert(key.clone(), value);
                }
            }
            Json::Object(object)
        }
    }
}

fn key_path(path: &serde_path_to_error::Path) -> KeyPath {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Returns a variable's text as the TOML value that it holds, if the variable set `path`.
fn reread(layers: &Layers, path: &KeyPath) -> Option<Value> {
    let name = layers.variables.get(path)?;
    match &layers.get(path)?.kind {
        ValueKind::String(text) => environment::toml_value(name, text),
        _ => None,
    }
}

fn unknown_key_message(hint: Option<&str>, allowed: &[&str]) -> String {
    let mut allowed = allowed.to_vec();
    allowed.sort_unstable();
    let allowed = allowed.join(", ");
    match hint {
        Some(question) if question.ends_with('?') => {
            format!("unknown key, {question} Allowed here: {allowed}")
        }
        Some(hint) => format!("unknown key; {hint}. Allowed here: {allowed}"),
        None => format!("unknown key. Allowed here: {allowed}"),
    }
}

/// Says what was found and what was expected, from serde's words and the value itself.
fn refusal(error: &str, layers: &Layers, path: &KeyPath) -> String {
    let expected = error
        .rsplit_once(", expected ")
        .map_or(error, |(_, expected)| expected);
    let found = match layers.get(path) {
        Some(found) => shown(found, path, layers),
        None => "nothing".to_owned(),
    };
    // A text that is shown as a whole.
    let list = match found.starts_with('"') && found.ends_with('"') && !found.contains(',') {
        true => format!("a list, such as [{found}]"),
        false => "a list".to_owned(),
    };
    let expected = match expected {
        "a map" => "a table",
        "a sequence" => &list,
        "a boolean" => "true or false",
        other => other,
    };
    let quotes = match layers.is_quoted_variable(path) {
        true => format!("; {}", environment::QUOTES),
        false => String::new(),
    };
    format!("found {found}, expected {expected}{quotes}")
}

/// Returns a value as it may be shown. If it may be a secret, only its kind is shown.
fn shown(value: &Value, path: &KeyPath, layers: &Layers) -> String {
    const LONGEST: usize = 40;
    let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
    let secret = may_be_secret(path);
    match &value.kind {
        ValueKind::Nil => "no value".to_owned(),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::String(_) if secret => "text".to_owned(),
        ValueKind::Boolean(_) if secret => "true or false".to_owned(),
        _ if secret => "a number".to_owned(),
        ValueKind::String(text) if text.chars().count() > LONGEST => {
            format!("{:?}…", cut(text))
        }
        ValueKind::String(text) => format!("{text:?}"),
        // As a value, 4.0 is shown as 4.
        ValueKind::Float(number) => layers
            .written(path)
            .map_or_else(|| format!("{number:?}"), |written| cut(&written)),
        other => other.to_string(),
    }
}

/// Returns true if a value at `path` may be a secret, or hold one: credentials, or a text in place of a whole table.
fn may_be_secret(path: &KeyPath) -> bool {
    let steps = path.steps();
    let table = match steps.first() {
        Some(Step::Key(root)) if root == "upstreams" || root == "aggregates" => 2,
        _ => 1,
    };
    let secret = ["headers", "body", "form", "json", "query", "tls", "url"];
    let credentials =
        |step: &Step| matches!(step, Step::Key(key) if secret.contains(&key.as_str()));
    steps.len() <= table || steps.iter().skip(table).any(credentials)
}

/// Replaces the value at `path`.
fn put(json: &mut Json, path: &KeyPath, value: Json) {
    if let Some(place) = find(json, path) {
        *place = value;
    }
}

/// Takes out the value at `path`. A list keeps its length. Returns false if there is no value.
fn take_out(json: &mut Json, path: &KeyPath) -> bool {
    let Some((last, table)) = path.split_last() else {
        return false;
    };
    match (find(json, &table), last) {
        (Some(Json::Object(object)), Step::Key(key)) => object.remove(key).is_some(),
        (Some(Json::Array(values)), Step::Index(index)) => {
            let place = values.get_mut(*index).filter(|value| !value.is_null());
            place.map(Json::take).is_some()
        }
        _ => false,
    }
}

fn find<'a>(json: &'a mut Json, path: &KeyPath) -> Option<&'a mut Json> {
    path.steps().iter().try_fold(json, |node, step| match step {
        Step::Key(key) => node.get_mut(key),
        Step::Index(index) => node.get_mut(*index),
    })
}
