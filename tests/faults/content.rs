//! Bodies that came whole and aren't what they say, and bodies that nobody may unpack.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    pair::{Pair, succeeds},
    upstream::{Framing, Response, Upstream},
};

/// `{"a":1}` by gzip.
const GZIP: [u8; 27] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x54, 0xb2, 0x32,
    0xac, 0x05, 0x00, 0xaf, 0xac, 0x1b, 0x56, 0x07, 0x00, 0x00, 0x00,
];

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
async fn a_compressed_body_is_asked_for_by_nobody_and_unpacked_by_nobody() {
    let answer = |kind: &str| {
        Response::new(200)
            .header("content-type", kind)
            .header("content-encoding", "gzip")
            .body(GZIP)
    };
    let sick = Upstream::always(answer("application/json"));
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask()
        .await
        .failed("invalid_body", "compressed its JSON");
    let asked = &sick.requests()[0];
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert_eq!(asked.header_count("accept-encoding"), 1);

    let sick = Upstream::always(answer("text/plain"));
    let pair = Pair::new(&sick.url("/"), "").await;
    let call = pair.ask().await;
    call.succeeded(BASE64_STANDARD.encode(GZIP));
    assert_eq!(call.json["encoding"], "base64");
    assert_eq!(call.json["content_type"], "text/plain");
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
    succeeds(odd, BASE64_STANDARD.encode("x")).await;
}
