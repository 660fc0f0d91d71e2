//! Surprises in the libraries below Gather on which Gather's code depends, or for which it exists. The tests use plain
//! awc and plain actix-web. An upgrade that changes one of these fails here, and names the place that may then become
//! simpler, or wrong.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "support/upstream.rs"]
mod upstream;

use std::{
    cell::{Cell, RefCell},
    future::{Future as _, poll_fn, ready},
    io,
    rc::Rc,
    time::Duration,
};

use actix_service::{Service as _, fn_service};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::{App, HttpServer, web};
use awc::{Client, Connect, Connector, error::PayloadError};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::Uri;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use upstream::{Behaviour, Framing, Response, Upstream};

const SOON: Duration = Duration::from_secs(5);

/// Returns what plain awc makes of this behaviour's answer.
async fn taken(behaviour: impl Into<Behaviour>) -> (u16, Result<Bytes, PayloadError>) {
    let upstream = Upstream::always(behaviour);
    let mut answer = Client::default()
        .get(upstream.url("/"))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.body().await)
}

/// Asserts that awc takes the answer for a good one with this body.
#[track_caller]
fn assert_taken(taken: &(u16, Result<Bytes, PayloadError>), body: &[u8], depends: &str) {
    match &taken.1 {
        Ok(bytes) => assert_eq!(&bytes[..], body, "{depends}"),
        Err(error) => panic!("awc now says {error}: {depends}"),
    }
}

#[actix_web::test]
async fn awc_takes_a_body_cut_by_length_for_a_whole_one() {
    let cut = Behaviour::CutLength {
        declared: 10,
        sent: 3,
    };
    let depends = "upstream/reading.rs knows an answer's end itself";
    assert_taken(&taken(cut).await, b"111", depends);
}

#[actix_web::test]
async fn awc_takes_a_body_cut_between_its_chunks_for_a_whole_one() {
    let depends = "upstream/reading.rs knows the last chunk";
    let cut = Behaviour::CutChunked { sent: 4 };
    assert_taken(&taken(cut).await, b"1111", depends);
}

#[actix_web::test]
async fn awc_takes_an_interim_answer_for_the_final_one() {
    let early = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (status, _) = taken(Behaviour::RawThenClose(early.into())).await;
    assert_eq!(
        status, 103,
        "upstream/reading.rs leaves interim answers out"
    );
}

#[actix_web::test]
async fn awc_loses_the_body_of_an_answer_that_ends_with_the_connection() {
    let depends = "upstream/head.rs shows such a head to the codec as one of HTTP/1.0";
    let answer = |framing| Response::text("whole").framing(framing);
    assert_taken(&taken(answer(Framing::CloseDelimited)).await, b"", depends);
    assert_taken(&taken(answer(Framing::Http10)).await, b"whole", depends);
}

#[actix_web::test]
async fn awc_forgets_the_length_of_an_answer_that_offers_an_upgrade() {
    let offer = b"HTTP/1.1 200 OK\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nok";
    let depends = "upstream/head.rs hides the offer from the codec";
    assert_taken(&taken(Behaviour::Raw(offer.to_vec())).await, b"", depends);
}

#[actix_web::test]
async fn awc_accepts_a_length_beside_chunks() {
    let both = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let depends = "upstream/head.rs refuses such a head";
    assert_taken(&taken(Behaviour::Raw(both.to_vec())).await, b"ok", depends);
}

#[actix_web::test]
async fn awc_reads_an_empty_body_in_http_1_0_to_the_close() {
    let old = b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::always(Behaviour::Raw(old.to_vec()));
    let mut answer = Client::default()
        .get(upstream.url("/"))
        .send()
        .await
        .unwrap();
    let body = tokio::time::timeout(Duration::from_millis(100), answer.body()).await;
    assert!(
        body.is_err(),
        "upstream/reading.rs ends a body where its length does"
    );
}

#[actix_web::test]
async fn awc_uses_a_connection_again_on_which_more_came_than_its_chunks() {
    let surplus =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nsurplus";
    let upstream = Upstream::always(Behaviour::Raw(surplus.into()));
    let client = Client::default();
    for _ in 0..2 {
        let mut answer = client.get(upstream.url("/")).send().await.unwrap();
        assert_eq!(&answer.body().await.unwrap()[..], b"ok");
    }
    let depends = "upstream/reading.rs notices what comes after an answer";
    assert_eq!(upstream.connections(), 1, "{depends}");
}

#[actix_web::test]
async fn awc_panics_on_a_field_name_beyond_64_kib() {
    let head = format!("HTTP/1.1 200 OK\r\n{}: b\r\n\r\n", "n".repeat(65_536));
    let upstream = Upstream::always(Behaviour::Raw(head.into()));
    let url = upstream.url("/");
    let ended =
        actix_web::rt::spawn(async move { Client::default().get(url).send().await.is_ok() });
    let panicked = ended.await.is_err_and(|error| error.is_panic());
    assert!(
        panicked,
        "upstream/reading.rs has a bound on heads below that"
    );
}

#[actix_web::test]
async fn awc_hands_out_idle_connections_first_in_first_out() {
    let slow = Response::pong().delay(Duration::from_millis(50));
    let upstream = Upstream::always(slow);
    let client = Client::default();
    let ask = || async {
        let mut answer = client.get(upstream.url("/")).send().await.unwrap();
        answer.body().await.unwrap();
    };
    tokio::join!(ask(), ask());
    for _ in 0..4 {
        ask().await;
    }
    let used: Vec<usize> = upstream
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    let depends =
        "upstream/pool.rs takes the one used last, so that the others may idle to their end";
    assert_eq!(upstream.connections(), 2);
    assert!(
        used[2..].windows(2).all(|pair| pair[0] != pair[1]),
        "{used:?}: {depends}"
    );
}

#[actix_web::test]
async fn awc_never_sends_a_request_again() {
    let upstream = Upstream::always(Behaviour::CloseOnNextRequest(Response::pong()));
    let client = Client::default();
    let mut answer = client.get(upstream.url("/")).send().await.unwrap();
    answer.body().await.unwrap();
    let second = client.get(upstream.url("/")).send().await;
    assert!(second.is_err(), "upstream/attempt.rs sends it again itself");
    assert_eq!(upstream.requests().len(), 2);
}

#[actix_web::test]
async fn awc_opens_a_connection_for_each_that_asks_and_closes_it_when_it_is_dropped() {
    let upstream = Upstream::always(Response::pong());
    let connector = Connector::new().finish();
    let connect = || {
        connector.call(Connect {
            uri: upstream.url("/").parse().unwrap(),
            addr: None,
        })
    };
    let depends = "upstream/pool.rs keeps what awc has opened, and cancels by dropping it";
    for _ in 0..2 {
        let mut connection = connect().await.unwrap();
        connection
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        assert!(connection.read(&mut [0; 100]).await.unwrap() > 0);
        assert_eq!(upstream.open(), 1, "{depends}");
        drop(connection);
        assert!(upstream.wait_closed(SOON).await.is_some(), "{depends}");
    }
    assert_eq!(upstream.connections(), 2, "{depends}");
}

#[actix_web::test]
async fn awc_hands_on_what_its_dialer_failed_of() {
    let refused = |_: ConnectInfo<Uri>| {
        let error = io::Error::other("the dialer's own");
        ready(Err::<Connection<Uri, actix_rt::net::TcpStream>, _>(
            ConnectError::Io(error),
        ))
    };
    let connector = Connector::new().connector(fn_service(refused)).finish();
    let connect = Connect {
        uri: Uri::from_static("http://127.0.0.1/"),
        addr: None,
    };
    let error = connector.call(connect).await.err();
    let depends = "upstream/dial.rs finds its own failure in there";
    assert!(
        matches!(&error, Some(awc::error::ConnectError::Io(error)) if error.to_string() == "the dialer's own"),
        "{error:?}: {depends}"
    );
}

#[actix_web::test]
async fn awc_asks_its_dialer_within_the_poll_of_the_one_who_wants_a_connection() {
    let polled = Rc::new(Cell::new(0));
    let asked = Rc::new(RefCell::new(Vec::new()));
    let dialer = fn_service({
        let (polled, asked) = (Rc::clone(&polled), Rc::clone(&asked));
        move |_: ConnectInfo<Uri>| {
            asked.borrow_mut().push(polled.get());
            let error = io::Error::other("none");
            ready(Err::<Connection<Uri, actix_rt::net::TcpStream>, _>(
                ConnectError::Io(error),
            ))
        }
    });
    let connector = Connector::new().connector(dialer).limit(0).finish();
    let connect = |number| {
        let mut connecting = Box::pin(connector.call(Connect {
            uri: Uri::from_static("http://127.0.0.1/"),
            addr: None,
        }));
        let polled = Rc::clone(&polled);
        poll_fn(move |cx| {
            polled.set(number);
            connecting.as_mut().poll(cx)
        })
    };
    // All of them exist before the first is polled.
    let mut all: FuturesUnordered<_> = (0..300).map(connect).collect();
    while let Some(connected) = all.next().await {
        assert!(connected.is_err());
    }
    let depends = "upstream/prepare.rs sets the end of an attempt aside before each poll";
    asked.borrow_mut().sort_unstable();
    assert_eq!(*asked.borrow(), (0..300).collect::<Vec<_>>(), "{depends}");
}

/// Returns a plain actix-web server's answers to these bytes, up to the connection's end.
async fn answers(bytes: &[u8]) -> String {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        "body"
    };
    let server = HttpServer::new(move || App::new().route("/slow", web::to(slow)))
        .workers(1)
        .client_request_timeout(Duration::from_millis(200))
        .bind("127.0.0.1:0")
        .unwrap();
    let address = server.addrs()[0];
    let server = server.disable_signals().run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let mut tcp = TcpStream::connect(address).await.unwrap();
    // The server may refuse before it has read everything.
    let _ = tcp.write_all(bytes).await;
    let mut answer = Vec::new();
    // A reset may follow the answer.
    let _ = tokio::time::timeout(SOON, tcp.read_to_end(&mut answer)).await;
    handle.stop(false).await;
    String::from_utf8(answer).unwrap()
}

#[actix_web::test]
async fn actix_takes_what_http_forbids() {
    let depends = "edge checks heads itself";
    for bytes in [
        "GET /nothing HTTP/1.1\nhost: a\nconnection: close\n\n",
        "GET /nothing HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n",
        "GET /nothing#fragment HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET http://me@a/nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let answer = answers(bytes.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 404"),
            "{bytes:?} {answer:?}: {depends}"
        );
    }
}

#[actix_web::test]
async fn actix_mixes_up_answers_to_pipelined_heads() {
    let heads = "HEAD /slow HTTP/1.1\r\nhost: a\r\n\r\nGET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = answers(heads.as_bytes()).await;
    let depends = "edge hands over one head at a time";
    assert_eq!(
        answers.matches("\r\n\r\nbody").count(),
        2,
        "{answers:?}: {depends}"
    );
}
