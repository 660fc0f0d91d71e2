//! Tests of paths.

use super::*;
use crate::values::fixture::{Names, Values};

fn parse(base: &str, text: &str) -> Result<PathTemplate, Vec<String>> {
    let parsed = PathTemplate::parse(base, text, &Names::new().known());
    parsed.map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.0).collect())
}

fn written(template: &PathTemplate, value: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let values = Values::of_text(value);
    let written = template.write(&values.scope(), &mut out);
    written.map_err(|skipped| skipped.0)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_path_follows_the_base_with_its_values_encoded() {
    for (base, text, expected) in [
        ("/", "/users/{path.v}", "/users/a%2Fb%20%C3%A9"),
        ("", "/{path.v}", "/a%2Fb%20%C3%A9"),
        ("/api", "/x/{path.v}/y", "/api/x/a%2Fb%20%C3%A9/y"),
        ("/api/", "/x-{path.v}.json", "/api/x-a%2Fb%20%C3%A9.json"),
        ("/a%2Fb", "/c%2Fd//e;f=1,2/", "/a%2Fb/c%2Fd//e;f=1,2/"),
        ("/api", "/", "/api/"),
        ("/", "/", "/"),
    ] {
        let template = parse(base, text).unwrap();
        assert_eq!(written(&template, "a/b é").unwrap(), expected, "{text}");
        let constant = template.constant().map(<[u8]>::to_vec);
        assert_eq!(template.is_constant(), !text.contains('{'));
        let is_expected = |constant: Vec<u8>| constant == expected.as_bytes();
        assert_eq!(constant.is_some_and(is_expected), template.is_constant());
    }
}

#[test]
fn a_value_that_makes_no_segment_skips_the_call() {
    for text in [
        "/{path.v}",
        "/x{path.v}",
        "/{path.v}{query.v}",
        "/.{path.v}",
        "/%2e{path.v}/y",
    ] {
        let template = parse("", text).unwrap();
        for value in ["", ".", ".."] {
            assert_eq!(
                written(&template, value).unwrap_err(),
                "`{path.v}` is empty, `.` or `..`, which no segment of a path can be",
                "{text} {value:?}"
            );
        }
        assert!(written(&template, "...").is_ok());
    }
    let template = parse("", "/{path.v}").unwrap();
    assert_eq!(written(&template, "%2e%2e").unwrap(), "/%252e%252e");
    assert_eq!(written(&template, "../x").unwrap(), "/..%2Fx");
    assert_eq!(written(&template, "a.b-c_d~e").unwrap(), "/a.b-c_d~e");
}

#[test]
fn what_no_path_has_is_a_mistake() {
    for (text, expected) in [
        ("users", "a path begins with `/`"),
        ("{path.v}", "a path begins with `/`"),
        ("", "a path begins with `/`"),
        (
            "/a?b=c",
            "a path has no `?`: the query has a key of its own, `query`",
        ),
        ("/a#b", "a path has no '#': it is written `%23`"),
        ("/a b", "a path has no ' ': it is written `%20`"),
        ("/ä", "a path has no 'ä': it is written `%C3%A4`"),
        ("/a\r", "a path has no '\\r': it is written `%0D`"),
        ("/a{{b", "a path has no '{': it is written `%7B`"),
        (
            "/%2",
            "a `%` without two hexadecimal digits after it is written `%25`",
        ),
        (
            "/%{path.v}",
            "a `%` without two hexadecimal digits after it is written `%25`",
        ),
        (
            "/%2{path.v}",
            "a `%` without two hexadecimal digits after it is written `%25`",
        ),
        ("/a/../b", "a path has no segment `..`"),
        ("/a/%2E", "a path has no segment `.`"),
        (
            "/a/{path.v ?? ''}",
            "`{path.v}`: its default is empty, `.` or `..`, which no segment of a path can be",
        ),
    ] {
        assert_eq!(parse("", text).unwrap_err(), [expected], "{text}");
    }
    let told = parse("", "x?{usres.ok}{path.v?}").unwrap_err();
    assert_eq!(told.len(), 4, "{told:?}");
}
