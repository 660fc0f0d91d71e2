//! Hides the parts of a text or a JSON value that may be secret. References stay, as they are no values. It must not
//! know the setting.

use serde_json::Value;

/// The text in place of a secret.
pub(super) const MASK: &str = "***";

/// Returns a text with references of which only the references are shown. A default in a reference is hidden too.
pub(super) fn text(text: &str) -> String {
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
        shown.push_str(&without_default(reference));
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

/// Returns the reference with which a text begins. A brace within quotes does not end it.
fn reference(text: &str) -> &str {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, found) in text.char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if found == '\\' => is_escaped = true,
            Some(open) if found == open => quote = None,
            Some(_) => {}
            None if found == '"' || found == '\'' => quote = Some(found),
            None if found == '}' => return &text[..=at],
            None => {}
        }
    }
    text
}

/// Hides the default of a reference, if it is a text. It is the part after two question marks.
fn without_default(reference: &str) -> String {
    let Some((before, default)) = reference.split_once("??") else {
        return reference.to_owned();
    };
    let is_public = |text: &str| ["true", "false", "null", "[]", "{}"].contains(&text);
    match default.trim().strip_suffix('}') {
        Some(literal) if is_public(literal.trim()) => reference.to_owned(),
        _ => format!("{before}?? '{MASK}'}}"),
    }
}

/// Returns a JSON value whose texts and numbers are hidden, but for references in the texts.
pub(super) fn json(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(self::text(text)),
        Value::Number(_) => Value::from(MASK),
        Value::Array(values) => values.iter().map(json).collect(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, value)| (name.clone(), json(value)))
                .collect()
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
            ("{query.a ?? 'hunter2'}", "{query.a ?? '***'}"),
            ("{query.a ?? 'x}y'}z", "{query.a ?? '***'}***"),
            ("{query.a??5}", "{query.a?? '***'}"),
            ("{query.a ?? null}", "{query.a ?? null}"),
            ("{a.body.b join ','}", "{a.body.b join ','}"),
        ] {
            assert_eq!(text(written), shown, "{written}");
            assert_eq!(text(shown), shown, "{written}");
        }
        let value = json!({"a": ["hunter2", 5, true], "b": {"c": "{d.body}"}});
        let shown = json!({"a": ["***", "***", true], "b": {"c": "{d.body}"}});
        assert_eq!(super::json(&value), shown);
    }
}
