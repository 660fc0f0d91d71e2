//! No connection: the failure is `connect`, whatever the reason.

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    time::Duration,
};

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
    // A resolver that doesn't answer in time causes the same failure, with another sentence.
    call.failed("connect", "");
    assert!(!call.answer.text().contains("nothing.invalid"));
}

/// A listener with a full queue, from which nobody accepts. The kernel drops new connections.
struct Full {
    address: SocketAddr,
    _listener: tokio::net::TcpListener,
    _queued: Vec<TcpStream>,
}

impl Full {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        for _ in 0..64 {
            let connect = TcpStream::connect(address);
            match tokio::time::timeout(Duration::from_millis(100), connect).await {
                Ok(connection) => queued.push(connection.unwrap()),
                Err(_) => break,
            }
        }
        assert!(queued.len() < 64, "a queue of one takes any number");
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

#[actix_web::test]
async fn an_address_that_does_not_answer_is_a_connect_failure_after_the_connect_timeout() {
    let full = Full::new().await;
    let settings = "connect_timeout = \"200ms\"\ntimeout = \"20s\"";
    let pair = Pair::new(&full.url(), settings).await;
    let call = pair.ask().await;
    call.failed("connect", "no connection within 200ms");
    assert!(call.json["elapsed_ms"].as_f64().unwrap() >= 199.0);
}

#[actix_web::test]
async fn no_connection_is_a_connect_failure_also_where_the_calls_own_time_is_shorter() {
    let full = Full::new().await;
    let settings = "connect_timeout = \"3s\"\ntimeout = \"200ms\"";
    let pair = Pair::new(&full.url(), settings).await;
    let call = pair.ask().await;
    call.failed(
        "connect",
        "no connection before the attempt's time was over",
    );
    assert!(call.json["elapsed_ms"].as_f64().unwrap() >= 199.0);
    assert_eq!(pair.attempts("connect").await, 1.0);
}

#[actix_web::test]
async fn no_connection_is_a_connect_failure_also_where_the_plans_deadline_is_shorter() {
    let full = Full::new().await;
    let settings = "connect_timeout = \"3s\"";
    let pair = Pair::with("", &full.url(), settings, "deadline = \"300ms\"").await;
    for query in ["", "?timeout=200ms", "?mode=sequential"] {
        let answer = pair.gateway.aggregate(query).await;
        let sick = &answer.json()["results"][0];
        assert_eq!(sick["failure"], "connect", "{query}: {sick}");
        let detail = "no connection before the attempt's time was over";
        assert_eq!(sick["detail"], detail, "{query}");
    }
    assert_eq!(pair.attempts("connect").await, 3.0);
    assert_eq!(pair.attempts("deadline").await, 0.0);
}

#[actix_web::test]
async fn a_handshake_that_takes_the_calls_own_time_is_a_tls_failure() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let settings = "connect_timeout = \"20s\"\ntimeout = \"200ms\"";
    let pair = Pair::new(&url, settings).await;
    pair.ask()
        .await
        .failed("tls", "no TLS session before the attempt's time was over");
}

#[actix_web::test]
async fn an_address_that_refuses_leaves_the_name_to_its_next_one() {
    // `localhost` may be ::1 first, and nobody listens there.
    let sick = crate::upstream::Upstream::always(crate::upstream::Response::pong());
    let url = format!("http://localhost:{}/", sick.addr().port());
    Pair::new(&url, "").await.ask().await.succeeded("pong");
}

#[actix_web::test]
async fn a_service_that_listens_on_one_of_localhosts_addresses_costs_nothing_more() {
    // Not every machine has ::1.
    for localhost in ("localhost", 0).to_socket_addrs().unwrap() {
        let listener = TcpListener::bind(localhost).unwrap();
        let address = listener.local_addr().unwrap();
        let accept = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            for _ in 0..6 {
                let (mut tcp, _) = listener.accept().unwrap();
                let _ = tcp.read(&mut [0; 1024]).unwrap();
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                tcp.write_all(answer).unwrap();
            }
        });
        let url = format!("http://localhost:{}/", address.port());
        let pair = Pair::new(&url, "").await;
        let mut quickest = f64::INFINITY;
        for _ in 0..6 {
            let call = pair.ask().await;
            assert_eq!(call.json["ok"], true, "{}", call.json);
            quickest = quickest.min(call.json["elapsed_ms"].as_f64().unwrap());
        }
        // A machine may be slow, but not every time by as much as the wait for the other address.
        assert!(quickest < 100.0, "{address}: {quickest} ms");
        accept.join().unwrap();
    }
}
