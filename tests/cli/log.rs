//! The log of `gather serve`: one line a request, with what it is about and nothing secret.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    process::Command,
    thread,
};

use serde_json::{Value, json};

use crate::{
    before, file,
    program::{
        Finished, Running, eventually, finish, free_address, gather, get, send, try_get, write,
    },
    upstream::{Behaviour, Response, Upstream},
};

/// A text that must never be in a log. It is sent as a header's value and in a query.
const SECRET: &str = "hunter2secret";

fn serve(log: &str, upstream: &Upstream) -> (Running, SocketAddr) {
    let base = before(&[upstream.url("/ping")]).replace(
        "[aggregates",
        "forward_headers = [\"authorization\"]\nforward_query = [\"q\"]\n[aggregates",
    );
    Running::serve(&format!("server.grace = \"0s\"\n{log}\n{base}"))
}

/// The JSON lines of the log, each of which must be an object.
fn json_lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines
        .map(|line: Result<Value, _>| line.unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect()
}

/// Returns the lines that `is_about` picks, and of each the values of these keys.
fn told<const KEYS: usize>(
    finished: &Finished,
    keys: [&str; KEYS],
    is_about: impl Fn(&Value) -> bool,
) -> Vec<[Value; KEYS]> {
    let lines = json_lines(&finished.stderr);
    let lines = lines.iter().filter(|line| is_about(line));
    lines
        .map(|line| keys.map(|key| line[key].clone()))
        .collect()
}

/// Returns the line that `is_about` picks. It must be the only one, and have these values.
#[track_caller]
fn only_line(finished: &Finished, is_about: impl Fn(&Value) -> bool, values: &Value) -> Value {
    let lines = json_lines(&finished.stderr);
    let about: Vec<_> = lines.iter().filter(|line| is_about(line)).collect();
    let [line] = about[..] else {
        panic!("{}", finished.stderr)
    };
    for (key, value) in values.as_object().unwrap() {
        assert_eq!(&line[key], value, "{line}");
    }
    line.clone()
}

/// Returns a command that serves before an upstream, and its address. The file is removed with the folder.
fn serving(log: &str, upstream: &Upstream) -> (Command, SocketAddr, tempfile::TempDir) {
    let address = free_address();
    let (folder, file) = file(&format!(
        "server.listen = \"{address}\"\nserver.grace = \"0s\"\n{log}\n{}",
        before(&[upstream.url("/")])
    ));
    let mut command = gather();
    command.args(["serve", "-c", &file]);
    (command, address, folder)
}

#[test]
fn an_aggregate_is_one_json_line_that_says_what_came_of_it() {
    let upstream = Upstream::always(Response::pong());
    let (gateway, address) = serve("log.format = \"json\"", &upstream);
    let headers = [("X-Request-Id", "abc-123"), ("Authorization", SECRET)];
    let answer = try_get(
        address,
        &format!("/aggregate?mode=sync&q={SECRET}"),
        &headers,
    )
    .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The secrets did go through: the log had the chance to show them.
    let seen = &upstream.requests()[0];
    assert!(seen.target.contains(SECRET), "{}", seen.target);

    let finished = gateway.stop().expect(0);
    assert_eq!(finished.stdout, "");
    assert!(!finished.stderr.contains(SECRET), "{}", finished.stderr);
    let line = only_line(
        &finished,
        |line| line["request_id"] == "abc-123",
        &json!({
            "level": "INFO",
            // People filter lines by it.
            "target": "gather::api::guard",
            "aggregate": "default",
            "mode": "sequential",
            "outcome": "complete",
            "status": 200,
        }),
    );
    // Numbers, so that whoever collects the log can compare and add them.
    assert!(line["elapsed_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["sequential_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
}

#[test]
fn a_failed_and_a_compared_aggregate_are_one_line_each() {
    let upstream = Upstream::always(Response::new(503));
    let (gateway, address) = serve("log.format = \"json\"", &upstream);
    assert_eq!(get(address, "/aggregate").status, 502);
    assert_eq!(get(address, "/aggregate?mode=compare").status, 502);
    let finished = gateway.stop().expect(0);
    let keys = ["mode", "outcome", "status", "failed"];
    let told = told(&finished, keys, |line| line["aggregate"] == "default");
    let failed = |mode, calls| [json!(mode), json!("failed"), json!(502), json!(calls)];
    assert_eq!(
        told,
        [
            failed("concurrent", "a:status=503"),
            failed("compare", "a:status=503,a:status=503")
        ],
        "{}",
        finished.stderr
    );
}

#[test]
fn a_refused_request_is_one_line_without_its_query() {
    let upstream = Upstream::always(Response::pong());
    let (gateway, address) = serve("log.format = \"json\"", &upstream);
    assert_eq!(
        get(address, &format!("/aggregate?token={SECRET}")).status,
        400
    );
    assert_eq!(
        get(address, &format!("/nowhere?token={SECRET}")).status,
        404
    );
    let finished = gateway.stop().expect(0);
    assert!(!finished.stderr.contains(SECRET), "{}", finished.stderr);
    let keys = ["path", "status", "problem"];
    let told = told(&finished, keys, |line| line["message"] == "refused");
    let refused = |path, status, problem| [json!(path), json!(status), json!(problem)];
    assert_eq!(
        told,
        [
            refused("/aggregate", 400, "unknown-parameter"),
            refused("/nowhere", 404, "not-found")
        ]
    );
}

#[test]
fn probes_scrapes_and_options_are_not_worth_a_line() {
    let upstream = Upstream::always(Response::pong());
    let (gateway, address) = serve("log.format = \"json\"", &upstream);
    for route in ["/readyz", "/livez", "/metrics"] {
        assert_eq!(get(address, route).status, 200);
    }
    for target in ["*", "/aggregate"] {
        let options =
            format!("OPTIONS {target} HTTP/1.1\r\nHost: gather\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        let mut tcp = write(address, &options).unwrap();
        tcp.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    }
    let finished = gateway.stop().expect(0);
    let told = json_lines(&finished.stderr);
    let messages: Vec<_> = told
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .filter(|message| !is_of_this_machine(message))
        .collect();
    assert_eq!(
        messages.len(),
        4,
        "listening, stopping, the listener closes, stopped: {messages:?}"
    );
}

#[test]
fn a_client_that_goes_away_is_one_line_that_says_so() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let (gateway, address) = serve("log.format = \"json\"", &upstream);
    let client = send(address, "/aggregate", &[("X-Request-Id", "gone-1")]).unwrap();
    eventually("the request at the upstream", || {
        (upstream.requests().len() == 1).then_some(())
    });
    drop(client);
    gateway.line(|line| line.contains("gone-1").then_some(()));
    let finished = gateway.stop().expect(0);
    let line = only_line(
        &finished,
        |line| line["request_id"] == "gone-1" || line["outcome"] == "cancelled",
        &json!({
            "outcome": "cancelled",
            "aggregate": "default",
            "mode": "concurrent",
            "request_id": "gone-1",
        }),
    );
    assert!(line["elapsed_ms"].as_f64().unwrap() > 0.0, "{line}");
}

#[test]
fn the_text_format_says_the_same_for_people() {
    let upstream = Upstream::always(Response::pong());
    let (gateway, address) = serve("log.format = \"text\"", &upstream);
    try_get(address, "/aggregate", &[("X-Request-Id", "abc-123")]).unwrap();
    let finished = gateway.stop().expect(0);
    let line = finished
        .stderr
        .lines()
        .find(|line| line.contains("abc-123"))
        .unwrap();
    for part in [
        " INFO ",
        "aggregate=\"default\"",
        "mode=\"concurrent\"",
        "outcome=\"complete\"",
        "status=200",
        "elapsed_ms=",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert!(
        !finished.stderr.contains('\u{1b}'),
        "no colours in a file: {}",
        finished.stderr
    );
}

#[test]
fn at_level_warn_a_healthy_gateway_says_nothing() {
    let upstream = Upstream::always(Response::pong());
    let (command, address, _folder) = serving("log.level = \"warn\"", &upstream);
    let gateway = Running::start(command);
    eventually("a ready gateway", || {
        try_get(address, "/readyz", &[])
            .ok()
            .filter(|answer| answer.status == 200)
    });
    assert_eq!(get(address, "/aggregate").status, 200);
    assert_eq!(get(address, "/aggregate?mode=compare").status, 200);
    let finished = gateway.stop().expect(0);
    let lines = finished.stderr.lines();
    let told: Vec<_> = lines.filter(|line| !is_of_this_machine(line)).collect();
    assert_eq!((finished.stdout.as_str(), told), ("", Vec::new()));
}

/// Tells whether a line warns of where these tests run: in a container, or with few descriptors.
fn is_of_this_machine(line: &str) -> bool {
    line.contains("this container") || line.contains("(`ulimit -n`")
}

#[test]
fn the_environment_sets_the_format_and_the_level() {
    let listen = "server.listen = \"127.0.0.1:0\"\n";
    let base = before(&["http://127.0.0.1:9/".to_owned()]);
    let (_folder, file) = file(&format!("{listen}{base}"));
    let command = |level: &str| {
        let mut command = gather();
        command
            .args(["serve", "-c", &file])
            .env("GATHER__LOG__FORMAT", "json")
            .env("GATHER__LOG__LEVEL", level)
            .env("GATHER__SERVER__GRACE", "0s");
        command
    };
    let gateway = Running::start(command("debug"));
    let address = gateway.address("address");
    get(address, "/livez");
    let finished = gateway.stop().expect(0);
    let lines = json_lines(&finished.stderr);
    assert!(
        lines.iter().any(|line| line["path"] == "/livez"),
        "{}",
        finished.stderr
    );

    let finished = finish(command("loud")).expect(1);
    assert!(
        finished
            .stderr
            .starts_with("GATHER__LOG__LEVEL: log.level: "),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_gateway_whose_log_nobody_reads_any_more_goes_on() {
    let upstream = Upstream::always(Response::pong());
    let (mut command, address, _folder) = serving("", &upstream);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stderr(writer).spawn().unwrap();
    let answers: Vec<_> = (0..3)
        .map(|_| eventually("an answer", || try_get(address, "/aggregate", &[]).ok()).status)
        .collect();
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((answers, ended), (vec![200, 200, 200], None));
}

#[test]
fn a_request_refused_for_load_is_a_line_that_says_so() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let settings = "log.format = \"json\"\nserver.max_in_flight = 1";
    let (gateway, address) = serve(settings, &upstream);
    let held = send(address, "/aggregate", &[]).unwrap();
    eventually("a request upstream", || upstream.requests().pop());
    let answer = try_get(address, "/aggregate", &[("X-Request-Id", "abc-123")]).unwrap();
    answer.problem(503, "overloaded");
    drop(held);
    let finished = gateway.stop().expect(0);
    only_line(
        &finished,
        |line| line["request_id"] == "abc-123",
        &json!({
            "message": "refused",
            "problem": "overloaded",
            "path": "/aggregate",
            "status": 503,
        }),
    );
}

#[test]
fn an_upstream_without_a_connection_is_told_with_its_reason_once_and_when_it_is_well_again() {
    // Its port is taken by nobody until the second part.
    let port = free_address();
    let base = before(&[
        format!("http://{port}/ping"),
        "http://no-such-host.invalid/".to_owned(),
    ]);
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\nlog.format = \"json\"\ndefaults.connect_timeout = \"5s\"\n{base}"
    ));
    for _ in 0..5 {
        assert_eq!(get(address, "/aggregate").status, 502);
    }
    let listener = TcpListener::bind(port).unwrap();
    let answering = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert!(connection.read(&mut request).unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        connection.write_all(answer).unwrap();
    });
    eventually("an answer", || {
        (get(address, "/aggregate").status == 200).then_some(())
    });
    answering.join().unwrap();
    let finished = gateway.stop().expect(0);
    let lines = json_lines(&finished.stderr);
    let about = |message: &str| -> Vec<String> {
        let lines = lines.iter().filter(|line| line["message"] == message);
        lines
            .map(|line| format!("{} {} {}", line["level"], line["upstream"], line["reason"]))
            .collect()
    };
    let mut lost = about("no connection to an upstream");
    lost.sort();
    let reasons = [
        "the upstream refused the connection",
        "the upstream's name could not be resolved",
    ];
    assert_eq!(lost.len(), 2, "{}", finished.stderr);
    for (line, reason) in lost.iter().zip(reasons) {
        assert!(
            line.starts_with("\"WARN\"") && line.contains(reason),
            "{line}"
        );
    }
    let found = about("an upstream can be connected to again");
    assert_eq!(found.len(), 1, "{}", finished.stderr);
}

#[test]
fn an_answer_that_its_client_does_not_read_is_a_line_with_its_request_id() {
    let text = format!("\"{}\"", "x".repeat(900_000));
    let upstream = Upstream::always(Response::json(text));
    let urls = [0; 4].map(|_| upstream.url("/"));
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\nserver.write_timeout = \"300ms\"\nlog.format = \"json\"\n{}",
        before(&urls)
    ));
    for accept in ["application/json", "application/x-ndjson"] {
        let headers = [("X-Request-Id", accept), ("Accept", accept)];
        let _unread = send(address, "/aggregate?mode=async", &headers).unwrap();
        let line: Value = gateway.line(|line| {
            let is_it = line.contains("cut off") && line.contains(accept);
            is_it.then(|| serde_json::from_str(line).unwrap())
        });
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(line["request_id"], accept, "{line}");
        assert_eq!(line["aggregate"], "default", "{line}");
    }
    let metrics = get(address, "/metrics");
    assert!(
        metrics
            .text()
            .contains("\ngather_answers_cut_off_total 2\n")
    );
    gateway.stop().expect(0);
}

#[test]
fn that_hedges_are_refused_is_told_when_it_begins_and_not_for_each() {
    let upstream = Upstream::start(|_| {
        Behaviour::from(Response::pong()).after(std::time::Duration::from_millis(300))
    });
    let base = before(&[upstream.url("/ping")]);
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\nlog.format = \"json\"\n\
         defaults.hedge = {{ after = \"20ms\" }}\n\
         defaults.budget = {{ ratio = 0, min_per_second = 0 }}\n{base}"
    ));
    let refused = || {
        let metrics = get(address, "/metrics");
        let series = "gather_extra_attempts_refused_total{reason=\"budget\",upstream=\"a\"} ";
        let lines = metrics.text().lines();
        let count = lines.filter_map(|line| line.strip_prefix(series)).next();
        count.unwrap().parse::<u32>().unwrap()
    };
    eventually("three refusals", || {
        assert_eq!(get(address, "/aggregate").status, 200);
        (refused() >= 3).then_some(())
    });
    let finished = gateway.stop().expect(0);
    let keys = ["level", "upstream", "reason"];
    let told = told(&finished, keys, |line| {
        line["message"] == "retries or hedges are refused"
    });
    assert_eq!(told, [["WARN", "a", "budget"]], "{}", finished.stderr);
}
