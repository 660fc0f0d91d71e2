//! Answers on their way to a client over a real socket.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_server::Server;
use actix_web::{App, HttpResponse, test::init_service, web};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::*;
use crate::{
    edge::{HalfClose, Patience},
    telemetry::Metrics,
};

const SOON: Duration = Duration::from_secs(10);

/// A piece that tells a body to break off.
const BREAK: &str = "break";

/// Connects a client that sends this request. The test sends the body's pieces through the channel.
async fn asked(request: &str) -> (TcpStream, mpsc::Sender<&'static str>) {
    let (tell, told) = mpsc::channel::<&'static str>(1);
    let told = Rc::new(std::cell::Cell::new(Some(told)));
    let app = App::new().route(
        "/",
        web::get().to(move || {
            let told = stream::unfold(told.take().unwrap(), |mut told| async {
                let piece = match told.recv().await? {
                    BREAK => Err(io::Error::other(BREAK)),
                    piece => Ok(Bytes::from(piece)),
                };
                Some((piece, told))
            });
            async { HttpResponse::Ok().streaming(told) }
        }),
    );
    let patience = Patience {
        head: SOON,
        write: SOON,
        idle: SOON,
        tells_idle: false,
        fields: 100,
    };
    let service = init_service(app).await;
    let metrics = Arc::new(Metrics::new(&[]).unwrap());
    let stopping = Server::build().graceful_shutdown_signal();
    let edge = Rc::new(Edge::new(
        service,
        patience,
        HalfClose::Leaves,
        metrics,
        stopping,
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    actix_web::rt::spawn(edge.serve(tcp));
    client.write_all(request.as_bytes()).await.unwrap();
    (client, tell)
}

/// Reads until the received bytes end with `end`.
async fn hear(client: &mut TcpStream, end: &str) {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        let read = timeout(SOON, client.read_buf(&mut heard)).await;
        assert!(read.unwrap().unwrap() > 0, "{heard:?}");
    }
}

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: gather\r\n\r\n";

#[actix_web::test]
async fn a_body_of_unknown_length_leaves_piece_by_piece() {
    let (mut client, tell) = asked(PLAIN).await;
    for (piece, chunk) in [("one", "3\r\none\r\n"), ("three", "5\r\nthree\r\n")] {
        tell.send(piece).await.unwrap();
        hear(&mut client, chunk).await;
    }
    drop(tell);
    hear(&mut client, "0\r\n\r\n").await;
}

#[actix_web::test]
async fn a_client_that_leaves_ends_a_body_that_is_still_to_come() {
    let (mut client, tell) = asked(PLAIN).await;
    tell.send("one").await.unwrap();
    hear(&mut client, "one\r\n").await;
    drop(client);
    timeout(SOON, tell.closed()).await.unwrap();
}

#[actix_web::test]
async fn who_asks_for_another_protocol_gets_chunks_and_keeps_the_connection() {
    for wish in [
        "Upgrade: websocket",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
        "Connection: upgrade",
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: gather\r\n{wish}\r\n\r\n");
        let (mut client, tell) = asked(&request).await;
        tell.send("one").await.unwrap();
        hear(&mut client, "3\r\none\r\n").await;
        drop(tell);
        hear(&mut client, "0\r\n\r\n").await;
        // The next request is answered.
        let next = "GET /nothing HTTP/1.1\r\nHost: gather\r\n\r\n";
        client.write_all(next.as_bytes()).await.unwrap();
        hear(&mut client, "\r\n\r\n").await;
    }
}

#[actix_web::test]
async fn a_request_that_announces_a_body_is_told_that_it_is_the_last() {
    for announced in [
        "Content-Length: 2\r\n\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ] {
        let (mut client, tell) =
            asked(&format!("GET / HTTP/1.1\r\nHost: gather\r\n{announced}")).await;
        drop(tell);
        let mut answer = String::new();
        let read = timeout(SOON, client.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

#[actix_web::test]
async fn who_knows_no_chunks_gets_such_a_body_as_it_is_and_the_close_as_its_end() {
    for request in [
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let (mut client, tell) = asked(request).await;
        tell.send("one").await.unwrap();
        drop(tell);
        let mut answer = String::new();
        let read = timeout(SOON, client.read_to_string(&mut answer)).await;
        assert!(read.unwrap().is_ok());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "one", "{request}");
        let head = head.to_lowercase();
        assert!(
            !head.contains("chunked") && !head.contains("keep-alive"),
            "{head}"
        );
    }
}

#[actix_web::test]
async fn a_body_that_breaks_off_ends_its_connection_in_order_where_its_chunks_show_it() {
    let (mut client, tell) = asked(PLAIN).await;
    tell.send("one").await.unwrap();
    hear(&mut client, "3\r\none\r\n").await;
    tell.send(BREAK).await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(SOON, client.read_to_end(&mut rest)).await;
    assert_eq!((read.unwrap().unwrap(), &rest[..]), (0, &b""[..]));
    // The bytes that are on their way are not answered with a reset.
    client.write_all(PLAIN.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(client.take_error().unwrap().is_none());
}

#[actix_web::test]
async fn a_body_that_breaks_off_is_reset_where_a_close_would_make_it_look_whole() {
    let (mut client, tell) = asked("GET / HTTP/1.0\r\n\r\n").await;
    tell.send("one").await.unwrap();
    hear(&mut client, "one").await;
    tell.send(BREAK).await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(SOON, client.read_to_end(&mut rest)).await;
    assert_eq!(
        read.unwrap().unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
}
