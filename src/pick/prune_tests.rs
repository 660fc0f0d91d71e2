//! Tests of values with some of their members.

use super::*;

fn paths(texts: &[&str]) -> Vec<Path> {
    let parse = |text: &&str| Path::parse(text).unwrap();
    texts.iter().map(parse).collect()
}

fn written(prune: &Prune, json: &str) -> String {
    let mut out = Vec::new();
    prune.write(json.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

fn kept(texts: &[&str], json: &str) -> String {
    written(&Prune::keep(&paths(texts)).unwrap(), json)
}

fn dropped(texts: &[&str], json: &str) -> String {
    written(&Prune::drop(&paths(texts)).unwrap(), json)
}

const BODY: &str = r#"{"id":1,"team":{"id":7,"name":"x","lead":{"id":8}},"items":[{"price":1.10,"sku":"a"},{"sku":"b"}],"ok":true}"#;

#[test]
fn only_kept_members_stay() {
    for (paths, expected) in [
        (&["id"][..], r#"{"id":1}"#),
        (&["team.id"], r#"{"team":{"id":7}}"#),
        (
            &["ok", "team.lead", "id"],
            r#"{"id":1,"team":{"lead":{"id":8}},"ok":true}"#,
        ),
        (&["items[*].price"], r#"{"items":[{"price":1.10},{}]}"#),
        (
            &["items[*]"],
            r#"{"items":[{"price":1.10,"sku":"a"},{"sku":"b"}]}"#,
        ),
        (&["none"], "{}"),
        (&["team.none"], r#"{"team":{}}"#),
        (&["id.none"], "{}"),
        (&["team[*].id"], r#"{"team":{}}"#),
        (&["items.price"], r#"{"items":[]}"#),
        (&[], "{}"),
    ] {
        assert_eq!(kept(paths, BODY), expected, "{paths:?}");
    }
}

#[test]
fn only_dropped_members_go() {
    for (paths, expected) in [
        (&["team", "items"][..], r#"{"id":1,"ok":true}"#),
        (
            &["team.lead.id", "items", "id"],
            r#"{"team":{"id":7,"name":"x","lead":{}},"ok":true}"#,
        ),
        (
            &["items[*].sku", "team"],
            r#"{"id":1,"items":[{"price":1.10},{}],"ok":true}"#,
        ),
        (&["items[*]", "team"], r#"{"id":1,"items":[],"ok":true}"#),
        (&["none", "id.none", "team[*].id", "items.sku"], BODY),
        (&[], BODY),
    ] {
        assert_eq!(dropped(paths, BODY), expected, "{paths:?}");
    }
}

#[test]
fn paths_that_overlap_mean_the_shorter_one() {
    for both in [["team", "team.id"], ["team.id", "team"]] {
        let team = r#"{"team":{"id":7,"name":"x","lead":{"id":8}}}"#;
        assert_eq!(kept(&both, BODY), team);
        assert_eq!(dropped(&both, team), "{}");
    }
    let several = ["team.id", "team.lead.id"];
    assert_eq!(kept(&several, BODY), r#"{"team":{"id":7,"lead":{"id":8}}}"#);
    assert_eq!(
        kept(&["a[*].b", "a[*].c", "a.d"], r#"{"a":{"d":1,"b":2}}"#),
        r#"{"a":{"d":1}}"#
    );
}

#[test]
fn what_stands_on_the_way_is_never_shown_unless_it_says_that_there_is_nothing() {
    assert_eq!(kept(&["a.b"], r#"{"a":"secret"}"#), "{}");
    assert_eq!(kept(&["a.b"], r#"{"x":0,"a":1,"c":2}"#), "{}");
    assert_eq!(kept(&["a.b"], r#"{"a":null}"#), r#"{"a":null}"#);
    assert_eq!(kept(&["a.b"], r#"{"a":["secret"]}"#), r#"{"a":[]}"#);
    let list = r#"[{"b":1,"c":2},null,"secret",{"c":3},[4]]"#;
    assert_eq!(kept(&["[*].b"], list), r#"[{"b":1},null,{},[]]"#);
    assert_eq!(kept(&["b"], list), "[]");
    for scalar in ["1", "\"secret\"", "true", " null "] {
        assert_eq!(kept(&["b"], scalar), "null");
        assert_eq!(dropped(&["b"], scalar), scalar.trim());
    }
}

#[test]
fn what_stays_keeps_its_bytes_its_order_and_its_duplicates() {
    let json = r#"{ "z" : 12345678901234567890 ,"\u00e9":[1.10, 1e400 , -0],"z":"\u00e9","a":{"b" : 1,"b":2 } , "q":0}"#;
    let expected =
        r#"{"z":12345678901234567890,"\u00e9":[1.10, 1e400 , -0],"z":"\u00e9","a":{"b":1,"b":2}}"#;
    assert_eq!(kept(&["a.b", "é", "z"], json), expected);
    let without = dropped(&["q", "a.x"], json);
    assert_eq!(without, expected);
    assert_eq!(
        kept(&["a.b"], r#"{"\u0061":{"\u0062":1,"c":2}}"#),
        r#"{"\u0061":{"\u0062":1}}"#
    );
    assert_eq!(
        dropped(&["a.b"], r#"{"\u0061":{"\u0062":1,"c":2}}"#),
        r#"{"\u0061":{"c":2}}"#
    );
}

#[test]
fn json_of_any_depth_is_pruned() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let json = format!(r#"{{"a":{deep},"b":{deep}}}"#);
    let one = format!(r#"{{"a":{deep}}}"#);
    assert_eq!(kept(&["a"], &json), one);
    assert_eq!(dropped(&["b"], &json), one);
}

#[test]
fn an_index_can_be_neither_kept_nor_dropped() {
    let told = Prune::keep(&paths(&["a", "items[0].id"])).unwrap_err().0;
    assert_eq!(
        told,
        "`items[0].id` has `[0]`, but only `[*]`, for all elements, can be kept or left out"
    );
    assert!(Prune::drop(&paths(&["a[-1]"])).is_err());
    assert!(Prune::drop(&[Path::default()]).is_err());
}

#[test]
fn what_is_no_json_is_pruned_without_a_panic() {
    for json in [
        "",
        " ",
        "{",
        "[",
        "{\"a",
        "{\"a\":",
        "[1",
        "{a:1}",
        "]",
        "{\"a\\",
        "\"",
        "{\"a\":[}",
    ] {
        for prune in [
            Prune::keep(&paths(&["a[*].b"])),
            Prune::drop(&paths(&["a[*].b", "c"])),
        ] {
            written(&prune.unwrap(), json);
        }
    }
}
