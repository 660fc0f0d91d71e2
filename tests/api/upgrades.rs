//! Requests for another protocol than HTTP/1.1, as Java's client, curl and nginx send them every time. The wish is
//! ignored, and the connection is kept (RFC 9110, section 7.8).

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Duration, timeout},
};

use crate::{
    gateway::Gateway,
    talk::{End, Talk},
    upstream::{Response, Upstream},
};

/// Requests of real clients: Java's, curl's, nginx's with and without an upgrade, Firefox's for a WebSocket. Some are
/// odd.
const WISHES: [&str; 9] = [
    "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "Connection: upgrade\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade: TLS/1.0\r\nConnection: upgrade\r\n",
    "Connection: UPGRADE\r\nConnection: ,upgrade ,\r\nUpgrade: a/1, b\r\nUpgrade: c\r\n",
    "Connection:upgrade,keep-alive\r\nUpgrade:\r\n",
    "Connection: keep-alive\r\nUpgrade: h2c\r\n",
];

async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "upstreams.one = {{ url = \"{}\", forward_headers = [\"x-mine\", \"x-ours\"] }}\n\
         aggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    (Gateway::start(&toml).await, upstream)
}

fn ask(wish: &str) -> String {
    format!("GET /aggregate HTTP/1.1\r\nHost: gather\r\n{wish}\r\n")
}

#[actix_web::test]
async fn three_hundred_requests_that_wish_for_another_protocol_take_one_connection() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    for wish in WISHES.iter().cycle().take(300) {
        talk.say(ask(wish)).await;
        let answer = talk.hear().await;
        assert_eq!(answer.status, 200, "{wish}: {}", answer.text());
        for field in ["connection", "upgrade"] {
            assert_eq!(answer.header(field), None, "{wish}");
        }
    }
}

#[actix_web::test]
async fn they_may_be_pipelined_and_refused_without_an_end() {
    let (gateway, _upstream) = gateway().await;
    let mut talk = Talk::with(&gateway).await;
    talk.say(WISHES.map(ask).concat()).await;
    for wish in WISHES {
        assert_eq!(talk.hear().await.status, 200, "{wish}");
    }
    talk.say(ask(WISHES[0]).replace("/aggregate", "/nothing"))
        .await;
    talk.hear().await.problem(404, "not-found");
    talk.get("/aggregate").await;
    assert_eq!(talk.hear().await.status, 200);
}

#[actix_web::test]
async fn a_stream_keeps_its_chunks_and_its_connection() {
    let (gateway, _upstream) = gateway().await;
    for wish in WISHES {
        let mut tcp = gateway.connect().await;
        for _ in 0..2 {
            let wish = format!("{wish}Accept: application/x-ndjson\r\n");
            tcp.write_all(ask(&wish).as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n0\r\n\r\n") {
                let read = timeout(Duration::from_secs(30), tcp.read_buf(&mut answer)).await;
                assert!(read.unwrap().unwrap() > 0, "{wish}: {answer:?}");
            }
            let head = String::from_utf8(answer).unwrap().to_lowercase();
            let (head, _) = head.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            assert!(!head.contains("connection:"), "{head}");
        }
    }
}

#[actix_web::test]
async fn the_other_options_of_the_connection_hold() {
    let (gateway, upstream) = gateway().await;
    for close in [
        "Connection: close, upgrade\r\nUpgrade: h2c\r\n",
        "Connection: upgrade\r\nConnection: close\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade,Close\r\n",
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(ask(close)).await;
        let answer = talk.hear().await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("close"))
        );
        assert_eq!(talk.end().await, End::Closed, "{close}");
    }
    upstream.take_requests();
    let mut talk = Talk::with(&gateway).await;
    talk.say(ask(
        "Connection: Upgrade, X-Mine\r\nUpgrade: h2c\r\nX-Mine: 1\r\nX-Ours: 2\r\n",
    ))
    .await;
    assert_eq!(talk.hear().await.status, 200);
    let asked = upstream.requests().pop().unwrap();
    assert_eq!(asked.header("x-mine"), None, "it is for this connection");
    assert_eq!(asked.header("x-ours"), Some("2"));
    assert_eq!(asked.header("upgrade"), None);
}

#[actix_web::test]
async fn an_old_client_that_wishes_so_keeps_its_connection_only_where_it_says_so() {
    let (gateway, _upstream) = gateway().await;
    for (wish, connection) in [
        ("Connection: upgrade\r\nUpgrade: h2c\r\n", None),
        ("Upgrade: websocket\r\n", None),
        (
            "Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\n",
            Some("keep-alive"),
        ),
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(ask(wish).replace("HTTP/1.1", "HTTP/1.0")).await;
        let answer = talk.hear().await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, connection)
        );
        match connection {
            None => assert_eq!(talk.end().await, End::Closed, "{wish}"),
            Some(_) => {
                talk.get("/aggregate").await;
                assert_eq!(talk.hear().await.status, 200);
            }
        }
    }
}

#[actix_web::test]
async fn a_body_that_comes_with_a_wish_is_refused_as_any_other_is() {
    let (gateway, upstream) = gateway().await;
    let smuggled = ask("");
    for wish in WISHES {
        for (method, status) in [("GET", 400), ("POST", 405)] {
            let length = format!("{wish}Content-Length: {}\r\n", smuggled.len());
            let mut talk = Talk::with(&gateway).await;
            talk.say(ask(&length).replace("GET", method) + &smuggled)
                .await;
            let answer = talk.hear().await;
            assert_eq!(answer.status, status, "{wish}");
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(talk.end().await, End::Closed, "{wish}");
        }
    }
    assert_eq!(upstream.requests().len(), 0);
}
