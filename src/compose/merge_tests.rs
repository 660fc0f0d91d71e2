//! Tests of the merged answer: places, spread objects, failures, and bytes that stay as they are.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::StatusCode;
use proptest::{collection::vec, prelude::*};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::*;
use crate::{
    compose::{
        fixture::{ODD, client, drop, failed, hidden, into, json, keep, outcome, sent, text},
        shape::CallShape,
    },
    fanout::{Failure, Labels},
};

fn merge(calls: Vec<(CallResult, CallShape)>) -> String {
    let (results, shapes): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
    let client = client();
    let shaping = Shaping::new(&client, shapes.iter().enumerate().collect());
    let mut out = Vec::new();
    merged(&mut out, &outcome(results), &shaping);
    String::from_utf8(out).unwrap()
}

fn plain() -> CallShape {
    CallShape::default()
}

#[test]
fn each_call_has_its_name_for_a_key_in_plan_order() {
    let calls = vec![
        (json("users", r#"{"id": 1}"#), plain()),
        (json("orders", "[]"), plain()),
        (text("motd", "a \"b\"\u{2028}"), plain()),
        (sent("empty", Body::Empty), plain()),
    ];
    assert_eq!(
        merge(calls),
        r#"{"users":{"id": 1},"orders":[],"motd":"a \"b\"\u2028","empty":null}"#
    );
}

#[test]
fn bytes_are_base64() {
    let labels = Box::new(Labels::default());
    let bytes = Bytes::from_static(b"\x00\xff");
    let calls = vec![(sent("icon", Body::Binary { labels, bytes }), plain())];
    assert_eq!(merge(calls), r#"{"icon":"AP8="}"#);
}

#[test]
fn nothing_makes_an_empty_object() {
    assert_eq!(merge(vec![]), "{}");
    assert_eq!(merge(vec![(json("login", "1"), hidden())]), "{}");
}

#[test]
fn json_keeps_its_bytes_in_every_place() {
    for place in ["users", "a.b", "\u{e9}"] {
        let merged = merge(vec![(json("users", ODD), into(place))]);
        assert!(merged.contains(ODD), "{merged}");
    }
    let spread = merge(vec![(json("users", ODD), into("."))]);
    // An answer has each of its members once. Further inside nothing changes.
    let once = ODD.replacen(r#""z":12345678901234567890,"#, "", 1);
    assert_eq!(spread, once);
}

#[test]
fn members_of_one_object_stand_together_where_the_first_of_them_is() {
    let calls = vec![
        (json("a", "1"), into("user.profile")),
        (json("b", "2"), into("other")),
        (json("c", "3"), into("user.x.y")),
        (json("d", "4"), into("user.x.z")),
        (json("e", "5"), into("user.last")),
    ];
    assert_eq!(
        merge(calls),
        r#"{"user":{"profile":1,"x":{"y":3,"z":4},"last":5},"other":2}"#
    );
}

#[test]
fn a_call_that_failed_has_no_member_and_is_among_the_errors() {
    let refused = Failure::new(
        FailureKind::Status,
        "upstream answered 503 Service Unavailable",
    )
    .with_status(StatusCode::SERVICE_UNAVAILABLE);
    let mut down = failed("stock", FailureKind::Status, None);
    down.result = Err(refused);
    let calls = vec![
        (json("users", "1"), plain()),
        (down, into("a.b")),
        (failed("login", FailureKind::Timeout, None), hidden()),
        (failed("extra", FailureKind::Omitted, None), plain()),
    ];
    insta::assert_snapshot!(merge(calls), @r#"{"users":1,"errors":[{"name":"stock","failure":"status","status":503,"detail":"upstream answered 503 Service Unavailable"},{"name":"login","failure":"timeout","detail":"because"}]}"#);
}

#[test]
fn a_fallback_stands_for_the_body_and_the_failure_stays_among_the_errors() {
    let calls = vec![
        (failed("tips", FailureKind::Skipped, Some("[ ]")), plain()),
        (
            failed("more", FailureKind::Timeout, Some(r#"{"a":1,"b":2}"#)),
            keep("b"),
        ),
    ];
    let merged = merge(calls);
    assert!(
        merged.starts_with(r#"{"tips":[ ],"more":{"b":2},"errors":["#),
        "{merged}"
    );
    let hidden = merge(vec![(
        failed("tips", FailureKind::Timeout, Some("1")),
        hidden(),
    )]);
    assert!(!hidden.contains("\"tips\":"), "{hidden}");
}

#[test]
fn kept_and_dropped_members_hold_in_a_place_and_before_a_spread() {
    let body = r#"{"id":1.10,"secret":2,"errors":3}"#;
    let shape = |prune: CallShape, place: &str| CallShape {
        into: into(place).into,
        ..prune
    };
    let calls = vec![
        (json("a", body), shape(keep("id"), "x.y")),
        (json("b", body), shape(drop("secret"), ".")),
    ];
    assert_eq!(merge(calls), r#"{"x":{"y":{"id":1.10}},"id":1.10}"#);
}

#[test]
fn a_spread_object_never_replaces_what_a_call_or_the_gateway_says() {
    let calls = vec![
        (
            json("page", r#"{"users":0,"errors":[],"title":"x"}"#),
            into("."),
        ),
        (json("users", "1"), plain()),
        (failed("user", FailureKind::Timeout, None), into("title.a")),
    ];
    let merged = merge(calls);
    assert!(
        merged.starts_with(r#"{"users":1,"errors":[{"name":"user","#),
        "{merged}"
    );
}

#[test]
fn of_two_spread_objects_the_later_one_says_what_a_member_is() {
    let calls = vec![
        (json("a", r#"{"x":1,"y":2}"#), into(".")),
        (json("b", "null"), into(".")),
        (json("c", r#"{"x":3}"#), into(".")),
    ];
    assert_eq!(merge(calls), r#"{"y":2,"x":3}"#);
}

#[test]
fn what_is_to_be_spread_and_is_no_object_is_among_the_errors() {
    let calls = vec![
        (json("a", "[1]"), into(".")),
        (text("b", "{}"), into(".")),
        (sent("c", Body::Empty), into(".")),
        (json("d", r#"{"x":1}"#), into(".")),
    ];
    insta::assert_snapshot!(merge(calls), @r#"{"x":1,"errors":[{"name":"a","failure":"unexpected","status":200,"detail":"the value is no object, so it has no members that can stand in the answer"},{"name":"b","failure":"unexpected","status":200,"detail":"the value is no object, so it has no members that can stand in the answer"}]}"#);
}

/// The names of an object's members, each of which occurs once.
struct Names;

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = BTreeSet::new();
                while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                    if !names.insert(name) {
                        return Err(serde::de::Error::custom("a member stands twice"));
                    }
                }
                Ok(Names)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Any JSON, with members that are often alike.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-0".to_owned()),
        Just("1e400".to_owned()),
        Just(r#""}],{\"\\""#.to_owned()),
        Just(" true ".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = prop_oneof![
            Just("a"),
            Just(r"\u0061"),
            Just("errors"),
            Just("call_0"),
            Just("x"),
            Just(""),
            Just(r#"\"{"#),
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            vec((key, inner), 0..6).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("\"{key}\" :{value}"))
                    .collect();
                format!("{{ {} }}", members.join(","))
            }),
        ]
    })
}

fn any_call() -> impl Strategy<Value = (Option<String>, u8)> {
    (prop::option::weighted(0.8, any_json()), 0..6_u8)
}

proptest! {
    #[test]
    fn a_merged_answer_is_one_object_with_each_member_once_whatever_the_bodies(
        calls in vec(any_call(), 0..6),
    ) {
        let calls = calls.into_iter().enumerate().map(|(index, (body, shape))| {
            let name = format!("call_{index}");
            let call = match &body {
                Some(body) => json(&name, body.trim()),
                None => failed(&name, FailureKind::Timeout, None),
            };
            let shape = match shape {
                0 => into(&format!("x.{name}")),
                1 => keep("a"),
                2 => drop("a"),
                3 => plain(),
                _ => into("."),
            };
            (call, shape)
        });
        let merged = merge(calls.collect());
        let read = serde_json::from_str::<Names>(&merged);
        prop_assert!(read.is_ok(), "{merged}");
    }
}
