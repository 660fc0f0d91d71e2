//! Heads that never come, break off, or are invalid in HTTP/1.1: `protocol`.

use crate::{
    pair::{Pair, fails, raw, succeeds},
    upstream::{Behaviour, Upstream},
};

async fn broken(head: impl Into<Vec<u8>>, detail: &str) {
    // The upstream may close after it or not, as the close is not waited for.
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
        "6,",
        ", 6",
        "6, x",
        "6 6",
        "six",
        "99999999999999999999",
    ] {
        let answer = raw(&format!("content-length: {value}\r\n"), "\"pong\"");
        broken(answer, "length is not a number").await;
    }
    for fields in [
        "content-length: 6\r\ncontent-length: 7\r\n",
        "content-length: 6, 7\r\n",
        "content-length: 6, 6\r\ncontent-length: 7\r\n",
        "content-length: 6, 6\r\ntransfer-encoding: chunked\r\n",
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
    let fields = "a: b\r\n".repeat(257);
    broken(raw(&fields, ""), "more than 256 fields").await;
    // These are too long by one value, by one name, and without an end.
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
async fn the_same_length_said_again_is_taken_and_its_connection_is_good() {
    for fields in [
        "content-length: 6\r\ncontent-length: 6\r\n",
        "content-length: 6, 6\r\n",
        "content-length: 6,6\r\n",
        "content-length: 6\t, 6 ,06\r\na: b\r\ncontent-length: 6\r\n",
    ] {
        let sick = Upstream::always(Behaviour::Raw(raw(fields, "\"pong\"")));
        let pair = Pair::new(&sick.url("/"), "").await;
        for _ in 0..3 {
            pair.ask().await.succeeded("pong");
        }
        assert_eq!(sick.connections(), 1, "{fields}");
    }
}

#[actix_web::test]
async fn chunks_are_known_by_their_name_in_any_case_and_beside_nothing() {
    for value in ["Chunked", " CHUNKED ", ", chunked", "chunked,,"] {
        let fields = format!("transfer-encoding:{value}\r\n");
        let body = "6\r\n\"pong\"\r\n0\r\n\r\n";
        succeeds(Behaviour::Raw(raw(&fields, body)), "pong").await;
    }
}

#[actix_web::test]
async fn a_head_of_up_to_256_fields_is_taken() {
    for fields in [97, 255] {
        let cookies = "set-cookie: a=b; path=/\r\n".repeat(fields - 1);
        // The type and the length are two more fields.
        let fields = format!(
            "{}content-length: 6\r\n",
            &cookies["set-cookie: a=b; path=/\r\n".len()..]
        );
        succeeds(Behaviour::Raw(raw(&fields, "\"pong\"")), "pong").await;
    }
}

#[actix_web::test]
async fn an_answer_that_only_a_close_ends_is_refused_where_it_is_to_be_framed() {
    let close =
        |head: &str, body: &str| Behaviour::RawThenClose(format!("{head}\r\n{body}").into());
    let plain = "HTTP/1.1 200 OK\r\n";
    let old = "HTTP/1.0 200 OK\r\n";
    for head in [plain, old] {
        succeeds(close(head, "ok"), "ok").await;
        let sentence = "only the end of the connection ends the answer";
        let sick = Upstream::always(close(head, "ok"));
        let pair = Pair::new(&sick.url("/"), "framed = true").await;
        let call = pair.ask().await;
        call.failed("protocol", sentence);
        assert_eq!(call.json["status"], 200);
    }
    for framed in [
        close("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "ok"),
        close("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n", "ok"),
        close(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
            "2\r\nok\r\n0\r\n\r\n",
        ),
    ] {
        let sick = Upstream::always(framed);
        let pair = Pair::new(&sick.url("/"), "framed = true").await;
        pair.ask().await.succeeded("ok");
    }
    for (settings, head) in [
        ("framed = true", "HTTP/1.1 204 No Content\r\n"),
        ("framed = true", "HTTP/1.1 205 Reset Content\r\n"),
        ("framed = true\nmethod = \"HEAD\"", plain),
    ] {
        let sick = Upstream::always(close(head, ""));
        let pair = Pair::new(&sick.url("/"), settings).await;
        pair.ask().await.succeeded(serde_json::Value::Null);
    }
    let sick = Upstream::always(close("HTTP/1.1 503 Busy\r\n", "busy"));
    let pair = Pair::new(&sick.url("/"), "framed = true").await;
    pair.ask().await.failed("status", "503");
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
