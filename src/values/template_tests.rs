//! Tests of texts with references, as a configuration writes them.

use super::*;
use crate::values::fixture::{Names, Values};

fn parse_for(text: &str, takes: Takes) -> Result<Template, Vec<String>> {
    let parsed = Template::parse(text, takes, &Names::new().known());
    parsed.map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.0).collect())
}

/// Returns the text in a request in which every source has `x`.
fn written(text: &str) -> String {
    let template = parse_for(text, Takes::Texts).unwrap();
    let values = Values::of_text("x");
    let mut out = String::new();
    let write = |part: Cow<'_, str>| out.push_str(&part);
    template.each_text(&values.scope(), write).unwrap();
    out
}

#[test]
fn literals_and_values_stand_in_order() {
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("{path.v}", "x"),
        ("{ path.v }", "x"),
        ("a{path.v}b{query.v}{headers.v}c", "axbxxc"),
        ("{{path.v}}", "{path.v}"),
        ("{{{path.v}}}", "{x}"),
        ("}}{{", "}{"),
        ("{users.body.none ?? 'a}b'}c", "a}bc"),
        ("{users.body.none ?? \"\\u0061\\\"\"}", "a\""),
        ("{users.body.none??1.10}", "1.10"),
        ("{users.body.none ?? true }", "true"),
        ("{users.body.none ?? -1e400}", "-1e400"),
        ("{users.body[\"}\"] ?? ''}", ""),
        ("{users.body.v join ', '}", "x"),
        ("{users.body.none join ',' ?? 'y'}", "y"),
        (
            "{index}{users.ok}{users.status}{broken.failure}",
            "3true200connect",
        ),
    ] {
        assert_eq!(written(text), expected, "{text}");
    }
}

#[test]
fn every_mistake_is_told() {
    let told = parse_for("{usres.ok} {path.v} } {path.x ?? 1} {", Takes::Texts).unwrap_err();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].contains("did you mean `users`?"), "{told:?}");
    for (text, expected) in [
        ("{", "a reference is missing"),
        ("{}", "`}` begins no reference"),
        (
            "}",
            "a `}` has no `{`; a literal brace is written twice, `}}`",
        ),
        (
            "{path.v",
            "a `{` has no `}`; a literal brace is written twice, `{{`",
        ),
        (
            "{path.v query.v}",
            "`q` after `path.v`: there may be `join ','`, then `?` or `?? 'default'`, then `}`",
        ),
        (
            "{users.body.x-y}",
            "`-` after `users.body.x`: a name with other characters than letters, digits and `_` is written `[\"x-y\"]`",
        ),
        (
            "{path.v join ,}",
            "`join` needs a text in quotes, such as `join ','`",
        ),
        (
            "{path.v ?? x}",
            "`??` needs a JSON literal, such as `'x'`, `1`, `true`, `null` or `[]`",
        ),
        (
            "{path.v ??}",
            "`??` needs a JSON literal, such as `'x'`, `1`, `true`, `null` or `[]`",
        ),
        (
            "{path.v ? ?? 1}",
            "`?` after `path.v`: there may be `join ','`, then `?` or `?? 'default'`, then `}`",
        ),
    ] {
        assert_eq!(
            parse_for(text, Takes::Texts).unwrap_err(),
            [expected],
            "{text}"
        );
    }
}

#[test]
fn a_place_is_asked_what_it_takes() {
    use Takes::{Json, OptionalJson, OptionalText, Text, Texts};
    let all = [Text, OptionalText, Texts, OptionalJson, Json];
    for (slot, accepted) in [
        ("{path.v}", &all[..]),
        ("{path.v?}", &[OptionalText, Texts, OptionalJson]),
        ("{path.v ?? 'x'}", &all),
        ("{path.v ?? null}", &[OptionalJson, Json]),
        ("{path.v ?? {\"a\":[]}}", &[OptionalJson, Json]),
        ("{path.v ?? []}", &[Texts, OptionalJson, Json]),
        ("{path.v ?? ['a',1]}", &[]),
        ("{path.v ?? [\"a\",1]}", &[Texts, OptionalJson, Json]),
        ("{path.v ?? [null]}", &[OptionalJson, Json]),
        ("{path.v ?? \"\\ud800\"}", &[OptionalJson, Json]),
        ("{path.v join ',' ?? []}", &[]),
        ("{path.v join ',' ?}", &[OptionalText, Texts, OptionalJson]),
        ("x{path.v?}", &[]),
        ("x{path.v ?? []}", &[]),
        ("x{path.v ?? 1}", &all),
    ] {
        for takes in all {
            let parsed = parse_for(slot, takes);
            assert_eq!(
                parsed.is_ok(),
                accepted.contains(&takes),
                "{slot} {takes:?}"
            );
        }
    }
    assert_eq!(
        parse_for("x{path.v?}", Takes::Texts).unwrap_err(),
        ["`{path.v}`: `?` leaves out a whole value, which this is not: give a default with `??`"]
    );
    assert_eq!(
        parse_for("{path.v ?? null}", Takes::Text).unwrap_err(),
        ["`{path.v}`: its default has to be a text, a number, true or false"]
    );
}

#[test]
fn the_references_are_known() {
    let template = parse_for("a{path.v}{users.body.v ?? 1}", Takes::Text).unwrap();
    let texts: Vec<_> = template
        .references()
        .map(|reference| &*reference.text)
        .collect();
    assert_eq!(texts, ["path.v", "users.body.v"]);
    assert_eq!(template.constant(), None);
    assert_eq!(
        parse_for("a{{", Takes::Text).unwrap().constant(),
        Some("a{")
    );
}
