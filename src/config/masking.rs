//! Hides the parts of a text or a JSON value that may be secret. References stay, as they are no values, and so do
//! their defaults, unless a name says that it is that of a secret. It must not know the setting.

use serde_json::Value;

/// The text in place of a secret.
pub(super) const MASK: &str = "***";

/// Words in the names of secrets, in lower case.
const WORDS: [&str; 10] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "pwd",
    "secret",
    "session",
    "signature",
    "token",
];

/// Returns true if the value of something with this name is probably secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Returns the text of the pair or the field `name`. Only the references in it are shown.
pub(super) fn text(name: &str, text: &str) -> String {
    references(text, is_secret(name))
}

/// Returns a text of which only the references are shown, with or without their defaults.
fn references(text: &str, hides_defaults: bool) -> String {
    let mut shown = String::new();
    let mut rest = text;
    loop {
        let literal = literal(rest);
        if !literal.is_empty() {
            shown.push_str(MASK);
        }
        rest = &rest[literal.len()..];
        if rest.is_empty() {
            return shown;
        }
        let reference = reference(rest);
        match before_default(reference) {
            Some(before) if hides_defaults || is_secret(reference) => {
                shown.push_str(&format!("{before}?? '{MASK}'}}"));
            }
            _ => shown.push_str(reference),
        }
        rest = &rest[reference.len()..];
    }
}

/// Returns the part of a text before its first reference. Two braces are one of the text.
fn literal(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let is_doubled = bytes.get(at + 1) == Some(&byte);
        at += match byte {
            b'{' | b'}' if is_doubled => 2,
            b'{' => break,
            _ => 1,
        };
    }
    &text[..at]
}

/// Returns the reference with which a text begins. Its default may have braces too.
fn reference(text: &str) -> &str {
    let mut open = 0_usize;
    let end = unquoted(text).find(|&(_, found)| {
        match found {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        open == 0
    });
    end.map_or(text, |(at, _)| &text[..=at])
}

/// Returns the part of a reference before its default, which follows two question marks. `None` if it has no default,
/// or one that is no secret whatever its name.
fn before_default(reference: &str) -> Option<&str> {
    let mut marks = unquoted(reference).filter(|&(_, found)| found == '?');
    let (at, _) = marks.find(|&(at, _)| reference[at..].starts_with("??"))?;
    let (before, default) = reference.split_at(at);
    let literal = default[2..].strip_suffix('}').unwrap_or(&default[2..]);
    let is_public = ["true", "false", "null", "[]", "{}"].contains(&literal.trim());
    (!is_public).then_some(before)
}

/// Returns the characters of a text that do not stand within quotes, with their places.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    let mut is_escaped = false;
    text.char_indices().filter(move |&(_, found)| {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if found == '\\' => is_escaped = true,
            Some(open) if found == open => quote = None,
            Some(_) => {}
            None if found == '"' || found == '\'' => quote = Some(found),
            None => return true,
        }
        false
    })
}

/// Returns a JSON value whose texts and numbers are hidden, but for references in the texts.
pub(super) fn json(value: &Value) -> Value {
    within(value, false)
}

fn within(value: &Value, hides_defaults: bool) -> Value {
    match value {
        Value::String(text) => Value::from(references(text, hides_defaults)),
        Value::Number(_) => Value::from(MASK),
        Value::Array(values) => {
            let values = values.iter();
            values.map(|value| within(value, hides_defaults)).collect()
        }
        Value::Object(members) => {
            let members = members.iter();
            let masked = |(name, value): (&String, &Value)| {
                (
                    name.clone(),
                    within(value, hides_defaults || is_secret(name)),
                )
            };
            members.map(masked).collect()
        }
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_references_are_shown() {
        for (written, shown) in [
            ("", ""),
            ("hunter2", "***"),
            ("{login.body.token}", "{login.body.token}"),
            ("Bearer {login.body.token}", "***{login.body.token}"),
            (
                "{a.body}{b.body}x{{{c.body}}}",
                "{a.body}{b.body}***{c.body}***",
            ),
            ("{{hunter2}}", "***"),
            ("{a.body[\"}x\"]?}y", "{a.body[\"}x\"]?}***"),
            ("{a.body.b join ','}", "{a.body.b join ','}"),
        ] {
            assert_eq!(text("a", written), shown, "{written}");
            assert_eq!(text("a", shown), shown, "{written}");
        }
        let value = json!({"a": ["hunter2", 5, true], "b": {"c": "{d.body}"}});
        let shown = json!({"a": ["***", "***", true], "b": {"c": "{d.body}"}});
        assert_eq!(super::json(&value), shown);
    }

    #[test]
    fn a_default_is_shown_unless_a_name_says_that_it_is_a_secret() {
        for (name, written, shown) in [
            ("page", "{query.page ?? '1'}", "{query.page ?? '1'}"),
            ("page", "{query.page??5}z", "{query.page??5}***"),
            ("page", "{query.a ?? 'x}y'}z", "{query.a ?? 'x}y'}***"),
            ("a", "{query.token ?? 'hunter2'}", "{query.token ?? '***'}"),
            ("Api_Key", "{query.a ?? 'x}y'}z", "{query.a ?? '***'}***"),
            ("Api_Key", "{query.a??5}", "{query.a?? '***'}"),
            ("Api_Key", "{query.a ?? null}", "{query.a ?? null}"),
            ("Api_Key", "{query.a ?? {}}", "{query.a ?? {}}"),
            (
                "password",
                "{a.body[\"??\"] ?? 'hunter2'}",
                "{a.body[\"??\"] ?? '***'}",
            ),
            ("password", "{a.body[\"??\"]}", "{a.body[\"??\"]}"),
        ] {
            assert_eq!(text(name, written), shown, "{name} {written}");
            assert_eq!(text(name, shown), shown, "{name} {written}");
        }
        let value = json!({"a": "{b.body ?? 'x'}", "auth": {"of": ["{b.body ?? 'hunter2'}"]}});
        let shown = json!({"a": "{b.body ?? 'x'}", "auth": {"of": ["{b.body ?? '***'}"]}});
        assert_eq!(super::json(&value), shown);
    }
}
