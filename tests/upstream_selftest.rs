//! The real behaviour of the integration tests' misbehaving upstream, seen by a client of raw bytes. A test that relies
//! on a cut body must be able to rely on the cut.

#[path = "support/upstream.rs"]
mod upstream;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use upstream::{Behaviour, Framing, Response, Upstream};

const SOON: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(40);

const JSON_OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

struct Client(TcpStream);

impl Client {
    fn asks(upstream: &Upstream, target: &str) -> Self {
        let mut client = Self(TcpStream::connect(upstream.addr()).expect("a connection"));
        client.0.set_read_timeout(Some(SOON)).expect("a timeout");
        client.sends(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client
    }

    fn sends(&mut self, bytes: &str) {
        self.0
            .write_all(bytes.as_bytes())
            .expect("a client that can send");
    }

    /// Waits for exactly these bytes.
    fn gets(&mut self, expected: &str) {
        let mut bytes = vec![0; expected.len()];
        self.0.read_exact(&mut bytes).expect(expected);
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    /// Returns everything that comes until the upstream closes, and the way in which it closes.
    fn rest(&mut self) -> (String, Option<ErrorKind>) {
        let mut bytes = Vec::new();
        let end = self
            .0
            .read_to_end(&mut bytes)
            .err()
            .map(|error| error.kind());
        (String::from_utf8_lossy(&bytes).into_owned(), end)
    }

    /// Asserts that nothing more comes, but that the connection stays open.
    fn waits_in_vain(&mut self) {
        self.0.set_read_timeout(Some(SHORT)).expect("a timeout");
        let end = self.0.read(&mut [0]).map_err(|error| error.kind());
        assert!(
            matches!(end, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)),
            "{end:?}"
        );
        self.0.set_read_timeout(Some(SOON)).expect("a timeout");
    }
}

#[test]
fn an_answer_has_the_framing_asked_for_and_one_connection_serves_many() {
    let upstream = Upstream::start(|request| match request.path() {
        "/length" => Response::pong().into(),
        "/chunked" => Response::pong().framing(Framing::Chunked(4)).into(),
        "/empty" => Response::new(204).into(),
        "/named" => Response::text("no")
            .status(299)
            .reason("Odd")
            .header("X-A", "1")
            .into(),
        "/http10" => Response::pong().framing(Framing::Http10).into(),
        _ => Response::pong().framing(Framing::CloseDelimited).into(),
    });
    let mut client = Client::asks(&upstream, "/length");
    client.gets(&format!("{JSON_OK}content-length: 6\r\n\r\n\"pong\""));
    client.sends("GET /chunked?a=b HTTP/1.1\r\nHost: a\r\n\r\n");
    client.gets(&format!(
        "{JSON_OK}transfer-encoding: chunked\r\n\r\n4\r\n\"pon\r\n2\r\ng\"\r\n0\r\n\r\n"
    ));
    client.sends("HEAD /length HTTP/1.1\r\nHost: a\r\n\r\nGET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    client.gets(&format!(
        "{JSON_OK}content-length: 6\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    ));
    client.sends("GET /named HTTP/1.1\r\n\r\n");
    client.gets("HTTP/1.1 299 Odd\r\ncontent-type: text/plain; charset=utf-8\r\nX-A: 1\r\ncontent-length: 2\r\n\r\nno");
    client.sends("GET /by_close HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.rest(), (format!("{JSON_OK}\r\n\"pong\""), None));
    assert_eq!(upstream.connections(), 1);
    let old = Client::asks(&upstream, "/http10").rest();
    assert_eq!(
        old,
        (
            "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n\"pong\"".to_owned(),
            None
        )
    );
    let targets: Vec<(String, usize)> = upstream
        .requests()
        .into_iter()
        .map(|request| (request.target, request.connection))
        .collect();
    assert_eq!(targets[1], ("/chunked?a=b".to_owned(), 1));
    assert_eq!(targets[6], ("/http10".to_owned(), 2));
}

#[test]
fn the_log_holds_headers_in_order_and_bodies_without_their_framing() {
    let upstream = Upstream::always(Response::pong());
    let mut client = Client::asks(&upstream, "/");
    client.sends("POST /a HTTP/1.1\r\nB: 1\r\nA: 2\r\nb: 3\r\ncontent-length: 5\r\n\r\nhello");
    client.sends("PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n");
    for _ in 0..3 {
        client.gets(&format!("{JSON_OK}content-length: 6\r\n\r\n\"pong\""));
    }
    let [_, post, put] = upstream.requests().try_into().expect("three requests");
    let names: Vec<&str> = post.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["b", "a", "b", "content-length"]);
    assert_eq!((post.header("b"), post.header_count("b")), (Some("1"), 2));
    assert_eq!(
        (post.method.as_str(), post.body.as_slice()),
        ("POST", b"hello".as_slice())
    );
    assert_eq!(
        (put.method.as_str(), put.body.as_slice()),
        ("PUT", b"hello".as_slice())
    );
    client.sends("nonsense\r\n\r\n");
    assert!(client.rest().0.starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

#[test]
fn a_hanging_upstream_stays_silent_and_notices_at_once_when_the_client_closes() {
    let hour = Duration::from_secs(3600);
    let half_head = format!("{JSON_OK}content-le");
    let cases = [
        (Behaviour::HangBeforeHead, String::new()),
        (Behaviour::HangInHead, half_head),
        (
            Behaviour::HangInBody {
                declared: 10,
                sent: 3,
            },
            format!("{JSON_OK}content-length: 10\r\n\r\n111"),
        ),
        (Behaviour::from(Response::pong()).after(hour), String::new()),
        (Response::pong().delay(hour).into(), String::new()),
    ];
    for (behaviour, bytes) in cases {
        let upstream = Upstream::always(behaviour);
        let mut client = Client::asks(&upstream, "/");
        client.gets(&bytes);
        client.waits_in_vain();
        assert_eq!(
            (upstream.open(), upstream.wait_closed_blocking(SHORT)),
            (1, None)
        );
        drop(client);
        assert!(upstream.wait_closed_blocking(SOON).expect("closed") < Duration::from_secs(1));
        assert_eq!((upstream.open(), upstream.requests().len()), (0, 1));
    }
}

#[test]
fn a_cut_or_closed_answer_ends_exactly_where_it_is_told_to() {
    let chunked = format!("{JSON_OK}transfer-encoding: chunked\r\n\r\n");
    let cases = [
        (Behaviour::CloseBeforeHead, String::new()),
        (Behaviour::CloseInHead, format!("{JSON_OK}content-le")),
        (
            Behaviour::CutLength {
                declared: 10,
                sent: 3,
            },
            format!("{JSON_OK}content-length: 10\r\n\r\n111"),
        ),
        (
            Behaviour::CutChunked { sent: 4 },
            format!("{chunked}4\r\n1111\r\n"),
        ),
        (
            Behaviour::CutChunkMidSize,
            format!("{chunked}3\r\n111\r\n1"),
        ),
        (
            Behaviour::CutInChunk {
                declared: 26,
                sent: 2,
            },
            format!("{chunked}1a\r\n11"),
        ),
        (
            Behaviour::RawThenClose(b"SSH-2.0-x\r\n".to_vec()),
            "SSH-2.0-x\r\n".to_owned(),
        ),
        (
            Response::new(503).close().into(),
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                .to_owned(),
        ),
    ];
    for (behaviour, bytes) in cases {
        let upstream = Upstream::always(behaviour.clone());
        assert_eq!(
            Client::asks(&upstream, "/").rest(),
            (bytes, None),
            "{behaviour:?}"
        );
    }
}

#[test]
fn a_reset_is_a_reset_and_what_was_sent_before_it_arrives() {
    let upstream = Upstream::queue([Behaviour::ResetBeforeHead, Behaviour::ResetInBody]);
    assert_eq!(
        Client::asks(&upstream, "/").rest(),
        (String::new(), Some(ErrorKind::ConnectionReset))
    );
    let mut client = Client::asks(&upstream, "/");
    client.gets(&format!("{JSON_OK}content-length: 10\r\n\r\n111"));
    assert_eq!(client.rest().1, Some(ErrorKind::ConnectionReset));

    let upstream = Upstream::always(Behaviour::RawThenReset(b"abc".into()));
    let mut client = Client::asks(&upstream, "/");
    client.gets("abc");
    assert_eq!(client.rest().1, Some(ErrorKind::ConnectionReset));
}

#[test]
fn parts_come_one_by_one_and_the_connection_goes_on() {
    let upstream = Upstream::queue([
        Behaviour::Parts {
            every: 3 * SHORT,
            parts: vec![b"ab".into(), b"c".into()],
        },
        Response::new(204).into(),
    ]);
    let mut client = Client::asks(&upstream, "/");
    client.gets("ab");
    client.waits_in_vain();
    client.gets("c");
    client.sends("GET / HTTP/1.1\r\n\r\n");
    client.gets("HTTP/1.1 204 No Content\r\n");
}

#[test]
fn an_endless_answer_ends_only_with_the_client_and_a_drip_comes_drop_by_drop() {
    for framing in [
        Framing::ContentLength,
        Framing::Chunked(1000),
        Framing::CloseDelimited,
        Framing::Http10,
    ] {
        let upstream = Upstream::always(Behaviour::Endless(framing));
        let mut client = Client::asks(&upstream, "/");
        client
            .0
            .read_exact(&mut vec![0; 3_000_000])
            .expect("megabytes");
        drop(client);
        assert!(upstream.wait_closed_blocking(SOON).is_some(), "{framing:?}");
    }
    let body = b"[1,2]".to_vec();
    let upstream = Upstream::always(Behaviour::Drip {
        every: Duration::from_millis(10),
        bytes_per: 2,
        body,
    });
    let since = Instant::now();
    Client::asks(&upstream, "/").gets(&format!("{JSON_OK}content-length: 5\r\n\r\n[1,2]"));
    assert!(since.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_stale_connection_looks_alive_until_it_is_used() {
    let pong = format!("{JSON_OK}content-length: 6\r\n\r\n\"pong\"");
    let upstream = Upstream::always(Behaviour::CloseAfterAnswer(Response::pong()));
    assert_eq!(Client::asks(&upstream, "/").rest(), (pong.clone(), None));

    let upstream = Upstream::queue([
        Behaviour::CloseOnNextRequest(Response::pong()),
        Response::new(202).into(),
        Response::new(204).into(),
    ]);
    let mut client = Client::asks(&upstream, "/first");
    client.gets(&pong);
    client.waits_in_vain();
    client.sends("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.rest(), (String::new(), None));
    assert_eq!((upstream.connections(), upstream.requests().len()), (1, 2));
    Client::asks(&upstream, "/third").gets("HTTP/1.1 202 Accepted\r\n");
}

#[test]
fn raw_bytes_go_out_as_they_are_and_the_last_of_a_queue_stays() {
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n11";
    let upstream = Upstream::queue([
        Behaviour::Raw(interim.into()),
        Response::new(503).into(),
        Response::new(204).into(),
    ]);
    let mut client = Client::asks(&upstream, "/");
    client.gets(interim);
    client.sends("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    client.gets("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    client.gets("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
}

#[test]
fn dropping_it_closes_its_connections_and_its_port() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let addr = upstream.addr();
    let mut client = Client::asks(&upstream, "/");
    client.waits_in_vain();
    drop(upstream);
    assert_ne!(client.rest().1, Some(ErrorKind::WouldBlock));
    let refused = TcpStream::connect(addr).map_err(|error| error.kind());
    assert!(
        matches!(refused, Err(ErrorKind::ConnectionRefused)),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_works_under_a_runtime_whose_clock_stands_still() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let client = Client::asks(&upstream, "/");
    assert!(upstream.wait_requests(1, SOON).await);
    assert!(!upstream.wait_requests(2, SHORT).await);
    assert_eq!(upstream.wait_closed(SHORT).await, None);
    drop(client);
    assert!(upstream.wait_closed(SOON).await.is_some());
}
