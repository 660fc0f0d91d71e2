//! The size of heads. nginx takes 4096 bytes in all, and answers 502 itself to a longer head. So each of our heads is
//! smaller, with all fields at their longest and with the fields that another proxy adds. Text that has no room in it
//! is in the body.

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    gateway::{Gateway, request},
    upstream::{Behaviour, Response, Upstream},
};

/// The longest head that nginx takes, in bytes.
const TAKEN: usize = 4096;

/// Room for the fields of another proxy on the way, in bytes.
const ADDED: usize = 300;

const LONG: Duration = Duration::from_secs(60);

/// Returns all fields by which a client can make the answer's head longer.
fn wishes() -> [(&'static str, String); 4] {
    [
        ("X-Request-Id", "r".repeat(128)),
        ("Accept-Encoding", "gzip, br;q=0.5".to_owned()),
        ("Prefer", "wait=30".to_owned()),
        ("Connection", "keep-alive".to_owned()),
    ]
}

/// Returns the head of the answer to these bytes.
async fn head(address: SocketAddr, bytes: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    // The gateway may answer and close before it has read everything.
    let _ = tcp.write_all(bytes).await;
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some(end) = text.find("\r\n\r\n") {
            return text[..end + 4].to_owned();
        }
        let read = timeout(LONG, tcp.read_buf(&mut answer)).await;
        assert!(
            read.unwrap().unwrap() > 0,
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
}

async fn head_of(gateway: &Gateway, request_line: &str, more: &[(&str, &str)]) -> String {
    let mut text = format!("{request_line}\r\nHost: gather\r\n");
    let own = wishes();
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in own.chain(more.iter().copied()) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    head(gateway.address, text.as_bytes()).await
}

/// Returns the size of a head whose numbers are at their longest.
fn at_longest(head: &str) -> usize {
    let longest = [
        ("content-length", 20),
        ("gather-elapsed", 21),
        ("gather-sequential", 21),
        ("preference-applied", "wait=31536000".len()),
    ];
    let grown = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let (_, most) = longest
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))?;
        Some(most - value.len())
    });
    head.len() + grown.sum::<usize>()
}

#[track_caller]
fn is_taken(what: &str, head: &str, status: u16) {
    let starts = [1, 0].map(|minor| format!("HTTP/1.{minor} {status} "));
    assert!(
        starts.iter().any(|start| head.starts_with(start)),
        "{what}: {head}"
    );
    let size = at_longest(head) + ADDED;
    assert!(size < TAKEN, "{what}: {size} bytes\n{head}");
}

/// Returns the value of a field of a head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(": ")?;
        known.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// Starts a gateway with aggregates of a thousand calls, whose names have 64 letters. The calls of the aggregates
/// succeed, fail, pass a long refusal on, or are late.
async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/never" => Behaviour::HangBeforeHead,
        // These are the longest fields of a refusal that are passed on.
        "/shut" => [100, 500, 300, 200]
            .into_iter()
            .fold(Response::new(431), |response, size| {
                let challenge = format!("Bearer realm=\"{}\"", "r".repeat(size));
                response.header("WWW-Authenticate", &challenge)
            })
            .header("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")
            .into(),
        _ => Response::pong().into(),
    });
    let mut toml = format!(
        "upstreams.well.url = \"{0}\"\n\
         upstreams.lost = {{ url = \"{0}\", success = [\"404\"] }}\n\
         upstreams.shut.url = \"{2}\"\n\
         upstreams.late.url = \"{1}\"\n",
        upstream.url("/"),
        upstream.url("/never"),
        upstream.url("/shut")
    );
    let all = [
        ("well", "60s"),
        ("lost", "60s"),
        ("shut", "60s"),
        ("late", "50ms"),
    ];
    for (name, deadline) in all {
        let calls = (0..1000).map(|number| {
            let letters = "n".repeat(60);
            let passed = if name == "shut" {
                ", pass_status = [431]"
            } else {
                ""
            };
            format!("{{ upstream = \"{name}\", name = \"{letters}_{number:03}\"{passed} }}")
        });
        let calls = calls.collect::<Vec<_>>().join(", ");
        toml.push_str(&format!(
            "[aggregates.{name}]\ncalls = [{calls}]\ncompare = true\nconcurrency = 16\ndeadline = \"{deadline}\"\n"
        ));
    }
    // One time to keep connections that clients are told of, and one that is long.
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.compression = true\nserver.keep_alive = \"24h\"";
    (Gateway::start_with(server, &toml).await, upstream)
}

#[actix_web::test]
async fn every_head_of_an_aggregate_is_below_4096_bytes_with_what_a_proxy_adds() {
    let (gateway, _upstream) = gateway().await;
    for (aggregate, status) in [("well", 200), ("lost", 502), ("shut", 431), ("late", 504)] {
        for mode in ["sync", "async", "compare"] {
            for version in ["1.0", "1.1"] {
                let line = format!("GET /aggregate/{aggregate}?mode={mode} HTTP/{version}");
                let head = head_of(&gateway, &line, &[]).await;
                is_taken(&line, &head, status);
                assert_eq!(field(&head, "content-encoding"), Some("gzip"), "{head}");
                // The head uses the room that it has.
                assert!(at_longest(&head) + ADDED > TAKEN - 500, "{head}");
                let (_, left) = head.rsplit_once("_more;desc=\"").unwrap();
                let left: usize = left.split('"').next().unwrap().parse().unwrap();
                assert!((900..1000).contains(&left), "{head}");
            }
        }
        for media_type in ["application/x-ndjson", "text/event-stream"] {
            for mode in ["sync", "compare"] {
                let line = format!("GET /aggregate/{aggregate}?mode={mode} HTTP/1.1");
                let head = head_of(&gateway, &line, &[("Accept", media_type)]).await;
                is_taken(&line, &head, 200);
                assert_eq!(field(&head, "gather-calls"), None, "{head}");
            }
        }
    }
}

#[actix_web::test]
async fn every_head_of_a_refusal_and_of_the_gateways_own_routes_is_below_4096_bytes() {
    let (gateway, _upstream) = gateway().await;
    let long = "x".repeat(7000);
    for (line, status) in [
        (format!("GET /aggregate/{long} HTTP/1.1"), 404),
        (format!("GET /{long} HTTP/1.1"), 404),
        (format!("GET /aggregate/well?calls={long} HTTP/1.1"), 400),
        (format!("GET /aggregate/well?{long}=1 HTTP/1.1"), 400),
        (format!("GET /{long}{long} HTTP/1.1"), 414),
        ("POST /aggregate HTTP/1.1".to_owned(), 405),
        ("GET nonsense HTTP/1.1".to_owned(), 400),
        ("GET /metrics HTTP/1.1".to_owned(), 200),
        ("GET /openapi.json HTTP/1.1".to_owned(), 200),
        ("GET /livez HTTP/1.1".to_owned(), 200),
        ("GET /readyz HTTP/1.1".to_owned(), 200),
        ("GET /console HTTP/1.1".to_owned(), 200),
        ("GET /console/aggregates HTTP/1.1".to_owned(), 200),
    ] {
        let head = head_of(&gateway, &line, &[]).await;
        is_taken(&line, &head, status);
    }
    let large = "y".repeat(70_000);
    let line = "GET /aggregate/well HTTP/1.1";
    let head = head_of(&gateway, line, &[("X-Large", &large)]).await;
    is_taken("a large head", &head, 431);
    let length = [("Content-Length", "99999999999")];
    let head = head_of(&gateway, line, &length).await;
    is_taken("a large body", &head, 413);
}

#[actix_web::test]
async fn the_head_of_a_gateway_that_has_no_place_is_below_4096_bytes() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.max_in_flight = 1";
    let toml = format!(
        "upstreams.a.url = \"{}\"\naggregates.default = {{ calls = [\"a\"], deadline = \"60s\" }}",
        upstream.url("/")
    );
    let gateway = Gateway::start_with(server, &toml).await;
    let mut tcp = gateway.connect().await;
    tcp.write_all(b"GET /aggregate HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    gateway.wait_metric("gather_requests_in_flight", 1.0).await;
    let head = head_of(&gateway, "GET /aggregate HTTP/1.1", &[]).await;
    is_taken("no place", &head, 503);
    assert_eq!(field(&head, "retry-after"), Some("1"));
}

/// Returns the names of a stream's results in plan order.
fn names(lines: &str) -> Vec<String> {
    let mut names: Vec<_> = lines
        .lines()
        .filter(|line| line.starts_with("{\"index\""))
        .map(|line| {
            let result: Value = serde_json::from_str(line).unwrap();
            let name = result["name"].as_str().unwrap().to_owned();
            (result["index"].as_u64().unwrap(), name)
        })
        .collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

/// Returns the number of calls of `prefix` that the field shows, and the number that it says it leaves out.
fn shown_and_left(timing: &str, prefix: &str) -> (usize, usize) {
    let mut shown = 0;
    let mut left = 0;
    for metric in timing.split(", ") {
        let Some(rest) = metric.strip_prefix(prefix) else {
            continue;
        };
        match rest.strip_prefix("_more;desc=\"") {
            Some(number) => left = number.trim_end_matches('"').parse().unwrap(),
            None if rest.contains(";desc=") => shown += 1,
            None => {}
        }
    }
    (shown, left)
}

/// Makes a name that the configuration accepts. Long names are rare.
fn name(random: &mut fastrand::Rng) -> String {
    let most = *random.choice(&[1, 4, 12, 40, 64]).unwrap();
    let length = random.usize(1..=most);
    let mut name = String::from(random.lowercase());
    while name.len() < length {
        name.push(*random.choice(&['_', '0', '7', 'a', 'k', 'z']).unwrap());
    }
    name
}

#[actix_web::test]
async fn whatever_is_planned_its_head_is_below_4096_bytes_and_what_is_left_out_is_in_the_body() {
    let upstream = Upstream::always(Response::pong());
    let mut random = fastrand::Rng::with_seed(12);
    let mut all: Vec<_> = (0..600).map(|_| name(&mut random)).collect();
    let mut seen = HashSet::new();
    all.retain(|name| seen.insert(name.clone()));
    let calls = all
        .iter()
        .map(|name| format!("{{ upstream = \"up\", name = \"{name}\" }}"));
    let gateway = Gateway::start(&format!(
        "upstreams.up.url = \"{}\"\n[aggregates.default]\ncalls = [{}]\ncompare = true\nconcurrency = 16",
        upstream.url("/"),
        calls.collect::<Vec<_>>().join(", ")
    ))
    .await;
    let (mut cut, mut whole, mut unannounced) = (0, 0, 0);
    for _ in 0..60 {
        random.shuffle(&mut all);
        // A target has no room for more names.
        let most = *random.choice(&[20, 100, 400]).unwrap();
        let mut planned = &all[..random.usize(1..=most)];
        while planned.join(",").len() > 7500 {
            planned = &planned[..planned.len() - 1];
        }
        let mode = *random.choice(&["sync", "async", "compare"]).unwrap();
        let target = format!("/aggregate?mode={mode}&calls={}", planned.join(","));
        let is_stream = random.bool();
        let accept = if is_stream {
            "application/x-ndjson"
        } else {
            "application/json"
        };
        let line = format!("GET {target} HTTP/1.1");
        let head = head_of(&gateway, &line, &[("Accept", accept)]).await;
        is_taken(&line, &head, 200);

        let answer = request(gateway.address, "GET", &target, &[("Accept", accept)], b"").await;
        if is_stream {
            match field(&head, "gather-calls") {
                Some(names) => assert_eq!(names, planned.join(",")),
                None => {
                    assert!(planned.join(",").len() > 2500, "{head}");
                    unannounced += 1;
                }
            }
            if mode != "compare" {
                assert_eq!(names(&answer.dechunked()), planned);
            }
            continue;
        }
        let timing = field(&head, "server-timing").unwrap();
        let prefixes = match mode {
            "compare" => vec!["sequential.", "concurrent."],
            _ => vec![""],
        };
        for prefix in prefixes {
            let (shown, left) = shown_and_left(timing, prefix);
            assert_eq!(shown + left, planned.len(), "{mode}: {timing}");
            if left > 0 { cut += 1 } else { whole += 1 }
        }
        let json = answer.json();
        let run = if mode == "compare" {
            &json["concurrent"]
        } else {
            &json
        };
        let results = run["results"].as_array().unwrap();
        let names: Vec<_> = results
            .iter()
            .map(|call| call["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, planned);
    }
    // The loop has tried both sides of each bound.
    assert!(
        cut > 5 && whole > 3 && unannounced > 3,
        "{cut} {whole} {unannounced}"
    );
}
