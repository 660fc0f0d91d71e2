//! Hostile values from every source in every place: what is written parses to exactly the intended structure, or the
//! call is skipped.

use super::{
    FormTemplate, HeaderTemplate, JsonTemplate, PathTemplate, QueryTemplate, TemplateError,
    fixture::{Names, SOURCES, Values},
};

const HOSTILE: &[&str] = &[
    "",
    " ",
    ".",
    "..",
    "...",
    "/",
    "//",
    "../..",
    "..\\",
    "a/b",
    "%2e",
    "%2e%2e",
    "%2F",
    "%2f..%2f",
    "%00",
    "%",
    "%zz",
    "%25",
    "?",
    "?x=1",
    "#",
    "#x",
    "&",
    "&x=1",
    "=",
    "a=b",
    "+",
    "a+b",
    ";",
    ";x=1",
    "a;b",
    ",",
    ":",
    "@",
    "\r",
    "\n",
    "\r\n",
    "\r\nx: y",
    "\r\n\r\nGET / HTTP/1.1\r\n",
    "\0",
    "a\0b",
    "\u{1}",
    "\u{7f}",
    "\t",
    " a",
    "a ",
    "a b",
    "\"",
    "\",\"x\":\"y",
    "'",
    "{",
    "}",
    "{path.v}",
    "{{",
    "}}",
    "\\",
    "\\\"",
    "\\u0022",
    "[",
    "]",
    "<",
    ">",
    "|",
    "^",
    "`",
    "é",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{fffd}",
    "\u{202e}",
    "😀",
    "null",
    "true",
    "1",
    "[]",
    "{}",
    "http://x/",
    "//x",
    "*",
    "~",
    "$",
    "!",
    "(",
    ")",
];

fn hostile() -> Vec<String> {
    let short = HOSTILE.iter().copied();
    let mut values: Vec<_> = short.map(str::to_owned).collect();
    values.push("x".repeat(100_000));
    values.push("/%\"\u{2028}\\&é".repeat(1_000));
    values
}

/// Returns what each source gives in its request: the reference, and the text that is found.
fn sources(text: &str) -> Vec<&'static str> {
    let values = Values::of_text(text);
    let has_field = !values.client.headers.is_empty();
    let sources = SOURCES.into_iter();
    sources
        .filter(|source| has_field || !source.contains("headers"))
        .collect()
}

fn decoded(text: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(text);
    decoded.decode_utf8().unwrap().into_owned()
}

fn told<T>(parsed: Result<T, Vec<TemplateError>>) -> T {
    parsed.unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

#[test]
fn a_path_keeps_its_segments() {
    for text in hostile() {
        let values = Values::of_text(&text);
        for source in sources(&text) {
            let names = Names::new();
            let path = format!("/a/{{{source}}}/b-{{{source}}}.c/d");
            let template = told(PathTemplate::parse("/base", &path, &names.known()));
            let mut out = Vec::new();
            let written = template.write(&values.scope(), &mut out);
            let is_no_segment = matches!(&*text, "" | "." | "..");
            assert_eq!(written.is_err(), is_no_segment, "{source} {text:?}");
            if let Err(skipped) = written {
                assert!(skipped.0.starts_with(&format!("`{{{source}}}` is empty")));
                continue;
            }
            let out = String::from_utf8(out).unwrap();
            out.parse::<http::uri::PathAndQuery>().unwrap();
            assert!(!out.contains(['?', '#', '\\', ';']), "{out}");
            let segments: Vec<_> = out.split('/').map(decoded).collect();
            let made = format!("b-{text}.c");
            assert_eq!(segments, ["", "base", "a", &text, &made, "d"]);
        }
    }
}

#[test]
fn a_query_keeps_its_pairs() {
    for text in hostile() {
        let values = Values::of_text(&text);
        for source in sources(&text) {
            let names = Names::new();
            let parse =
                |name, value: String| told(QueryTemplate::parse(name, &value, &names.known()));
            let templates = [
                parse("a&=", format!("{{{source}}}")),
                parse("é ", format!("x&y={{{source}}}#")),
                parse("end", "1".to_owned()),
            ];
            let (mut is_first, mut out) = (true, Vec::new());
            for template in &templates {
                template
                    .write(&values.scope(), &mut is_first, &mut out)
                    .unwrap();
            }
            let out = String::from_utf8(out).unwrap();
            format!("/{out}")
                .parse::<http::uri::PathAndQuery>()
                .unwrap();
            let query = out.strip_prefix('?').unwrap();
            let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect();
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let made = format!("x&y={text}#");
            assert_eq!(
                pairs,
                [pair("a&=", &text), pair("é ", &made), pair("end", "1")]
            );
            // Some readers take semicolons for separators, and a plus for itself.
            assert!(!query.contains([';', '+', '\'', '"', '#', '?']), "{query}");
        }
    }
}

#[test]
fn a_form_keeps_its_pairs() {
    for text in hostile() {
        let values = Values::of_text(&text);
        for source in sources(&text) {
            let pairs = [
                ("a&=".to_owned(), format!("{{{source}}}")),
                ("b".to_owned(), format!("x+{{{source}}}&")),
            ];
            let template = told(FormTemplate::parse(&pairs, &Names::new().known()));
            let mut out = Vec::new();
            template.write(&values.scope(), &mut out).unwrap();
            let found: Vec<_> = form_urlencoded::parse(&out).into_owned().collect();
            let made = format!("x+{text}&");
            assert_eq!(
                found,
                [("a&=".to_owned(), text.clone()), ("b".to_owned(), made)]
            );
        }
    }
}

#[test]
fn a_field_has_its_value_as_it_is_or_none() {
    for text in hostile() {
        let values = Values::of_text(&text);
        for source in sources(&text) {
            let legal = text.chars().all(|c| matches!(c, ' '..='~' | '\t'));
            let blank = |c| matches!(c, ' ' | '\t');
            for (before, after) in [("", ""), ("Bearer ", ""), ("\"", "\"")] {
                let text = format!("{before}{text}{after}");
                let template = format!("{before}{{{source}}}{after}");
                let template = told(HeaderTemplate::parse(&template, &Names::new().known()));
                let arrives = legal && !text.starts_with(blank) && !text.ends_with(blank);
                match template.value(&values.scope()) {
                    Ok(value) => {
                        assert!(arrives, "{text:?}");
                        assert_eq!(value.unwrap().as_bytes(), text.as_bytes());
                    }
                    Err(skipped) => {
                        assert!(!arrives, "{text:?}");
                        assert!(
                            skipped
                                .0
                                .starts_with(&format!("`{{{source}}}` makes a value that"))
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn json_keeps_its_members() {
    for text in hostile() {
        let values = Values::of_text(&text);
        for source in sources(&text) {
            let json = serde_json::json!({
                "a": format!("{{{source}}}"),
                "b\"{": [format!("x\"{{{source}}}\\"), 1, {"c": format!("{{{source}}}")}],
            });
            let template = told(JsonTemplate::parse(&json, &Names::new().known()));
            let mut out = Vec::new();
            template.write(&values.scope(), &mut out).unwrap();
            let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let expected = serde_json::json!({
                "a": text,
                "b\"{": [format!("x\"{text}\\"), 1, {"c": text}],
            });
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn bytes_that_are_no_text_skip_the_call() {
    let mut values = Values::of_text("x");
    values.set_field(b"a\xffb");
    values.client.query = vec![("v".to_owned(), "v=a%FFb".to_owned())];
    let names = Names::new();
    let known = names.known();
    for source in ["query.v", "headers.v", "users.headers.v"] {
        let why = format!("`{{{source}}}` is no text in UTF-8");
        for slot in [format!("{{{source}}}"), format!("{{{source} ?? 'y'}}")] {
            let mut out = Vec::new();
            let path = told(PathTemplate::parse("", &format!("/{slot}"), &known));
            let query = told(QueryTemplate::parse("q", &slot, &known));
            let header = told(HeaderTemplate::parse(&slot, &known));
            let json = told(JsonTemplate::parse(&slot.clone().into(), &known));
            let form = told(FormTemplate::parse(&[("q".to_owned(), slot)], &known));
            let skipped = [
                path.write(&values.scope(), &mut out).unwrap_err(),
                query
                    .write(&values.scope(), &mut true, &mut out)
                    .unwrap_err(),
                header.value(&values.scope()).unwrap_err(),
                json.write(&values.scope(), &mut out).unwrap_err(),
                form.write(&values.scope(), &mut out).unwrap_err(),
            ];
            assert!(
                skipped.iter().all(|skipped| skipped.0 == why),
                "{skipped:?}"
            );
        }
    }
}

#[test]
fn half_a_surrogate_pair_is_no_text_but_stays_json() {
    let values = Values::of_json(br#"{"v":"\ud800"}"#);
    let names = Names::new();
    let known = names.known();
    let mut out = Vec::new();
    let json = told(JsonTemplate::parse(&"{users.body.v}".into(), &known));
    json.write(&values.scope(), &mut out).unwrap();
    assert_eq!(out, br#""\ud800""#);
    let inside = told(JsonTemplate::parse(
        &"{users.body.v}{users.body.v}".into(),
        &known,
    ));
    let skipped = inside.write(&values.scope(), &mut out).unwrap_err();
    assert_eq!(
        skipped.0,
        "`{users.body.v}` is no text, as it has half a surrogate pair"
    );
    let query = told(QueryTemplate::parse("q", "{users.body.v}", &known));
    assert_eq!(
        query
            .write(&values.scope(), &mut true, &mut out)
            .unwrap_err(),
        skipped
    );
}
