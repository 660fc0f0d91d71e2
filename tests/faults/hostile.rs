//! Answers with random faults in them. Whatever comes, the gateway stays up, and its answers stay valid.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    gateway::Gateway,
    pair::{CLOSED, Pair},
    upstream::{Behaviour, Response, Upstream},
};

/// The number of answers that are tried.
const ANSWERS: usize = 2_000;

/// The number of calls that one request makes.
const CALLS: usize = 100;

/// Whole answers, which are then broken at random.
const WHOLE: [&[u8]; 12] = [
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\nt: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n\r\nuntil the close",
    b"HTTP/1.0 200 OK\r\ncontent-type: text/html\r\n\r\n<html>",
    b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 10\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy",
    b"HTTP/1.1 301 Moved Permanently\r\nlocation: /a\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
    b"HTTP/1.1 200 OK\r\nupgrade: websocket\r\nconnection: upgrade\r\nset-cookie: a=b\r\ncontent-length: 1\r\n\r\n1",
];

/// Pieces that are put in at random places.
const PIECES: [&[u8]; 20] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b"\xff\xff",
    b" ",
    b":",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"content-length: 5\r\n",
    b"content-length: 18446744073709551615\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding: gzip\r\n",
    b"connection: close\r\n",
    b"upgrade: websocket\r\n",
    b"expect: 100-continue\r\n",
    b"content-type: application/json;;;\r\n",
    b"content-encoding: br\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n\"evil\"",
];

/// Makes the answer of this number. The same number gives the same answer.
fn answer(number: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut bytes = WHOLE[random.usize(..WHOLE.len())].to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        let end = (at + random.usize(..8)).min(bytes.len());
        match random.u8(..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 if at < bytes.len() => bytes[at] = random.u8(..),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            4 => {
                let piece = bytes[at..end].to_vec();
                let times = random.usize(..200);
                bytes.splice(at..at, piece.repeat(times));
            }
            5 => drop(bytes.splice(at..at, std::iter::repeat_with(|| 0x41).take(end - at))),
            _ => {
                let piece = PIECES[random.usize(..PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Starts a gateway that makes many calls to the sick upstream for each request, and one to a healthy one.
async fn gateway(sick: &Upstream, well: &Upstream) -> Gateway {
    let calls: Vec<String> = (0..CALLS)
        .map(|at| format!("{{ upstream = \"sick\", name = \"sick_{at}\" }}"))
        .collect();
    let text = format!(
        "[upstreams.sick]\nurl = \"{}\"\ntimeout = \"150ms\"\nmax_body = \"4KiB\"\n\
         [upstreams.well]\nurl = \"{}\"\ntimeout = \"20s\"\n\
         [aggregates.default]\ndeadline = \"25s\"\ncalls = [\"well\", {}]\n",
        sick.url("/"),
        well.url("/"),
        calls.join(", ")
    );
    Gateway::start(&text).await
}

#[actix_web::test]
async fn two_thousand_broken_answers_break_nothing() {
    let number = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&number);
    let sick = Upstream::start(move |_| {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let bytes = answer(number);
        // Most upstreams close, so that few calls have to wait for their timeout.
        match number % 16 {
            0 => Behaviour::Raw(bytes),
            1 => Behaviour::RawThenReset(bytes),
            _ => Behaviour::RawThenClose(bytes),
        }
    });
    let well = Upstream::always(Response::pong());
    let gateway = gateway(&sick, &well).await;
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    while number.load(Ordering::Relaxed) < ANSWERS {
        let from = number.load(Ordering::Relaxed);
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.status, 200, "from {from}: {}", answer.text());
        let json = answer.json();
        let results = json["results"].as_array().unwrap();
        assert_eq!(results.len(), 1 + CALLS, "from {from}");
        assert_eq!(results[0]["body"], "pong", "from {from}");
        for result in &results[1..] {
            let kind = match result["ok"].as_bool().unwrap() {
                true => "ok",
                false => result["failure"].as_str().unwrap(),
            };
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
        assert_eq!(gateway.metric("gather_panics_total").await, 0.0);
    }
    println!("{kinds:?}");
    for kind in ["ok", "protocol", "invalid_body", "status", "timeout"] {
        assert!(kinds.contains_key(kind), "no {kind} among {kinds:?}");
    }
    for kind in kinds.keys() {
        let known = [
            "ok",
            "protocol",
            "invalid_body",
            "status",
            "timeout",
            "too_large",
        ];
        assert!(known.contains(&kind.as_str()), "{kinds:?}");
    }
    for gauge in [
        "gather_requests_in_flight",
        "gather_attempts_in_flight{upstream=\"sick\"}",
    ] {
        assert_eq!(gateway.metric(gauge).await, 0.0, "{gauge}");
    }
    drop(gateway);
    assert!(sick.wait_closed(5 * CLOSED).await.is_some());
}

#[actix_web::test]
async fn every_byte_in_every_place_of_a_small_head_breaks_nothing() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const ODD: [u8; 8] = [0, b'\r', b'\n', b' ', b':', b'9', 0x7f, 0xff];
    let number = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&number);
    let sick = Upstream::start(move |_| {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let mut bytes = HEAD.to_vec();
        bytes[number / ODD.len() % HEAD.len()] = ODD[number % ODD.len()];
        Behaviour::RawThenClose(bytes)
    });
    let well = Upstream::always(Response::pong());
    let gateway = gateway(&sick, &well).await;
    while number.load(Ordering::Relaxed) < HEAD.len() * ODD.len() {
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.status, 200);
        for result in answer.json()["results"].as_array().unwrap() {
            // Nothing hangs: an upstream that has closed sends nothing more.
            assert_ne!(result["failure"], "timeout", "{result}");
        }
    }
    assert_eq!(gateway.metric("gather_panics_total").await, 0.0);
}

#[actix_web::test]
async fn bytes_without_any_sense_break_the_protocol_and_nothing_else() {
    let number = AtomicUsize::new(0);
    let sick = Upstream::start(move |_| {
        let mut random = fastrand::Rng::with_seed(number.fetch_add(1, Ordering::Relaxed) as u64);
        let length = random.usize(1..2000);
        let bytes = std::iter::repeat_with(|| random.u8(..));
        Behaviour::RawThenClose(bytes.take(length).collect())
    });
    let pair = Pair::new(&sick.url("/"), "").await;
    for _ in 0..50 {
        pair.ask().await.failed("protocol", "");
    }
}
