//! The bytes that an upstream is sent: those of its settings, those that HTTP demands, and no more.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use crate::{
    gateway::Gateway,
    pair::Pair,
    upstream::{Request, Response, Upstream},
};

/// Returns the request that an upstream with these settings is sent, for a client that sends more than anybody asked
/// for.
async fn sent(path: &str, settings: &str) -> (Request, Upstream) {
    let sick = Upstream::always(Response::pong());
    let pair = Pair::new(&sick.url(path), settings).await;
    let more = [
        ("authorization", "Bearer hunter2"),
        ("cookie", "a=b"),
        ("accept-language", "de"),
        ("accept-encoding", "gzip, br"),
        ("x-request-id", "abc-123"),
        ("user-agent", "browser/1"),
        ("te", "trailers"),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    let answer = pair.gateway.get_with("/aggregate", &more).await;
    assert_eq!(answer.result("sick"), "ok");
    let request = sick.requests().remove(0);
    (request, sick)
}

#[actix_web::test]
async fn a_get_carries_what_the_gateway_sets_and_nothing_of_the_client() {
    let (request, sick) = sent("/users?b=2&a=%201", "").await;
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/users?b=2&a=%201")
    );
    let mut names: Vec<&str> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept-encoding",
            "cdn-loop",
            "host",
            "user-agent",
            "x-request-id"
        ]
    );
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(
        request.header("host"),
        Some(sick.addr().to_string().as_str())
    );
    let own = concat!("gather/", env!("CARGO_PKG_VERSION"));
    assert_eq!(request.header("user-agent"), Some(own));
    assert_eq!(request.header("x-request-id"), Some("abc-123"));
    assert_eq!(request.body, b"");
}

#[actix_web::test]
async fn methods_that_announce_a_body_say_that_there_is_none() {
    for (method, length) in [
        ("GET", None),
        ("HEAD", None),
        ("DELETE", None),
        ("OPTIONS", None),
        ("POST", Some("0")),
        ("PUT", Some("0")),
        ("PATCH", Some("0")),
    ] {
        let (request, _) = sent("/", &format!("method = \"{method}\"")).await;
        assert_eq!(request.method, method);
        assert_eq!(request.header("content-length"), length, "{method}");
        assert_eq!(request.header("transfer-encoding"), None, "{method}");
    }
}

#[actix_web::test]
async fn the_configured_body_and_headers_are_sent_as_they_are() {
    let settings = "method = \"POST\"\nbody = '{\"ä\": 1}'\n\
         headers = { Content-Type = \"application/json\", X-Api-Key = \"k\", Host = \"users.internal\", \
         user-agent = \"ours/1\", accept-encoding = \"gzip\" }";
    let (request, _) = sent("/", settings).await;
    assert_eq!(request.body, "{\"ä\": 1}".as_bytes());
    for (name, value) in [
        ("content-length", "9"),
        ("content-type", "application/json"),
        ("x-api-key", "k"),
        ("host", "users.internal"),
        ("user-agent", "ours/1"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
        assert_eq!(request.header_count(name), 1, "{name}");
    }
}

#[actix_web::test]
async fn what_is_forwarded_goes_to_its_upstream_alone() {
    let sick = Upstream::always(Response::pong());
    let settings = "forward_headers = [\"accept-language\", \"authorization\"]\n\
         forward_query = [\"q\", \"page\"]";
    let pair = Pair::new(&sick.url("/users?fixed=1"), settings).await;
    for (query, target) in [
        ("", "/users?fixed=1"),
        ("?q=a%26b+c&page=2", "/users?fixed=1&q=a%26b+c&page=2"),
        ("?q=", "/users?fixed=1&q="),
    ] {
        let headers = [
            ("accept-language", "de"),
            ("authorization", "Bearer t"),
            ("cookie", "a=b"),
        ];
        let target_asked = format!("/aggregate{query}");
        let answer = pair.gateway.get_with(&target_asked, &headers).await;
        assert_eq!(answer.result("sick"), "ok", "{}", answer.text());
        let request = sick.requests().pop().unwrap();
        assert_eq!(request.target, target);
        assert_eq!(request.header("accept-language"), Some("de"));
        assert_eq!(request.header("authorization"), Some("Bearer t"));
        assert_eq!(request.header("cookie"), None);
        let host = sick.addr().to_string();
        assert_eq!(request.header("host"), Some(host.as_str()));
        assert_eq!(request.header_count("host"), 1);
        let other = pair.well.requests().pop().unwrap();
        assert_eq!(other.target, "/");
        assert_eq!(other.header("accept-language"), None);
        assert_eq!(other.header("authorization"), None);
    }
}

#[actix_web::test]
async fn a_url_without_a_path_asks_for_the_root() {
    let sick = Upstream::always(Response::pong());
    for (end, target) in [("", "/"), ("?a=b", "/?a=b"), ("/a//b/../c", "/a//b/../c")] {
        let pair = Pair::new(&format!("http://{}{end}", sick.addr()), "").await;
        pair.ask().await.succeeded("pong");
        assert_eq!(sick.requests().pop().unwrap().target, target);
    }
}

#[actix_web::test]
async fn an_upstream_may_be_an_ipv6_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        // A machine without IPv6 can't show this.
        return;
    };
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let length = tcp.read(&mut head).unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nsix")
            .unwrap();
        String::from_utf8_lossy(&head[..length]).to_ascii_lowercase()
    });
    let pair = Pair::new(&format!("http://{address}/"), "").await;
    pair.ask().await.succeeded("six");
    let head = server.join().unwrap();
    assert!(head.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
}

#[actix_web::test]
async fn the_clients_user_agent_takes_the_place_of_the_gateways_where_there_is_one() {
    let upstream = Upstream::always(Response::pong());
    let gateway = Gateway::start(&format!(
        "[upstreams.one]
         url = \"{}\"
         forward_headers = [\"user-agent\"]
         forward_query = [\"q\"]
         [aggregates.default]
         calls = [\"one\"]",
        upstream.url("/one")
    ))
    .await;
    for query in ["", "?q=1"] {
        gateway.aggregate(query).await;
        let with = [("User-Agent", "browser")];
        gateway.get_with(&format!("/aggregate{query}"), &with).await;
    }
    let own = concat!("gather/", env!("CARGO_PKG_VERSION"));
    for (request, expected) in upstream
        .requests()
        .iter()
        .zip([own, "browser", own, "browser"])
    {
        assert_eq!(request.header("user-agent"), Some(expected));
        assert_eq!(request.header_count("user-agent"), 1);
    }
}

#[actix_web::test]
async fn an_answer_to_a_body_that_is_not_read_to_its_end_is_taken() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        // The bytes that are left unread turn the close into a reset.
        let _ = tcp.read(&mut [0; 1024]).unwrap();
        let answer =
            "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        tcp.write_all(answer.as_bytes()).unwrap();
    });
    let body = "b".repeat(8_000_000);
    let settings = format!("method = \"PUT\"\nbody = \"{body}\"");
    let pair = Pair::new(&url, &settings).await;
    pair.ask().await.failed("status", "413");
    server.join().unwrap();
}

#[actix_web::test]
async fn an_answer_before_the_body_is_taken_though_the_upstream_neither_reads_nor_closes() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (done, over) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let _ = tcp.read(&mut [0; 1024]).unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
            .unwrap();
        let _ = over.recv();
        // The missing part of the body does not come later either: the connection has ended.
        let mut rest = Vec::new();
        let _ = tcp.read_to_end(&mut rest);
        rest.len()
    });
    let body = "b".repeat(8_000_000);
    let settings = format!("method = \"PUT\"\nbody = \"{body}\"");
    let pair = Pair::new(&url, &settings).await;
    pair.ask().await.succeeded("early");
    done.send(()).unwrap();
    assert!(server.join().unwrap() < 8_000_000);
}
