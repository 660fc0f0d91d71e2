//! TLS towards upstreams: its trust, its identity, and the ways in which a session can fail.

use std::path::Path;

use crate::{
    pair::{CLOSED, Pair, raw},
    tls::{Authority, End, Identity, TlsUpstream},
    upstream::{Response, Upstream},
};

fn pong() -> Vec<u8> {
    raw("content-length: 6\r\n", "\"pong\"")
}

/// Files for the `tls` table of an upstream.
struct Files(tempfile::TempDir);

impl Files {
    fn new(authority: &Authority) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("ca.pem", &authority.pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ca(&self) -> String {
        format!("ca = '{}'", self.path().join("ca.pem").display())
    }

    /// Returns the lines that also set the gateway's identity.
    fn identity(&self, identity: &Identity) -> String {
        self.write("me.pem", &identity.certificate);
        self.write("me.key", &identity.key);
        format!(
            "{}, cert = '{}', key = '{}'",
            self.ca(),
            self.path().join("me.pem").display(),
            self.path().join("me.key").display()
        )
    }
}

fn table(entries: &str) -> String {
    format!("tls = {{ {entries} }}")
}

/// Asserts that no session begins: the failure has this class and sentence, and the upstream saw no request.
async fn refused(sick: &TlsUpstream, url: &str, settings: &str, detail: &str) {
    let pair = Pair::new(url, settings).await;
    pair.ask().await.failed("tls", detail);
    assert_eq!(pair.attempts("tls").await, 1.0);
    assert_eq!(pair.count("gather_connections_opened_total").await, 0.0);
    assert_eq!((sick.seen().accepted, sick.seen().answered), (1, 0));
}

#[actix_web::test]
async fn a_private_authority_is_trusted_where_it_is_named_and_only_there() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let sick = TlsUpstream::start(&authority.issue(&["127.0.0.1"]), None, pong(), End::Keep);
    let pair = Pair::new(&sick.url("127.0.0.1"), &table(&files.ca())).await;
    for _ in 0..5 {
        pair.ask().await.succeeded("pong");
    }
    let seen = sick.seen();
    assert_eq!((seen.sessions, seen.answered), (1, 5), "one session serves");
    assert_eq!(seen.protocols[0].as_deref(), Some(&b"http/1.1"[..]));

    let sick = TlsUpstream::start(&authority.issue(&["127.0.0.1"]), None, pong(), End::Keep);
    refused(&sick, &sick.url("127.0.0.1"), "", "unknown issuer").await;
}

#[actix_web::test]
async fn a_certificate_of_another_authority_is_refused() {
    let files = Files::new(&Authority::new("ours"));
    let theirs = Authority::new("theirs").issue(&["127.0.0.1"]);
    let sick = TlsUpstream::start(&theirs, None, pong(), End::Keep);
    let settings = table(&files.ca());
    refused(&sick, &sick.url("127.0.0.1"), &settings, "unknown issuer").await;
}

#[actix_web::test]
async fn a_certificate_for_another_name_is_refused_unless_that_name_is_expected() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let identity = authority.issue(&["users.internal"]);
    let sick = TlsUpstream::start(&identity, None, pong(), End::Keep);
    let settings = table(&files.ca());
    refused(&sick, &sick.url("127.0.0.1"), &settings, "another name").await;

    let sick = TlsUpstream::start(&identity, None, pong(), End::Keep);
    let settings = table(&format!("{}, server_name = 'users.internal'", files.ca()));
    let pair = Pair::new(&sick.url("127.0.0.1"), &settings).await;
    pair.ask().await.succeeded("pong");
    assert_eq!(sick.seen().names, [Some("users.internal".to_owned())]);
}

#[actix_web::test]
async fn a_name_in_the_url_is_asked_for_and_verified() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let identity = authority.issue(&["localhost"]);
    let sick = TlsUpstream::start(&identity, None, pong(), End::Keep);
    let pair = Pair::new(&sick.url("localhost"), &table(&files.ca())).await;
    pair.ask().await.succeeded("pong");
    assert_eq!(sick.seen().names, [Some("localhost".to_owned())]);
}

#[actix_web::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let identity = authority.issue_expired(&["127.0.0.1"]);
    let sick = TlsUpstream::start(&identity, None, pong(), End::Keep);
    refused(
        &sick,
        &sick.url("127.0.0.1"),
        &table(&files.ca()),
        "expired",
    )
    .await;
}

#[actix_web::test]
async fn an_upstream_that_does_not_speak_tls_is_a_tls_failure() {
    let sick = Upstream::always(Response::pong());
    let url = format!("https://{}/", sick.addr());
    let pair = Pair::new(&url, "").await;
    pair.ask().await.failed("tls", "does not speak TLS");
    assert!(sick.wait_closed(CLOSED).await.is_some());
}

#[actix_web::test]
async fn an_upstream_that_is_silent_in_the_handshake_fails_with_the_connect_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let settings = "connect_timeout = \"200ms\"\ntimeout = \"20s\"";
    let pair = Pair::new(&url, settings).await;
    pair.ask()
        .await
        .failed("tls", "no TLS session within 200ms");
}

#[actix_web::test]
async fn a_client_certificate_is_shown_where_the_upstream_asks_for_one() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let identity = authority.issue(&["127.0.0.1"]);
    let sick = TlsUpstream::start(&identity, Some(&authority), pong(), End::Keep);
    let settings = table(&files.identity(&authority.issue(&["gateway"])));
    let pair = Pair::new(&sick.url("127.0.0.1"), &settings).await;
    pair.ask().await.succeeded("pong");
    assert_eq!(sick.seen().chains, [1]);
}

#[actix_web::test]
async fn without_the_client_certificate_that_the_upstream_wants_the_call_fails_for_tls() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let identity = authority.issue(&["127.0.0.1"]);
    let stranger = Authority::new("theirs").issue(&["gateway"]);
    for settings in [table(&files.ca()), table(&files.identity(&stranger))] {
        let sick = TlsUpstream::start(&identity, Some(&authority), pong(), End::Keep);
        let pair = Pair::new(&sick.url("127.0.0.1"), &settings).await;
        pair.ask().await.failed("tls", "refused the TLS session");
        assert_eq!(sick.seen().answered, 0);
    }
}

#[actix_web::test]
async fn a_body_that_ends_with_the_session_is_whole_only_when_the_session_was_closed_in_order() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let identity = authority.issue(&["127.0.0.1"]);
    let answer = raw("", "[1,2]");
    let sick = TlsUpstream::start(&identity, None, answer.clone(), End::Close);
    let pair = Pair::new(&sick.url("127.0.0.1"), &table(&files.ca())).await;
    pair.ask()
        .await
        .succeeded(vec![serde_json::json!(1), serde_json::json!(2)]);

    let sick = TlsUpstream::start(&identity, None, answer, End::Cut);
    let pair = Pair::new(&sick.url("127.0.0.1"), &table(&files.ca())).await;
    pair.ask().await.failed("protocol", "cut its body short");
}

#[actix_web::test]
async fn a_session_that_went_stale_in_the_pool_costs_no_failed_call() {
    let authority = Authority::new("ours");
    let files = Files::new(&authority);
    let identity = authority.issue(&["127.0.0.1"]);
    for end in [End::Close, End::Cut] {
        let sick = TlsUpstream::start(&identity, None, pong(), end);
        let pair = Pair::new(&sick.url("127.0.0.1"), &table(&files.ca())).await;
        for _ in 0..10 {
            pair.ask().await.succeeded("pong");
        }
        assert_eq!(sick.seen().answered, 10, "{end:?}");
    }
}
