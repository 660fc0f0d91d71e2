//! Complaints about a proxy, by promise. It must not know which proxy it is, except for fields that it may add.

use std::{
    fmt::Debug,
    io,
    net::{SocketAddr, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    client::{Client, once},
    program::{Kind, Proxy},
    restarts,
    scene::{MOST, STEPS, Scene},
};
use crate::{
    gateway::Answer,
    program::{SOON, eventually, get, send},
    upstream::{Behaviour, Response, Upstream},
};

const LINES: (&str, &str) = ("application/x-ndjson", "\n");
const EVENTS: (&str, &str) = ("text/event-stream", "\n\n");

/// The longest delay, beside the gateway's own, with which anything may come through a proxy, or reach what is behind.
const AT_ONCE: Duration = Duration::from_millis(50);

/// The number of tries for a time above that. This machine has other work too.
const TRIES: usize = 3;

/// The time after which a request is broken off. It is later than two health checks.
const BROKEN: Duration = Duration::from_millis(1200);

/// The time after which a call that is still open has not been cancelled.
const CANCELLED: Duration = Duration::from_secs(5);

/// The complaints about one proxy. There should be none.
pub(super) struct Seen {
    pub(super) name: &'static str,
    pub(super) streams: Vec<String>,
    pub(super) heartbeats: Vec<String>,
    pub(super) departures: Vec<String>,
    pub(super) answers: Vec<String>,
    pub(super) requests: Vec<String>,
    pub(super) restarts: Vec<String>,
    pub(super) resends: Vec<String>,
    pub(super) slow: Vec<String>,
    pub(super) ends: Vec<String>,
}

/// Observes a proxy. Returns `None` if its program is missing.
pub(super) fn observe(kind: Kind) -> Option<Seen> {
    kind.program()?;
    let mut scene = Scene::start();
    let proxy = kind.start(scene.addresses)?;
    let slow = ["application/json", LINES.0].map(|accept| slow(&proxy, accept));
    let streams = [LINES, EVENTS].map(|format| stream(&scene, &proxy, format));
    let mut seen = Seen {
        name: kind.name(),
        streams: streams.concat(),
        departures: departures(&scene, &proxy),
        heartbeats: told(heartbeats(&scene, &proxy)),
        answers: answers(kind, &scene, &proxy),
        requests: told(requests(&scene, &proxy)),
        restarts: told(restarts::stop(&mut scene, &proxy)),
        resends: told(resends(kind)),
        slow: Vec::new(),
        ends: Vec::new(),
    };
    // These requests have been under way all the time, also while a gateway was stopped.
    for slow in slow {
        seen.slow.extend(told(slow.join().unwrap()));
    }
    seen.ends = restarts::kill(&mut scene, &proxy);
    Some(seen)
}

/// Returns the complaints. An error is one of them.
fn told(found: io::Result<Vec<String>>) -> Vec<String> {
    found.unwrap_or_else(|error| vec![error.to_string()])
}

/// Returns a complaint with the medians of all tries, if none of them was below [`AT_ONCE`].
fn at_once(what: impl Debug, measure: impl Fn() -> io::Result<Vec<Duration>>) -> Vec<String> {
    let mut medians = Vec::new();
    for _ in 0..TRIES {
        let mut took = match measure() {
            Ok(took) => took,
            Err(error) => return vec![format!("{what:?}: {error}")],
        };
        took.sort();
        let median = took[took.len() / 2];
        if median < AT_ONCE {
            return Vec::new();
        }
        medians.push(median);
    }
    vec![format!("{what:?}: {medians:?}")]
}

/// Checks that each message comes before the next call is answered. A proxy that gathers messages can't pass.
fn stream(scene: &Scene, proxy: &Proxy, (accept, end): (&str, &str)) -> Vec<String> {
    at_once(accept, || {
        scene.wait_with_steps();
        let (_, mut client) = Client::stream(proxy.address, "/aggregate/steps", accept)?;
        if accept == EVENTS.0 {
            // Events begin with a comment, before any call is answered.
            expect(&mut client, end, ":")?;
        }
        let mut took = Vec::new();
        for number in 0..STEPS {
            let began = Instant::now();
            scene.take_step(number);
            expect(&mut client, end, &format!("\"step_{number}\""))?;
            took.push(began.elapsed());
        }
        expect(&mut client, end, "\"outcome\":\"complete\"")?;
        match client.message(end)? {
            None => Ok(took),
            Some(message) => Err(io::Error::other(format!("and then {message}"))),
        }
    })
}

fn expect(client: &mut Client, end: &str, part: &str) -> io::Result<()> {
    match client.message(end)? {
        Some(message) if message.contains(part) => Ok(()),
        other => Err(io::Error::other(format!("no {part} but {other:?}"))),
    }
}

/// Checks that a heartbeat comes through in time, even if nothing else does.
fn heartbeats(scene: &Scene, proxy: &Proxy) -> io::Result<Vec<String>> {
    scene.wait_with_steps();
    let streams = [
        ("application/x-ndjson;heartbeat=1", LINES.1, "\n", 2),
        (EVENTS.0, EVENTS.1, ":", 2),
    ];
    let mut waiting = Vec::new();
    for (accept, end, sign, count) in streams {
        let (_, client) = Client::stream(proxy.address, "/aggregate/steps", accept)?;
        waiting.push((client, end, sign, count));
    }
    for (client, end, sign, count) in &mut waiting {
        for _ in 0..*count {
            // The client's own patience is enough: the interval is one second, or five.
            expect(client, end, sign)?;
        }
    }
    Ok(Vec::new())
}

/// Waits for an answer, or for a stream's only line, which comes after a long silence on all sides.
fn slow(proxy: &Proxy, accept: &'static str) -> JoinHandle<io::Result<Vec<String>>> {
    let address = proxy.address;
    thread::spawn(move || {
        let answer = once(address, "GET", "/aggregate/slow", &[("Accept", accept)])?;
        let text = String::from_utf8_lossy(&answer.body);
        if text.contains("\"outcome\":\"complete\"") {
            return Ok(Vec::new());
        }
        Ok(vec![format!("{accept}: {} {text}", answer.status)])
    })
}

/// Checks that a leaving client takes its calls along: before an answer, and in the middle of a stream.
fn departures(scene: &Scene, proxy: &Proxy) -> Vec<String> {
    let leave = |target: &str, stream: Option<(&str, &str)>| {
        let before = scene.hanging.requests().len();
        let mut client = Client::open(proxy.address)?;
        client.send(
            "GET",
            target,
            &[(
                "Accept",
                stream.map_or("application/json", |(accept, _)| accept),
            )],
        )?;
        eventually("the call", || {
            (scene.hanging.requests().len() > before).then_some(())
        });
        if let Some((_, end)) = stream {
            client.head()?;
            while !client.message(end)?.unwrap_or_default().contains("quick") {}
        }
        drop(client);
        let closed = scene.hanging.wait_closed_blocking(CANCELLED);
        closed.ok_or_else(|| io::Error::other("the call goes on"))
    };
    let of = |target: &str, stream: Option<(&str, &str)>| {
        at_once((target, stream), || {
            (0..3).map(|_| leave(target, stream)).collect()
        })
    };
    [
        of("/aggregate/hanging", None),
        of("/aggregate/departing", Some(LINES)),
        of("/aggregate/departing", Some(EVENTS)),
    ]
    .concat()
}

/// Checks that a request runs twice at most if a gateway breaks it off before its answer. A proxy must not go on for as
/// long as it has connections.
fn resends(kind: Kind) -> io::Result<Vec<String>> {
    let gateways = [(); 2].map(|()| {
        Upstream::start(|request| match request.path() {
            "/broken" => Behaviour::CloseBeforeHead.after(BROKEN),
            _ if request.header("connection") == Some("close") => Response::pong().close().into(),
            _ => Response::pong().into(),
        })
    });
    let Some(proxy) = kind.start([gateways[0].addr(), gateways[1].addr()]) else {
        return Ok(Vec::new());
    };
    let answer = once(proxy.address, "GET", "/broken", &[])?;
    let requests = gateways.iter().flat_map(Upstream::requests);
    let sent = requests
        .filter(|request| request.path() == "/broken")
        .count();
    let wrong = sent > 2 || !matches!(answer.status, 502 | 503);
    Ok(wrong
        .then(|| format!("sent {sent} times: {answer:?}"))
        .into_iter()
        .collect())
}

/// Returns the fields of one connection, and those that each proxy adds to an answer.
fn may_differ(kind: Kind) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        Kind::Nginx => &["server"],
        Kind::Caddy => &["via"],
        Kind::Haproxy | Kind::Traefik | Kind::Envoy => &[],
    };
    [&["connection", "keep-alive", "date"], own].concat()
}

/// A request, and the expected status of its answer.
struct Asked<'a> {
    status: u16,
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

/// Checks that answers of every kind are those of the gateway itself, whole and with their fields.
fn answers(kind: Kind, scene: &Scene, proxy: &Proxy) -> Vec<String> {
    let id = ("X-Request-Id", "0-9:answers");
    let lines = [id, ("Accept", LINES.0)];
    let ended = [id, ("Accept", EVENTS.0), ("Last-Event-ID", "end")];
    let long = format!("/aggregate?x={}", "x".repeat(9000));
    let asked = |status, target| Asked {
        status,
        method: "GET",
        target,
        headers: &[("X-Request-Id", "0-9:answers")],
    };
    let expected = [
        asked(200, "/aggregate"),
        Asked {
            headers: &lines,
            ..asked(200, "/aggregate")
        },
        Asked {
            method: "HEAD",
            ..asked(200, "/aggregate")
        },
        Asked {
            headers: &ended,
            ..asked(204, "/aggregate")
        },
        asked(400, "/aggregate?unknown=1"),
        asked(404, "/aggregate/nobody"),
        Asked {
            method: "POST",
            ..asked(405, "/aggregate")
        },
        Asked {
            // It is refused before its fields are read.
            headers: &[],
            ..asked(414, &long)
        },
        asked(502, "/aggregate/failing"),
        asked(504, "/aggregate/late"),
    ];
    let wrong = expected.iter();
    let mut wrong: Vec<_> = wrong
        .flat_map(|asked| same(kind, scene, proxy, asked))
        .collect();
    let full = full(scene);
    wrong.extend(same(kind, scene, proxy, &asked(503, "/aggregate")));
    drop(full);
    scene.hanging.wait_closed_blocking(SOON);
    wrong
}

/// Sends each gateway as many requests as it takes.
fn full(scene: &Scene) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    for address in scene.addresses {
        let hang = || send(address, "/aggregate/hanging", &[]).unwrap();
        clients.extend((0..MOST).map(|_| hang()));
        eventually("a gateway that is full", || {
            // The asking request had a place itself, if it was answered.
            clients.push(hang());
            (get(address, "/aggregate").status == 503).then_some(())
        });
    }
    clients
}

/// Returns the differences between an answer through the proxy and the gateway's own.
fn same(kind: Kind, scene: &Scene, proxy: &Proxy, asked: &Asked<'_>) -> Option<String> {
    let answer = |address: SocketAddr| {
        once(address, asked.method, asked.target, asked.headers)
            .map(|answer| comparable(&answer, &may_differ(kind)))
    };
    let (own, proxied) = (answer(scene.addresses[0]), answer(proxy.address));
    if let (Ok(own), Ok(proxied)) = (&own, &proxied)
        && own == proxied
        && own.starts_with(&asked.status.to_string())
    {
        return None;
    }
    let Asked { status, method, .. } = asked;
    Some(format!(
        "{method} for a {status}:\n{own:#?}\nis\n{proxied:#?}"
    ))
}

/// Returns an answer without the parts that vary: times, and therefore all numbers.
fn comparable(answer: &Answer, ignored: &[&str]) -> String {
    let mut fields: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !ignored.contains(&name.as_str()))
        .map(|(name, value)| match name.as_str() {
            // An id of the gateway's own is a new one each time.
            "x-request-id" if value.len() == 32 => name.clone(),
            "x-request-id" => format!("{name}: {value}"),
            _ => format!("{name}: {}", without_numbers(value)),
        })
        .collect();
    // RFC 9110, section 5.3: the order of fields with different names means nothing.
    fields.sort();
    let body = String::from_utf8_lossy(&answer.body);
    format!(
        "{}\n{}\n\n{}",
        answer.status,
        fields.join("\n"),
        without_numbers(&body)
    )
}

fn without_numbers(text: &str) -> String {
    let mut result = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' | '.' if result.ends_with('0') => {}
            '0'..='9' => result.push('0'),
            other => result.push(other),
        }
    }
    result
}

/// Checks that a client's request gets to the services, but not its claims about itself.
fn requests(scene: &Scene, proxy: &Proxy) -> io::Result<Vec<String>> {
    let passed = [
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("tracestate", "vendor=1"),
        ("x-request-id", "0-9:requests"),
    ];
    let forged = [
        ("x-forwarded-for", "203.0.113.9", "127.0.0.1"),
        ("x-forwarded-proto", "gopher", "http"),
    ];
    let mut headers = passed.to_vec();
    headers.extend(forged.map(|(name, value, _)| (name, value)));
    once(proxy.address, "GET", "/aggregate?fields=a;b[]", &headers)?;
    let last = scene.quick.requests().pop().unwrap();
    let expected = passed
        .into_iter()
        .chain(forged.map(|(name, _, value)| (name, value)));
    let wrong = expected
        .filter(|(name, value)| last.header(name) != Some(*value) || last.header_count(name) != 1);
    let mut wrong: Vec<_> = wrong
        .map(|wrong| format!("no {wrong:?} in {:?}", last.headers))
        .collect();
    // Both mean the same to a reader of the value.
    let query = last.query().unwrap_or_default().replace("%3B", ";");
    if query != "fields=a;b[]" {
        wrong.push(format!("the query is {query}"));
    }
    Ok(wrong)
}
