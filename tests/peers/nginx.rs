//! nginx behind the gateway: kept connections, connections that it closes, and bodies that it sends slowly. And before it: heads
//! that it takes.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    gateway::{Answer, compared},
    needed,
    program::{Running, eventually, free_address, get, metric, try_get, which},
};

/// A running nginx with these directives in its one server. `None` where there is no nginx.
struct Nginx {
    address: SocketAddr,
    _running: Running,
    _files: TempDir,
}

impl Nginx {
    fn start(directives: &str) -> Option<Self> {
        let program = needed("nginx", which("nginx"))?;
        let files = tempfile::tempdir().unwrap();
        let place = files.path().display();
        // nginx can't be asked which port it got.
        let address = free_address();
        // 3000 bytes for locations that send slowly.
        fs::write(files.path().join("slow"), "x".repeat(3000)).unwrap();
        // One process alone, so that ending it ends nginx; a worker would be another user, who has to see the file.
        let text = format!(
            "daemon off; master_process off; pid {place}/pid; error_log stderr warn;
             events {{ worker_connections 512; }}
             http {{
                 access_log off;
                 default_type application/json;
                 client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;
                 uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
                 server {{
                     listen {address};
                     root {place};
                     location /users {{ return 200 '{{\"user\":  1}}'; }}
                     location /orders {{ return 200 '[1, 2.50]'; }}
                     location /stock {{ return 200 '\"pong\"'; }}
                     location /down {{ return 503 '{{}}'; }}
                     location /slow {{ default_type text/plain; limit_rate 2000; }}
                     {directives}
                 }}
             }}"
        );
        let file = files.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command
            .args(["-e", "stderr", "-p"])
            .arg(files.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null());
        let running = Running::start(command);
        eventually("nginx", || TcpStream::connect(address).ok());
        Some(Self {
            address,
            _running: running,
            _files: files,
        })
    }

    fn gateway(&self) -> (Running, SocketAddr) {
        let url = |path: &str| format!("http://{}{path}", self.address);
        Running::serve(&compared(&[
            ("users", url("/users")),
            ("orders", url("/orders")),
            ("stock", url("/stock")),
        ]))
    }
}

/// Asserts that all calls of this request succeed.
#[track_caller]
fn is_complete(address: SocketAddr, request: u64) {
    let json = get(address, "/aggregate").json();
    assert_eq!(json["outcome"], "complete", "{request}: {json}");
}

/// Returns how many connections the gateway has opened to `users`, `orders` or `stock`.
fn opened(address: SocketAddr, upstream: &str) -> f64 {
    let series = format!("gather_connections_opened_total{{upstream=\"{upstream}\"}}");
    metric(address, &series)
}

/// All attempts at these upstreams that didn't succeed.
fn failures(address: SocketAddr) -> Vec<String> {
    let metrics = get(address, "/metrics");
    let attempts = metrics
        .text()
        .lines()
        .filter(|line| line.starts_with("gather_attempts_total"));
    let failures = attempts.filter(|line| !line.contains("result=\"ok\"") && !line.ends_with(" 0"));
    failures.map(str::to_owned).collect()
}

#[test]
fn what_nginx_sends_comes_through_as_it_is_on_connections_that_are_kept() {
    let Some(nginx) = Nginx::start("") else {
        return;
    };
    let (_gateway, address) = nginx.gateway();
    for _ in 0..50 {
        let answer = get(address, "/aggregate");
        let text = answer.text();
        for body in [
            "\"body\":{\"user\":  1}",
            "\"body\":[1, 2.50]",
            "\"body\":\"pong\"",
        ] {
            assert!(text.contains(body), "no {body} in {text}");
        }
    }
    for upstream in ["users", "orders", "stock"] {
        let opened = opened(address, upstream);
        assert!(
            (1.0..=3.0).contains(&opened),
            "{opened} connections for 50 requests in a row"
        );
    }
    assert_eq!(failures(address), Vec::<String>::new());
}

#[test]
fn connections_that_nginx_ends_after_one_request_cost_no_failed_call() {
    let Some(nginx) = Nginx::start("keepalive_requests 1;") else {
        return;
    };
    let (_gateway, address) = nginx.gateway();
    for request in 0..100 {
        is_complete(address, request);
    }
    assert_eq!(failures(address), Vec::<String>::new());
}

#[test]
fn connections_that_nginx_ends_while_they_are_pooled_cost_no_failed_call() {
    // The pauses between requests go through the moment at which nginx closes, when a request may be on its way.
    let Some(nginx) = Nginx::start("keepalive_timeout 20ms;") else {
        return;
    };
    let (_gateway, address) = nginx.gateway();
    for request in 0..200 {
        is_complete(address, request);
        std::thread::park_timeout(Duration::from_micros(15_000 + request * 50));
    }
    assert_eq!(failures(address), Vec::<String>::new());
    // Each was closed, or this test has shown nothing.
    let opened = opened(address, "users");
    assert!(opened >= 50.0, "only {opened} connections");
}

#[test]
fn a_body_that_nginx_sends_slowly_takes_its_time_in_each_mode() {
    let Some(nginx) = Nginx::start("") else {
        return;
    };
    let url = format!("http://{}/slow", nginx.address);
    let (_gateway, address) = Running::serve(&compared(&[
        ("a", url.clone()),
        ("b", url.clone()),
        ("c", url),
    ]));
    let json = get(address, "/aggregate?mode=compare").json();
    assert_eq!(json["sequential"]["outcome"], "complete", "{json}");
    assert_eq!(json["concurrent"]["outcome"], "complete", "{json}");
    assert_eq!(
        json["concurrent"]["results"][2]["body"]
            .as_str()
            .unwrap()
            .len(),
        3000
    );
    assert!(json["speedup"].as_f64().unwrap() > 2.0, "{json}");
}

#[test]
fn an_error_of_nginx_is_a_status_failure_and_the_others_are_there() {
    let Some(nginx) = Nginx::start("") else {
        return;
    };
    let url = |path: &str| format!("http://{}{path}", nginx.address);
    let (_gateway, address) = Running::serve(&compared(&[
        ("users", url("/users")),
        ("down", url("/down")),
    ]));
    let json = get(address, "/aggregate").json();
    assert_eq!(json["outcome"], "partial", "{json}");
    assert_eq!(json["results"][1]["failure"], "status", "{json}");
    assert_eq!(json["results"][1]["status"], 503, "{json}");
}

/// Asserts that an answer has so many calls that are all well, and that no proxy has put its own in its place.
#[track_caller]
fn is_whole(what: &str, answer: &Answer, runs: &[&str], calls: usize) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    let json = answer.json();
    for run in runs {
        let run = if run.is_empty() { &json } else { &json[run] };
        assert_eq!(run["outcome"], "complete", "{what}: {json}");
        assert_eq!(run["results"].as_array().unwrap().len(), calls, "{what}");
    }
    let timing = answer.header("server-timing").unwrap();
    assert!(timing.starts_with("total;dur="), "{what}: {timing}");
}

#[test]
fn however_many_calls_there_are_and_however_long_their_names_nginx_takes_the_answer() {
    let Some(upstream) = Nginx::start("") else {
        return;
    };
    let long = |count: usize, length: usize| {
        let name = move |number| format!("{}_{number:03}", "n".repeat(length - 4));
        (0..count).map(name).collect::<Vec<_>>()
    };
    let plans = [
        (
            "numbered",
            (1..=130).map(|number| format!("call_{number}")).collect(),
        ),
        ("forty", long(80, 40)),
        (
            "few",
            (1..=62).map(|number| format!("call_{number}")).collect(),
        ),
        ("streamed", long(96, 40)),
        ("longest", long(1000, 64)),
    ];
    let mut toml = format!(
        "upstreams.stock.url = \"http://{}/stock\"\n",
        upstream.address
    );
    for (aggregate, names) in &plans {
        let calls = names
            .iter()
            .map(|name| format!("{{ upstream = \"stock\", name = \"{name}\" }}"))
            .collect::<Vec<_>>()
            .join(", ");
        toml.push_str(&format!(
            "[aggregates.{aggregate}]\ncalls = [{calls}]\ncompare = true\nconcurrency = 16\ndeadline = \"60s\"\n"
        ));
    }
    let (_gateway, address) = Running::serve(&toml);
    // nginx as it comes: nothing is set but where the gateway is.
    let front = format!("location / {{ proxy_pass http://{address}; }}");
    let front = Nginx::start(&front).unwrap();
    for (aggregate, names) in &plans {
        let target = format!("/aggregate/{aggregate}");
        let id = ("X-Request-Id", &*"r".repeat(128));
        let ask = |query: &str, accept: &str| {
            let headers = [id, ("Accept", accept), ("Prefer", "wait=30")];
            try_get(front.address, &format!("{target}{query}"), &headers).unwrap()
        };
        for query in ["", "?mode=sync"] {
            let answer = ask(query, "*/*");
            is_whole(&target, &answer, &[""], names.len());
        }
        let answer = ask("?mode=compare", "*/*");
        is_whole(&target, &answer, &["sequential", "concurrent"], names.len());
        for accept in ["application/x-ndjson", "text/event-stream"] {
            for (query, runs) in [("", 1), ("?mode=compare", 2)] {
                let answer = ask(query, accept);
                assert_eq!(answer.status, 200, "{target}: {}", answer.text());
                let text = answer.dechunked();
                let results = text.matches("\"attempts\":1").count();
                assert_eq!(results, names.len() * runs, "{target}: {text}");
                assert!(text.contains("\"server_timing\":\"total;dur="), "{target}");
            }
        }
    }
}
