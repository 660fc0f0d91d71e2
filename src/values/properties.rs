//! Properties of references and templates, whatever a configuration and the values hold. It must not know who makes
//! them.
//!
//! A template that is taken writes a target, a field, JSON or a form of the structure that its literals have, with the
//! values in their places, or says why not.

use std::str;

use http::uri::PathAndQuery;
use serde_json::value::RawValue;

use super::{
    FormTemplate, HeaderTemplate, JsonTemplate, PathTemplate, QueryTemplate, Reference, Scope,
    Skipped,
    fixture::{Names, SOURCES, Values},
};

/// The client's body, the answer of `users` and the element, for [`references`].
const BODY: &str = r#"{"v":"a/b \"é","n":1.10,"nil":null,"ids":[1,"b"],"items":[{"id":7,"x-y":[]},{}],"empty":[]}"#;

/// Reads `bytes` as a reference, and as a template for each place.
///
/// # Panics
/// Panics if a property does not hold.
pub fn references(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let names = Names::new();
    let mut values = Values::of_json(BODY.as_bytes());
    values.client.path.push("4".to_owned());
    let scope = values.scope();
    for text in [&*text, &format!("{{{text}}}")] {
        check_places(text, &names, &scope);
    }
    match Reference::parse(&text, &names.known()) {
        Err(wrong) => assert!(!wrong.0.is_empty()),
        Ok(reference) => {
            assert_eq!(
                Reference::parse(&reference.text, &names.known()).as_ref(),
                Ok(&reference)
            );
            let read = Reference::read(reference.text.as_ref(), &names.known());
            assert_eq!(read, Ok((reference.clone(), "")));
            match reference.find(&scope) {
                Err(absent) => assert!(reference.why(absent).contains(&*reference.text)),
                Ok(value) => {
                    let mut json = Vec::new();
                    value.json(&mut json);
                    check_json(&json);
                }
            }
        }
    }
}

/// Checks what a text makes in each place, if it is a template there.
fn check_places(text: &str, names: &Names, scope: &Scope<'_>) {
    let known = names.known();
    let mut out = Vec::new();
    if let Ok(template) = PathTemplate::parse("/base", &format!("/{text}"), &known) {
        assert_eq!(
            template.is_constant(),
            template.references().next().is_none()
        );
        if template.write(scope, &mut out).is_ok() {
            check_path(&out);
        }
    }
    if let Ok(template) = QueryTemplate::parse("a=", text, &known) {
        let (mut is_first, mut out) = (true, Vec::new());
        if template.write(scope, &mut is_first, &mut out).is_ok() {
            assert_eq!(out.first(), (!is_first).then_some(&b'?'));
            let pairs = out.strip_prefix(b"?").unwrap_or_default();
            assert!(template.constant().is_none_or(|constant| constant == pairs));
            check_query(pairs);
            assert!(form_urlencoded::parse(pairs).all(|(name, _)| name == "a="));
        }
    }
    if let Ok(template) = HeaderTemplate::parse(text, &known) {
        match template.value(scope) {
            Ok(value) => check_field(value.as_ref().map_or(b"", |value| value.as_bytes())),
            Err(_) => assert!(!template.is_constant()),
        }
    }
    if let Ok(template) = JsonTemplate::parse(&serde_json::json!([text, {text: text}]), &known) {
        let mut out = Vec::new();
        if template.write(scope, &mut out).is_ok() {
            assert!(template.constant().is_none_or(|constant| constant == out));
            check_json(&out);
        }
    }
    let pairs = [
        ("a=".to_owned(), text.to_owned()),
        ("b".to_owned(), "1".to_owned()),
    ];
    if let Ok(template) = FormTemplate::parse(&pairs, &known) {
        let mut out = Vec::new();
        if template.write(scope, &mut out).is_ok() {
            check_query(&out);
            let names: Vec<_> = form_urlencoded::parse(&out).map(|(name, _)| name).collect();
            let (last, rest) = names.split_last().expect("a pair");
            assert!(last == "b" && rest.iter().all(|name| name == "a="));
        }
    }
}

/// Reads `bytes` as a source, the two lines of text before and after its value, and the value.
///
/// # Panics
/// Panics if a property does not hold.
pub fn templates(bytes: &[u8]) {
    let Some((source, bytes)) = bytes.split_first() else {
        return;
    };
    let source = SOURCES[usize::from(*source) % SOURCES.len()];
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (before, after, value) = (part(), part(), part());
    let [before, after] = [before, after].map(String::from_utf8_lossy);
    let case = Case {
        source,
        before: &before,
        after: &after,
    };
    match str::from_utf8(value) {
        Ok(text) => case.check(text),
        Err(_) => case.check_no_text(value),
    }
}

/// A value between two texts.
pub(super) struct Case<'a> {
    pub(super) source: &'a str,
    pub(super) before: &'a str,
    pub(super) after: &'a str,
}

impl Case<'_> {
    /// Checks each place with this text as the value.
    pub(super) fn check(&self, text: &str) {
        let values = Values::of_text(text);
        if self.source.contains("headers") && values.client.headers.is_empty() {
            return;
        }
        self.check_path(text, &values);
        self.check_query(text, &values);
        self.check_field(text, &values);
        self.check_json(text, &values);
    }

    /// Returns the template, with the literals' braces doubled.
    fn template(&self) -> String {
        let escaped = |text: &str| text.replace('{', "{{").replace('}', "}}");
        format!(
            "{}{{{}}}{}",
            escaped(self.before),
            self.source,
            escaped(self.after)
        )
    }

    fn check_path(&self, text: &str, values: &Values) {
        let names = Names::new();
        let path = format!("/{}/end", self.template());
        let Ok(template) = PathTemplate::parse("/base/", &path, &names.known()) else {
            return;
        };
        let mut out = Vec::new();
        let written = template.write(&values.scope(), &mut out);
        let is_no_segment = matches!(text, "" | "." | "..");
        assert_eq!(written.is_err(), is_no_segment, "{text:?}");
        if let Err(skipped) = written {
            self.check_reason(&skipped);
            return;
        }
        let expected = format!("/base/{}{}{}/end", self.before, encoded(text), self.after);
        assert_eq!(str::from_utf8(&out), Ok(&*expected));
        check_path(&out);
        let segments = |text: &str| text.split('/').count();
        let literal = format!("/base/{}{}/end", self.before, self.after);
        assert_eq!(segments(&expected), segments(&literal), "{expected}");
    }

    fn check_query(&self, text: &str, values: &Values) {
        let names = Names::new();
        let name = self.before;
        let template = [format!("{{{}}}", self.source), self.template()];
        let expected = [
            text.to_owned(),
            format!("{}{text}{}", self.before, self.after),
        ];
        let (mut is_first, mut query) = (true, Vec::new());
        for template in &template {
            let template = QueryTemplate::parse(name, template, &names.known()).expect("a value");
            template
                .write(&values.scope(), &mut is_first, &mut query)
                .expect("text");
        }
        let pairs = template.map(|template| (name.to_owned(), template));
        let form = FormTemplate::parse(&pairs, &names.known()).expect("a form");
        let mut body = Vec::new();
        form.write(&values.scope(), &mut body).expect("text");
        assert_eq!(query, [b"?", &*body].concat());
        check_query(&body);
        let pairs: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
        assert_eq!(pairs, expected.map(|value| (name.to_owned(), value)));
    }

    fn check_field(&self, text: &str, values: &Values) {
        let names = Names::new();
        let Ok(template) = HeaderTemplate::parse(&self.template(), &names.known()) else {
            return;
        };
        let expected = format!("{}{text}{}", self.before, self.after);
        let is_legal = expected.chars().all(|c| matches!(c, ' '..='~' | '\t'));
        let is_kept = expected.trim_matches([' ', '\t']).len() == expected.len();
        match template.value(&values.scope()) {
            Ok(value) => {
                assert!(is_legal && is_kept, "{expected:?}");
                assert_eq!(value.expect("a value").as_bytes(), expected.as_bytes());
            }
            Err(skipped) => {
                assert!(!is_legal || !is_kept, "{expected:?}");
                self.check_reason(&skipped);
            }
        }
    }

    fn check_json(&self, text: &str, values: &Values) {
        let names = Names::new();
        let whole = format!("{{{}}}", self.source);
        let json =
            |whole: &str, longer: &str| serde_json::json!({self.before: [whole, 1], "\"": longer});
        let template = json(&whole, &self.template());
        let template = JsonTemplate::parse(&template, &names.known()).expect("JSON");
        let mut out = Vec::new();
        template.write(&values.scope(), &mut out).expect("text");
        let found: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
        let longer = format!("{}{text}{}", self.before, self.after);
        assert_eq!(found, json(text, &longer));
    }

    /// Checks that bytes which are no UTF-8 go nowhere.
    fn check_no_text(&self, value: &[u8]) {
        let mut values = Values::of_text("");
        let pair: String = value.iter().map(|byte| format!("%{byte:02x}")).collect();
        values.client.query = vec![("v".to_owned(), format!("v={pair}"))];
        values.client.headers.clear();
        values.set_field(value);
        let has_field = !values.client.headers.is_empty();
        let names = Names::new();
        for source in ["query.v", "headers.v", "users.headers.v"] {
            if source.contains("headers") && !has_field {
                continue;
            }
            let slot = format!("{{{source} ?? 1}}");
            let template = QueryTemplate::parse("q", &slot, &names.known()).expect("a value");
            let skipped = template.write(&values.scope(), &mut true, &mut Vec::new());
            let expected = Skipped(format!("`{{{source}}}` is no text in UTF-8"));
            assert_eq!(skipped, Err(expected));
        }
    }

    /// Checks that a reason names the reference and has no part of the value, which may be long and secret.
    fn check_reason(&self, skipped: &Skipped) {
        assert!(
            skipped.0.starts_with(&format!("`{{{}}}` ", self.source)),
            "{skipped}"
        );
        assert!(skipped.0.len() < 160 && skipped.0.is_ascii(), "{skipped}");
    }
}

/// Returns a text with all but the unreserved characters percent-encoded.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Checks a path that is about to be sent.
fn check_path(path: &[u8]) {
    let path = str::from_utf8(path).expect("text");
    assert!(path.starts_with("/base/"), "{path}");
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
    assert!(
        !path.contains(['?', '#', '"', '<', '>', '\\', '^', '`', '{', '|', '}']),
        "{path}"
    );
    let target: PathAndQuery = path.parse().expect("a path");
    assert_eq!((target.path(), target.query()), (path, None));
    let lower = path.to_ascii_lowercase().replace("%2e", ".");
    assert!(
        !lower
            .split('/')
            .any(|segment| matches!(segment, "." | "..")),
        "{path}"
    );
}

/// Checks pairs that are about to be sent: what separates them is not in them.
fn check_query(pairs: &[u8]) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%=&".contains(byte);
    assert!(
        pairs.iter().all(is_plain),
        "{}",
        String::from_utf8_lossy(pairs)
    );
    let mut pairs = pairs
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    assert!(pairs.all(|pair| pair.iter().filter(|byte| **byte == b'=').count() == 1));
}

fn check_field(value: &[u8]) {
    assert!(value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
    assert_eq!(value.trim_ascii().len(), value.len());
}

fn check_json(json: &[u8]) {
    let json = str::from_utf8(json).expect("text");
    serde_json::from_str::<&RawValue>(json).expect("valid JSON");
}

#[cfg(test)]
#[path = "properties_tests.rs"]
mod tests;
