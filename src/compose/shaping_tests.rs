//! Tests of the part of a body that goes into a report: hidden, kept, dropped and selected.

use super::*;
use crate::{
    compose::{
        Comparison, Framing,
        fixture::{ODD, client, drop, failed, hidden, json, keep, outcome, text},
        json::{comparison, members},
    },
    fanout::{EachReport, FailureKind},
    pick::Path,
    values::{Part, Root},
};

fn report(calls: Vec<(CallResult, CallShape)>) -> serde_json::Value {
    let (results, shapes): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
    let client = client();
    let shaping = Shaping::new(&client, shapes.iter().enumerate().collect());
    let mut out = vec![b'{'];
    members(&mut out, "home", &outcome(results), Some(&shaping));
    out.push(b'}');
    serde_json::from_slice(&out).unwrap()
}

fn result(call: CallResult, shape: CallShape) -> serde_json::Value {
    report(vec![(call, shape)])["results"][0].take()
}

/// The part of one call's body, as text.
fn part(call: &CallResult, shape: &CallShape) -> Option<String> {
    let client = client();
    let shaping = Shaping::new(&client, vec![(2, shape)]);
    let mut out = Vec::new();
    let is_there = shaping.part(0, call, &mut out);
    assert!(is_there || out.is_empty());
    is_there.then(|| String::from_utf8(out).unwrap())
}

/// A shape with the part at this path of the body.
fn select(path: &str) -> CallShape {
    let reference = Reference {
        text: format!("users.body.{path}").into(),
        root: Root::Call(2, Part::Body),
        path: Path::parse(path).unwrap(),
    };
    CallShape {
        select: Some(Select::Reference(reference)),
        ..CallShape::default()
    }
}

#[test]
fn a_hidden_body_leaves_no_trace_and_the_result_stays() {
    for call in [json("login", "1"), text("login", "token")] {
        let shown = result(call, hidden());
        assert_eq!(shown["ok"], true);
        for member in ["body", "content_type", "encoding"] {
            assert!(shown.get(member).is_none(), "{shown}");
        }
    }
    let shown = result(failed("login", FailureKind::Timeout, Some("1")), hidden());
    assert_eq!(shown["failure"], "timeout");
    assert!(shown.get("body").is_none(), "{shown}");
}

#[test]
fn kept_and_dropped_members_leave_the_others_as_they_were() {
    let body = json("users", ODD);
    let kept = part(&body, &keep("a"));
    assert_eq!(kept.as_deref(), Some(r#"{"a":[1.10,-0]}"#));
    let dropped = part(&body, &drop("a"));
    let expected = ODD.replace(r#""a":[1.10,-0],"#, "");
    assert_eq!(dropped, Some(expected));
}

#[test]
fn a_body_that_is_no_json_gives_nothing_to_keep_or_to_drop() {
    for shape in [keep("a"), drop("a")] {
        let shown = result(text("users", "{\"a\":1,\"b\":2}"), shape);
        assert!(shown["body"].is_null(), "{shown}");
        assert!(shown.get("content_type").is_none(), "{shown}");
    }
}

#[test]
fn nor_does_such_a_body_that_is_selected() {
    let whole = Reference {
        text: "users.body".into(),
        root: Root::Call(2, Part::Body),
        path: Path::default(),
    };
    for prune in [keep("a").prune, drop("a").prune] {
        let shape = CallShape {
            select: Some(Select::Reference(whole.clone())),
            prune,
            ..CallShape::default()
        };
        let body = text("users", "{\"a\":1,\"b\":2}");
        assert_eq!(part(&body, &shape).as_deref(), Some("null"));
    }
}

#[test]
fn nor_does_a_text_among_the_bodies_of_elements() {
    let bodies = json("users", r#"[{"a":1,"b":2},"{\"a\":1}",null]"#);
    let each = EachReport {
        total: 3,
        ok: 2,
        failures: Vec::new(),
    };
    let bodies = bodies.with(None, Some(each));
    let shown = |shape| part(&bodies, &shape).unwrap();
    assert_eq!(shown(drop("[*].a")), r#"[{"b":2},null,null]"#);
    assert_eq!(shown(keep("[*].a")), r#"[{"a":1},null,null]"#);
}

#[test]
fn a_selected_part_keeps_its_bytes() {
    let body = json("users", ODD);
    for (path, expected) in [
        ("z", r#"{"b":1,"b":2}"#),
        ("e", "1e400"),
        ("a[0]", "1.10"),
        ("a[-1]", "-0"),
        ("a[*]", "[1.10,-0]"),
        ("\u{e9}", r#""\u00e9""#),
        ("missing.too", "null"),
    ] {
        assert_eq!(
            part(&body, &select(path)).as_deref(),
            Some(expected),
            "{path}"
        );
    }
}

#[test]
fn members_are_kept_of_the_selected_part() {
    let body = json("orders", r#"{"items":[{"id":1,"x":2},{"id":3}],"n":0}"#);
    for path in ["items", "items[*]"] {
        let shape = CallShape {
            prune: keep("[*].id").prune,
            ..select(path)
        };
        assert_eq!(
            part(&body, &shape).as_deref(),
            Some(r#"[{"id":1},{"id":3}]"#)
        );
    }
}

#[test]
fn a_fallback_is_shaped_as_the_body_it_stands_for() {
    let call = failed("users", FailureKind::Timeout, Some(r#"{"a":1,"b":2}"#));
    assert_eq!(part(&call, &select("b")).as_deref(), Some("2"));
    assert_eq!(part(&call, &keep("a")).as_deref(), Some(r#"{"a":1}"#));
    let shown = result(call, keep("a"));
    assert_eq!(shown["ok"], false);
    assert_eq!(shown["body"], serde_json::json!({"a": 1}));
}

#[test]
fn a_call_that_failed_has_no_part() {
    let call = failed("users", FailureKind::Timeout, None);
    assert_eq!(part(&call, &select("b")), None);
    assert!(result(call, keep("a")).get("body").is_none());
}

#[test]
fn a_stream_and_both_runs_of_a_comparison_are_shaped_too() {
    let client = client();
    let shape = keep("a");
    let shaping = Shaping::new(&client, vec![(0, &shape)]);
    let run = outcome(vec![json("users", r#"{"a":1,"secret":2}"#)]);
    let mut out = Vec::new();
    Framing::Lines.result(&mut out, None, 0, &run.results[0], Some(&shaping));
    let runs = Comparison {
        sequential: &run,
        concurrent: &run,
    };
    comparison(&mut out, "home", runs, Some(&shaping));
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches(r#""body":{"a":1}"#).count(), 3, "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_call_without_a_shape_of_its_own_is_as_ever_beside_one_that_has_one() {
    let shown = report(vec![
        (text("motd", "hello"), CallShape::default()),
        (json("users", "1"), hidden()),
    ]);
    assert_eq!(shown["results"][0]["content_type"], "text/plain");
    assert_eq!(shown["results"][0]["body"], "hello");
}
