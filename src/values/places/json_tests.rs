//! Tests of JSON made from values.

use serde_json::json;

use super::*;
use crate::values::fixture::{Names, Values};

fn written(template: &Tree, body: &str) -> Result<String, Skipped> {
    let template = JsonTemplate::parse(template, &Names::new().known()).unwrap();
    let values = Values::of_json(body.as_bytes());
    let mut out = Vec::new();
    template.write(&values.scope(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_string_that_is_one_reference_takes_the_value_with_its_bytes() {
    for value in [
        "12345678901234567890",
        "1.10",
        "1e400",
        "-0",
        r#""\u00e9\ud800""#,
        r#"{"b": 1,"a":2,"b":[ ]}"#,
        "null",
        "false",
    ] {
        let body = format!("{{\"v\":{value}}}");
        let template = json!({"x": "{users.body.v}", "y": ["{ body.v }"]});
        let expected = format!("{{\"x\":{value},\"y\":[{value}]}}");
        assert_eq!(written(&template, &body).unwrap(), expected);
    }
}

#[test]
fn in_a_longer_string_a_value_becomes_text() {
    let body = r#"{"n":1.10,"t":"a\"\u00e9\n","b":true}"#;
    let template = json!("{body.n}-{body.t}-{body.b}-{index}-{users.status}");
    assert_eq!(
        written(&template, body).unwrap(),
        r#""1.10-a\"é\n-true-3-200""#
    );
}

#[test]
fn a_member_or_element_that_is_left_out_takes_its_comma_with_it() {
    let body = r#"{"a":1}"#;
    for (template, expected) in [
        (json!(["{body.x?}", "{body.a}", "{body.x?}"]), "[1]"),
        (json!(["{body.x?}", "{body.x?}"]), "[]"),
        (json!(["{body.a}", "{body.x?}", 2]), "[1,2]"),
        (
            json!({"a": "{body.x?}", "b": 1, "c": "{body.x?}", "d": "{body.a?}"}),
            r#"{"b":1,"d":1}"#,
        ),
        (
            json!({"a": {"b": "{body.x?}"}, "c": ["{body.x?}"]}),
            r#"{"a":{},"c":[]}"#,
        ),
    ] {
        assert_eq!(written(&template, body).unwrap(), expected);
    }
}

#[test]
fn what_has_no_reference_is_constant() {
    let known = Names::new();
    let template = json!({"a": [1, null, {"b{x}": "{{c}}"}], "d": {}, "e": [], "f": "\u{2028}"});
    let constant = JsonTemplate::parse(&template, &known.known()).unwrap();
    assert!(constant.is_constant());
    assert_eq!(
        constant.constant().unwrap(),
        br#"{"a":[1,null,{"b{x}":"{c}"}],"d":{},"e":[],"f":"\u2028"}"#
    );
    assert_eq!(constant.references().count(), 0);
    let template = json!({"a": ["{body.a}", {"b": "x{item.c}"}], "d": "{path.v ?? 1}"});
    let made = JsonTemplate::parse(&template, &known.known()).unwrap();
    assert_eq!(made.constant(), None);
    let texts: Vec<_> = made
        .references()
        .map(|reference| &*reference.text)
        .collect();
    assert_eq!(texts, ["body.a", "item.c", "path.v"]);
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let template = json!({"a": ["x", "{usres.ok}"], "b": {"c": "}{path.v}{"}, "d": "{path.v}"});
    let told = JsonTemplate::parse(&template, &Names::new().known()).unwrap_err();
    let places: Vec<_> = told
        .iter()
        .map(|told| told.0.split_once(": ").unwrap().0)
        .collect();
    assert_eq!(places, ["a[1]", "b.c", "b.c"]);
    let whole = JsonTemplate::parse(&json!("{path.v?}"), &Names::new().known()).unwrap_err();
    assert!(
        whole[0]
            .0
            .starts_with("`{path.v}`: `?` leaves out a whole value"),
        "{whole:?}"
    );
}
