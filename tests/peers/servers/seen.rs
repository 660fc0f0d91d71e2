//! The questions to one server, through a gateway with default settings and by curl, and their results. It must not
//! know which server it is.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path, process::Command, thread};

use serde_json::{Value, json};

use super::{
    idle::{self, LANES},
    joined,
    program::Server,
};
use crate::{
    needed,
    program::{Running, get, which},
};

/// The size of a body that a handler reads, and of one that it doesn't, in bytes.
const READ: usize = 100_000;
const UNREAD: usize = 300_000;

/// The number of POSTs one after another to handlers that raise every second time.
pub(super) const RAISING: usize = 300;

/// The number of POSTs one after another to a handler that doesn't read them.
pub(super) const REFUSED: usize = 60;

/// The longest time for an answer that does end, on a busy machine: in seconds for curl, and for calls to handlers that
/// fail.
const CURL_SECONDS: &str = "6";
const FAILING: &str = "timeout = \"8s\"";

/// The longest time for all other calls.
const PATIENCE: &str = "30s";

/// All observations of one server.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) json: Outcome,
    pub(super) text: Outcome,
    pub(super) nothing: Outcome,
    pub(super) taken: Outcome,
    pub(super) stream: Call,
    /// A call to a handler that fails midway through a text.
    pub(super) broken: Call,
    /// The same call, where the head has the length of the whole text.
    pub(super) broken_length: Call,
    /// The same call with JSON.
    pub(super) broken_json: Call,
    pub(super) idle: Lost,
    pub(super) closes_each: bool,
    pub(super) raising: Lost,
    pub(super) refused: Lost,
    pub(super) refused_by_curl: usize,
}

/// The gateway's result of a call.
#[derive(Debug)]
pub(super) struct Outcome {
    /// `ok`, or the class of the failure.
    pub(super) class: String,
    pub(super) body: Value,
    status: Value,
    detail: Value,
}

/// A call that shows how an answer ends.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) plain: Outcome,
    pub(super) framed: Outcome,
    pub(super) wire: Wire,
}

/// The form in which an answer came, as curl saw it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) framing: Framing,
    /// True if curl has no complaint.
    pub(super) whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    /// Neither of the two: the end of the connection is the end of the answer.
    Close,
}

/// The POSTs whose answer is not the server's own, each with the answer that came instead.
pub(super) type Lost = Vec<String>;

impl Outcome {
    fn of(results: &Value, name: &str) -> Self {
        let results = results["results"].as_array();
        let result = results.and_then(|all| all.iter().find(|result| result["name"] == name));
        let result = result.unwrap_or_else(|| panic!("no {name} in {results:?}"));
        let class = match &result["failure"] {
            Value::String(failure) => failure.clone(),
            _ => {
                assert_eq!(result["ok"], true, "{result}");
                "ok".to_owned()
            }
        };
        Self {
            class,
            body: result["body"].clone(),
            status: result["status"].clone(),
            detail: result["detail"].clone(),
        }
    }

    fn in_words(&self) -> String {
        format!("{} {}: {}", self.class, self.status, self.detail)
    }

    pub(super) fn is(&self, body: &Value) -> bool {
        self.class == "ok" && self.body == *body
    }
}

/// Asks a server for everything. Questions that wait long do so at the same time.
pub(super) fn observe(server: &Server) -> Option<Seen> {
    let curl = &needed("curl", which("curl"))?;
    let (_gateway, gateway) = Running::serve(&configuration(server.address));
    thread::scope(|scope| {
        let idle = scope.spawn(|| idle::posts_around_the_close(server.address, gateway));
        let on_the_wire = |path| on_the_wire(curl, server.address, path);
        let wires = scope
            .spawn(move || ["stream", "broken", "broken_length", "broken_json"].map(on_the_wire));
        let failing = scope.spawn(|| get(gateway, "/aggregate/failing").json());

        let values = get(gateway, "/aggregate/values").json();
        let raising = posts_where_every_other_handler_raises(gateway);
        let refused = posts_that_are_refused_unread(gateway);
        let refused_by_curl = posts_that_curl_loses(curl, server.address);

        let failing = joined(failing.join());
        let call = |results: &Value, name: &str, wire| Call {
            plain: Outcome::of(results, name),
            framed: Outcome::of(results, &format!("{name}_framed")),
            wire,
        };
        let [stream, broken, broken_length, broken_json] = joined(wires.join());
        let (closes_each, idle) = joined(idle.join());
        let outcome = |name| Outcome::of(&values, name);
        Some(Seen {
            name: server.name,
            version: server.version.clone(),
            json: outcome("json"),
            text: outcome("text"),
            nothing: outcome("nothing"),
            taken: outcome("take"),
            stream: call(&values, "stream", stream),
            broken: call(&failing, "broken", broken),
            broken_length: call(&failing, "broken_length", broken_length),
            broken_json: call(&failing, "broken_json", broken_json),
            idle,
            closes_each,
            raising,
            refused,
            refused_by_curl,
        })
    })
}

/// Returns the configuration of a gateway before one server, with an upstream for each question. Everything except
/// times has its default.
fn configuration(server: SocketAddr) -> String {
    let mut text = format!("[defaults]\ntimeout = \"{PATIENCE}\"\n");
    let mut upstream = |name: &str, path: &str, settings: &str| {
        writeln!(
            text,
            "[upstreams.{name}]\nurl = \"http://{server}/{path}\"\n{settings}"
        )
        .unwrap();
    };
    let post = |size: usize| format!("method = \"POST\"\nbody = \"{}\"", "x".repeat(size));
    for path in ["json", "text", "nothing", "stream"] {
        upstream(path, path, "");
    }
    upstream("stream_framed", "stream", "framed = true");
    for path in ["broken", "broken_length", "broken_json"] {
        upstream(path, path, FAILING);
        upstream(
            &format!("{path}_framed"),
            path,
            &format!("{FAILING}\nframed = true"),
        );
    }
    upstream("take", "take", &post(READ));
    upstream(
        "moody",
        "moody",
        &format!("{}\nforward_query = [\"fail\"]", post(1)),
    );
    upstream("missing", "missing", &post(UNREAD));
    let policies: Vec<_> = (0..LANES).map(|policy| format!("lane_{policy}")).collect();
    for policy in &policies {
        upstream(policy, "take", &post(1));
    }
    let mut aggregate = |name: &str, calls: &[&str]| {
        writeln!(
            text,
            "[aggregates.{name}]\ncalls = {calls:?}\ndeadline = \"{PATIENCE}\""
        )
        .unwrap();
    };
    aggregate(
        "values",
        &["json", "text", "nothing", "take", "stream", "stream_framed"],
    );
    aggregate(
        "failing",
        &[
            "broken",
            "broken_framed",
            "broken_length",
            "broken_length_framed",
            "broken_json",
            "broken_json_framed",
        ],
    );
    aggregate("moody", &["moody"]);
    aggregate("missing", &["missing"]);
    let policies: Vec<_> = policies.iter().map(String::as_str).collect();
    aggregate("policies", &policies);
    text
}

fn posts_where_every_other_handler_raises(gateway: SocketAddr) -> Lost {
    let mut lost = Lost::new();
    for number in 0..RAISING {
        let raises = number % 2 == 0;
        let query = if raises { "?fail=1" } else { "" };
        let outcome = Outcome::of(
            &get(gateway, &format!("/aggregate/moody{query}")).json(),
            "moody",
        );
        let answered = match raises {
            true => outcome.class == "status" && outcome.status == 500,
            false => outcome.is(&json!({"bytes": 1})),
        };
        if !answered {
            lost.push(outcome.in_words());
        }
    }
    lost
}

fn posts_that_are_refused_unread(gateway: SocketAddr) -> Lost {
    let mut lost = Lost::new();
    for _ in 0..REFUSED {
        let outcome = Outcome::of(&get(gateway, "/aggregate/missing").json(), "missing");
        if outcome.class != "status" || outcome.status != 404 {
            lost.push(outcome.in_words());
        }
    }
    lost
}

/// Sends the same POSTs by curl, which keeps its connection if the server does. Returns how many had no answer.
fn posts_that_curl_loses(curl: &Path, server: SocketAddr) -> usize {
    let files = tempfile::tempdir().unwrap();
    let body = files.path().join("body");
    fs::write(&body, "x".repeat(UNREAD)).unwrap();
    let mut command = Command::new(curl);
    // An empty `Expect` keeps curl from waiting for a 100 first. Gather doesn't wait either.
    command
        .args([
            "--silent",
            "--header",
            "Expect:",
            "--write-out",
            "%{http_code}\n",
            "--data-binary",
        ])
        .arg(format!("@{}", body.display()));
    for _ in 0..REFUSED {
        command
            .args(["--output", "/dev/null"])
            .arg(format!("http://{server}/missing"));
    }
    let written = String::from_utf8(command.output().unwrap().stdout).unwrap();
    REFUSED - written.lines().filter(|status| *status == "404").count()
}

/// Returns the form in which the answer to a GET comes, by curl's exit status and the head that it saw.
fn on_the_wire(curl: &Path, server: SocketAddr, path: &str) -> Wire {
    let output = Command::new(curl)
        .args(["--silent", "--include", "--max-time", CURL_SECONDS])
        .arg(format!("http://{server}/{path}"))
        .output()
        .unwrap();
    let answer = String::from_utf8(output.stdout)
        .unwrap()
        .to_ascii_lowercase();
    let head = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer}"))
        .0;
    let has = |field: &str| head.lines().any(|line| line.starts_with(field));
    Wire {
        framing: match () {
            () if has("transfer-encoding: chunked") => Framing::Chunked,
            () if has("content-length:") => Framing::Length,
            () => Framing::Close,
        },
        whole: output.status.success(),
    }
}
