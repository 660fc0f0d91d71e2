//! Tests of the JSON of an answer: members, bodies, line separators, and the room that is made for them.

use bytes::Bytes;
use http::StatusCode;

use super::*;
use crate::fanout::{EachFailure, Failure, FailureKind, Labels, Mode, Reply};

fn call(name: &str, result: Result<Body, Failure>) -> CallResult {
    let (start, elapsed) = (Duration::from_micros(41), Duration::from_micros(2_001_402));
    let result = result.map(|body| Reply::new(StatusCode::OK, body));
    CallResult::new(name, start, elapsed, result)
}

fn labels(content_type: Option<&str>, content_encoding: &str) -> Box<Labels> {
    Box::new(Labels {
        content_type: content_type.map(Into::into),
        content_encoding: Some(content_encoding.into()),
    })
}

fn outcome(results: Vec<CallResult>) -> Outcome {
    Outcome {
        mode: Mode::Concurrent,
        verdict: Verdict::Complete,
        elapsed: Duration::from_micros(2_001_913),
        results,
        positions: None,
    }
}

fn text(outcome: &Outcome) -> String {
    let mut json = vec![b'{'];
    members(&mut json, "default", outcome, None);
    json.push(b'}');
    String::from_utf8(json).unwrap()
}

#[test]
fn a_report_reads_as_documented() {
    let refused = Failure::new(
        FailureKind::Status,
        "upstream answered 503 Service Unavailable",
    )
    .with_status(StatusCode::SERVICE_UNAVAILABLE);
    let outcome = outcome(vec![
        call("ping_1", Ok(Body::Json(Bytes::from_static(b"\"pong\"")))),
        call("ping_2", Err(refused)),
    ]);
    insta::assert_snapshot!(text(&outcome), @r#"{"aggregate":"default","mode":"concurrent","outcome":"complete","elapsed_ms":2001.913,"sequential_ms":4002.804,"results":[{"name":"ping_1","ok":true,"status":200,"start_ms":0.041,"elapsed_ms":2001.402,"attempts":1,"body":"pong"},{"name":"ping_2","ok":false,"status":503,"start_ms":0.041,"elapsed_ms":2001.402,"attempts":1,"failure":"status","detail":"upstream answered 503 Service Unavailable"}]}"#);
}

#[test]
fn every_kind_of_body_makes_valid_json() {
    let bodies = [
        Body::Empty,
        Body::Json(Bytes::from_static(b"{\"a\" : [1e9]}")),
        Body::Text {
            content_type: Some("text/plain; charset=\"x\"".into()),
            text: Bytes::from_static("quote \" line\n \u{1}é".as_bytes()),
        },
        Body::Binary {
            labels: labels(None, "zstd"),
            bytes: Bytes::from_static(b"\x00\xff"),
        },
    ];
    for body in bodies {
        let text = text(&outcome(vec![call("one", Ok(body))]));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["results"][0]["ok"], true, "{text}");
    }
}

#[test]
fn an_answer_is_written_without_moving_whatever_is_in_it() {
    let all: Vec<u8> = (0..128).collect();
    let lines = "\u{2028}\u{2029}\u{2030}".repeat(3_000).into_bytes();
    for text in [all.repeat(100), vec![b'"'; 10_000], vec![1; 10_000], lines] {
        let bodies = [
            Body::Json(Bytes::from(vec![b'1'; 10_000])),
            Body::Text {
                content_type: Some("text/plain".into()),
                text: text.clone().into(),
            },
            Body::Binary {
                labels: labels(Some("image/png"), "x-odd"),
                bytes: text.into(),
            },
        ];
        let outcome = outcome(bodies.map(|body| call("one", Ok(body))).into());
        let mut json = Vec::new();
        members(&mut json, "default", &outcome, None);
        assert!(json.len() <= capacity(&outcome, None), "{}", json.len());
        assert!(capacity(&outcome, None) - json.len() < 1000);
    }
}

#[test]
fn text_and_bytes_say_what_they_are() {
    let text = text(&outcome(vec![
        call(
            "text",
            Ok(Body::Text {
                content_type: Some("text/html".into()),
                text: Bytes::from_static(b"<p>"),
            }),
        ),
        call(
            "bytes",
            Ok(Body::Binary {
                labels: labels(Some("image/png"), "zstd"),
                bytes: Bytes::from_static(b"\x89PNG"),
            }),
        ),
    ]));
    assert!(
        text.contains(r#""content_type":"text/html","body":"<p>""#),
        "{text}"
    );
    assert!(
        text.contains(r#""content_type":"image/png","content_encoding":"zstd","encoding":"base64","body":"iVBORw==""#),
        "{text}"
    );
}

#[test]
fn line_separators_in_a_text_are_escapes_and_stay_as_they_are_in_json() {
    let sent = "\u{2028}a\u{2029}\u{2028}\n\u{2027}é\u{2029}";
    let text = text(&outcome(vec![
        call(
            "text",
            Ok(Body::Text {
                content_type: None,
                text: Bytes::from_static(sent.as_bytes()),
            }),
        ),
        call(
            "json",
            Ok(Body::Json(Bytes::from_static("\"\u{2028}\"".as_bytes()))),
        ),
    ]));
    assert!(
        text.contains("\"body\":\"\\u2028a\\u2029\\u2028\\n\u{2027}é\\u2029\""),
        "{text}"
    );
    assert!(text.contains("\"body\":\"\u{2028}\""), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["results"][0]["body"], sent);
}

#[test]
fn a_comparison_has_a_speedup_only_where_both_runs_were_complete() {
    let mut sequential = outcome(vec![]);
    sequential.mode = Mode::Sequential;
    sequential.elapsed = Duration::from_millis(6_000);
    let mut concurrent = outcome(vec![]);
    concurrent.elapsed = Duration::from_millis(2_000);
    let render = |sequential: &Outcome, concurrent: &Outcome| {
        let mut json = vec![b'{'];
        let runs = Comparison {
            sequential,
            concurrent,
        };
        comparison(&mut json, "default", runs, None);
        json.push(b'}');
        serde_json::from_slice::<serde_json::Value>(&json).unwrap()
    };
    let both = render(&sequential, &concurrent);
    assert_eq!(both["mode"], "compare");
    assert_eq!(both["speedup"], 3.0);
    assert_eq!(both["sequential"]["elapsed_ms"], 6000.0);
    concurrent.verdict = Verdict::Partial;
    assert!(render(&sequential, &concurrent)["speedup"].is_null());
}

#[test]
fn a_fallback_stands_in_the_place_of_a_body() {
    let failure = Failure::new(FailureKind::Timeout, "late");
    let call = call("users", Err(failure)).with(Some(Bytes::from_static(b"[1.10]")), None);
    let mut json = Vec::new();
    result(&mut json, &call, None, |_| {});
    assert!(json.len() <= room(&call, None));
    insta::assert_snapshot!(String::from_utf8(json).unwrap(), @r#"{"name":"users","ok":false,"start_ms":0.041,"elapsed_ms":2001.402,"attempts":1,"failure":"timeout","detail":"late","fallback":true,"body":[1.10]}"#);
}

#[test]
fn a_call_of_many_elements_counts_them_and_names_those_that_failed() {
    let failures = vec![
        EachFailure {
            index: 3,
            kind: FailureKind::Status,
            status: Some(StatusCode::SERVICE_UNAVAILABLE),
        },
        EachFailure {
            index: 7,
            kind: FailureKind::Skipped,
            status: None,
        },
    ];
    let report = EachReport {
        total: 10,
        ok: 8,
        failures,
    };
    let call = call("stock", Ok(Body::Json(Bytes::from_static(b"[]")))).with(None, Some(report));
    let mut json = Vec::new();
    result(&mut json, &call, None, |_| {});
    insta::assert_snapshot!(String::from_utf8(json).unwrap(), @r#"{"name":"stock","ok":true,"status":200,"start_ms":0.041,"elapsed_ms":2001.402,"attempts":1,"each":{"total":10,"ok":8,"failed":2,"failures":[{"index":3,"failure":"status","status":503},{"index":7,"failure":"skipped"}]},"body":[]}"#);
}
