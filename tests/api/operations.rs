//! The operational routes, and the metrics after known requests.

use std::time::Duration;

use crate::{
    gateway::{Gateway, request},
    upstream::{Behaviour, Response, Upstream},
};

const ROUTES: [&str; 3] = ["/metrics", "/livez", "/readyz"];

/// The time that the slow calls take.
const DELAY: Duration = Duration::from_millis(100);

/// Calls `ok_1`, `ok_2` that take a while, and `failing`.
async fn three(settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/failing" => Response::new(500).into(),
        "/silent" => Behaviour::HangBeforeHead,
        _ => Behaviour::from(Response::pong()).after(DELAY),
    });
    let names = ["ok_1", "ok_2", "failing", "silent"];
    let urls = names.map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = format!(
        "{settings}\naggregates.default = {{ calls = [\"ok_1\", \"ok_2\", \"failing\"], compare = true }}\n\
         aggregates.silent = {{ calls = [\"silent\", \"ok_1\"] }}"
    );
    (Gateway::before(&urls, &rest).await, upstream)
}

#[actix_web::test]
async fn without_an_admin_listener_the_public_one_has_the_operational_routes() {
    let (gateway, _upstream) = three("").await;
    assert_eq!(gateway.address, gateway.operations);
    for route in ROUTES {
        assert_eq!(gateway.get(route).await.status, 200, "{route}");
        let head = request(gateway.address, "HEAD", route, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{route}");
    }
}

#[actix_web::test]
async fn with_an_admin_listener_they_are_there_and_nowhere_else() {
    let (gateway, upstream) = three("admin.listen = \"127.0.0.1:0\"").await;
    assert_ne!(gateway.address, gateway.operations);
    for route in ROUTES {
        assert_eq!(gateway.operation(route).await.status, 200, "{route}");
        gateway.get(route).await.problem(404, "not-found");
    }
    assert_eq!(gateway.aggregate("?calls=ok_1").await.status, 200);
    for route in ["/aggregate", "/aggregate/default"] {
        gateway.operation(route).await.problem(404, "not-found");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[actix_web::test]
async fn a_running_gateway_is_alive_and_ready() {
    let (gateway, _upstream) = three("").await;
    for (route, text) in [
        ("/livez", "{\"alive\":true}"),
        ("/readyz", "{\"ready\":true}"),
    ] {
        let answer = gateway.get(route).await;
        assert_eq!(answer.text(), text);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("x-request-id").is_some());
    }
    assert_eq!(gateway.metric("gather_ready").await, 1.0);
}

#[actix_web::test]
async fn the_metrics_are_prometheus_text_and_there_from_the_start() {
    let (gateway, _upstream) = three("").await;
    let answer = gateway.operation("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    for (name, kind) in [
        ("gather_requests_total", "counter"),
        ("gather_request_duration_seconds", "histogram"),
        ("gather_sequential_seconds_total", "counter"),
        ("gather_concurrent_saved_seconds_total", "counter"),
        ("gather_overhead_seconds", "histogram"),
        ("gather_attempts_total", "counter"),
        ("gather_attempt_duration_seconds", "histogram"),
        ("gather_requests_in_flight", "gauge"),
        ("gather_client_connections", "gauge"),
        ("gather_client_connections_limit", "gauge"),
        ("gather_memory_bytes", "gauge"),
        ("gather_memory_limit_bytes", "gauge"),
        ("gather_attempts_in_flight", "gauge"),
        ("gather_attempt_timeout_seconds", "gauge"),
        ("gather_problems_total", "counter"),
        ("gather_shed_total", "counter"),
        ("gather_panics_total", "counter"),
        ("gather_answers_cut_off_total", "counter"),
        ("gather_log_lines_dropped_total", "counter"),
        ("gather_deadline_headers_ignored_total", "counter"),
        ("gather_connections_opened_total", "counter"),
        ("gather_resent_total", "counter"),
        ("gather_retries_total", "counter"),
        ("gather_hedges_total", "counter"),
        ("gather_extra_attempts_refused_total", "counter"),
        ("gather_circuit_state", "gauge"),
        ("gather_ready", "gauge"),
        ("gather_build_info", "gauge"),
        ("gather_start_time_seconds", "gauge"),
        ("process_cpu_seconds_total", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
    ] {
        for line in [format!("# TYPE {name} {kind}\n"), format!("# HELP {name} ")] {
            assert!(answer.text().contains(&line), "no {line}");
        }
    }
    for failure in [
        "ok",
        "connect",
        "tls",
        "timeout",
        "deadline",
        "status_2xx",
        "status_3xx",
        "status_4xx",
        "status_5xx",
        "protocol",
        "too_large",
        "invalid_body",
        "circuit_open",
        "cancelled",
        "skipped",
        "overload",
        "unexpected",
    ] {
        let series = format!("gather_attempts_total{{result=\"{failure}\",upstream=\"ok_1\"}} 0\n");
        assert!(answer.text().contains(&series), "no {series}");
    }
    for no_result in ["status", "omitted"] {
        let label = format!("result=\"{no_result}\"");
        assert!(!answer.text().contains(&label), "{label}");
    }
    for reason in ["budget", "breaker", "limit", "deadline"] {
        let labels = format!("{{reason=\"{reason}\",upstream=\"ok_1\"}}");
        let series = format!("gather_extra_attempts_refused_total{labels} 0\n");
        assert!(answer.text().contains(&series), "no {series}");
    }
    let version = concat!(
        "gather_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1\n"
    );
    assert!(answer.text().contains(version));
}

/// The `Accept` fields of Prometheus 2.42 and of 3.x.
const PROMETHEUS: [&str; 2] = [
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
     text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
     application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
     text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
];

#[actix_web::test]
async fn who_would_rather_have_open_metrics_gets_them() {
    let (gateway, _upstream) = three("").await;
    for accept in [
        PROMETHEUS[0],
        PROMETHEUS[1],
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=1.0.0",
        "text/plain;version=0.0.4;q=0.5, application/openmetrics-text;q=0.5",
        "*/*, application/openmetrics-text",
        "text/html, application/openmetrics-text;q=0.1",
        "text/plain;q=0, */*, application/openmetrics-text;q=0.5",
    ] {
        let answer = gateway.get_with("/metrics", &[("Accept", accept)]).await;
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(answer.header("content-type"), Some(kind), "{accept}");
        assert_eq!(answer.header("vary"), Some("accept"));
        let text = answer.text();
        assert!(text.ends_with("\n# EOF\n"), "{accept}: {text}");
        for line in [
            "# TYPE gather_requests counter\n",
            "# UNIT gather_overhead_seconds seconds\n",
            "gather_requests_total{aggregate=\"default\",mode=\"concurrent\",outcome=\"complete\"} 0.0\n",
            "gather_overhead_seconds_bucket{aggregate=\"default\",le=\"1e-05\"} 0\n",
        ] {
            assert!(text.contains(line), "no {line} in {text}");
        }
    }
}

#[actix_web::test]
async fn everybody_else_gets_the_text_format() {
    let (gateway, _upstream) = three("").await;
    for accept in [
        "",
        ",",
        "*/*",
        "text/plain",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.4, text/plain;q=0.5",
        "application/openmetrics-text;q=0.4, */*;q=0.5",
        "application/openmetrics-text;q=nonsense",
        "nonsense",
    ] {
        let answer = gateway.get_with("/metrics", &[("Accept", accept)]).await;
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("text/plain; version=0.0.4"), "{accept}");
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("# EOF"));
    }
    let answer = gateway.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
}

async fn requests(gateway: &Gateway, mode: &str, outcome: &str) -> f64 {
    let labels = format!("aggregate=\"default\",mode=\"{mode}\",outcome=\"{outcome}\"");
    gateway
        .metric(&format!("gather_requests_total{{{labels}}}"))
        .await
}

#[actix_web::test]
async fn requests_are_counted_by_mode_and_outcome() {
    let (gateway, _upstream) = three("").await;
    for query in [
        "",
        "?mode=async",
        "?mode=sync",
        "?calls=ok_1",
        "?calls=failing",
        "?calls=failing&mode=sync",
        "?mode=compare",
        "?mode=nonsense",
        "?calls=nobody",
    ] {
        gateway.aggregate(query).await;
    }
    for (mode, complete, partial, failed) in
        [("concurrent", 1.0, 3.0, 1.0), ("sequential", 0.0, 2.0, 1.0)]
    {
        assert_eq!(
            requests(&gateway, mode, "complete").await,
            complete,
            "{mode}"
        );
        assert_eq!(requests(&gateway, mode, "partial").await, partial, "{mode}");
        assert_eq!(requests(&gateway, mode, "failed").await, failed, "{mode}");
        assert_eq!(requests(&gateway, mode, "cancelled").await, 0.0, "{mode}");
        let count = format!(
            "gather_request_duration_seconds_count{{aggregate=\"default\",mode=\"{mode}\"}}"
        );
        assert_eq!(gateway.metric(&count).await, complete + partial + failed);
    }
    let overheads = gateway
        .metric("gather_overhead_seconds_count{aggregate=\"default\"}")
        .await;
    assert_eq!(overheads, 8.0);
    let other = gateway
        .metric("gather_overhead_seconds_count{aggregate=\"silent\"}")
        .await;
    assert_eq!(other, 0.0);
}

#[actix_web::test]
async fn attempts_are_counted_by_upstream_and_result() {
    let (gateway, _upstream) = three("").await;
    gateway.aggregate("").await;
    gateway.aggregate("?mode=sync").await;
    gateway.aggregate("?calls=ok_1").await;
    let silent = gateway.get("/aggregate/silent?timeout=300ms").await;
    assert_eq!(silent.result("silent"), "deadline");
    let first = gateway.get("/aggregate/silent?wait_for=first").await;
    assert_eq!(first.result("silent"), "cancelled");

    for (upstream, result, count) in [
        ("ok_1", "ok", 5.0),
        ("ok_2", "ok", 2.0),
        ("failing", "status_5xx", 2.0),
        ("failing", "status_4xx", 0.0),
        ("failing", "ok", 0.0),
        ("silent", "deadline", 1.0),
        ("silent", "cancelled", 1.0),
        ("silent", "timeout", 0.0),
    ] {
        let series =
            format!("gather_attempts_total{{result=\"{result}\",upstream=\"{upstream}\"}}");
        assert_eq!(gateway.metric(&series).await, count, "{series}");
    }
    for (upstream, timed) in [("ok_1", 5.0), ("failing", 2.0), ("silent", 1.0)] {
        let series = format!("gather_attempt_duration_seconds_count{{upstream=\"{upstream}\"}}");
        assert_eq!(
            gateway.metric(&series).await,
            timed,
            "without cancelled ones"
        );
        let gauge = format!("gather_attempts_in_flight{{upstream=\"{upstream}\"}}");
        assert_eq!(gateway.metric(&gauge).await, 0.0);
    }
    let opened = "gather_connections_opened_total{upstream=\"ok_1\"}";
    assert_eq!(gateway.metric(opened).await, 1.0, "one, kept");
    assert_eq!(gateway.metric("gather_requests_in_flight").await, 0.0);
}

#[actix_web::test]
async fn time_is_counted_as_what_it_would_have_been_and_what_was_saved() {
    let (gateway, _upstream) = three("").await;
    let sequential = "gather_sequential_seconds_total{aggregate=\"default\"}";
    let saved = "gather_concurrent_saved_seconds_total{aggregate=\"default\"}";
    let delay = DELAY.as_secs_f64();

    let answer = gateway.aggregate("?calls=ok_1,ok_2").await;
    let told = answer.json();
    let sum = told["sequential_ms"].as_f64().unwrap() / 1000.0;
    let elapsed = told["elapsed_ms"].as_f64().unwrap() / 1000.0;
    assert!(sum >= 2.0 * delay);
    // The answer's times are cut to microseconds, the metrics' are not.
    let near = |a: f64, b: f64| (a - b).abs() < 0.000_01;
    let counted = gateway.metric(sequential).await;
    assert!(near(counted, sum), "{counted} is not {sum}");
    let counted = gateway.metric(saved).await;
    assert!(
        near(counted, sum - elapsed),
        "{counted} is not {}",
        sum - elapsed
    );

    gateway.aggregate("?calls=ok_1,ok_2&mode=sync").await;
    let all = gateway.metric(sequential).await;
    assert!(all >= sum + 2.0 * delay, "{all}");
    let still = gateway.metric(saved).await;
    assert_eq!(still, counted, "a sequential run saves nothing");

    let duration = |mode: &str| {
        format!("gather_request_duration_seconds_sum{{aggregate=\"default\",mode=\"{mode}\"}}")
    };
    let together = gateway.metric(&duration("concurrent")).await;
    let in_a_row = gateway.metric(&duration("sequential")).await;
    assert!(together >= delay && in_a_row >= 2.0 * delay);
    let overhead = gateway
        .metric("gather_overhead_seconds_sum{aggregate=\"default\"}")
        .await;
    assert!(
        overhead < (together + in_a_row) / 2.0,
        "calls are no overhead: {overhead} of {together} + {in_a_row}"
    );
}

#[actix_web::test]
async fn gauges_show_what_is_in_flight() {
    let (gateway, upstream) = three("").await;
    let asked = gateway.get("/aggregate/silent?calls=silent&timeout=2s");
    let watched = async {
        assert!(upstream.wait_requests(1, Duration::from_secs(10)).await);
        let requests = gateway.metric("gather_requests_in_flight").await;
        let attempts = gateway
            .metric("gather_attempts_in_flight{upstream=\"silent\"}")
            .await;
        assert_eq!((requests, attempts), (1.0, 1.0));
    };
    let (answer, ()) = tokio::join!(asked, watched);
    answer.problem(504, "upstream-timeout");
    assert_eq!(gateway.metric("gather_requests_in_flight").await, 0.0);
    assert_eq!(
        gateway
            .metric("gather_attempts_in_flight{upstream=\"silent\"}")
            .await,
        0.0
    );
}

#[actix_web::test]
async fn what_clients_send_makes_no_series() {
    let (gateway, _upstream) = three("").await;
    let series = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("gather_"))
            .count()
    };
    let before = series(gateway.operation("/metrics").await.text());
    for target in [
        "/aggregate/strange_1",
        "/strange_2",
        "/aggregate?strange_3=1",
        "/aggregate?calls=strange_4",
    ] {
        let answer = gateway
            .get_with(target, &[("X-Request-Id", "strange_5")])
            .await;
        assert!((400..500).contains(&answer.status));
    }
    let answer = gateway.operation("/metrics").await;
    assert!(!answer.text().contains("strange"));
    assert_eq!(series(answer.text()), before);
}

#[actix_web::test]
async fn problems_of_upstreams_are_counted_by_their_type() {
    let (gateway, _upstream) = three("").await;
    for (query, status, kind) in [
        ("/aggregate?calls=failing", 502, "upstream-failed"),
        (
            "/aggregate/silent?calls=silent&timeout=50ms",
            504,
            "upstream-timeout",
        ),
        (
            "/aggregate?mode=compare&calls=failing",
            502,
            "upstream-failed",
        ),
    ] {
        let series = format!("gather_problems_total{{type=\"{kind}\"}}");
        let before = gateway.metric(&series).await;
        gateway.get(query).await.problem(status, kind);
        assert_eq!(gateway.metric(&series).await, before + 1.0, "{query}");
    }
}
