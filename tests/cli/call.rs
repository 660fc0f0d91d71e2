//! `gather call`: one aggregate of a running gateway, drawn or as it came.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::{
    before,
    program::{Running, free_address, get, run},
    upstream::{Behaviour, Response, Upstream},
};

/// A gateway's answer with times that don't vary.
const ANSWER: &str = r#"{"aggregate":"home","mode":"concurrent","outcome":"partial","elapsed_ms":200.500,"sequential_ms":450.250,"results":[{"name":"users","ok":true,"status":200,"start_ms":0.040,"elapsed_ms":150.125,"attempts":1,"body":{"a":  1}},{"name":"orders","ok":false,"status":503,"start_ms":0.050,"elapsed_ms":100.125,"attempts":1,"failure":"status","detail":"upstream answered 503 Service Unavailable"},{"name":"stock","ok":true,"status":200,"start_ms":0.060,"elapsed_ms":200.000,"attempts":2,"body":"pong"}]}"#;

fn gateway(urls: &[String]) -> (Running, String) {
    let (gateway, address) = Running::serve(&before(urls));
    (gateway, address.to_string())
}

fn pongs(count: usize, delay: Duration) -> (Upstream, Vec<String>) {
    let upstream = Upstream::always(Behaviour::from(Response::pong()).after(delay));
    let urls = (0..count).map(|_| upstream.url("/ping")).collect();
    (upstream, urls)
}

#[test]
fn the_waterfall_has_a_bar_a_call_and_a_line_that_sums_up() {
    let answering = Upstream::always(Response::json(ANSWER));
    let finished = run(&["call", &answering.url("/aggregate/home")]).expect(1);
    assert_eq!(finished.stderr, "");
    insta::assert_snapshot!(finished.stdout, @r"
    concurrent                                  200.5 ms
      users   ████████████████████████          150.1 ms  200
      orders  ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒                  100.1 ms  status: upstream answered 503 Service Unavailable
      stock   ███████████████████████████████▉  200.0 ms  200 ×2
              0 s                       200 ms

    home concurrent: partial in 200.5 ms; one after another 450.3 ms
    ");
}

#[test]
fn without_a_utf8_locale_the_waterfall_is_plain_ascii() {
    let answering = Upstream::always(Response::json(ANSWER));
    let mut command = crate::program::gather();
    command.env("LANG", "C").args(["call", &answering.url("/")]);
    let drawn = crate::program::finish(command).expect(1).stdout;
    assert!(drawn.is_ascii(), "{drawn}");
    assert!(drawn.contains("###") && drawn.contains("xxx"), "{drawn}");
}

#[test]
fn a_real_gateway_is_drawn_with_every_call_in_plan_order() {
    let (_upstream, urls) = pongs(3, Duration::from_millis(50));
    let (_gateway, address) = gateway(&urls);
    let drawn = run(&["call", &address]).expect(0).stdout;
    let names: Vec<_> = drawn
        .lines()
        .filter(|line| line.contains('█') && line.ends_with("  200"))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(names, ["a", "b", "c"], "{drawn}");
    let sum = drawn.lines().last().unwrap();
    assert!(
        sum.starts_with("default concurrent: complete in "),
        "{drawn}"
    );
}

/// A gateway whose call `me` passes a 401 on, behind a call that succeeds.
fn passing() -> (Running, String, [Upstream; 2]) {
    let upstreams = [
        Upstream::always(Response::pong()),
        Upstream::always(Response::new(401)),
    ];
    let (gateway, address) = Running::serve(&format!(
        "upstreams.ok.url = \"{}\"\nupstreams.me.url = \"{}\"\n\
         aggregates.default = {{ calls = [\"ok\", {{ upstream = \"me\", pass_status = [401] }}], compare = true }}",
        upstreams[0].url("/"),
        upstreams[1].url("/")
    ));
    (gateway, address.to_string(), upstreams)
}

#[test]
fn a_run_whose_answer_has_an_upstreams_status_is_drawn_and_the_status_said() {
    let (_gateway, address, _upstreams) = passing();
    let drawn = run(&["call", &address]).expect(1).stdout;
    let lines: Vec<_> = drawn.lines().collect();
    assert!(
        lines[1].contains("ok") && lines[1].ends_with("200"),
        "{drawn}"
    );
    let note = "status: upstream answered 401 Unauthorized";
    assert!(
        lines[2].contains("me") && lines[2].ends_with(note),
        "{drawn}"
    );
    assert!(drawn.contains("default concurrent: partial in "), "{drawn}");
    let said = "401: Upstream status (the call `me` was answered with 401 Unauthorized)";
    assert_eq!(lines.last(), Some(&said), "{drawn}");
    let compared = run(&["call", &address, "--mode", "compare"])
        .expect(1)
        .stdout;
    assert_eq!(compared.lines().last(), Some(said), "{compared}");
    let json = run(&["call", &address, "--json"]).expect(1).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["status"], 401);
}

#[test]
fn a_load_counts_answers_with_an_upstreams_status_apart_from_those_that_succeed() {
    let asked = AtomicUsize::new(0);
    let every_other = Upstream::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => Response::pong().into(),
        _ => Response::new(401).into(),
    });
    let (_gateway, address) = Running::serve(&format!(
        "upstreams.me.url = \"{}\"\n\
         aggregates.default.calls = [{{ upstream = \"me\", pass_status = [401] }}]",
        every_other.url("/")
    ));
    // One more request comes before those of each mode, and must succeed.
    let report = run(&["bench", &address.to_string(), "--requests", "21"]).expect(1);
    let told = format!("{}{}", report.stdout, report.stderr);
    assert!(told.contains("11 × upstream-status"), "{told}");
}

#[test]
fn json_is_what_the_gateway_sent_byte_for_byte() {
    let answering = Upstream::always(Response::json(ANSWER));
    let finished = run(&["call", "--json", &answering.url("/aggregate/home")]).expect(1);
    assert_eq!(finished.stdout, format!("{ANSWER}\n"));
    assert_eq!(finished.stderr, "");
}

#[test]
fn both_modes_are_drawn_on_one_axis_with_their_ratio() {
    let (_upstream, urls) = pongs(3, Duration::from_millis(100));
    let (_gateway, address) = gateway(&urls);
    let drawn = run(&["call", &address, "--mode", "compare"])
        .expect(0)
        .stdout;
    let ratio = drawn.lines().last().unwrap();
    assert!(
        ratio.starts_with("concurrent is ") && ratio.ends_with(" times as fast"),
        "{drawn}"
    );
    let axes: Vec<_> = drawn
        .lines()
        .filter(|line| line.trim_start().starts_with("0 s"))
        .collect();
    assert_eq!(axes.len(), 2, "{drawn}");
    assert_eq!(axes[0], axes[1], "{drawn}");

    let json = run(&["call", &address, "--mode", "compare", "--json"])
        .expect(0)
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["mode"], "compare");
    assert!(json["speedup"].as_f64().unwrap() > 1.0, "{json}");
}

#[test]
fn options_become_parameters_beside_those_of_the_url() {
    let answering = Upstream::always(Response::json(ANSWER));
    run(&[
        "call",
        &answering.url("/aggregate/home?q=a%20b"),
        "--mode",
        "sync",
        "--concurrency",
        "2",
        "--calls",
        "users,stock",
        "--timeout",
        "500ms",
        "--wait-for",
        "first",
    ])
    .expect(1);
    run(&["call", &answering.url("/")]).expect(1);
    let targets: Vec<_> = answering
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(
        targets,
        [
            "/aggregate/home?q=a%20b&mode=sync&concurrency=2&calls=users%2Cstock&timeout=500ms&wait_for=first",
            "/aggregate"
        ]
    );
}

#[test]
fn what_the_options_mean_is_what_the_gateway_does() {
    let (_upstream, urls) = pongs(3, Duration::ZERO);
    let (_gateway, address) = gateway(&urls);
    let options = ["--calls", "c,a", "--mode", "sync", "--json"];
    let json = run(&[&["call", &address][..], &options].concat())
        .expect(0)
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    let names: Vec<_> = json["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| &call["name"])
        .collect();
    assert_eq!(names, ["c", "a"]);
    assert_eq!(json["mode"], "sequential");
}

#[test]
fn a_partial_and_a_failed_outcome_are_1_and_drawn_all_the_same() {
    let (_upstream, mut urls) = pongs(1, Duration::ZERO);
    urls.push(format!("http://{}/", free_address()));
    let (_gateway, address) = gateway(&urls);
    for (calls, outcome) in [("a,b", "partial"), ("b", "failed")] {
        let finished = run(&["call", &address, "--calls", calls]).expect(1);
        let sum = format!("default concurrent: {outcome} in ");
        assert!(finished.stdout.contains(&sum), "{finished:#?}");
        assert!(finished.stdout.contains("connect: "), "{finished:#?}");
    }
    run(&["call", &address, "--calls", "a"]).expect(0);
}

/// A gateway before one upstream with these settings.
fn one(upstream: &Upstream, settings: &str) -> (Running, String) {
    let (gateway, address) = Running::serve(&format!(
        "[upstreams.users]\nurl = \"{}\"\n{settings}\n[aggregates.default]\ncalls = [\"users\"]",
        upstream.url("/")
    ));
    (gateway, address.to_string())
}

/// Asserts that the line of the only call has this end.
#[track_caller]
fn ends(drawn: &str, end: &str) {
    let line = drawn.lines().find(|line| line.trim().starts_with("users"));
    assert!(line.is_some_and(|line| line.ends_with(end)), "{drawn}");
}

#[test]
fn retries_are_shown_by_how_often_a_call_was_tried() {
    let unavailable = || Behaviour::from(Response::new(503));
    let upstream = Upstream::queue([unavailable(), unavailable(), Response::pong().into()]);
    let retry = "retry = { attempts = 3, backoff = \"1ms\" }";
    let (_gateway, address) = one(&upstream, retry);
    ends(&run(&["call", &address]).expect(0).stdout, "  200 ×3");
    let series = get(address.parse().unwrap(), "/metrics");
    let retries = "\ngather_retries_total{upstream=\"users\"} 2\n";
    assert!(series.text().contains(retries), "{}", series.text());
}

#[test]
fn a_hedge_is_told_from_a_retry() {
    let upstream = Upstream::queue([Behaviour::HangBeforeHead, Response::pong().into()]);
    let (_gateway, address) = one(&upstream, "hedge = { after = \"50ms\" }");
    let drawn = run(&["call", &address]).expect(0).stdout;
    ends(&drawn, "  200 hedged ×2");
    let series = get(address.parse().unwrap(), "/metrics");
    let hedges = "\ngather_hedges_total{upstream=\"users\"} 1\n";
    assert!(series.text().contains(hedges), "{}", series.text());
}

#[test]
fn an_open_breaker_is_shown_by_the_call_the_metrics_and_the_log() {
    let upstream = Upstream::always(Response::new(503));
    let breaker = "breaker = { failures = 2, open_for = \"60s\" }";
    let (gateway, address) = one(&upstream, breaker);
    let circuit = |state: u32| {
        let series = get(address.parse().unwrap(), "/metrics");
        let line = format!("\ngather_circuit_state{{upstream=\"users\"}} {state}\n");
        assert!(series.text().contains(&line), "{}", series.text());
    };
    run(&["call", &address]).expect(1);
    circuit(0);
    run(&["call", &address]).expect(1);
    circuit(2);
    let refused = run(&["call", &address]).expect(1).stdout;
    assert!(refused.contains("circuit_open: "), "{refused}");
    assert_eq!(upstream.requests().len(), 2);
    let changed = gateway.line(|line| line.contains("circuit breaker").then(|| line.to_owned()));
    assert!(changed.contains("WARN"), "{changed}");
    assert!(changed.contains("upstream=\"users\""), "{changed}");
    assert!(changed.contains("circuit=\"open\""), "{changed}");
}

#[test]
fn a_refusal_is_one_sentence_in_the_gateways_words() {
    let (_upstream, urls) = pongs(1, Duration::ZERO);
    let (_gateway, address) = gateway(&urls);
    for (arguments, named) in [
        (["--mode", "backwards"], "backwards"),
        (["--calls", "z"], "`z`"),
        (["--concurrency", "0"], "concurrency"),
        (["--timeout", "abc"], "abc"),
    ] {
        let sentence = run(&[&["call", address.as_str()][..], &arguments].concat()).one_sentence();
        assert!(
            sentence.contains("400") && sentence.contains(named),
            "{sentence}"
        );
    }
    let sentence = run(&["call", &format!("{address}/aggregate/nope")]).one_sentence();
    assert!(
        sentence.contains("404") && sentence.contains("nope"),
        "{sentence}"
    );
}

#[test]
fn a_refusal_too_is_json_where_json_was_asked_for() {
    let (_upstream, urls) = pongs(1, Duration::ZERO);
    let (_gateway, address) = gateway(&urls);
    let finished = run(&["call", &address, "--json", "--mode", "backwards"]).expect(1);
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(
        json["type"], "urn:gather:problem:invalid-parameter",
        "{json}"
    );
    assert!(
        finished.stderr.starts_with("error: 400"),
        "{}",
        finished.stderr
    );
}

#[test]
fn nobody_there_is_one_sentence_that_says_what_to_do() {
    let address: SocketAddr = free_address();
    let sentence = run(&["call", &address.to_string()]).one_sentence();
    assert!(
        sentence.contains(&format!("http://{address}/aggregate")),
        "{sentence}"
    );
    assert!(sentence.contains("gather serve"), "{sentence}");
}

#[test]
fn a_gateway_that_hangs_is_given_up_after_max_time() {
    let silent = Upstream::always(Behaviour::HangBeforeHead);
    let sentence = run(&["call", "--max-time", "200ms", &silent.url("/")]).one_sentence();
    assert!(sentence.contains("200ms"), "{sentence}");
}

#[test]
fn what_answers_but_is_no_gateway_is_said_to_be_none() {
    for strange in [
        Response::text("<html>hello</html>"),
        Response::json("{\"hello\": 1}"),
        Response::json("[1]"),
        Response::json("{\"mode\": \"compare\"}"),
        Response::json("{\"results\": 3}"),
        Response::new(200),
    ] {
        let other = Upstream::always(strange);
        let sentence = run(&["call", &other.url("/")]).one_sentence();
        assert!(sentence.contains("gateway"), "{sentence}");
    }
}

#[test]
fn an_answer_that_would_steer_the_terminal_is_shown_escaped() {
    let sly = ANSWER
        .replace("users", "u\\u001b[2Jsers")
        .replace("upstream answered", "\\u001b]0;owned\\u0007")
        .replace("home", "ho\\u001b[2Jme");
    let answering = Upstream::always(Response::json(sly));
    let drawn = run(&["call", &answering.url("/")]).expect(1).stdout;
    assert!(
        !drawn.contains('\u{1b}') && !drawn.contains('\u{7}'),
        "{drawn:?}"
    );
}

#[test]
fn a_bad_command_line_is_2_and_named() {
    for bad in [
        &["call", "--max-time", "5"][..],
        &["call", "--no-such-option"],
        &["call", "http://a", "http://b"],
        &["call", "--mode"],
    ] {
        let finished = run(bad).expect(2);
        assert_eq!(finished.stdout, "");
        let named = bad
            .iter()
            .skip(1)
            .any(|word| finished.stderr.contains(word));
        assert!(named, "{}", finished.stderr);
    }
}

#[test]
fn a_sum_with_a_call_that_was_cut_off_is_the_least_that_it_can_be() {
    let cut = ANSWER.replace("\"failure\":\"status\"", "\"failure\":\"deadline\"");
    let answering = Upstream::always(Response::json(cut));
    let drawn = run(&["call", &answering.url("/")]).expect(1).stdout;
    assert!(
        drawn.ends_with("one after another at least 450.3 ms\n"),
        "{drawn}"
    );
}
