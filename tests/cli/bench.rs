//! `gather bench`: both modes under load, their comparison, and the report if not all goes well.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::{
    before,
    program::{Running, finish, gather, run},
    upstream::{Behaviour, Response, Upstream},
};

fn slow(delay: u64) -> Upstream {
    Upstream::always(Behaviour::from(Response::pong()).after(Duration::from_millis(delay)))
}

fn three(upstream: &Upstream) -> (Running, String) {
    let (gateway, address) = Running::serve(&before(&[(); 3].map(|()| upstream.url("/"))));
    (gateway, address.to_string())
}

fn json(arguments: &[&str], status: i32) -> Value {
    let finished = run(&[&["bench", "--json"], arguments].concat()).expect(status);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn three_calls_in_a_row_take_three_times_as_long_as_three_together() {
    let upstream = slow(60);
    let (_gateway, address) = three(&upstream);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let arguments = [
        "bench",
        &address,
        "--requests",
        "20",
        "--concurrency",
        "4",
        "--html",
    ];
    let finished = run(&[&arguments[..], &[file.to_str().unwrap()]].concat()).expect(0);
    assert_eq!(finished.stderr, "");
    let lines: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(lines[0], format!("{address}, 4 at a time"));
    for (at, mode) in [(3, "sequential"), (4, "concurrent")] {
        let cells: Vec<_> = lines[at].split_whitespace().collect();
        assert_eq!(cells[..2], [mode, "20"], "{}", finished.stdout);
    }
    assert!(
        lines[6].starts_with("concurrent answers "),
        "{}",
        finished.stdout
    );
    // Twenty answers have no p99. The report says this for each mode.
    for (at, mode) in [(7, "sequential"), (8, "concurrent")] {
        let remark = format!("{mode}: of 20 answers the p99 is the slowest");
        assert!(lines[at].starts_with(&remark), "{}", finished.stdout);
    }
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains("curve sequential") && page.contains("curve concurrent"));
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        1,
        "nothing else is left"
    );
    // Each mode sends one more request first, to see if it is accepted. Each request makes three calls.
    assert_eq!(upstream.requests().len(), 3 * 2 * (20 + 1));

    let result = json(&[&address, "--requests", "10", "--concurrency", "2"], 0);
    let ratio = result["ratio"]["p50"].as_f64().unwrap();
    assert!((2.0..4.0).contains(&ratio), "{result}");
    for mode in ["sequential", "concurrent"] {
        let run = &result[mode];
        assert_eq!(run["outcomes"], serde_json::json!({"complete": 10}));
        let latency = |name: &str| run["latency_ms"][name].as_f64().unwrap();
        let names = ["min", "p50", "p90", "p99", "p99_9", "max"].map(latency);
        assert!(names.is_sorted() && names[0] >= 60.0, "{run}");
        assert_eq!(run["uncorrected_ms"], Value::Null);
    }
}

#[test]
fn by_the_clock_a_stall_is_in_the_latency_of_all_that_it_kept_waiting() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| {
        // The first request is the one that is not counted.
        let stalls = asked.fetch_add(1, Ordering::SeqCst) == 1;
        let delay = Duration::from_millis(if stalls { 1000 } else { 0 });
        Behaviour::from(Response::pong()).after(delay)
    });
    let (_gateway, address) = Running::serve(&before(&[upstream.url("/")]));
    let address = address.to_string();
    let result = json(
        &[
            &address,
            "--mode",
            "async",
            "--rate",
            "50",
            "--requests",
            "40",
            "--concurrency",
            "1",
        ],
        0,
    );
    let run = &result["concurrent"];
    // All forty were due within 0.8 s, so all waited for the first. That one alone was slow itself.
    let corrected = run["latency_ms"]["p50"].as_f64().unwrap();
    let uncorrected = run["uncorrected_ms"]["p50"].as_f64().unwrap();
    assert!(corrected > 200.0 && uncorrected < corrected / 2.0, "{run}");
    assert!(run["behind_ms"].as_f64().unwrap() > 500.0, "{run}");
    assert_eq!(
        (&result["sequential"], &result["ratio"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn failures_are_counted_by_name_and_never_among_the_latencies() {
    let sick = Upstream::always(Response::new(503));
    let (_gateway, address) = Running::serve(&before(&[sick.url("/")]));
    let address = address.to_string();
    let result = json(&[&address, "--requests", "5"], 1);
    for mode in ["sequential", "concurrent"] {
        assert_eq!(
            result[mode]["failures"],
            serde_json::json!({"upstream-failed": 5})
        );
        assert_eq!(
            (&result[mode]["answers"], &result[mode]["latency_ms"]),
            (&0.into(), &Value::Null)
        );
    }
    assert_eq!(result["ratio"], Value::Null);
    let table = run(&["bench", &address, "--requests", "5"])
        .expect(1)
        .stdout;
    assert!(
        table.contains("sequential, not complete: 5 × upstream-failed"),
        "{table}"
    );
}

#[test]
fn a_status_that_a_call_has_brought_is_counted_whenever_it_comes() {
    let upstream = Upstream::always(Response::new(401));
    let configuration = format!(
        "[upstreams.a]\nurl = \"{}\"\n[aggregates.default]\n\
         calls = [{{ upstream = \"a\", pass_status = [401] }}]\n",
        upstream.url("/")
    );
    let (_gateway, address) = Running::serve(&configuration);
    let result = json(&[&address.to_string(), "--requests", "5"], 1);
    for mode in ["sequential", "concurrent"] {
        let failures = &result[mode]["failures"];
        assert_eq!(failures, &serde_json::json!({"upstream-status": 5}));
    }
}

#[test]
fn what_was_measured_until_it_was_stopped_is_not_lost() {
    let upstream = slow(20);
    let (_gateway, address) = three(&upstream);
    let mut command = gather();
    command.args(["bench", &address, "--duration", "60s", "--json"]);
    let running = Running::start(command);
    // The first request of the load has been answered.
    let enough = async { upstream.wait_requests(60, Duration::from_secs(30)).await };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    assert!(runtime.unwrap().block_on(enough));
    let finished = running.stop().expect(1);
    let result: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(result["sequential"]["cut_short"], true);
    assert!(
        result["sequential"]["answers"].as_u64().unwrap() > 0,
        "{result}"
    );
    assert!(result.get("concurrent").is_none());
}

#[test]
fn what_can_not_be_loaded_is_said_before_anything_is_sent() {
    let upstream = slow(0);
    let (_gateway, address) = three(&upstream);
    for (arguments, status, said) in [
        (&["127.0.0.1:1"][..], 1, "refused the connection"),
        (&["ftp://h"], 1, "is not a URL of a gateway"),
        (
            &[&*format!("{address}/nope")],
            1,
            "the gateway refuses this: 404",
        ),
        (
            &[&*address, "--calls", "nobody"],
            1,
            "the gateway refuses this: 400",
        ),
        (
            &[&*address, "--html", "/no/such/folder/x.html"],
            1,
            "can't write /no/such/folder/x.html",
        ),
        (
            &[&*address, "--html", "/dev/null"],
            1,
            "it is no ordinary file",
        ),
        (&[&*address, "--rate", "0"], 2, "above 0"),
        (&[&*address, "--rate", "nan"], 2, "above 0"),
        (&[&*address, "--requests", "0"], 2, "--requests"),
        (
            &[&*address, "--mode", "compare"],
            2,
            "both are loaded in turn",
        ),
    ] {
        let finished = run(&[&["bench"], arguments].concat()).expect(status);
        assert!(
            finished.stderr.contains(said),
            "{arguments:?}: {}",
            finished.stderr
        );
        assert_eq!(finished.stdout, "", "{arguments:?}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_plain_locale_gets_plain_text() {
    let upstream = slow(0);
    let (_gateway, address) = three(&upstream);
    let mut command = gather();
    command
        .env("LANG", "C")
        .args(["bench", &address, "--requests", "3"]);
    let drawn = finish(command).expect(0).stdout;
    assert!(drawn.is_ascii(), "{drawn}");
}
