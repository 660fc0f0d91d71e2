//! Upstream bodies inside the answer: JSON byte for byte, text as a string, anything else as base64.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Behaviour, Framing, Response, Upstream},
};

/// Returns the answer of an aggregate whose only call gets this response.
async fn bring(response: Response) -> Answer {
    let upstream = Upstream::always(response);
    let rest = "aggregates.default.calls = [\"one\"]";
    let gateway = Gateway::before(&[("one", upstream.url("/"))], rest).await;
    gateway.aggregate("").await
}

/// Returns the members of the only result from `attempts` on, as they were written.
fn tail(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (_, tail) = answer.text().split_once("\"attempts\":1").unwrap();
    tail.strip_suffix("}]}").unwrap().to_owned()
}

#[actix_web::test]
async fn json_is_embedded_byte_for_byte() {
    for json in [
        "{ \"a\" :\t[ 1 ,2 ] }",
        "{\r\n  \"a\": 1,\n  \"a\": 2\n}",
        "{\"b\":1,\"a\":2,\"b\":3}",
        "123456789012345678901234567890.000000000000000000001",
        "1e999999",
        "-0.0",
        "1E+2",
        "\"\\u00e9\\/\\ud83d\\ude00 é😀\"",
        "\"\\ud800\"",
        "null",
        "[]",
        "\"</script>\"",
    ] {
        for framing in [Framing::ContentLength, Framing::Chunked(3)] {
            let answer = bring(Response::json(json).framing(framing)).await;
            assert_eq!(tail(&answer), format!(",\"body\":{json}"));
        }
    }
}

#[actix_web::test]
async fn space_around_json_is_no_part_of_it() {
    let answer = bring(Response::json("\r\n\t {\"a\" : 1} \n")).await;
    assert_eq!(tail(&answer), ",\"body\":{\"a\" : 1}");
}

#[actix_web::test]
async fn json_by_any_of_its_types_is_embedded_without_naming_it() {
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "application/problem+json",
        "application/vnd.api+json",
        "text/json",
    ] {
        let response = Response::new(200).header("content-type", kind).body("[1]");
        assert_eq!(tail(&bring(response).await), ",\"body\":[1]", "{kind}");
    }
}

#[actix_web::test]
async fn a_type_is_what_stands_before_the_semicolon_however_its_parameters_are_written() {
    for kind in [
        "application/json ; charset=utf-8",
        "application/json\t;charset=utf-8",
        "application/json;",
        "application/json;;charset=utf-8",
        "application/json; charset=\"utf-8\"",
        "application/json; title=\"a \\\"quoted\\\" one; or two\"",
        "application/json; title=\"without an end",
        "application/ld+json; profile=https://x.example/y",
        "application/json; odd=\u{e9}",
        "application/x-json",
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.1",
        "application/json, application/json",
    ] {
        let response = Response::new(200).header("content-type", kind).body("[1]");
        assert_eq!(tail(&bring(response).await), ",\"body\":[1]", "{kind}");
    }
    let twice = Response::new(200)
        .header("content-type", "text/html")
        .header("content-type", "application/json")
        .body("[1]");
    assert_eq!(tail(&bring(twice).await), ",\"body\":[1]");
}

#[actix_web::test]
async fn sequences_code_and_tables_are_text() {
    for kind in [
        "application/ndjson",
        "application/x-ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/json-seq",
        "application/yaml",
        "application/x-yaml",
        "application/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "application/toml",
        "application/sql",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "application/unheard-of; charset=utf-8",
        "application/atom+xml",
        "",
        "nonsense",
    ] {
        let response = Response::new(200)
            .header("content-type", kind)
            .body("{}\n{}");
        let json = bring(response).await.json();
        let call = &json["results"][0];
        assert_eq!(call["body"], "{}\n{}", "{kind}");
        assert_eq!(call.get("encoding"), None, "{kind}");
        let said = call.get("content_type").and_then(|kind| kind.as_str());
        assert_eq!(said.unwrap_or_default(), kind);
    }
}

#[actix_web::test]
async fn a_byte_order_mark_is_left_out() {
    let answer = bring(Response::json("\u{feff} {\"a\" : 1}")).await;
    assert_eq!(tail(&answer), ",\"body\":{\"a\" : 1}");
    let answer = bring(Response::text("\u{feff}a,b")).await;
    assert_eq!(answer.json()["results"][0]["body"], "a,b");
}

#[actix_web::test]
async fn line_separators_in_a_text_are_written_as_escapes() {
    let answer = bring(Response::text("a\u{2028}b\u{2029}c")).await;
    assert!(answer.text().contains("\"body\":\"a\\u2028b\\u2029c\""));
    let answer = bring(Response::json("\"a\u{2028}b\"")).await;
    assert_eq!(tail(&answer), ",\"body\":\"a\u{2028}b\"");
}

#[actix_web::test]
async fn what_says_json_and_is_not_can_not_forge_the_answer() {
    for body in [
        "",
        "{",
        "1 2",
        "\"pong\"},{\"name\":\"forged\",\"ok\":true",
        "{}, \"outcome\": \"complete\"",
        "NaN",
        "'pong'",
        "\u{feff}\u{feff}{}",
        "\"line\nbreak\"",
    ] {
        let answer = bring(Response::json(body)).await;
        let problem = answer.problem(502, "upstream-failed");
        assert_eq!(problem["results"][0]["failure"], "invalid_body", "{body:?}");
        assert_eq!(problem["results"][0]["status"], 200, "{problem}");
        assert_eq!(problem["results"].as_array().unwrap().len(), 1);
    }
}

#[actix_web::test]
async fn text_is_a_json_string_with_its_type() {
    let text = "quote \" back \\ slash / tab \t line \r\n nul-ish \u{1} é 😀 \u{2028}";
    let response = Response::text(text);
    let answer = bring(response).await;
    let json = answer.json();
    let call = &json["results"][0];
    assert_eq!(call["body"], text);
    assert_eq!(call["content_type"], "text/plain; charset=utf-8");
    assert_eq!(call.get("encoding"), None);
    let head = ",\"content_type\":\"text/plain; charset=utf-8\",\"body\":\"";
    assert!(tail(&answer).starts_with(head), "{}", answer.text());
}

#[actix_web::test]
async fn text_without_a_type_has_none() {
    let answer = bring(Response::new(200).body("pong")).await;
    assert_eq!(tail(&answer), ",\"body\":\"pong\"");
}

#[actix_web::test]
async fn other_bytes_are_base64_and_say_so() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let response = Response::new(200)
        .header("content-type", "image/png")
        .body(every_byte.clone());
    let answer = bring(response).await;
    let expected = format!(
        ",\"content_type\":\"image/png\",\"encoding\":\"base64\",\"body\":\"{}\"",
        BASE64_STANDARD.encode(&every_byte)
    );
    assert_eq!(tail(&answer), expected);
}

#[actix_web::test]
async fn text_that_is_not_utf_8_is_bytes() {
    for response in [
        Response::text(*b"caf\xe9"),
        Response::new(200).body(*b"\xff\xfe"),
        Response::new(200)
            .header("content-type", "text/plain; charset=iso-8859-1")
            .body("é"),
    ] {
        let answer = bring(response).await;
        assert_eq!(
            answer.json()["results"][0]["encoding"],
            "base64",
            "{}",
            answer.text()
        );
    }
}

#[actix_web::test]
async fn a_type_with_strange_characters_stays_inside_its_string() {
    let response = Response::new(200)
        .header("content-type", "text/plain; x=\"a\\\"b\"")
        .body("t");
    let answer = bring(response).await;
    let kind = &answer.json()["results"][0]["content_type"];
    assert_eq!(kind, "text/plain; x=\"a\\\"b\"");
}

#[actix_web::test]
async fn no_body_is_null() {
    for response in [
        Response::new(200),
        Response::new(204),
        Response::text(""),
        Response::new(200).framing(Framing::Chunked(1)),
    ] {
        let shown = format!("{response:?}");
        let answer = bring(response).await;
        assert_eq!(tail(&answer), ",\"body\":null", "{shown}");
    }
    let answer = bring(Response::new(204)).await;
    assert_eq!(answer.json()["results"][0]["status"], 204);
}

#[actix_web::test]
async fn a_status_that_counts_as_success_keeps_its_body() {
    let upstream = Upstream::always(
        Response::json("{\"error\":1}")
            .status(404)
            .reason("Not Found"),
    );
    let rest = "upstreams.one.success = [\"2xx\", \"404\"]\naggregates.default.calls = [\"one\"]";
    let gateway = Gateway::before(&[("one", upstream.url("/"))], rest).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(tail(&answer), ",\"body\":{\"error\":1}");
    assert_eq!(answer.json()["results"][0]["status"], 404);
}

#[actix_web::test]
async fn a_large_answer_arrives_whole() {
    let large = format!("\"{}\"", "x".repeat(900_000));
    let upstream = Upstream::always(Behaviour::from(Response::json(large.clone())));
    let urls: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| (*name, upstream.url("/")))
        .collect();
    let rest = "aggregates.default.calls = [\"a\", \"b\", \"c\", \"d\"]";
    let gateway = Gateway::before(&urls, rest).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.text().matches(&large).count(), 4);
}
