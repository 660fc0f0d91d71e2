//! Tests of the values of header fields.

use super::*;
use crate::values::fixture::{Names, Values};

fn parse(text: &str) -> Result<HeaderTemplate, Vec<String>> {
    let parsed = HeaderTemplate::parse(text, &Names::new().known());
    parsed.map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.0).collect())
}

#[test]
fn a_value_stands_in_its_text() {
    let values = Values::of_text("abc");
    let template = parse("Bearer {users.body.v}").unwrap();
    let value = template.value(&values.scope()).unwrap().unwrap();
    assert_eq!(value, "Bearer abc");
    assert!(!template.is_constant());
    let constant = parse("a {{b}}").unwrap();
    assert_eq!(constant.constant().unwrap(), "a {b}");
    assert_eq!(constant.value(&values.scope()).unwrap().unwrap(), "a {b}");
    assert_eq!(parse("").unwrap().constant().unwrap(), "");
}

#[test]
fn a_value_that_would_arrive_changed_is_never_sent() {
    for (value, why) in [
        (
            "a\r\nb: c",
            "it has a control character, or one beyond ASCII",
        ),
        ("é", "it has a control character, or one beyond ASCII"),
        ("a ", "it begins or ends with a space"),
        ("", "it begins or ends with a space"),
    ] {
        let skipped = parse("Bearer {path.v}").unwrap();
        let skipped = skipped.value(&Values::of_text(value).scope()).unwrap_err();
        let expected = format!("`{{path.v}}` makes a value that a header field can't hold: {why}");
        assert_eq!(skipped.0, expected, "{value:?}");
    }
    let two = parse("{path.v}{query.v}").unwrap();
    let skipped = two.value(&Values::of_text("\0").scope()).unwrap_err();
    assert!(
        skipped.0.starts_with("`{path.v}` with `{query.v}` makes"),
        "{skipped}"
    );
    let tab = parse("{path.v}").unwrap();
    let value = tab.value(&Values::of_text("a\t b").scope()).unwrap();
    assert_eq!(value.unwrap(), "a\t b");
}

#[test]
fn what_no_field_may_hold_is_a_mistake() {
    for (text, expected) in [
        ("é{path.v}", "the value of a header field can't have 'é'"),
        ("a\nb", "the value of a header field can't have '\\n'"),
        (
            "{path.v ?? 'é'}",
            "the value of a header field can't have 'é'",
        ),
        (
            " {path.v}",
            "the value of a header field neither begins nor ends with a space",
        ),
        (
            "{path.v}\t",
            "the value of a header field neither begins nor ends with a space",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err(), [expected], "{text:?}");
    }
    assert!(parse("{query[\"é\"]}").is_ok());
}
