//! Bodies on their way from a client to a handler over a real socket.

use std::{sync::Arc, time::Duration};

use actix_server::Server;
use actix_web::{
    App, HttpMessage as _, HttpRequest, HttpResponse, rt::net::TcpStream, test::init_service, web,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
    task::yield_now,
    time::timeout,
};

use super::*;
use crate::{edge::Patience, telemetry::Metrics};

const SOON: Duration = Duration::from_secs(10);

/// The most bytes that the handler takes.
const MOST: usize = 300 * 1024;

/// A client of handlers that answer with its body.
struct Client {
    tcp: TcpStream,
    heard: Vec<u8>,
    /// Lets the handler of `/later` go on.
    tell: mpsc::Sender<()>,
}

/// Puts a service behind connections.
fn edge<S>(service: S, half_close: HalfClose, head: Duration) -> Rc<Edge<S>> {
    let patience = Patience {
        head,
        write: SOON,
        idle: SOON,
        tells_idle: false,
        fields: 100,
    };
    let metrics = Arc::new(Metrics::new(&[]).unwrap());
    let stopping = Server::build().graceful_shutdown_signal();
    Rc::new(Edge::new(service, patience, half_close, metrics, stopping))
}

/// Returns both ends of a connection, the client's first.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).await.unwrap();
    client.set_nodelay(true).unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Connects a client to handlers that answer with the body: `/` at once, `/later` when told, `/deaf` never.
async fn connect(half_close: HalfClose, head: Duration) -> Client {
    let (tell, told) = mpsc::channel(1);
    let told = Rc::new(tokio::sync::Mutex::new(told));
    let later = move |request: HttpRequest| {
        let told = Rc::clone(&told);
        async move {
            told.lock().await.recv().await;
            let answer = answer(request).await;
            // The client may leave now.
            told.lock().await.recv().await;
            answer
        }
    };
    let app = App::new()
        .route("/", web::to(answer))
        .route("/later", web::to(later))
        .route(
            "/deaf",
            web::to(|| async { HttpResponse::Ok().body("deaf") }),
        );
    let edge = edge(init_service(app).await, half_close, head);
    let (tcp, served) = pair().await;
    actix_web::rt::spawn(edge.serve(served));
    Client {
        tcp,
        heard: Vec::new(),
        tell,
    }
}

async fn answer(request: HttpRequest) -> HttpResponse {
    let body = request.extensions().get::<Rc<IncomingBody>>().cloned();
    let Some(body) = body else {
        return HttpResponse::Ok().body("no body");
    };
    match body.read(MOST).await {
        Ok(body) => HttpResponse::Ok().body(body),
        Err(unread) => HttpResponse::BadRequest().body(format!("{unread:?}")),
    }
}

impl Client {
    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.tcp.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until the received bytes end with `end`, and returns all of them as text.
    async fn hear(&mut self, end: &str) -> String {
        while !self.heard.ends_with(end.as_bytes()) {
            let read = timeout(SOON, self.tcp.read_buf(&mut self.heard)).await;
            let heard = String::from_utf8_lossy(&self.heard);
            assert!(read.unwrap().unwrap() > 0, "{end:?} is not in {heard}");
        }
        String::from_utf8(std::mem::take(&mut self.heard)).unwrap()
    }

    /// Reads to the end of the connection, which must be in order.
    async fn hear_all(&mut self) -> String {
        let read = timeout(SOON, self.tcp.read_to_end(&mut self.heard)).await;
        read.unwrap().unwrap();
        String::from_utf8(std::mem::take(&mut self.heard)).unwrap()
    }
}

/// Connects a client for which there is time enough.
async fn patient() -> Client {
    connect(HalfClose::Leaves, SOON).await
}

fn post(target: &str, fields: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: gather\r\n{fields}\r\n")
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const EXPECT: &str = "Expect: 100-continue\r\n";
const NEXT: &str = "GET / HTTP/1.1\r\nHost: gather\r\n\r\n";
const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[actix_web::test]
async fn a_body_is_read_in_any_two_pieces_and_the_next_request_is_answered() {
    for (fields, body) in [
        ("Content-Length: 5\r\n", "abcde"),
        (CHUNKED, "2;a=\"b\"\r\nab\r\n3\r\ncde\r\n0\r\nA: b\r\n\r\n"),
    ] {
        let head = post("/", fields);
        let all = head.clone() + body + NEXT;
        let mut client = patient().await;
        for cut in head.len() - 2..all.len() {
            client.say(&all[..cut]).await;
            for _ in 0..4 {
                yield_now().await;
            }
            client.say(&all[cut..]).await;
            let heard = client.hear("no body").await;
            let answers: Vec<_> = heard.split("HTTP/1.1 ").collect();
            assert_eq!(answers.len(), 3, "{heard}");
            assert!(answers[1].ends_with("\r\n\r\nabcde"), "{heard}");
            assert!(!heard.contains("connection:"), "{heard}");
        }
    }
}

#[actix_web::test]
async fn a_body_that_is_empty_is_none_or_has_no_bytes() {
    let mut client = patient().await;
    client.say(post("/", "Content-Length: 0\r\n")).await;
    client.hear("no body").await;
    client.say(post("/", CHUNKED) + "0\r\n\r\n" + NEXT).await;
    let heard = client.hear("no body").await;
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(heard.contains("content-length: 0\r\n"), "{heard}");
}

#[actix_web::test]
async fn a_large_body_is_read_whole_even_if_the_handler_asks_late() {
    let size = MOST;
    let content = "x".repeat(size);
    let chunks = "1000\r\n".to_owned() + &content[..4096] + "\r\n";
    let chunks = chunks.repeat(size / 4096) + "0\r\n\r\n";
    for (fields, body) in [
        (format!("Content-Length: {size}\r\n"), &content),
        (CHUNKED.to_owned(), &chunks),
    ] {
        let mut client = patient().await;
        for target in ["/", "/later"] {
            let all = post(target, &fields) + body + NEXT;
            let (mut reads, mut writes) = client.tcp.split();
            let tell = client.tell.clone();
            let talk = async {
                let said = async {
                    writes.write_all(all.as_bytes()).await.unwrap();
                };
                let told = async {
                    if target == "/later" {
                        tell.send(()).await.unwrap();
                        tell.send(()).await.unwrap();
                    }
                };
                let heard = async {
                    let mut heard = Vec::new();
                    while !heard.ends_with(b"no body") {
                        assert!(reads.read_buf(&mut heard).await.unwrap() > 0);
                    }
                    heard
                };
                tokio::join!(heard, said, told).0
            };
            let heard = timeout(SOON, talk).await.unwrap();
            let heard = String::from_utf8(heard).unwrap();
            assert!(heard.contains(&content), "{}", heard.len());
            assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 2);
        }
    }
}

#[actix_web::test]
async fn who_waits_before_the_body_is_told_to_go_on_when_it_is_asked_for() {
    for (fields, body) in [
        ("Content-Length: 5\r\n", "abcde"),
        (CHUNKED, "5\r\nabcde\r\n0\r\n\r\n"),
    ] {
        let mut client = patient().await;
        client.say(post("/", &format!("{fields}{EXPECT}"))).await;
        assert_eq!(client.hear("\r\n\r\n").await, INTERIM);
        client.say(body).await;
        let heard = client.hear("abcde").await;
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
        client.say(NEXT).await;
        client.hear("no body").await;
    }
}

#[actix_web::test]
async fn nobody_else_gets_an_interim_answer() {
    let length = |length: usize| format!("Content-Length: {length}\r\n{EXPECT}");
    let plain = post("/", &length(5));
    for (request, end) in [
        // The body has begun, or there is none.
        (plain.clone() + "abcde", "abcde"),
        (plain.clone() + "ab", ""),
        (
            NEXT.replace("\r\n\r\n", &format!("\r\n{EXPECT}\r\n")),
            "no body",
        ),
        // The answer comes instead.
        (post("/deaf", &length(5)), "deaf"),
        (post("/", &length(MOST + 1)), "TooLarge"),
        // It knows no interim answers, or waits for something else.
        (plain.replace("HTTP/1.1", "HTTP/1.0"), ""),
        (plain.replace("100-continue", "200-ok"), ""),
    ] {
        let mut client = patient().await;
        client.say(&request).await;
        for _ in 0..10 {
            yield_now().await;
        }
        let rest = if end.is_empty() { "abcde" } else { "" };
        let rest = rest.trim_start_matches(if request.ends_with("ab") { "ab" } else { "" });
        client.say(rest).await;
        let end = if end.is_empty() { "abcde" } else { end };
        let heard = client.hear(end).await;
        assert!(!heard.contains(" 100 "), "{request}: {heard}");
        assert_eq!(heard.matches("HTTP/1").count(), 1, "{request}: {heard}");
    }
}

#[actix_web::test]
async fn a_body_that_is_not_read_whole_ends_its_connection_and_is_no_request() {
    let chunk = format!("{:x}\r\n{NEXT}\r\n", NEXT.len());
    for (request, end) in [
        (
            post("/deaf", &format!("Content-Length: {}\r\n", NEXT.len())) + NEXT,
            "deaf",
        ),
        (post("/deaf", CHUNKED) + &chunk + "0\r\n\r\n" + NEXT, "deaf"),
        (post("/deaf", CHUNKED) + "0\r\n\r\n" + NEXT, "deaf"),
        (
            post("/", &format!("Content-Length: {}\r\n", MOST + 1)) + NEXT,
            "TooLarge",
        ),
        (post("/", CHUNKED) + "fffff\r\n" + NEXT, "TooLarge"),
        (
            post("/", CHUNKED) + &chunk + "fffffffffffffffff\r\n" + NEXT,
            "Malformed",
        ),
        (post("/", CHUNKED) + "0\n\n" + NEXT, "Malformed"),
        (post("/", CHUNKED) + "1\r\nab\r\n" + NEXT, "Malformed"),
        (post("/", CHUNKED) + "1\r\na\r\n0\r\n" + NEXT, "Malformed"),
        (
            post("/", CHUNKED) + "0\r\nHost: a\r\n\r\n" + NEXT,
            "Malformed",
        ),
        (post("/", CHUNKED) + "{}" + NEXT, "Malformed"),
    ] {
        let mut client = patient().await;
        client.say(&request).await;
        let heard = client.hear_all().await;
        assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{request}: {heard}");
        assert!(heard.contains("connection: close\r\n"), "{heard}");
        assert!(heard.ends_with(end), "{request}: {heard}");
    }
}

#[actix_web::test]
async fn a_body_has_its_time_from_the_moment_that_it_is_asked_for() {
    let patience = Duration::from_millis(500);
    for (request, said) in [
        (post("/", "Content-Length: 5\r\n"), "abcd"),
        (post("/", CHUNKED), "5\r\nabcde\r\n0\r\n"),
    ] {
        let mut client = connect(HalfClose::Leaves, patience).await;
        client.say(&request).await;
        let asked = Instant::now();
        client.say(said).await;
        let heard = client.hear_all().await;
        assert!(asked.elapsed() >= patience - Duration::from_millis(1));
        assert!(heard.contains("connection: close\r\n"), "{heard}");
        assert!(heard.ends_with("\r\n\r\nLate"), "{heard}");
    }
}

#[actix_web::test]
async fn a_client_that_leaves_within_its_body_or_after_it_is_forgotten() {
    for (said, is_told) in [("", true), ("abc", true), ("abc", false), ("abcde", true)] {
        let mut client = patient().await;
        client
            .say(post("/later", "Content-Length: 5\r\n") + said)
            .await;
        if is_told {
            client.tell.send(()).await.unwrap();
        }
        for _ in 0..4 {
            yield_now().await;
        }
        client.tcp.shutdown().await.unwrap();
        // The end without an answer is that of the handler too.
        assert_eq!(client.hear_all().await, "", "{said}");
    }
}

#[actix_web::test]
async fn a_client_that_closes_its_half_is_answered_if_it_may() {
    for (said, end) in [("abcde", "abcde"), ("abc", "Malformed"), ("", "Malformed")] {
        let mut client = connect(HalfClose::Waits, SOON).await;
        client.say(post("/", "Content-Length: 5\r\n") + said).await;
        client.tcp.shutdown().await.unwrap();
        let heard = client.hear_all().await;
        assert!(heard.ends_with(&format!("\r\n\r\n{end}")), "{heard}");
    }
}

#[actix_web::test]
async fn an_interim_answer_that_has_begun_is_completed_before_the_final_one() {
    let edge = edge((), HalfClose::Leaves, SOON);
    for (unsaid, before) in [(&CONTINUE[9..], &INTERIM[9..]), (CONTINUE, "")] {
        let (mut client, served) = pair().await;
        let mut connection = Connection::new(served, &edge);
        let announced = Announced {
            length: Some(5),
            is_awaiting: true,
        };
        let body = connection.announce(announced);
        connection.unsaid = unsaid;
        let answer = actix_http::Response::ok();
        connection.send(&edge, answer).await.unwrap();
        assert_eq!(body.read(5).await, Err(Unread::Gone));
        drop(connection);
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        let expected = format!("{before}HTTP/1.1 200 OK\r\n");
        assert!(heard.starts_with(&expected), "{heard}");
    }
}
