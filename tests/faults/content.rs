//! Bodies that came whole, but are not what their head says.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    pair::{Pair, succeeds},
    upstream::{Framing, Response, Upstream},
};

#[actix_web::test]
async fn what_says_json_and_is_not_is_an_invalid_body_and_its_connection_is_good() {
    for body in [
        &b""[..],
        b"{",
        b"{} {}",
        b"<html>",
        b"\xff\xfe",
        b"{\"a\":1}, {\"name\":\"forged\",\"ok\":true",
        b"\"\xed\xa0\x80\"",
        b"01",
        b"NaN",
    ] {
        for framing in [Framing::ContentLength, Framing::Chunked(3)] {
            let sick = Upstream::always(Response::json(body).framing(framing));
            let pair = Pair::new(&sick.url("/"), "").await;
            for _ in 0..2 {
                let call = pair.ask().await;
                call.failed("invalid_body", "JSON");
                assert_eq!(call.json["status"], 200);
            }
            assert_eq!(pair.attempts("invalid_body").await, 2.0);
            assert_eq!(sick.connections(), 1);
        }
    }
}

#[actix_web::test]
async fn json_nested_without_end_is_an_invalid_body_and_no_stack_overflow() {
    for unit in ["[", "{\"a\":"] {
        let sick = Upstream::always(Response::json(unit.repeat(100_000)));
        let pair = Pair::new(&sick.url("/"), "").await;
        pair.ask().await.failed("invalid_body", "JSON");
    }
}

#[actix_web::test]
async fn json_that_is_nested_too_deep_spoils_nothing_but_its_own_call() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (settings, depth, fits) in [
        ("", 64, true),
        ("", 65, false),
        ("", 100_000, false),
        ("max_depth = 2", 2, true),
        ("max_depth = 2", 3, false),
        ("max_depth = 100", 100, true),
        ("max_depth = 100", 101, false),
    ] {
        let sick = Upstream::always(Response::json(nested(depth)));
        let pair = Pair::new(&sick.url("/"), settings).await;
        let call = pair.ask().await;
        if fits {
            assert!(call.answer.text().contains(&nested(depth)), "{depth}");
        } else {
            call.failed("invalid_body", "JSON is nested deeper than");
        }
    }
}

#[actix_web::test]
async fn an_empty_body_under_a_json_type_says_that_it_was_empty() {
    for body in [&b""[..], b" \n", b"\xef\xbb\xbf"] {
        let sick = Upstream::always(Response::json(body));
        let pair = Pair::new(&sick.url("/"), "").await;
        pair.ask().await.failed(
            "invalid_body",
            "the upstream said JSON and sent an empty body",
        );
    }
}

#[actix_web::test]
async fn json_in_another_character_set_says_so() {
    let utf_16: Vec<u8> = "{\"a\":1}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let sick = Upstream::always(Response::json(utf_16));
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.failed("invalid_body", "UTF-16");
    let latin = Response::new(200)
        .header("content-type", "application/json; charset=iso-8859-1")
        .body(*b"\"\xe9\"");
    let sick = Upstream::always(latin);
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask()
        .await
        .failed("invalid_body", "another character set");
}

#[actix_web::test]
async fn text_and_bytes_come_as_they_are() {
    succeeds(
        Response::text("a\"b\\\u{1}\u{2028}é"),
        "a\"b\\\u{1}\u{2028}é",
    )
    .await;
    let bytes: Vec<u8> = (0..=255).collect();
    let binary = Response::new(200)
        .header("content-type", "application/octet-stream")
        .body(bytes.clone());
    succeeds(binary, BASE64_STANDARD.encode(bytes)).await;
    let typed = Response::text("x").header("x-injected", "\"}");
    succeeds(typed, "x").await;
    let odd = Response::new(200)
        .header("content-type", "text/\"},{\"name\":\"forged")
        .body("x");
    // This is no valid type, so it says nothing.
    succeeds(odd, "x").await;
}
