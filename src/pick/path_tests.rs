//! Tests of paths.

use super::*;
use crate::pick::{Kind, elements, kind, members, name};

fn find(path: &str, json: &str) -> String {
    let path = match path {
        "" => Path::default(),
        path => Path::parse(path).unwrap(),
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match path.find(json.as_bytes()) {
        Picked::Missing => "missing".to_owned(),
        Picked::One(value) => text(value),
        Picked::Many(values) => {
            let values: Vec<_> = values.into_iter().map(text).collect();
            format!("many {}", values.join(" "))
        }
    }
}

#[test]
fn a_step_leads_to_a_member_or_an_element() {
    let json = r#" { "a" : { "b" : [ 10 , {"c":"}]"} , [ ] ] , "x-y" : 1.10 } , "é" : null } "#;
    for (path, expected) in [
        ("", json.trim()),
        ("a.b[0]", "10"),
        (".a.b[1].c", r#""}]""#),
        ("a.b[-1]", "[ ]"),
        ("a.b[-3]", "10"),
        ("a.b[-4]", "missing"),
        ("a.b[3]", "missing"),
        ("a[\"x-y\"]", "1.10"),
        ("a['x-y']", "1.10"),
        ("é", "null"),
        ("é.b", "missing"),
        ("a[0]", "missing"),
        ("a.b.c", "missing"),
        ("b", "missing"),
        ("a[-9223372036854775808]", "missing"),
    ] {
        assert_eq!(find(path, json), expected, "{path}");
    }
}

#[test]
fn bytes_are_found_as_they_were_written() {
    for value in [
        "12345678901234567890",
        "1.10",
        "1e400",
        "-0",
        r#""\u00e9""#,
        "{\"b\":1, \"a\":2,\"b\":3}",
        "[ ]",
        "true",
        "null",
    ] {
        assert_eq!(find("a", &format!("{{\"a\":{value}}}")), value);
        assert_eq!(find("[1]", &format!("[0 , {value} ]")), value);
        assert_eq!(find("", &format!("\n{value}\t")), value);
    }
}

#[test]
fn every_element_makes_a_list_without_those_that_lack_the_rest() {
    let json = r#"{"items":[{"id":1,"tags":["a","b"]},{"id":2},{},7,{"id":3,"tags":[]}]}"#;
    for (path, expected) in [
        ("items[*].id", "many 1 2 3"),
        ("items[*].tags[*]", r#"many "a" "b""#),
        ("items[*].tags[0]", r#"many "a""#),
        ("items[*].tags", r#"many ["a","b"] []"#),
        ("items[*].none", "many "),
        ("items[0][*]", "missing"),
        ("none[*]", "missing"),
    ] {
        assert_eq!(find(path, json), expected, "{path}");
    }
    assert_eq!(find("[*]", "[]"), "many ");
    assert_eq!(find("[*]", " [ 1 ,2] "), "many 1 2");
    assert_eq!(find("[*][*]", "[[1],[],[2,3],4]"), "many 1 2 3");
}

#[test]
fn the_last_of_members_with_one_name_wins_even_if_it_lacks_the_rest() {
    assert_eq!(find("a", r#"{"a":1,"b":2,"\u0061":3}"#), "3");
    assert_eq!(find("a.b", r#"{"a":{"b":1},"a":{}}"#), "missing");
    assert_eq!(find("a[*].b", r#"{"a":[{"b":1}],"a":[]}"#), "many ");
    assert_eq!(find("a[*]", r#"{"a":[1],"a":2}"#), "missing");
    let json = r#"[{"a":[1,2],"a":[3]},{"a":[4],"a":5}]"#;
    assert_eq!(find("[*].a[*]", json), "many 3");
}

#[test]
fn a_name_with_a_backslash_is_no_escape() {
    let json = r#"{"\u0062":1,"\\u0062":2}"#;
    assert_eq!(find(r#"["\\u0062"]"#, json), "2");
    assert_eq!(find("b", json), "1");
    assert_eq!(find(r#"["\\u0062"]"#, r#"{"\u0062":1}"#), "missing");
    assert_eq!(find(r#"["\\n"]"#, r#"{"\n":1}"#), "missing");
}

#[test]
fn json_of_any_depth_is_walked() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let json = format!("{{\"a\":{},\"b\":2}}", deep(100_000));
    assert_eq!(find("b", &json), "2");
    assert_eq!(find("a", &json), deep(100_000));
    assert_eq!(find("a[0][0]", &json), deep(100_000 - 2));
}

#[test]
fn what_is_no_json_ends_the_walk_without_a_panic() {
    for json in [
        "",
        " ",
        "{",
        "[",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "[1",
        "[,,]",
        "{a:1}",
        "]",
        "{\"a\\",
        "\"",
        "{\"a\":[}",
        "[{]",
        "{\"a\":1]",
        ",",
        ":",
    ] {
        for path in ["a", "[0]", "[-1]", "[*]", "a[*].b"] {
            let _ = Path::parse(path).unwrap().find(json.as_bytes());
        }
        elements(json.as_bytes()).for_each(|_| {});
        members(json.as_bytes()).for_each(|_| {});
    }
    assert_eq!(find("a", " "), "missing");
    assert_eq!(Path::default().find(b""), Picked::Missing);
}

#[test]
fn a_path_is_written_as_it_is_read() {
    for text in [
        "a",
        "a.b_c.$d.@e.é1",
        "[0]",
        "[-1]",
        "[*].a",
        "a[\"x-y\"][0][*].b",
        "[\"\"]",
        "[\"0\"]",
        "[\"a\\\"b\\\\\"]",
    ] {
        assert_eq!(Path::parse(text).unwrap().to_string(), text);
    }
    let read = |text: &str| Path::parse(text).unwrap().to_string();
    assert_eq!(read(".a"), "a");
    assert_eq!(read("['a'].b"), "a.b");
    assert_eq!(read("[\"\\u0061-\"]"), "[\"a-\"]");
}

#[test]
fn a_text_that_is_no_path_is_told_how_one_is_written() {
    for (text, expected) in [
        ("", "an empty path leads nowhere"),
        ("a.", "a name is missing after the last `.`"),
        (
            "a..b",
            "`.` begins no name; such a name is written `[\"…\"]`",
        ),
        ("a.*", "every element is written `[*]`"),
        (
            "a.x-y.b",
            "`-` after `a.x` begins no step; a name with such characters is written `[\"x-y\"]`",
        ),
        (
            "a.0",
            "`0` is no name: an element is written `[0]`, a member `[\"0\"]`",
        ),
        (
            "a[x]",
            "`[x` begins no step: in brackets stand an index `[0]`, `[-1]`, `[*]`, or a name `[\"x-y\"]`",
        ),
        ("a[0] ", "` ` after `a[0]` begins no step"),
        ("[0]b", "`b` after `[0]` begins no step"),
    ] {
        assert_eq!(Path::parse(text).unwrap_err().0, expected, "{text}");
    }
    for text in [
        "a[",
        "a[]",
        "a[1",
        "a[+1]",
        "a[1.5]",
        "a[99999999999999999999]",
        "a[\"x]",
        "a['x\"]",
    ] {
        let told = Path::parse(text).unwrap_err().0;
        assert!(told.contains("begins no step"), "{told}");
    }
    let long = "a".to_owned() + &"[0]".repeat(MOST_STEPS);
    assert_eq!(
        Path::parse(&long).unwrap_err().0,
        "it has more than 32 steps"
    );
    assert!(Path::parse(&long[..long.len() - 3]).is_ok());
}

#[test]
fn the_steps_at_the_start_of_a_text_are_read() {
    let (path, rest) = Path::read(".a[0] ?? 1").unwrap();
    assert_eq!((&*path.to_string(), rest), ("a[0]", " ?? 1"));
    assert_eq!(Path::read("?").unwrap(), (Path::default(), "?"));
    assert!(Path::read(".").is_err());
}

#[test]
fn elements_and_members_come_in_order_and_as_they_are_written() {
    let json = br#" { "a" : 1 , "\u0061":[2] , "a" : "}" } "#;
    let found: Vec<_> = members(json).collect();
    let expected: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (br"\u0061", b"[2]"), (b"a", b"\"}\"")];
    assert_eq!(found, expected);
    assert_eq!(name(found[1].0).as_deref(), Some("a"));
    let found: Vec<_> = elements(b"[ 1 ,\"]\", {\"a\":[]} ,[]]").collect();
    let expected: [&[u8]; 4] = [b"1", b"\"]\"", b"{\"a\":[]}", b"[]"];
    assert_eq!(found, expected);
    for json in ["[]", " [ ] ", "{}", "1", "\"[1]\"", "null"] {
        assert_eq!(elements(json.as_bytes()).next(), None, "{json}");
        assert_eq!(members(json.as_bytes()).next(), None, "{json}");
    }
    let mut over = elements(b"[1]");
    assert_eq!(
        (over.next(), over.next(), over.next()),
        (Some(&b"1"[..]), None, None)
    );
}

#[test]
fn the_first_byte_tells_the_kind() {
    for (json, expected) in [
        ("null", Kind::Null),
        (" true", Kind::Bool),
        ("false", Kind::Bool),
        ("-1", Kind::Number),
        ("0", Kind::Number),
        ("\"\"", Kind::Text),
        ("\n[]", Kind::List),
        ("{}", Kind::Object),
    ] {
        assert_eq!(kind(json.as_bytes()), expected, "{json}");
    }
}
