//! Compressed answers. A client that accepts a coding gets the same bytes, and each message of a stream as soon as
//! without.

use std::io::Read;

use crate::{
    gateway::{Gateway, request},
    streaming::{EVENTS, LINES, Reader, quick_and_slow},
    upstream::{Response, Upstream},
};

const ON: &str = "server.compression = true\n";

/// Returns all text that can be read from these bytes. More of them may follow.
fn read(coding: &str, bytes: &[u8]) -> String {
    let mut decoder: Box<dyn Read + '_> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        _ => panic!("no coding is named {coding}"),
    };
    let mut text = Vec::new();
    let mut part = [0; 4096];
    // If more bytes are to follow, the decoder ends with an error.
    while let Ok(size @ 1..) = decoder.read(&mut part) {
        text.extend_from_slice(&part[..size]);
    }
    String::from_utf8(text).unwrap()
}

#[actix_web::test]
async fn the_first_result_of_a_compressed_stream_is_there_while_the_others_are_waited_for() {
    for coding in ["gzip", "br"] {
        for accept in [LINES, EVENTS] {
            let (gateway, go, _upstreams) = quick_and_slow(ON).await;
            let headers = [accept, ("Accept-Encoding", coding)];
            let (head, mut reader) = Reader::ask(&gateway, "/aggregate", &headers).await;
            assert_eq!(head.header("content-encoding"), Some(coding));
            // The message may have come with the head.
            let mut text = read(coding, &reader.body);
            while !text.contains("\"body\":\"pong\"}\n") {
                assert!(!reader.whole && reader.read().await > 0, "{coding}: {text}");
                reader.unchunk();
                text = read(coding, &reader.body);
            }
            assert!(!text.contains("\"slow\",\"ok\""), "{text}");
            go.send_replace(true);
            while !reader.whole {
                assert!(reader.read().await > 0);
                reader.unchunk();
            }
            let text = read(coding, &reader.body);
            assert!(text.contains("\"name\":\"slow\",\"ok\":true"), "{text}");
            assert!(
                text.contains("\"outcome\":\"complete\"") && text.ends_with('\n'),
                "{text}"
            );
        }
    }
}

/// Starts a gateway whose only upstream answers with this many bytes of JSON.
async fn with_body(server: &str, size: usize) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::json(format!("\"{}\"", "ab".repeat(size / 2))));
    let rest =
        format!("{server}upstreams.one.max_body = \"8MiB\"\naggregates.default.calls = [\"one\"]");
    let gateway = Gateway::before(&[("one", upstream.url("/"))], &rest).await;
    (gateway, upstream)
}

/// Returns the decoded body of an answer in this coding, and its length on the wire.
async fn decoded(gateway: &Gateway, coding: &str) -> (String, usize) {
    let headers = [("Accept-Encoding", coding)];
    let (head, mut reader) = Reader::ask(gateway, "/aggregate", &headers).await;
    assert_eq!(head.header("content-encoding"), Some(coding));
    assert_eq!(head.header("content-type"), Some("application/json"));
    assert_eq!(head.header("vary"), Some("accept-encoding"));
    assert_eq!(head.header("content-length"), None);
    assert!(head.header("server-timing").is_some());
    while !reader.whole {
        assert!(reader.read().await > 0);
        reader.unchunk();
    }
    (read(coding, &reader.body), reader.body.len())
}

#[actix_web::test]
async fn a_whole_answer_is_the_same_in_every_coding_and_smaller() {
    for size in [2_000, 5_000_000] {
        let (gateway, _upstream) = with_body(ON, size).await;
        let plain = gateway.aggregate("").await;
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(plain.header("vary"), Some("accept-encoding"));
        for coding in ["gzip", "br"] {
            let (text, sent) = decoded(&gateway, coding).await;
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                json["results"][0]["body"],
                plain.json()["results"][0]["body"]
            );
            assert!(sent < size / 4, "{sent} of {size}");
        }
    }
}

#[actix_web::test]
async fn nothing_is_compressed_that_is_small_or_that_nobody_asked_to() {
    let (gateway, _upstream) = with_body(ON, 100).await;
    let all = ("Accept-Encoding", "gzip, br");
    let small = gateway.get_with("/aggregate", &[all]).await;
    assert_eq!(small.header("content-encoding"), None);
    assert_eq!(small.header("vary"), None);
    let (gateway, _upstream) = with_body(ON, 5_000).await;
    for refused in [
        "identity",
        "gzip;q=0, br;q=0",
        "deflate, zstd",
        "*;q=0",
        "nonsense;;",
    ] {
        let headers = [("Accept-Encoding", refused)];
        let answer = gateway.get_with("/aggregate", &headers).await;
        assert_eq!(answer.header("content-encoding"), None, "{refused}");
        assert_eq!(answer.json()["outcome"], "complete");
    }
}

#[actix_web::test]
async fn it_is_off_unless_it_is_set_and_never_on_the_admin_listener() {
    let all = [("Accept-Encoding", "gzip, br")];
    let (gateway, _upstream) = with_body("", 5_000).await;
    let answer = gateway.get_with("/aggregate", &all).await;
    assert_eq!(
        (answer.header("content-encoding"), answer.header("vary")),
        (None, None)
    );
    let (gateway, _upstream) =
        with_body(&format!("{ON}admin.listen = \"127.0.0.1:0\"\n"), 100).await;
    let metrics = request(gateway.operations, "GET", "/metrics", &all, b"").await;
    assert_eq!(metrics.header("content-encoding"), None);
}

#[actix_web::test]
async fn a_head_says_what_a_get_would() {
    let (gateway, _upstream) = with_body(ON, 5_000).await;
    let headers = [("Accept-Encoding", "gzip")];
    let head = request(gateway.address, "HEAD", "/aggregate", &headers, b"").await;
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    assert_eq!(head.body, b"");
}
