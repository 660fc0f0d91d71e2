//! Requests that come back to the gateway that has sent them (RFC 8586). They are refused before anything more is sent.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};

use crate::{
    gateway::{Gateway, request},
    upstream::{Response, Upstream},
};

const LINES: (&str, &str) = ("Accept", "application/x-ndjson");
const EVENTS: (&str, &str) = ("Accept", "text/event-stream");

/// Another address for a gateway that starts later, such as a balancer or a service of Kubernetes. It counts requests.
struct Detour {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    requests: Arc<AtomicUsize>,
}

impl Detour {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let detour = Self {
            address: listener.local_addr().unwrap(),
            target: Arc::default(),
            requests: Arc::default(),
        };
        let (target, requests) = (Arc::clone(&detour.target), Arc::clone(&detour.requests));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let target = *target.get().expect("the gateway has started");
                tokio::spawn(pass(client, target, Arc::clone(&requests)));
            }
        });
        detour
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn leads_to(&self, gateway: &Gateway) {
        self.target.set(gateway.address).unwrap();
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Passes bytes on in both directions. A small request comes in one piece.
async fn pass(client: TcpStream, target: SocketAddr, requests: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = client.into_split();
    let gateway = TcpStream::connect(target).await.unwrap();
    let (mut from_gateway, mut to_gateway) = gateway.into_split();
    tokio::spawn(async move { copy(&mut from_gateway, &mut to_client).await });
    let mut space = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from_client.read(&mut space).await {
        requests.fetch_add(1, Ordering::Relaxed);
        if to_gateway.write_all(&space[..size]).await.is_err() {
            return;
        }
    }
}

/// Starts a gateway before one upstream, with these lines in its table. Returns the `CDN-Loop` values that the upstream
/// gets when a client sends these fields.
async fn passed_on(settings: &str, fields: &[(&str, &str)]) -> Vec<String> {
    let upstream = Upstream::always(Response::pong());
    let gateway = Gateway::start(&one(&upstream.url("/"), settings)).await;
    let answer = gateway.get_with("/aggregate", fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = upstream.requests().remove(0);
    let lines = request
        .headers
        .into_iter()
        .filter(|(name, _)| name == "cdn-loop");
    lines.map(|(_, value)| value).collect()
}

fn one(url: &str, settings: &str) -> String {
    format!(
        "[upstreams.one]\nurl = \"{url}\"\n{settings}\n[aggregates.default]\ncalls = [\"one\"]\ncompare = true\n"
    )
}

fn is_ours(member: &str) -> bool {
    member.strip_prefix("gather; id=").is_some_and(|id| {
        id.len() == 16
            && id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[actix_web::test]
async fn a_gateway_that_calls_itself_by_another_name_answers_one_request_once() {
    let detour = Detour::new().await;
    let well = Upstream::always(Response::pong());
    let gateway = Gateway::before(
        &[
            ("itself", detour.url("/aggregate")),
            ("well", well.url("/")),
        ],
        "aggregates.default.calls = [\"itself\", \"well\"]",
    )
    .await;
    detour.leads_to(&gateway);
    for asked in 1..=3 {
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.result("well"), "ok");
        assert_eq!(answer.result("itself"), "status");
        let itself = &answer.json()["results"][0];
        assert_eq!(itself["status"], 502, "{itself}");
        assert_eq!((detour.requests(), well.requests().len()), (asked, asked));
    }
    gateway
        .wait_metric("gather_problems_total{type=\"loop-detected\"}", 3.0)
        .await;
}

#[actix_web::test]
async fn a_circle_of_two_gateways_ends_where_it_began() {
    let detour = Detour::new().await;
    let second = Gateway::start(&one(&detour.url("/aggregate"), "")).await;
    let back = format!("http://{}/aggregate", second.address);
    let first = Gateway::start(&one(&back, "")).await;
    detour.leads_to(&first);
    let answer = first.aggregate("").await;
    answer.problem(502, "upstream-failed");
    assert_eq!(answer.json()["results"][0]["status"], 502);
    assert_eq!(detour.requests(), 1);
    let looped = "gather_problems_total{type=\"loop-detected\"}";
    first.wait_metric(looped, 1.0).await;
    assert_eq!(second.metric(looped).await, 0.0);
}

#[actix_web::test]
async fn a_gateway_behind_another_is_no_loop() {
    let upstream = Upstream::always(Response::pong());
    let inner = Gateway::start(&one(&upstream.url("/"), "")).await;
    let url = format!("http://{}/aggregate", inner.address);
    let outer = Gateway::start(&one(&url, "")).await;
    let answer = outer.aggregate("").await;
    assert_eq!(answer.result("one"), "ok");
    let request = upstream.requests().remove(0);
    let members: Vec<_> = request.header("cdn-loop").unwrap().split(", ").collect();
    assert_eq!(members.len(), 2);
    assert!(members.iter().all(|member| is_ours(member)), "{members:?}");
    assert_ne!(members[0], members[1]);
}

#[actix_web::test]
async fn replicas_of_one_configuration_know_one_another() {
    let upstream = Upstream::always(Response::pong());
    let toml = one(&upstream.url("/"), "");
    let (first, second) = (Gateway::start(&toml).await, Gateway::start(&toml).await);
    first.aggregate("").await;
    second.aggregate("").await;
    let requests = upstream.requests();
    let member = requests[0].header("cdn-loop").unwrap();
    assert_eq!(requests[1].header("cdn-loop"), Some(member));
    let answer = second.get_with("/aggregate", &[("CDN-Loop", member)]).await;
    answer.problem(502, "loop-detected");
}

#[actix_web::test]
async fn a_loop_is_refused_in_every_way_to_ask_and_nothing_is_sent() {
    let upstream = Upstream::always(Response::pong());
    let gateway = Gateway::start(&one(&upstream.url("/"), "")).await;
    gateway.aggregate("").await;
    let member = upstream.requests()[0]
        .header("cdn-loop")
        .unwrap()
        .to_owned();
    let long = format!("{}, {member}", ["cdn.example; v=\"1, 2\""; 500].join(", "));
    for value in [member.as_str(), "a,gather,b", long.as_str()] {
        for fields in [&[][..], &[LINES], &[EVENTS]] {
            let fields = [&[("cdn-loop", value)], fields].concat();
            for query in ["", "?mode=compare", "?mode=sync", "?mode="] {
                let answer = gateway
                    .get_with(&format!("/aggregate{query}"), &fields)
                    .await;
                let problem = answer.problem(502, "loop-detected");
                assert_eq!(problem["title"], "Loop detected");
                assert!(problem.get("results").is_none());
            }
        }
        let fields = [("cdn-loop", value)];
        let head = request(gateway.address, "HEAD", "/aggregate", &fields, b"").await;
        assert_eq!(head.status, 502);
        // A request that asks no upstream is no loop.
        let answer = gateway.get_with("/livez", &[("cdn-loop", value)]).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[actix_web::test]
async fn what_a_request_has_come_through_goes_on_with_the_gateway_at_its_end() {
    let alone = passed_on("", &[]).await;
    assert!(
        matches!(&alone[..], [member] if is_ours(member)),
        "{alone:?}"
    );
    for (settings, fields, before) in [
        ("", &[("CDN-Loop", "a; v=1")][..], "a; v=1, "),
        ("", &[("CDN-Loop", "a,b"), ("cdn-loop", "c")], "a,b, c, "),
        // The field is passed on once, whether or not it is among `forward_headers` or among the options of
        // `Connection`.
        (
            "forward_headers = [\"cdn-loop\", \"accept\"]",
            &[("CDN-Loop", "a"), ("accept", "*/*")],
            "a, ",
        ),
        ("", &[("CDN-Loop", "a"), ("connection", "cdn-loop")], "a, "),
        // A quote without an end would hide the gateway's own entry.
        ("", &[("CDN-Loop", "a; x=\"1"), ("CDN-Loop", "b")], "b, "),
        ("", &[("CDN-Loop", "")], ""),
    ] {
        let lines = passed_on(settings, fields).await;
        let [line] = &lines[..] else {
            panic!("{fields:?}: {lines:?}");
        };
        let member = line.strip_prefix(before).unwrap_or_default();
        assert!(is_ours(member), "{fields:?}: {line}");
    }
}

#[actix_web::test]
async fn a_fixed_field_does_not_take_the_gateways_place() {
    let settings = "headers = { CDN-Loop = \"edge\" }";
    for fields in [&[][..], &[("cdn-loop", "a")]] {
        let lines = passed_on(settings, fields).await;
        assert_eq!((lines.len(), lines[0].as_str()), (2, "edge"));
        assert!(is_ours(lines[1].trim_start_matches("a, ")), "{lines:?}");
    }
}
