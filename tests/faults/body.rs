//! Bodies in each of their framings: accepted whole, or `protocol`.

use std::time::Duration;

use serde_json::json;

use crate::{
    pair::{Pair, fails, raw, succeeds},
    upstream::{Behaviour, Framing, Response, Upstream},
};

const CUT: &str = "cut its body short";
const BAD_CHUNKS: &str = "chunks are not valid HTTP/1.1";

fn chunked(body: &str) -> Vec<u8> {
    raw("transfer-encoding: chunked\r\n", body)
}

#[actix_web::test]
async fn a_body_is_whole_by_each_of_its_framings() {
    for framing in [
        Framing::ContentLength,
        Framing::Chunked(1),
        Framing::Chunked(100_000),
        Framing::CloseDelimited,
        Framing::Http10,
    ] {
        for body in [
            "1".to_owned(),
            json!(["x".repeat(50_000)]).to_string(),
            json!(["y".repeat(500_000)]).to_string(),
        ] {
            // With one byte in each chunk, every byte takes six bytes.
            if framing == Framing::Chunked(1) && body.len() > 100_000 {
                continue;
            }
            let expected: serde_json::Value = serde_json::from_str(&body).unwrap();
            let sick = Upstream::always(Response::json(body).framing(framing));
            let pair = Pair::new(&sick.url("/"), "").await;
            for _ in 0..2 {
                pair.ask().await.succeeded(expected.clone());
            }
            let by_close = matches!(framing, Framing::CloseDelimited | Framing::Http10);
            assert_eq!(sick.connections(), if by_close { 2 } else { 1 });
        }
    }
}

#[actix_web::test]
async fn a_body_by_length_that_ends_early_breaks_the_protocol() {
    for (declared, sent) in [(10, 3), (10, 9), (10, 0), (1_000_000, 999_999)] {
        let cut = Behaviour::CutLength { declared, sent };
        fails(cut, "", "protocol", CUT).await;
    }
    fails(Behaviour::ResetInBody, "", "protocol", CUT).await;
}

#[actix_web::test]
async fn a_failure_within_the_body_still_says_the_status() {
    let sick = Upstream::always(Behaviour::CutLength {
        declared: 10,
        sent: 3,
    });
    let pair = Pair::new(&sick.url("/"), "").await;
    let call = pair.ask().await;
    call.failed("protocol", CUT);
    assert_eq!(call.json["status"], 200);
}

#[actix_web::test]
async fn a_chunked_body_that_ends_anywhere_before_its_end_breaks_the_protocol() {
    for behaviour in [
        Behaviour::CutChunked { sent: 4 },
        Behaviour::CutChunkMidSize,
        Behaviour::CutInChunk {
            declared: 26,
            sent: 2,
        },
    ] {
        fails(behaviour, "", "protocol", CUT).await;
    }
    // The answer is cut at every place of a whole body with an extension and a trailer.
    let whole = "2;a=b\r\n11\r\n0\r\ntrailer: 1\r\n\r\n";
    for end in 0..whole.len() {
        let sick = Upstream::always(Behaviour::RawThenClose(chunked(&whole[..end])));
        let pair = Pair::new(&sick.url("/"), "").await;
        println!("{:?}", &whole[..end]);
        pair.ask().await.failed("protocol", CUT);
    }
    succeeds(Behaviour::RawThenClose(chunked(whole)), 11).await;
    let reset = Behaviour::RawThenReset(chunked("2\r\n11\r\n"));
    fails(reset, "", "protocol", CUT).await;
}

#[actix_web::test]
async fn chunks_that_are_none_break_the_protocol_at_once() {
    for body in [
        "\"pong\"",
        "x\r\n",
        "-1\r\n",
        "\r\n",
        ";a\r\n",
        "2 2\r\n11\r\n0\r\n\r\n",
        "2\r\n111\r\n0\r\n\r\n",
        "2\r\n11x0\r\n\r\n",
        "2\r\n11\rx",
        "2\n11\n0\n\n",
        "2\rx",
        "0\r\n\rx",
        "10000000000000000\r\n",
        "ffffffffffffffffffff\r\n",
    ] {
        println!("{body:?}");
        let sick = Behaviour::Raw(chunked(body));
        fails(sick, "", "protocol", BAD_CHUNKS).await;
    }
    // A size line or trailers without an end are not a chunk either.
    for start in ["2;", "2;a=\"", "0\r\n", "0\r\na: "] {
        let mut bytes = chunked(start);
        let line: &[u8] = if start == "0\r\n" {
            b"a: b\r\n"
        } else {
            b"aaaaaa"
        };
        bytes.extend(line.repeat(100_000));
        fails(Behaviour::Raw(bytes), "", "protocol", BAD_CHUNKS).await;
    }
}

#[actix_web::test]
async fn odd_chunks_that_are_valid_are_taken() {
    for body in [
        "2\r\n11\r\n0\r\n\r\n",
        "02\r\n11\r\n000\r\n\r\n",
        "1;a=b;c\r\n1\r\n1 \t\r\n1\r\n0;last\r\n\r\n",
        "2\r\n11\r\n0\r\nServer-Timing: a\r\nb:\r\n\r\n",
    ] {
        succeeds(Behaviour::Raw(chunked(body)), 11).await;
    }
    let all: Vec<Vec<u8>> = chunked("A\r\n1111111111\r\n0\r\na: b\r\n\r\n")
        .chunks(1)
        .map(<[u8]>::to_vec)
        .collect();
    let every = Duration::from_millis(1);
    succeeds(Behaviour::Parts { every, parts: all }, 1_111_111_111).await;
}

#[actix_web::test]
async fn an_answer_without_any_length_is_read_to_its_close() {
    for fields in ["", "connection: close\r\n", "connection: keep-alive\r\n"] {
        let close = Behaviour::RawThenClose(raw(fields, "[1]"));
        succeeds(close, json!([1])).await;
    }
    let parts = vec![raw("", "["), b"1".into(), b"]".into()];
    let every = Duration::from_millis(20);
    let sick = Upstream::start(move |_| Behaviour::Parts {
        every,
        parts: parts.clone(),
    });
    // The upstream never closes, so this is a timeout and not an answer.
    let pair = Pair::new(&sick.url("/"), "timeout = \"200ms\"").await;
    pair.ask().await.failed("timeout", "");
}

#[actix_web::test]
async fn a_reset_within_a_body_that_ends_with_the_connection_breaks_the_protocol() {
    let reset = Behaviour::RawThenReset(raw("", "11"));
    fails(reset, "", "protocol", CUT).await;
    let old = b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n11";
    let reset = Behaviour::RawThenReset(old.to_vec());
    fails(reset, "", "protocol", CUT).await;
}

#[actix_web::test]
async fn an_answer_in_http_1_0_ends_where_its_length_says() {
    for fields in ["", "connection: keep-alive\r\n"] {
        for (length, body) in [(2, "ok"), (0, "")] {
            let head = format!("HTTP/1.0 200 OK\r\n{fields}content-length: {length}\r\n\r\n");
            // The upstream leaves the connection open, so waiting for its end would not succeed.
            let sick = Upstream::always(Behaviour::Raw(format!("{head}{body}").into()));
            let pair = Pair::new(&sick.url("/"), "").await;
            let expected = if body.is_empty() {
                serde_json::Value::Null
            } else {
                body.into()
            };
            pair.ask().await.succeeded(expected);
        }
    }
}
