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
use awc::{Connect, Connector};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::Uri;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use upstream::{Response, Upstream};

const SOON: Duration = Duration::from_secs(5);

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
