//! The series that a real Prometheus has of a gateway after known requests: every count, by labels, and the results of
//! the shipped rules.

use std::{net::SocketAddr, time::Duration};

use crate::{
    compared, needed,
    program::{Running, gather, get, which},
    prometheus::{Prometheus, Settings},
    series::rule_files,
};

/// The number of requests of each mode.
const EACH: usize = 5;

/// Services, a gateway before them, and a Prometheus. The gateway has answered requests in both modes, some of them
/// badly.
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
            compared(&services)
        );
        let (gateway, address) = Running::serve(&toml);
        running.push(gateway);
        // Prometheus must see counters at zero to see their increase.
        let prometheus = Prometheus::start(&Settings {
            gateways: &[address],
            rules: &rule_files(),
            interval: Duration::from_secs(1),
        })?;
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
fn what_prometheus_has_is_what_was_sent() {
    let Some(scene) = Scene::start() else { return };
    the_counters_say_what_was_sent(&scene.prometheus);
    sequential_is_slower_in_every_quantile(&scene.prometheus);
    the_gauges_and_the_process_are_there(&scene);
    it_was_read_as_open_metrics(&scene.prometheus);
    every_rule_is_healthy_and_no_alert_fires(&scene.prometheus);
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
            "gather_attempts_total{upstream=\"broken\",result=\"status_5xx\"}",
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
    prometheus.expect("time() - gather_start_time_seconds", |seconds| {
        (0.0..600.0).contains(&seconds)
    });
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
    // Prometheus has everything that the gateway exposes.
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

/// Asserts that it read OpenMetrics. Only that format has units, and names a counter without its suffix.
fn it_was_read_as_open_metrics(prometheus: &Prometheus) {
    for (name, kind, unit) in [
        ("gather_overhead_seconds", "histogram", "seconds"),
        ("gather_requests", "counter", ""),
        ("process_resident_memory_bytes", "gauge", "bytes"),
    ] {
        let known = prometheus.api("metadata", &[("metric", name)]);
        let known = &known[name][0];
        assert_eq!(
            (&known["type"], &known["unit"]),
            (&kind.into(), &unit.into()),
            "{name}: {known}"
        );
    }
}

fn every_rule_is_healthy_and_no_alert_fires(prometheus: &Prometheus) {
    let rules = prometheus.healthy_rules();
    assert!(rules.len() > 20, "{rules:#?}");
    // The gateway is up and ready, and nothing has lasted long enough for another alert.
    let firing: Vec<_> = rules
        .iter()
        .filter(|rule| rule["state"] == "firing")
        .collect();
    assert!(firing.is_empty(), "{firing:#?}");
}
