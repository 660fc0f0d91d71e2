//! Heads that never come, break off, or are none by HTTP/1.1: `protocol`.

use crate::{
    pair::{fails, raw, succeeds},
    upstream::Behaviour,
};

async fn broken(head: impl Into<Vec<u8>>, detail: &str) {
    // Whether the upstream closes after it or not: it isn't waited for.
    let head = head.into();
    fails(Behaviour::Raw(head.clone()), "", "protocol", detail).await;
    fails(Behaviour::RawThenClose(head), "", "protocol", detail).await;
}

#[actix_web::test]
async fn an_end_before_or_in_the_head_breaks_the_protocol() {
    let without = "without an answer";
    fails(Behaviour::CloseBeforeHead, "", "protocol", without).await;
    fails(Behaviour::ResetBeforeHead, "", "protocol", without).await;
    let within = "within its answer's head";
    fails(Behaviour::CloseInHead, "", "protocol", within).await;
    for bytes in ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\na: b\r\n"] {
        let close = Behaviour::RawThenClose(bytes.into());
        fails(close, "", "protocol", within).await;
        let reset = Behaviour::RawThenReset(bytes.into());
        fails(reset, "", "protocol", within).await;
    }
    let interim_only = Behaviour::RawThenClose(b"HTTP/1.1 100 Continue\r\n\r\n".into());
    fails(interim_only, "", "protocol", within).await;
}

#[actix_web::test]
async fn what_is_not_http_1_breaks_the_protocol_at_once() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n",
        b"\x00\x00\x00\x00\x00",
    ] {
        broken(bytes, "not valid HTTP/1.1").await;
    }
}

#[actix_web::test]
async fn a_length_that_is_no_number_or_said_twice_breaks_the_protocol() {
    for value in [
        "-1",
        "+6",
        "0x6",
        "6, 6",
        "6 6",
        "six",
        "99999999999999999999",
    ] {
        let answer = raw(&format!("content-length: {value}\r\n"), "\"pong\"");
        broken(answer, "length is not a number").await;
    }
    for fields in [
        "content-length: 6\r\ncontent-length: 6\r\n",
        "content-length: 6\r\ncontent-length: 7\r\n",
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    ] {
        broken(raw(fields, "\"pong\""), "more than once").await;
    }
    for coding in ["gzip", "gzip, chunked", "chunked, chunked", "identity", ""] {
        let answer = raw(&format!("transfer-encoding: {coding}\r\n"), "\"pong\"");
        broken(answer, "unknown transfer coding").await;
    }
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    broken(old, "chunked in HTTP/1.0").await;
}

#[actix_web::test]
async fn a_head_that_is_too_large_breaks_the_protocol_and_nothing_else() {
    let fields = "a: b\r\n".repeat(97);
    broken(raw(&fields, ""), "too many fields").await;
    // Long by one value, by one name, and without an end.
    let name = "n".repeat(65_600);
    let value = "v".repeat(70_000);
    let too_large = "head is too large";
    broken(raw(&format!("a: {value}\r\n"), ""), too_large).await;
    broken(raw(&format!("{name}: b\r\n"), ""), too_large).await;
    let endless =
        Behaviour::Raw([b"HTTP/1.1 200 OK\r\na: ".to_vec(), vec![b'x'; 1 << 20]].concat());
    fails(endless, "", "protocol", too_large).await;
    let empty_lines = Behaviour::Raw(b"\r\n".repeat(100_000));
    fails(empty_lines, "", "protocol", "").await;
}

#[actix_web::test]
async fn an_odd_head_that_is_valid_is_taken() {
    for fields in [
        "a: b\r\n".repeat(90),
        format!("a: {}\r\n", "v".repeat(60_000)),
        "!#$%&'*+-.^_`|~09AZaz: odd\r\n".to_owned(),
        "a:\r\n".to_owned(),
        "a: \u{e9}\u{1f600}\r\n".to_owned(),
        "CONTENT-length-ish: 3\r\n".to_owned(),
        "upgrade: websocket\r\n".to_owned(),
        "upgrade: h2,h2c\r\nconnection: upgrade, keep-alive\r\n".to_owned(),
        "host: a\r\n".to_owned(),
    ] {
        let fields = format!("{fields}Content-Length:6\r\n");
        succeeds(Behaviour::Raw(raw(&fields, "\"pong\"")), "pong").await;
    }
    let no_reason = "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok";
    succeeds(Behaviour::Raw(no_reason.into()), "ok").await;
    let bare_newlines = "HTTP/1.1 200 OK\ncontent-length: 2\n\nok";
    succeeds(Behaviour::Raw(bare_newlines.into()), "ok").await;
}

#[actix_web::test]
async fn empty_lines_before_a_head_do_no_harm() {
    for answer in [
        "\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "\r\nHTTP/1.1 200 OK\r\n\r\nok",
        "\r\n\r\n\nHTTP/1.1 200 OK\r\n\r\nok",
    ] {
        succeeds(Behaviour::RawThenClose(answer.into()), "ok").await;
    }
}
