//! Bodies beyond `max_body`: they are `too_large`, and are not read any further.

use crate::{
    pair::{Pair, fails},
    upstream::{Behaviour, Framing, Response, Upstream},
};

#[actix_web::test]
async fn a_body_without_end_is_too_large_by_each_of_its_framings_and_is_let_go() {
    for framing in [
        Framing::ContentLength,
        Framing::Chunked(1000),
        Framing::Chunked(10_000_000),
        Framing::CloseDelimited,
        Framing::Http10,
    ] {
        let endless = Behaviour::Endless(framing);
        let detail = "larger than 65536 bytes";
        fails(endless, "max_body = \"64KiB\"", "too_large", detail).await;
    }
}

#[actix_web::test]
async fn a_declared_length_beyond_the_limit_fails_before_a_byte_of_it_has_come() {
    for declared in ["1025", "18446744073709551615"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {declared}\r\n\r\n");
        let sick = Behaviour::Raw(head.into());
        fails(sick, "max_body = \"1KiB\"", "too_large", "1024 bytes").await;
    }
}

#[actix_web::test]
async fn a_body_at_the_limit_is_taken_and_one_byte_more_is_not() {
    for framing in [
        Framing::ContentLength,
        Framing::Chunked(100),
        Framing::CloseDelimited,
        Framing::Http10,
    ] {
        for (length, fits) in [(1024, true), (1025, false)] {
            let sick = Upstream::always(Response::text("x".repeat(length)).framing(framing));
            let pair = Pair::new(&sick.url("/"), "max_body = \"1KiB\"").await;
            let call = pair.ask().await;
            if fits {
                call.succeeded("x".repeat(length));
            } else {
                call.failed("too_large", "1024 bytes");
                assert_eq!(call.json["status"], 200);
            }
        }
    }
}
