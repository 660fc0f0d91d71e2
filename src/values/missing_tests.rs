//! Missing values of every kind in every place: with nothing, with `?` and with `??`.

use super::{
    FormTemplate, HeaderTemplate, JsonTemplate, PathTemplate, QueryTemplate,
    fixture::{Names, Values},
};

const BODY: &str = r#"{"nil":null,"text":"t","empty":[],"list":[1,"b",null],"ids":[1.10,"b"],"object":{"a":1},
    "items":[{"id":7},{},{"id":12345678901234567890}],"nils":[{"id":null}]}"#;

/// Returns what a text makes in each of the places: path, query, header, JSON, form.
fn written(slot: &str) -> [String; 5] {
    let values = Values::of_json(BODY.as_bytes());
    let scope = values.scope();
    let names = Names::new();
    let known = names.known();
    let text = |out: Vec<u8>| String::from_utf8(out).unwrap();
    let mistake = || "mistake".to_owned();
    let skipped = |why: super::Skipped| format!("skipped: {why}");
    let path = PathTemplate::parse("", &format!("/{slot}"), &known).map_or_else(
        |_| mistake(),
        |template| {
            let mut out = Vec::new();
            let written = template.write(&scope, &mut out);
            written.map_or_else(skipped, |()| text(out))
        },
    );
    let query = QueryTemplate::parse("q", slot, &known).map_or_else(
        |_| mistake(),
        |template| {
            let mut out = Vec::new();
            let written = template.write(&scope, &mut true, &mut out);
            written.map_or_else(skipped, |()| text(out))
        },
    );
    let header = HeaderTemplate::parse(slot, &known).map_or_else(
        |_| mistake(),
        |template| match template.value(&scope) {
            Ok(Some(value)) => value.to_str().unwrap().to_owned(),
            Ok(None) => "left out".to_owned(),
            Err(why) => skipped(why),
        },
    );
    let json = JsonTemplate::parse(&serde_json::json!({"q": slot}), &known).map_or_else(
        |_| mistake(),
        |template| {
            let mut out = Vec::new();
            let written = template.write(&scope, &mut out);
            written.map_or_else(skipped, |()| text(out))
        },
    );
    let pairs = [
        ("q".to_owned(), slot.to_owned()),
        ("r".to_owned(), "1".to_owned()),
    ];
    let form = FormTemplate::parse(&pairs, &known).map_or_else(
        |_| mistake(),
        |template| {
            let mut out = Vec::new();
            let written = template.write(&scope, &mut out);
            written.map_or_else(skipped, |()| text(out))
        },
    );
    [path, query, header, json, form]
}

/// The references to what is missing, each with the reason.
const MISSING: [(&str, &str); 12] = [
    ("users.body.none", "is missing"),
    ("users.body.text.x", "is missing"),
    ("users.body.text[0]", "is missing"),
    ("users.body.object[*]", "is missing"),
    ("users.body.ids[2]", "is missing"),
    ("users.body.empty[-1]", "is missing"),
    ("query.none", "is missing"),
    ("headers.none", "is missing"),
    ("notes.body", "is missing"),
    (
        "broken.body.x",
        "is missing because the call `broken` failed",
    ),
    (
        "broken.headers.etag",
        "is missing because the call `broken` failed",
    ),
    (
        "unasked.body",
        "is missing because the call `unasked` was omitted",
    ),
];

#[test]
fn a_missing_value_skips_the_call_in_every_place() {
    for (reference, why) in MISSING {
        let slot = format!("{{{reference}}}");
        for written in written(&slot) {
            assert_eq!(written, format!("skipped: `{slot}` {why}"));
        }
        for written in written(&format!("x{slot}")) {
            assert_eq!(written, format!("skipped: `{slot}` {why}"));
        }
        for written in written(&format!("{{{reference} join ','}}")) {
            assert_eq!(written, format!("skipped: `{slot}` {why}"));
        }
    }
}

#[test]
fn a_question_mark_leaves_out_the_whole_place() {
    for (reference, _) in MISSING {
        let found = written(&format!("{{{reference}?}}"));
        assert_eq!(
            found,
            ["mistake", "", "left out", "{}", "r=1"],
            "{reference}"
        );
        let inside = written(&format!("x{{{reference}?}}"));
        assert_eq!(inside, ["mistake"; 5]);
    }
}

#[test]
fn a_default_stands_in_for_a_missing_value() {
    for (reference, _) in MISSING {
        let found = written(&format!("{{{reference} ?? 'd/d'}}"));
        let expected = ["/d%2Fd", "?q=d%2Fd", "d/d", r#"{"q":"d/d"}"#, "q=d%2Fd&r=1"];
        assert_eq!(found, expected, "{reference}");
        let found = written(&format!("{{{reference} ?? 1.10}}"));
        assert_eq!(
            found,
            ["/1.10", "?q=1.10", "1.10", r#"{"q":1.10}"#, "q=1.10&r=1"]
        );
        let found = written(&format!("x{{{reference} ?? 1}}"));
        assert_eq!(found, ["/x1", "?q=x1", "x1", r#"{"q":"x1"}"#, "q=x1&r=1"]);
        let found = written(&format!("{{{reference} ?? null}}"));
        assert_eq!(
            found,
            ["mistake", "mistake", "mistake", r#"{"q":null}"#, "mistake"]
        );
        let found = written(&format!("{{{reference} ?? []}}"));
        assert_eq!(found, ["mistake", "", "mistake", r#"{"q":[]}"#, "r=1"]);
    }
}

#[test]
fn null_is_missing_where_text_is_needed() {
    let why = "skipped: `{users.body.nil}` is null";
    assert_eq!(
        written("{users.body.nil}"),
        [why, why, why, r#"{"q":null}"#, why]
    );
    assert_eq!(written("x{users.body.nil}"), [why; 5]);
    assert_eq!(written("{users.body.nil join ','}"), [why; 5]);
    assert_eq!(
        written("{users.body.nil?}"),
        ["mistake", "", "left out", r#"{"q":null}"#, "r=1"]
    );
    assert_eq!(
        written("{users.body.nil ?? 'd'}"),
        ["/d", "?q=d", "d", r#"{"q":"d"}"#, "q=d&r=1"]
    );
    let why = "skipped: `{users.failure}` is null";
    assert_eq!(
        written("{users.failure}"),
        [why, why, why, r#"{"q":null}"#, why]
    );
}

#[test]
fn an_object_where_text_is_needed_skips_the_call_whatever_stands_in_for_a_missing_one() {
    let why = "skipped: `{users.body.object}` is an object, where text is needed";
    let object = r#"{"q":{"a":1}}"#;
    assert_eq!(written("{users.body.object}"), [why, why, why, object, why]);
    assert_eq!(
        written("{users.body.object?}"),
        ["mistake", why, why, object, why]
    );
    assert_eq!(
        written("{users.body.object ?? 'd'}"),
        [why, why, why, object, why]
    );
    assert_eq!(written("x{users.body.object ?? 'd'}"), [why; 5]);
    assert_eq!(written("{users.body.object join ','}"), [why; 5]);
    let why =
        "skipped: `{users.body.items}` has an element that is an object, where text is needed";
    assert_eq!(written("{users.body.items join ','}"), [why; 5]);
}

#[test]
fn a_list_is_pairs_in_a_query_and_a_form_and_text_if_it_is_joined() {
    let why = "skipped: `{users.body.ids}` is a list, where text is needed";
    assert_eq!(
        written("{users.body.ids}"),
        [
            why,
            "?q=1.10&q=b",
            why,
            r#"{"q":[1.10,"b"]}"#,
            "q=1.10&q=b&r=1"
        ]
    );
    assert_eq!(written("x{users.body.ids ?? 'd'}"), [why; 5]);
    assert_eq!(
        written("{users.body.ids join ', '}"),
        [
            "/1.10%2C%20b",
            "?q=1.10%2C%20b",
            "1.10, b",
            r#"{"q":"1.10, b"}"#,
            "q=1.10%2C%20b&r=1"
        ]
    );
    let why = "skipped: `{users.body.items[*].id}` is a list, where text is needed";
    assert_eq!(
        written("{users.body.items[*].id}"),
        [
            why,
            "?q=7&q=12345678901234567890",
            why,
            r#"{"q":[7,12345678901234567890]}"#,
            "q=7&q=12345678901234567890&r=1"
        ]
    );
}

#[test]
fn an_empty_list_is_no_missing_value() {
    for (reference, whole) in [
        ("users.body.empty", "[]"),
        ("users.body.items[*].none", "[]"),
    ] {
        let why = format!("skipped: `{{{reference}}}` is a list, where text is needed");
        let json = format!("{{\"q\":{whole}}}");
        let found = written(&format!("{{{reference}}}"));
        assert_eq!(found, [&*why, "", &*why, &*json, "r=1"]);
        let found = written(&format!("{{{reference}?}}"));
        assert_eq!(found, ["mistake", "", &*why, &*json, "r=1"]);
        let found = written(&format!("{{{reference} ?? 'd'}}"));
        assert_eq!(found, [&*why, "", &*why, &*json, "r=1"]);
        let empty = format!(
            "skipped: `{{{reference}}}` is empty, `.` or `..`, which no segment of a path can be"
        );
        let found = written(&format!("{{{reference} join ','}}"));
        assert_eq!(found, [&*empty, "?q=", "", r#"{"q":""}"#, "q=&r=1"]);
    }
}

#[test]
fn a_null_among_the_elements_is_a_missing_value_of_its_own() {
    let why = "skipped: `{users.body.list}` has an element that is null";
    let whole = r#"{"q":[1,"b",null]}"#;
    let list = "skipped: `{users.body.list}` is a list, where text is needed";
    assert_eq!(written("{users.body.list}"), [list, why, list, whole, why]);
    assert_eq!(
        written("{users.body.list?}"),
        ["mistake", "?q=1&q=b", list, whole, "q=1&q=b&r=1"]
    );
    assert_eq!(
        written("{users.body.list ?? 0}"),
        [list, "?q=1&q=b&q=0", list, whole, "q=1&q=b&q=0&r=1"]
    );
    assert_eq!(
        written("{users.body.list ?? []}"),
        ["mistake", why, "mistake", whole, why]
    );
    assert_eq!(written("{users.body.list join ','}"), [why; 5]);
    assert_eq!(
        written("{users.body.list join ',' ?? 0}"),
        [
            "/1%2Cb%2C0",
            "?q=1%2Cb%2C0",
            "1,b,0",
            r#"{"q":"1,b,0"}"#,
            "q=1%2Cb%2C0&r=1"
        ]
    );
    let why = "skipped: `{users.body.nils[*].id}` has an element that is null";
    assert_eq!(written("{users.body.nils[*].id}")[1], why);
}
