//! No connection: `connect`, whatever the reason.

use std::{net::TcpListener, time::Duration};

use tokio::net::{TcpSocket, TcpStream};

use crate::pair::Pair;

#[actix_web::test]
async fn a_refused_connection_is_a_connect_failure() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let pair = Pair::new(&format!("http://{}/", free.unwrap()), "").await;
    pair.ask().await.failed("connect", "refused the connection");
    assert_eq!(pair.attempts("connect").await, 1.0);
    assert_eq!(pair.count("gather_connections_opened_total").await, 0.0);
    assert_eq!(pair.count("gather_resent_total").await, 0.0);
}

#[actix_web::test]
async fn a_name_that_does_not_exist_is_a_connect_failure() {
    let pair = Pair::new("http://nothing.invalid:9/", "").await;
    let call = pair.ask().await;
    // A resolver that doesn't answer in time is the same failure, said otherwise.
    call.failed("connect", "");
    assert!(!call.answer.text().contains("nothing.invalid"));
}

#[actix_web::test]
async fn an_address_that_does_not_answer_is_a_connect_failure_after_the_connect_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts: once the queue is full, the kernel drops what comes.
    let mut queued = Vec::new();
    for _ in 0..64 {
        let connect = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(100), connect).await {
            Ok(connection) => queued.push(connection.unwrap()),
            Err(_) => break,
        }
    }
    assert!(queued.len() < 64, "a queue of one takes any number");
    let settings = "connect_timeout = \"200ms\"\ntimeout = \"20s\"";
    let pair = Pair::new(&format!("http://{address}/"), settings).await;
    let call = pair.ask().await;
    call.failed("connect", "no connection within 200ms");
    assert!(call.json["elapsed_ms"].as_f64().unwrap() >= 199.0);
}

#[actix_web::test]
async fn the_calls_own_time_counts_where_it_is_shorter_than_the_connect_timeout() {
    // The same silence, but in the handshake, where it can be had for certain.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let settings = "connect_timeout = \"20s\"\ntimeout = \"200ms\"";
    let pair = Pair::new(&url, settings).await;
    pair.ask()
        .await
        .failed("timeout", "no complete answer within 200ms");
}

#[actix_web::test]
async fn an_address_that_refuses_leaves_the_name_to_its_next_one() {
    // `localhost` may be ::1 first, where nobody listens.
    let sick = crate::upstream::Upstream::always(crate::upstream::Response::pong());
    let url = format!("http://localhost:{}/", sick.addr().port());
    Pair::new(&url, "").await.ask().await.succeeded("pong");
}
