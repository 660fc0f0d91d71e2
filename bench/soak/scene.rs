//! The upstreams of the soak, one healthy and many sick, and the configuration of the gateway before them. It must not
//! know the load.

use std::{cell::RefCell, collections::BTreeMap, net::Ipv4Addr, sync::Mutex, time::Duration};

use tokio::net::TcpSocket;

use crate::upstream::{Behaviour, Framing, Request, Response, Upstream};

/// The healthy upstream's name.
pub const HEALTHY: &str = "healthy";

/// The sick upstreams that answer at all, by their names and paths.
const SICK: [&str; 8] = [
    "flaky", "hangs", "resets", "cuts", "slow", "endless", "invalid", "closes",
];

/// The upstream for which nobody answers.
const ABSENT: &str = "absent";

/// All upstreams.
pub const UPSTREAMS: [&str; 11] = [
    HEALTHY, "large", "flaky", "hangs", "resets", "cuts", "slow", "endless", "invalid", "closes",
    ABSENT,
];

/// The targets that are asked for in turn. Some of them cancel or skip calls.
pub const MIXED: [&str; 8] = [
    "/aggregate/wide",
    "/aggregate/hanging",
    "/aggregate/race",
    "/aggregate/two",
    "/aggregate/steps",
    "/aggregate/strict",
    "/aggregate/endless",
    "/aggregate/wide?mode=sequential&calls=healthy,flaky,slow",
];

/// Aggregates in which every call comes to its own end.
pub const PATIENT: [&str; 4] = [
    "/aggregate/wide",
    "/aggregate/hanging",
    "/aggregate/steps",
    "/aggregate/endless",
];

/// An aggregate with an answer too large for the buffers on its way.
pub const LARGE: &str = "/aggregate/large";

/// Targets that together call every upstream.
pub const TRICKLE: [&str; 4] = [
    "/aggregate/wide",
    "/aggregate/hanging",
    "/aggregate/endless",
    LARGE,
];

const LARGE_BODY: usize = 900_000;

/// The upstreams, running.
pub struct Scene {
    healthy: Upstream,
    sick: Upstream,
    /// A port that refuses: it is taken, and nobody listens.
    absent: TcpSocket,
    /// The number of requests since they were last taken, by upstream.
    counted: RefCell<BTreeMap<String, u64>>,
}

impl Scene {
    pub fn start() -> Self {
        let large: Vec<u8> = [b"\"", &vec![b'x'; LARGE_BODY][..], b"\""].concat();
        let healthy = Upstream::start(move |request| {
            let body = if request.path() == "/large" {
                large.clone()
            } else {
                b"\"pong\"".to_vec()
            };
            Behaviour::from(Response::json(body)).after(Duration::from_millis(3))
        });
        let random = Mutex::new(fastrand::Rng::with_seed(20));
        let sick = Upstream::start(move |request| {
            let luck = random.lock().unwrap().f64();
            behaviour(request, luck)
        });
        let absent = TcpSocket::new_v4().unwrap();
        absent.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self {
            healthy,
            sick,
            absent,
            counted: RefCell::default(),
        }
    }

    /// Adds the requests up and forgets them, so that this process doesn't grow.
    pub fn forget(&self) {
        let mut counted = self.counted.borrow_mut();
        for upstream in [&self.healthy, &self.sick] {
            for request in upstream.take_requests() {
                let name = request.path().trim_start_matches('/').to_owned();
                *counted.entry(name).or_default() += 1;
            }
        }
    }

    /// Returns the number of requests by upstream since this was last called.
    pub fn take_requests(&self) -> BTreeMap<String, u64> {
        self.forget();
        self.counted.take()
    }

    /// Returns a configuration that has every policy somewhere: retries, hedges, breakers of both kinds, ceilings.
    pub fn configuration(&self) -> String {
        let mut text = format!(
            "server.workers = 2\n[upstreams.{HEALTHY}]\nurl = \"{}\"\n[upstreams.large]\nurl = \"{}\"\n\
             [upstreams.{ABSENT}]\nurl = \"http://{}/\"\nretry = {{ attempts = 2, backoff = \"5ms\" }}\n\
             breaker = {{ failures = \"50%\", window = \"5s\", open_for = \"1s\" }}\n",
            self.healthy.url("/healthy"),
            self.healthy.url("/large"),
            self.absent.local_addr().unwrap()
        );
        for name in SICK {
            let url = self.sick.url(&format!("/{name}"));
            text += &format!("[upstreams.{name}]\nurl = \"{url}\"\n{}\n", settings(name));
        }
        text + AGGREGATES
    }
}

fn settings(name: &str) -> &'static str {
    match name {
        "flaky" => "retry = { attempts = 3, backoff = \"5ms\" }",
        "hangs" => {
            "timeout = \"150ms\"\nmax_in_flight = 20\nbreaker = { failures = 5, open_for = \"500ms\" }"
        }
        "resets" => {
            "retry = { attempts = 2, backoff = \"5ms\" }\n\
             breaker = { failures = \"50%\", window = \"2s\", open_for = \"500ms\" }"
        }
        "cuts" => {
            "retry = { attempts = 2, backoff = \"5ms\", on = [\"protocol\"] }\nmax_in_flight = 200"
        }
        "slow" => "timeout = \"2s\"\nhedge = { after = \"p90\" }\nmax_in_flight = 100",
        "endless" => "max_body = \"64KiB\"\nmax_in_flight = 10",
        "invalid" => "retry = { attempts = 2, backoff = \"5ms\", on = [\"invalid_body\"] }",
        _ => "hedge = { after = \"50ms\" }",
    }
}

const AGGREGATES: &str = "
[aggregates.wide]
calls = [\"healthy\", \"flaky\", \"cuts\", \"invalid\", \"closes\", \"slow\", \"absent\"]
deadline = \"30s\"
[aggregates.hanging]
calls = [\"hangs\", \"healthy\", \"resets\"]
deadline = \"30s\"
[aggregates.race]
calls = [\"slow\", \"hangs\", \"healthy\"]
wait_for = \"first\"
deadline = \"30s\"
[aggregates.two]
calls = [\"hangs\", \"flaky\", \"healthy\", \"slow\"]
wait_for = 2
deadline = \"30s\"
[aggregates.steps]
calls = [\"flaky\", \"healthy\", \"closes\"]
mode = \"sequential\"
deadline = \"30s\"
[aggregates.strict]
calls = [\"healthy\", { upstream = \"slow\", optional = true }, \"resets\", \"hangs\"]
on_failure = \"fail\"
deadline = \"30s\"
[aggregates.endless]
calls = [\"endless\", \"healthy\"]
deadline = \"30s\"
[aggregates.large]
calls = [\"large\", \"healthy\"]
deadline = \"30s\"
";

/// Returns the behaviour of a sick upstream for a request. `luck` is a number from 0 to 1.
fn behaviour(request: &Request, luck: f64) -> Behaviour {
    let pong = || Behaviour::from(Response::pong());
    let often = luck < 0.3;
    match request.path() {
        "/flaky" if luck < 0.1 => Response::new(503).into(),
        "/hangs" if luck < 0.7 => match often {
            true => Behaviour::HangBeforeHead,
            false => Behaviour::HangInBody {
                declared: 100,
                sent: 10,
            },
        },
        "/resets" if luck < 0.4 => match often {
            true => Behaviour::ResetBeforeHead,
            false => Behaviour::ResetInBody,
        },
        "/cuts" if luck < 0.5 => match often {
            true => Behaviour::CutLength {
                declared: 100,
                sent: 10,
            },
            false => Behaviour::CutChunked { sent: 10 },
        },
        "/slow" => {
            let slow = if luck < 0.05 { 300 } else { 10 };
            pong().after(Duration::from_millis(slow))
        }
        "/endless" => Behaviour::Endless(Framing::Chunked(16 * 1024)),
        "/invalid" if often => Response::json("{\"cut").into(),
        "/closes" => Behaviour::CloseAfterAnswer(Response::pong()),
        _ => pong(),
    }
}
