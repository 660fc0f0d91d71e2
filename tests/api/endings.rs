//! The ways in which the gateway ends a connection of a client. It always does so in order: first a close, and no reset
//! after it, even if the client goes on sending. A proxy that meets a reset instead ends its own client's connection.
//! The one exception is a client that doesn't read its answer.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::{
    gateway::Gateway,
    talk::{End, Talk, gateway},
    upstream::{Behaviour, Upstream},
};

/// The time in which a reset comes, if one comes. It is far below the time for which an ending connection is read.
const RESET: Duration = Duration::from_millis(50);

const REQUEST: &str = "GET /livez HTTP/1.1\r\nHost: gather\r\n\r\n";

/// The cause of the end, after the answers have come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// No further cause than the bytes that were sent, or their absence.
    Nothing,
    /// A stop begins.
    Stop,
    /// A stop begins, and one more request is answered.
    StopAndRequest,
    /// The client leaves: it closes its half.
    Leaving,
}

/// One way in which a connection ends.
struct Way {
    name: &'static str,
    /// Lines of the configuration's `server` table.
    server: &'static str,
    sent: String,
    /// The statuses of the answers.
    answers: &'static [u16],
    cause: Cause,
}

impl Way {
    fn of(name: &'static str, sent: impl Into<String>, answers: &'static [u16]) -> Self {
        Self {
            name,
            server: "",
            sent: sent.into(),
            answers,
            cause: Cause::Nothing,
        }
    }

    fn set(mut self, server: &'static str) -> Self {
        self.server = server;
        self
    }

    fn by(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }
}

fn wishes() -> Vec<Way> {
    let closing = "GET /livez HTTP/1.1\r\nHost: gather\r\nConnection: close\r\n\r\n";
    vec![
        Way::of("a wish to close", closing, &[200]),
        Way::of(
            "a wish to close, with a request behind it",
            closing.to_owned() + REQUEST,
            &[200],
        ),
        Way::of(
            "a wish to close, with much behind it",
            closing.to_owned() + &REQUEST.repeat(5000),
            &[200],
        ),
        Way::of(
            "a client of HTTP/1.0",
            "GET /livez HTTP/1.0\r\n\r\n",
            &[200],
        ),
        Way::of(
            "a body of which nothing comes",
            "POST /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: 100000\r\n\r\n",
            &[405],
        ),
        Way::of(
            "a body of which half has come",
            "POST /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: 100000\r\n\r\n".to_owned()
                + &"x".repeat(50_000),
            &[405],
        ),
    ]
}

fn refusals() -> Vec<Way> {
    vec![
        Way::of("a head that is none", "SSH-2.0-OpenSSH_9.2\r\n", &[400]),
        Way::of(
            "a head that is none, with a request behind it",
            "GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned() + REQUEST,
            &[400],
        ),
        Way::of(
            "a head that is none behind one that is",
            REQUEST.to_owned() + "GET /livez HTTP/1.1\r\nHost : gather\r\n\r\n",
            &[200, 400],
        ),
        Way::of(
            "a head that is too large",
            format!(
                "GET /livez HTTP/1.1\r\nHost: gather\r\nA: {}",
                "a".repeat(200_000)
            ),
            &[431],
        ),
        Way::of("a head that does not come", "", &[408]).set("server.header_timeout = \"300ms\""),
        Way::of("a head that does not come whole", "GET /livez HT", &[408])
            .set("server.header_timeout = \"300ms\""),
    ]
}

fn others() -> Vec<Way> {
    vec![
        Way::of("a time for idle connections that is over", REQUEST, &[200])
            .set("server.keep_alive = \"300ms\""),
        Way::of(
            "an empty line and no more",
            REQUEST.to_owned() + "\r\n",
            &[200],
        )
        .set("server.keep_alive = \"300ms\""),
        Way::of("a stop while it is idle", REQUEST, &[200]).by(Cause::Stop),
        Way::of("a stop while nothing was sent", "", &[]).by(Cause::Stop),
        Way::of("a stop within a head", "GET /livez HTTP/1.1\r\n", &[]).by(Cause::Stop),
        Way::of("the last answer of a stop", REQUEST, &[200])
            .set("server.grace = \"1s\"")
            .by(Cause::StopAndRequest),
        Way::of("a client that leaves while it is idle", REQUEST, &[200]).by(Cause::Leaving),
        Way::of(
            "a client that leaves before its answer",
            "GET /aggregate HTTP/1.1\r\nHost: gather\r\n\r\n".to_owned() + &REQUEST.repeat(100),
            &[],
        )
        .by(Cause::Leaving),
    ]
}

#[actix_web::test]
async fn a_connection_ends_in_order_whatever_ends_it_and_whatever_is_still_sent() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let rest = format!(
        "upstreams.one.url = \"{}\"\naggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    for way in [wishes(), refusals(), others()].into_iter().flatten() {
        let grace = match way.server.contains("grace") {
            true => "",
            false => "server.grace = \"0s\"\n",
        };
        let server = format!("server.workers = 1\n{grace}{}", way.server);
        let mut gateway = Gateway::start_with(&server, &rest).await;
        let mut talk = Talk::with(&gateway).await;
        talk.say(&way.sent).await;
        for status in way.answers {
            assert_eq!(talk.hear().await.status, *status, "{}", way.name);
        }
        // This is answered, so the connection before it was accepted.
        assert_eq!(gateway.get("/livez").await.status, 200);
        match way.cause {
            Cause::Nothing => {}
            Cause::Stop => gateway.begin_stop(),
            Cause::StopAndRequest => {
                gateway.begin_stop();
                gateway.wait_metric("gather_ready", 0.0).await;
                talk.get("/livez").await;
                let answer = talk.hear().await;
                assert_eq!(answer.header("connection"), Some("close"));
            }
            Cause::Leaving => talk.tcp.shutdown().await.unwrap(),
        }
        assert_eq!(talk.end().await, End::Closed, "{}", way.name);
        if way.cause != Cause::Leaving {
            // A proxy that has not seen the close yet does the same.
            talk.get("/livez").await;
        }
        tokio::time::sleep(RESET).await;
        let error = talk.tcp.take_error().unwrap();
        assert!(error.is_none(), "{}: {error:?}", way.name);
    }
}

/// Starts a client that has begun to send a body. No route takes one.
async fn uploading() -> (Gateway, Talk) {
    let (gateway, _upstream) = gateway("").await;
    let mut talk = Talk::with(&gateway).await;
    talk.say("POST /aggregate HTTP/1.1\r\nHost: gather\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    (gateway, talk)
}

#[actix_web::test]
async fn who_goes_on_sending_for_seconds_can_read_the_answer_at_the_end() {
    let (_gateway, mut talk) = uploading().await;
    for _ in 0..30 {
        talk.say(format!("2710\r\n{}\r\n", "x".repeat(10_000)))
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    talk.hear().await.problem(405, "method-not-allowed");
    assert_eq!(talk.end().await, End::Closed);
}

#[actix_web::test]
async fn who_never_stops_sending_is_not_listened_to_for_ever() {
    let (_gateway, mut talk) = uploading().await;
    let endless = async {
        while talk.tcp.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), endless).await;
    assert!(ended.is_ok(), "it is listened to for ever");
}
