//! Bodies in a content coding, asked for or not. They are inflated within the bounds of a body, or fail with a reason.

use std::{io::Write as _, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write};

use crate::{
    pair::{Pair, raw, succeeds},
    upstream::{Behaviour, Framing, Response, Upstream},
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bare(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4096, 4, 22);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    packed
}

fn answer(kind: &str, coding: &str, body: impl Into<Vec<u8>>) -> Response {
    Response::new(200)
        .header("content-type", kind)
        .header("content-encoding", coding)
        .body(body)
}

/// A function that compresses a body.
type Pack = fn(&[u8]) -> Vec<u8>;

/// Every coding that is inflated, by its names.
const CODINGS: [(&str, Pack); 7] = [
    ("gzip", gzip),
    ("x-gzip", gzip),
    ("GZip", gzip),
    ("deflate", zlib),
    ("deflate", bare),
    ("br", brotli),
    ("identity, br,", brotli),
];

#[actix_web::test]
async fn what_comes_compressed_is_inflated_asked_for_or_not() {
    let json = format!("{{\"a\": [{}1]}}", "1,".repeat(5000));
    for (coding, pack) in CODINGS {
        for framing in [
            Framing::ContentLength,
            Framing::Chunked(7),
            Framing::CloseDelimited,
        ] {
            let packed = answer("application/json", coding, pack(json.as_bytes()));
            let sick = Upstream::always(packed.framing(framing));
            let pair = Pair::new(&sick.url("/"), "").await;
            let call = pair.ask().await;
            assert_eq!(call.json["ok"], true, "{coding}: {}", call.json);
            assert!(call.answer.text().contains(&json), "byte for byte");
            assert_eq!(call.json.get("content_encoding"), None);
            let asked = &sick.requests()[0];
            assert_eq!(asked.header("accept-encoding"), Some("identity"));
        }
        let text = answer("text/plain", coding, pack("a text, é".as_bytes()));
        let sick = Upstream::always(text);
        let pair = Pair::new(&sick.url("/"), "").await;
        for _ in 0..3 {
            let call = pair.ask().await;
            call.succeeded("a text, é");
            assert_eq!(call.json["content_type"], "text/plain");
            assert_eq!(call.json.get("encoding"), None);
        }
        assert_eq!(sick.connections(), 1, "its connection is good");
        let bytes = answer("image/x-icon", coding, pack(b"\x00\xff"));
        let sick = Upstream::always(bytes);
        let pair = Pair::new(&sick.url("/"), "").await;
        let call = pair.ask().await;
        call.succeeded(BASE64_STANDARD.encode(b"\x00\xff"));
        assert_eq!(call.json.get("content_encoding"), None);
    }
}

#[actix_web::test]
async fn compressed_asks_for_it_unless_the_upstreams_headers_or_the_client_say_otherwise() {
    let sick = Upstream::always(answer("text/plain", "gzip", gzip(b"ok")));
    for (settings, asked) in [
        ("", "identity"),
        ("compressed = true", "gzip, br"),
        (
            "compressed = true\nheaders = { accept-encoding = \"br\" }",
            "br",
        ),
    ] {
        let before = sick.requests().len();
        let pair = Pair::new(&sick.url("/"), settings).await;
        pair.ask().await.succeeded("ok");
        let request = &sick.requests()[before];
        assert_eq!(request.header("accept-encoding"), Some(asked));
        assert_eq!(request.header_count("accept-encoding"), 1);
    }
    let settings = "compressed = true\nforward_headers = [\"accept-encoding\"]";
    let pair = Pair::new(&sick.url("/"), settings).await;
    let fields = [("accept-encoding", "zstd;q=0.5")];
    let answer = pair.gateway.get_with("/aggregate", &fields).await;
    assert_eq!(answer.json()["results"][0]["body"], "ok");
    let asked = sick.requests();
    let asked = asked.last().unwrap();
    assert_eq!(asked.header("accept-encoding"), Some("zstd;q=0.5"));
}

#[actix_web::test]
async fn words_that_are_no_coding_are_no_reason_to_refuse_a_body() {
    for words in [
        "",
        " ",
        "utf-8",
        "none",
        "aws-chunked",
        "binary",
        "identity",
        "UTF8, none",
    ] {
        let plain = answer("application/json", words, "{\"a\":1}");
        succeeds(plain, serde_json::json!({"a": 1})).await;
        succeeds(answer("text/plain", words, "plain"), "plain").await;
    }
    let sick = Upstream::always(answer("text/plain", "bzip2", *b"BZh9\xff"));
    let pair = Pair::new(&sick.url("/"), "").await;
    let call = pair.ask().await;
    call.succeeded(BASE64_STANDARD.encode(b"BZh9\xff"));
    assert_eq!(call.json["content_encoding"], "bzip2");
}

#[actix_web::test]
async fn what_is_not_inflated_says_what_it_is_in() {
    let packed = gzip(b"{\"a\":1}");
    for (fields, name, shown) in [
        ("content-encoding: zstd\r\n", "zstd", "zstd"),
        ("content-encoding: compress\r\n", "compress", "compress"),
        ("content-encoding: dcb\r\n", "dcb", "dcb"),
        (
            "content-encoding: gzip, br\r\n",
            "2 codings, one over another: gzip, br",
            "gzip, br",
        ),
        (
            "content-encoding: deflate\r\ncontent-encoding: gzip\r\n",
            "2 codings, one over another: deflate, gzip",
            "deflate, gzip",
        ),
    ] {
        for (kind, is_json) in [("application/json", true), ("text/plain", false)] {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{fields}content-length: {}\r\n\r\n",
                packed.len()
            );
            let bytes = [head.as_bytes(), &packed].concat();
            let sick = Upstream::always(Behaviour::Raw(bytes));
            let pair = Pair::new(&sick.url("/"), "").await;
            let call = pair.ask().await;
            if is_json {
                call.failed("invalid_body", &format!("JSON in {name}, which"));
                assert_eq!(call.json["status"], 200);
            } else {
                call.succeeded(BASE64_STANDARD.encode(&packed));
                assert_eq!(call.json["encoding"], "base64");
                assert_eq!(call.json["content_encoding"], shown);
            }
        }
    }
}

#[actix_web::test]
async fn a_stream_says_what_a_body_is_in_too() {
    let sick = Upstream::always(answer("text/plain", "zstd", *b"\x28\xb5\x2f\xfd"));
    let pair = Pair::new(&sick.url("/"), "").await;
    let fields = [("accept", "application/x-ndjson")];
    let answer = pair.gateway.get_with("/aggregate", &fields).await;
    let line = answer.text().lines().find(|line| line.contains("\"sick\""));
    let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["content_encoding"], "zstd", "{line}");
}

#[actix_web::test]
async fn what_was_cut_or_is_broken_breaks_the_protocol() {
    for (coding, pack) in CODINGS {
        let packed = pack(b"{\"a\": [1, 2, 3, 1, 2, 3, 1, 2, 3]}");
        let cut = packed[..packed.len() - 3].to_vec();
        let sick = Upstream::always(answer("application/json", coding, cut));
        let pair = Pair::new(&sick.url("/"), "").await;
        let call = pair.ask().await;
        call.failed("protocol", "short");
        assert_eq!(call.json["status"], 200);

        let sick = Upstream::always(answer("text/plain", coding, "plainly not"));
        let pair = Pair::new(&sick.url("/"), "").await;
        let call = pair.ask().await;
        call.failed("protocol", "the upstream");
    }
}

#[actix_web::test]
async fn nothing_is_nothing_in_any_coding_and_a_head_has_no_body_to_inflate() {
    for coding in ["gzip", "br", "zstd"] {
        succeeds(answer("text/plain", coding, ""), serde_json::Value::Null).await;
        let sick = Upstream::always(answer("application/json", coding, ""));
        let pair = Pair::new(&sick.url("/"), "").await;
        pair.ask().await.failed("invalid_body", "an empty body");
        for (method, status) in [("HEAD", "200 OK"), ("GET", "204 No Content")] {
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-encoding: {coding}\r\ncontent-length: 20\r\n\r\n"
            );
            let sick = Upstream::always(Behaviour::Raw(head.into()));
            let settings = format!("method = \"{method}\"");
            let pair = Pair::new(&sick.url("/"), &settings).await;
            pair.ask().await.succeeded(serde_json::Value::Null);
        }
    }
}

#[actix_web::test]
async fn several_members_are_one_body_and_what_follows_the_last_is_left_out() {
    let members = [gzip(b"one, "), gzip(b"two")].concat();
    succeeds(answer("text/plain", "gzip", members.clone()), "one, two").await;
    for rest in [&b"\n"[..], b"\0\0\0\0", b"garbage"] {
        let body = [&members, rest].concat();
        succeeds(answer("text/plain", "gzip", body), "one, two").await;
    }
}

#[actix_web::test]
async fn a_bomb_is_too_large_and_holds_no_more_than_a_body_may() {
    let zeros = vec![b'0'; 8 << 20];
    for (coding, pack) in [
        ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
        ("deflate", zlib),
        ("br", brotli),
    ] {
        let bomb = pack(&zeros);
        assert!(bomb.len() < 20_000);
        let sick = Upstream::always(answer("text/plain", coding, bomb));
        let pair = Pair::new(&sick.url("/"), "max_body = \"64KiB\"").await;
        let call = pair.ask().await;
        call.failed("too_large", "larger than 65536 bytes");
        assert_eq!(call.json["status"], 200);

        let aggregate = "max_body = \"100KiB\"";
        let pair = Pair::with("", &sick.url("/"), "max_body = \"1GiB\"", aggregate).await;
        let call = pair.ask().await;
        call.failed("too_large", "together larger than 102400 bytes");
    }
}

#[actix_web::test]
async fn a_body_that_fits_is_taken_though_it_was_larger_on_its_way() {
    let mut random = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = (0..1024).map(|_| random.u8(..)).collect();
    for pack in [gzip as fn(&[u8]) -> Vec<u8>, brotli] {
        let packed = pack(&noise);
        assert!(packed.len() > noise.len());
        let coding = if packed.starts_with(&[0x1f]) {
            "gzip"
        } else {
            "br"
        };
        let sick = Upstream::always(answer("image/x-noise", coding, packed));
        let aggregate = "max_body = \"1030B\"";
        let pair = Pair::with("", &sick.url("/"), "max_body = \"1KiB\"", aggregate).await;
        pair.ask().await.succeeded(BASE64_STANDARD.encode(&noise));
    }
}

#[actix_web::test]
async fn the_time_for_inflating_is_the_calls_own() {
    // This is more than can be inflated in this time, however fast the machine is.
    let zeros = vec![b'0'; 16 << 20];
    let large = gzip(&gzip(&zeros)).len();
    assert!(large < 10_000);
    let sick = Upstream::always(answer("text/plain", "gzip", gzip(&zeros).repeat(40)));
    let settings = "max_body = \"1GiB\"\ntimeout = \"60ms\"";
    let pair = Pair::with("", &sick.url("/"), settings, "max_body = \"1GiB\"").await;
    let call = pair.ask().await;
    call.failed("timeout", "60ms");
    assert_eq!(call.json["status"], 200);
    assert!(call.json["elapsed_ms"].as_f64().unwrap() < 5_000.0);
}

#[actix_web::test]
async fn others_are_answered_while_a_large_body_is_inflated() {
    let zeros = vec![b'0'; 16 << 20];
    let sick = Upstream::always(answer("text/plain", "gzip", gzip(&zeros).repeat(20)));
    let settings = "max_body = \"1GiB\"";
    let pair = Pair::with("", &sick.url("/"), settings, "max_body = \"1GiB\"").await;
    let large = pair.gateway.get("/aggregate?timeout=3s");
    let small = async {
        assert!(sick.wait_requests(1, Duration::from_secs(5)).await);
        for _ in 0..5 {
            assert_eq!(pair.gateway.get("/livez").await.status, 200);
        }
    };
    tokio::pin!(large);
    tokio::select! {
        biased;
        () = small => {}
        _ = &mut large => panic!("it came before five small answers"),
    }
}

#[actix_web::test]
async fn a_declared_length_is_of_what_is_sent() {
    let packed = gzip(b"\"pong\"");
    let head = format!(
        "content-encoding: gzip\r\ncontent-length: {}\r\n",
        packed.len() + 1
    );
    let bytes = [raw(&head, ""), packed].concat();
    let sick = Upstream::always(Behaviour::RawThenClose(bytes));
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.failed("protocol", "cut its body short");
}
