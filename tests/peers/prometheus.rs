//! A real Prometheus scrapes a running gateway: its query API has the series, the dashboard's queries and our rules.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    needed,
    program::{
        Running, SOON, eventually, free_address, gather, get, read, repository, try_within, which,
        within, write,
    },
    series::dashboard_queries,
    upstreams,
};

/// How often requests of each mode are sent.
const EACH: usize = 5;

/// How long Prometheus may take for some scrapes and evaluations, of which it does one a second.
const SCRAPES: Duration = Duration::from_secs(60);

/// A Prometheus that scrapes one gateway each second, with our rules.
struct Prometheus {
    address: SocketAddr,
    _running: Running,
    _files: TempDir,
}

impl Prometheus {
    fn start(gateway: SocketAddr) -> Option<Self> {
        let program = needed("prometheus", which("prometheus"))?;
        let files = tempfile::tempdir().unwrap();
        let place = files.path();
        let file = place.join("prometheus.yml");
        let rules = repository("deploy/prometheus/alerts.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [\"{}\"]\n\
             scrape_configs:\n- job_name: gather\n  static_configs: [{{ targets: [\"{gateway}\"] }}]\n",
            rules.display()
        );
        fs::write(&file, text).unwrap();
        // It can't be asked which port it got.
        let address = free_address();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                place.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .current_dir(place)
            .stdin(Stdio::null());
        let running = Running::start(command);
        let prometheus = Self {
            address,
            _running: running,
            _files: files,
        };
        within(SCRAPES, "a scrape of the gateway", || {
            let up = prometheus.try_api("query", &[("query", "up{job=\"gather\"} == 1")])?;
            (up["data"]["result"].as_array()?.len() == 1).then_some(())
        });
        Some(prometheus)
    }

    /// Asks the HTTP API, by HTTP/1.0: its answers then are not chunked.
    fn try_api(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let head = format!(
            "GET /api/v1/{path}?{} HTTP/1.0\r\nHost: {}\r\n\r\n",
            query.finish(),
            self.address
        );
        let answer = read(write(self.address, &head).ok()?).ok()?;
        // It answers in plain text while it starts.
        serde_json::from_slice(&answer.body).ok()
    }

    /// The result of an instant query, which must be a good one.
    fn query(&self, query: &str) -> Vec<Value> {
        let answer = self.try_api("query", &[("query", query)]).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The one number that a query results in.
    fn number(&self, query: &str) -> Option<f64> {
        match &self.query(query)[..] {
            [one] => one["value"][1].as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// Waits until a query results in one number that is as it should be.
    fn expect(&self, query: &str, is_right: impl Fn(f64) -> bool) -> f64 {
        let mut last = None;
        try_within(SCRAPES, || {
            last = self.number(query);
            last.filter(|number| is_right(*number))
        })
        .unwrap_or_else(|| panic!("{query} stayed {last:?}"))
    }
}

/// Services, a gateway before them that has answered requests in both modes, some of them badly, and a Prometheus.
struct Scene {
    prometheus: Prometheus,
    gateway: SocketAddr,
    _running: Vec<Running>,
}

impl Scene {
    fn start() -> Option<Self> {
        needed("prometheus", which("prometheus"))?;
        let mut running = Vec::new();
        let mut ping = |arguments: &[&str]| {
            let mut command = gather();
            command
                .args(["ping", "--listen", "127.0.0.1:0"])
                .args(arguments);
            let service = Running::start(command);
            let address = service.address("address");
            running.push(service);
            format!("http://{address}/ping")
        };
        let slow = ["--delay", "60ms"];
        let services = [
            ("ping_1", ping(&slow)),
            ("ping_2", ping(&slow)),
            ("ping_3", ping(&slow)),
        ];
        let broken = ping(&["--delay", "0s", "--fail-rate", "1"]);
        let toml = format!(
            "{}[upstreams.broken]\nurl = \"{broken}\"\n[aggregates.shaky]\ncalls = [\"ping_1\", \"broken\"]\n",
            upstreams(&services)
        );
        let (gateway, address) = Running::serve(&toml);
        running.push(gateway);
        // Counters have to be seen at zero for their increase to be seen.
        let prometheus = Prometheus::start(address)?;
        for _ in 0..EACH {
            assert_eq!(get(address, "/aggregate?mode=sequential").status, 200);
            assert_eq!(get(address, "/aggregate?mode=concurrent").status, 200);
            assert_eq!(
                get(address, "/aggregate/shaky").json()["outcome"],
                "partial"
            );
            assert_eq!(get(address, "/aggregate/shaky?calls=broken").status, 502);
            assert_eq!(get(address, "/nowhere").status, 404);
        }
        Some(Self {
            prometheus,
            gateway: address,
            _running: running,
        })
    }
}

#[test]
fn prometheus_has_the_series_the_queries_and_the_rules() {
    let Some(scene) = Scene::start() else { return };
    the_counters_say_what_was_sent(&scene.prometheus);
    sequential_is_slower_in_every_quantile(&scene.prometheus);
    the_gauges_and_the_process_are_there(&scene);
    every_query_of_the_dashboard_has_an_answer(&scene.prometheus);
    every_rule_is_healthy(&scene.prometheus);
}

fn the_counters_say_what_was_sent(prometheus: &Prometheus) {
    let each = EACH as f64;
    for (query, expected) in [
        (
            "gather_requests_total{aggregate=\"default\",mode=\"sequential\",outcome=\"complete\"}",
            each,
        ),
        (
            "gather_requests_total{aggregate=\"default\",mode=\"concurrent\",outcome=\"complete\"}",
            each,
        ),
        (
            "gather_requests_total{aggregate=\"shaky\",mode=\"concurrent\",outcome=\"partial\"}",
            each,
        ),
        (
            "gather_requests_total{aggregate=\"shaky\",mode=\"concurrent\",outcome=\"failed\"}",
            each,
        ),
        ("sum(gather_requests_total)", each * 4.0),
        (
            "gather_attempts_total{upstream=\"ping_1\",result=\"ok\"}",
            each * 3.0,
        ),
        (
            "gather_attempts_total{upstream=\"ping_3\",result=\"ok\"}",
            each * 2.0,
        ),
        (
            "gather_attempts_total{upstream=\"broken\",result=\"status\"}",
            each * 2.0,
        ),
        ("sum(gather_attempts_total)", each * 9.0),
        (
            "gather_request_duration_seconds_count{aggregate=\"default\",mode=\"sequential\"}",
            each,
        ),
        (
            "gather_attempt_duration_seconds_count{upstream=\"ping_2\"}",
            each * 2.0,
        ),
        ("gather_problems_total{type=\"upstream-failed\"}", each),
        ("gather_problems_total{type=\"not-found\"}", each),
        ("sum(gather_problems_total)", each * 2.0),
        ("gather_panics_total", 0.0),
    ] {
        prometheus.expect(query, |number| (number - expected).abs() < f64::EPSILON);
    }
    // Three calls of 60 ms each: at least 180 ms a request, of which concurrency saves two thirds at best.
    let sequential = "gather_sequential_seconds_total{aggregate=\"default\"}";
    let spent = prometheus.expect(sequential, |number| number >= 0.18 * 2.0 * each);
    let saved = "gather_concurrent_saved_seconds_total{aggregate=\"default\"}";
    prometheus.expect(saved, |number| number > 0.0 && number < spent);
}

fn sequential_is_slower_in_every_quantile(prometheus: &Prometheus) {
    for quantile in ["0.5", "0.9", "0.99"] {
        let of = |mode: &str| {
            format!(
                "histogram_quantile({quantile}, sum by (le) (rate(gather_request_duration_seconds_bucket{{aggregate=\"default\", mode=\"{mode}\"}}[1m])))"
            )
        };
        let concurrent = prometheus.expect(&of("concurrent"), |seconds| seconds > 0.025);
        prometheus.expect(&of("sequential"), |seconds| seconds > concurrent);
    }
}

fn the_gauges_and_the_process_are_there(scene: &Scene) {
    let prometheus = &scene.prometheus;
    prometheus.expect("gather_requests_in_flight", |number| number == 0.0);
    prometheus.expect("sum(gather_attempts_in_flight)", |number| number == 0.0);
    prometheus.expect("count(gather_attempts_in_flight)", |number| number == 4.0);
    prometheus.expect("gather_ready", |number| number == 1.0);
    let version = env!("CARGO_PKG_VERSION");
    prometheus.expect(
        &format!("gather_build_info{{version=\"{version}\"}}"),
        |number| number == 1.0,
    );
    for process in [
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
        "process_start_time_seconds",
    ] {
        prometheus.expect(&format!("{process}{{job=\"gather\"}}"), |number| {
            number > 0.0
        });
    }
    prometheus.expect("process_cpu_seconds_total{job=\"gather\"}", |number| {
        number >= 0.0
    });
    // What Prometheus has is all that the gateway exposes.
    let exposed = get(scene.gateway, "/metrics");
    let samples = exposed
        .text()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .count();
    prometheus.expect("scrape_samples_scraped{job=\"gather\"}", |number| {
        number == samples as f64
    });
}

fn every_query_of_the_dashboard_has_an_answer(prometheus: &Prometheus) {
    for query in dashboard_queries() {
        if let Some(variable) = query.strip_prefix("label_values(") {
            let (selector, label) = variable.trim_end_matches(')').rsplit_once(',').unwrap();
            let query = format!("count by ({}) ({selector})", label.trim());
            assert!(
                !prometheus.query(&query).is_empty(),
                "no values for {query}"
            );
            continue;
        }
        let query = query
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1m")
            .replace("$aggregate", ".*")
            .replace("$upstream", ".*");
        assert!(!query.contains('$'), "an unknown variable in {query}");
        // Alerts are quiet on a good day. All else has something to show, for there were requests of every kind.
        if query.starts_with("ALERTS") {
            prometheus.query(&query);
        } else {
            within(SOON, &query, || {
                (!prometheus.query(&query).is_empty()).then_some(())
            });
        }
    }
}

fn every_rule_is_healthy(prometheus: &Prometheus) {
    let rules: Vec<Value> = eventually("an evaluation of every rule", || {
        let answer = prometheus.try_api("rules", &[])?;
        let groups = answer["data"]["groups"].as_array()?;
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap());
        let rules: Vec<Value> = rules.cloned().collect();
        let all = !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown");
        all.then_some(rules)
    });
    assert!(rules.len() > 15, "{rules:#?}");
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        assert!(rule.get("lastError").is_none(), "{rule:#}");
    }
    for rule in rules.iter().filter(|rule| rule["type"] == "recording") {
        let name = rule["name"].as_str().unwrap();
        within(SCRAPES, name, || {
            (!prometheus.query(name).is_empty()).then_some(())
        });
    }
    // The gateway is up and ready, and nothing has lasted long enough for another alert.
    let firing: Vec<_> = rules
        .iter()
        .filter(|rule| rule["state"] == "firing")
        .collect();
    assert!(firing.is_empty(), "{firing:#?}");
}
