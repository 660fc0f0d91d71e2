//! The worked examples in `config/examples`: each is served as it is, before stubs of its services. A second file moves
//! the services' addresses, and gives a busy machine more time. The whole answer is compared, and so is all that the
//! stubs were asked.

use std::{collections::BTreeSet, fs, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use toml::Table;

use crate::{
    gateway::Answer,
    markdown,
    program::{Running, finish, gather, read, repository, run, try_get, write},
    upstream::{Behaviour, Request, Response, Upstream},
};

#[path = "examples/home.rs"]
mod home;
#[path = "examples/login.rs"]
mod login;
#[path = "examples/orders.rs"]
mod orders;
#[path = "examples/search.rs"]
mod search;

/// An example that is served, and the stubs of all its services. The first segment of a stub's path is its upstream's
/// name.
struct Served {
    _gateway: Running,
    address: SocketAddr,
    services: Upstream,
    _files: tempfile::TempDir,
}

impl Served {
    /// Serves an example before stubs that answer by this script. No service is too slow.
    fn new(example: &str, script: impl Fn(&Request) -> Behaviour + Send + Sync + 'static) -> Self {
        Self::within(example, 30, script)
    }

    /// Serves an example in which each service has so many seconds.
    fn within(
        example: &str,
        seconds: u32,
        script: impl Fn(&Request) -> Behaviour + Send + Sync + 'static,
    ) -> Self {
        let example = repository(&format!("config/examples/{example}.toml"));
        Self::text(&fs::read_to_string(example).unwrap(), seconds, script)
    }

    /// Serves this configuration in the same way.
    fn text(
        example: &str,
        seconds: u32,
        script: impl Fn(&Request) -> Behaviour + Send + Sync + 'static,
    ) -> Self {
        let services = Upstream::start(script);
        let file: Table = example.parse().unwrap();
        let times = format!("timeout = \"{seconds}s\"\nconnect_timeout = \"{seconds}s\"\n");
        let mut layer = "server = { listen = \"127.0.0.1:0\", workers = 1 }\n".to_owned();
        for (name, upstream) in file["upstreams"].as_table().unwrap() {
            let url: http::Uri = upstream["url"].as_str().unwrap().parse().unwrap();
            let path = url.path().trim_end_matches('/');
            let url = services.url(&format!("/{name}{path}"));
            layer += &format!("[upstreams.{name}]\nurl = \"{url}\"\n{times}");
        }
        for name in file["aggregates"].as_table().unwrap().keys() {
            layer += &format!("[aggregates.{name}]\ndeadline = \"{}s\"\n", 2 * seconds);
        }
        let files = tempfile::tempdir().unwrap();
        let mut command = gather();
        command.arg("serve");
        for (name, text) in [("example.toml", example), ("layer.toml", &layer)] {
            let file = files.path().join(name);
            fs::write(&file, text).unwrap();
            command.arg("-c").arg(file);
        }
        let gateway = Running::start(command);
        Self {
            address: gateway.address("address"),
            _gateway: gateway,
            services,
            _files: files,
        }
    }

    fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        try_get(self.address, target, headers).unwrap()
    }

    /// Sends JSON, and returns the answer.
    fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: gather\r\nConnection: close\r\nUser-Agent: test/1\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        read(write(self.address, &request).unwrap()).unwrap()
    }

    /// Returns what the stubs were asked since the last time, in the order in which it came.
    fn asked(&self) -> Asked {
        Asked(self.services.take_requests())
    }
}

/// The requests that the stubs got, in the order in which they came.
struct Asked(Vec<Request>);

impl Asked {
    /// Asserts what was asked: methods and targets, in any order.
    fn is(&self, expected: &[&str]) {
        let mut found = self.lines();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    /// Asserts that each of these services was asked after the one before it.
    fn in_order(&self, services: &[&str]) {
        let at = services.iter().map(|service| {
            let place = self
                .0
                .iter()
                .position(|one| one.target.starts_with(service));
            place.unwrap_or_else(|| panic!("no {service} in {:?}", self.lines()))
        });
        assert!(at.is_sorted(), "{services:?} in {:?}", self.lines());
    }

    /// Returns the request to this service.
    fn one(&self, service: &str) -> &Request {
        let mut found = self.0.iter().filter(|one| one.target.starts_with(service));
        let one = found.next().unwrap_or_else(|| panic!("no {service}"));
        assert_eq!(found.count(), 0, "{:?}", self.lines());
        one
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.0.iter();
        lines
            .map(|one| format!("{} {}", one.method, one.target))
            .collect()
    }
}

/// Asserts a 200 with exactly this body and this outcome.
fn is_answer(answer: &Answer, outcome: &str, body: &str) {
    assert_eq!(answer.text(), body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("gather-outcome"), Some(outcome));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// Returns the blocks of this language in a document, each with its lines joined as they are read.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(repository(document)).unwrap();
    let blocks = markdown::blocks(&text).into_iter();
    blocks
        .filter(|block| block.language == language)
        .map(|block| block.text)
        .collect()
}

/// Asserts that a document has this answer, with its lines broken for reading.
fn is_shown(document: &str, body: &str) {
    let blocks = blocks(document, "json");
    let joined = |block: &String| block.lines().map(str::trim).collect::<String>();
    assert!(blocks.iter().any(|block| joined(block) == body), "{body}");
}

#[test]
fn the_ten_lines_in_the_documents_answer_as_they_say() {
    let [read_me, document] = ["README.md", "docs/composition.md"].map(|document| {
        let blocks = blocks(document, "toml").into_iter();
        blocks
            .filter(|block| block.contains("path = \"/users/{id:int}/home\""))
            .collect::<Vec<_>>()
    });
    let [ten] = &read_me[..] else {
        panic!("{read_me:#?}")
    };
    assert_eq!(ten.lines().count(), 10);
    assert_eq!(ten, &document[0]);
    let served = Served::text(ten, 30, |request| {
        Behaviour::from(match request.target.as_str() {
            "/users/users/42" => {
                Response::json(r#"{"id":42,"name":"Ada","email":"a@b","team_id":7}"#)
            }
            "/users/teams/7" => Response::json(r#"{"id":7,"name":"Engines"}"#),
            "/orders/orders?user=42" => {
                Response::json(r#"{"items":[{"id":1,"price":1.10}],"more":false}"#)
            }
            _ => Response::new(404),
        })
    });
    let answer = served.get("/users/42/home", &[]);
    let page = concat!(
        r#"{"users":{"id":42,"name":"Ada"},"team":{"id":7,"name":"Engines"},"#,
        r#""orders":[{"id":1,"price":1.10}]}"#
    );
    is_answer(&answer, "complete", page);
    is_shown("README.md", page);
    is_shown("docs/composition.md", page);
}

#[test]
fn the_plan_in_the_document_is_that_of_the_home_page() {
    let file = repository("config/examples/home.toml");
    let mut command = gather();
    command
        .arg("check")
        .arg("-c")
        .arg(file)
        .args(["--explain", "home"]);
    let plan = finish(command).expect(0).stdout;
    let blocks = blocks("docs/composition.md", "");
    let block = blocks.iter().find(|block| block.contains("--explain home"));
    let shown = block.unwrap().lines().skip(1).filter(|line| *line != "…");
    for line in shown {
        assert!(
            plan.lines().any(|of_plan| of_plan == line),
            "{line} in\n{plan}"
        );
    }
}

/// Returns the names of the examples.
fn examples() -> Vec<String> {
    let files = fs::read_dir(repository("config/examples")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.map(|name| name.strip_suffix(".toml").unwrap().to_owned());
    names.collect()
}

#[test]
fn every_example_is_good_by_the_strictest_check_and_explained() {
    let names = examples();
    assert_eq!(names.len(), 5, "{names:?}");
    let document = fs::read_to_string(repository("docs/composition.md")).unwrap();
    let schema: Value = serde_json::from_str(&run(&["schema"]).expect(0).stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for name in names {
        let link = format!("(../config/examples/{name}.toml)");
        assert!(document.contains(&link), "{name}");
        let file = repository(&format!("config/examples/{name}.toml"));
        let text = fs::read_to_string(&file).unwrap();
        let value: Value = toml::from_str(&text).unwrap();
        assert!(schema.is_valid(&value), "{name}");
        let mut command = gather();
        command
            .args(["check", "--strict", "--elsewhere", "-c"])
            .arg(file);
        let checked = finish(command).expect(0);
        assert_eq!(checked.stderr, "", "{name}");
    }
}

const SERVICES: [&str; 12] = [
    "users",
    "orders",
    "products",
    "stock",
    "prices",
    "payments",
    "search",
    "recommendations",
    "offers",
    "mail",
    "files",
    "sessions",
];

/// Returns the answer of the roll-up where `service` is in this state, and every other is up.
fn health(status: &str, service: &str, state: &str) -> Value {
    let states = SERVICES.map(|name| (name, if name == service { state } else { "up" }));
    let states: serde_json::Map<_, _> = states
        .into_iter()
        .map(|(name, state)| (name.to_owned(), json!(state)))
        .collect();
    json!({"status": status, "services": states})
}

#[test]
fn twelve_services_are_rolled_up_whether_all_are_up_or_one_is_down() {
    for (behaviour, status, state, outcome) in [
        (Response::text("fine").into(), "up", "up", "complete"),
        (Response::new(503).into(), "degraded", "status", "partial"),
        (Behaviour::HangBeforeHead, "degraded", "timeout", "partial"),
        (
            Behaviour::CloseBeforeHead,
            "degraded",
            "protocol",
            "partial",
        ),
    ] {
        let served = Served::within("health", 3, move |request| {
            if request.path() == "/mail/healthz" {
                return behaviour.clone();
            }
            Response::text("fine").into()
        });
        let answer = served.get("/health", &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json(), health(status, "mail", state));
        if state == "timeout" {
            is_shown("docs/composition.md", answer.text());
        }
        assert_eq!(answer.header("gather-outcome"), Some(outcome));
        let asked: BTreeSet<_> = served.asked().lines().into_iter().collect();
        let expected = SERVICES.map(|name| format!("GET /{name}/healthz"));
        assert_eq!(asked, BTreeSet::from(expected));
    }
}

#[test]
fn services_that_are_all_down_are_a_problem_with_every_result() {
    let served = Served::new("health", |_| Response::new(503).into());
    let answer = served.get("/health", &[]);
    let problem = answer.problem(502, "upstream-failed");
    assert_eq!(problem["results"].as_array().unwrap().len(), 12);
    let unused = served.get("/health?calls=mail", &[]);
    unused.problem(400, "unknown-parameter");
}

/// The time that no answer of these tests comes near to.
const LATE: Duration = Duration::from_secs(30);

#[test]
fn a_slow_service_costs_the_roll_up_its_timeout_alone() {
    let served = Served::within("health", 3, |request| {
        let fine = Behaviour::from(Response::text("fine"));
        if request.path() == "/files/healthz" {
            fine.after(LATE)
        } else {
            fine
        }
    });
    let answer = served.get("/health", &[]);
    assert_eq!(answer.json(), health("degraded", "files", "timeout"));
    let elapsed: f64 = answer.header("gather-elapsed").unwrap().parse().unwrap();
    assert!(elapsed < 30_000.0, "{elapsed} ms");
}
