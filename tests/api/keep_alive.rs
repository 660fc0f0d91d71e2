//! The time for which an idle client's connection is kept, and the clients that are told of it.

use std::time::{Duration, Instant};

use crate::{
    gateway::Answer,
    talk::{End, Talk, gateway},
};

/// Returns the fields about the connection.
fn told(answer: &Answer) -> [Option<&str>; 2] {
    ["connection", "keep-alive"].map(|name| answer.header(name))
}

#[actix_web::test]
async fn an_idle_connection_is_kept_for_as_long_as_the_setting_says() {
    let (gateway, _upstream) = gateway("server.keep_alive = \"700ms\"").await;
    let mut talk = Talk::with(&gateway).await;
    for _ in 0..3 {
        talk.get("/aggregate").await;
        assert_eq!(talk.hear().await.status, 200);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // The time is taken before the request: when the answer has come here, its connection has been idle for a while
    // already.
    let since = Instant::now();
    talk.get("/livez").await;
    assert_eq!(talk.hear().await.status, 200);
    assert_eq!(talk.end().await, End::Closed);
    let kept = since.elapsed();
    assert!(kept >= Duration::from_millis(700), "{kept:?}");
}

#[actix_web::test]
async fn who_is_kept_for_another_time_than_the_usual_is_told() {
    for (setting, seconds) in [("20s", 20), ("90s", 90), ("2500ms", 2)] {
        let (gateway, _upstream) = gateway(&format!("server.keep_alive = \"{setting}\"")).await;
        let timeout = format!("timeout={seconds}");
        let mut talk = Talk::with(&gateway).await;
        for target in ["/aggregate", "/livez", "/nothing", "/aggregate?mode=x"] {
            talk.get(target).await;
            let kept = [Some("keep-alive"), Some(&*timeout)];
            assert_eq!(told(&talk.hear().await), kept, "{target}");
            talk.say("HEAD /aggregate HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                .await;
            let answer = talk.hear_head().await;
            assert_eq!(told(&answer), kept, "{target}");
            let connections = answer
                .headers
                .iter()
                .filter(|(name, _)| name == "connection");
            assert_eq!(connections.count(), 1);
        }
    }
}

#[actix_web::test]
async fn who_is_kept_for_the_usual_time_or_not_at_all_is_not_told() {
    let (usual, _upstream) = gateway("").await;
    let mut talk = Talk::with(&usual).await;
    talk.get("/aggregate").await;
    assert_eq!(told(&talk.hear().await), [None, None]);
    // The time is below a second, the unit in which clients would be told of it. A client that took it for a second
    // would lose requests.
    let (short, _upstream) = gateway("server.keep_alive = \"900ms\"").await;
    let mut talk = Talk::with(&short).await;
    talk.get("/aggregate").await;
    assert_eq!(told(&talk.hear().await), [None, None]);
    let (gateway, _upstream) = gateway("server.keep_alive = \"20s\"").await;
    for (head, connection) in [
        (
            "GET /aggregate HTTP/1.1\r\nHost: gather\r\nConnection: close\r\n\r\n",
            Some("close"),
        ),
        (
            "POST /aggregate HTTP/1.1\r\nHost: gather\r\nContent-Length: 1\r\n\r\na",
            Some("close"),
        ),
        ("GET /aggregate HTTP/1.0\r\n\r\n", None),
        ("GET / HTTP/1.1\r\n\r\n", Some("close")),
    ] {
        let mut talk = Talk::with(&gateway).await;
        talk.say(head).await;
        assert_eq!(told(&talk.hear().await), [connection, None], "{head}");
        assert_eq!(talk.end().await, End::Closed);
    }
}
