//! `gather call` and `gather bench` on every kind of JSON that a gateway embeds. Few programs can hold some of these
//! bodies as a value. Such a body belongs to one call, and must not lose the answer.

use serde_json::value::RawValue;

use crate::{
    live::{on_a_terminal, shown},
    program::{Running, finish, run},
    upstream::{Response, Upstream},
};

/// Bodies that are valid JSON (RFC 8259) and that few programs can hold as a value.
fn kinds() -> Vec<(&'static str, String)> {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    vec![
        ("126 levels", nested(126)),
        ("1000 levels", nested(1000)),
        (
            "1000 objects",
            format!("{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000)),
        ),
        ("beyond a double", "[1e400, -1E+99999]".to_owned()),
        ("40 digits", format!("-{}", "9".repeat(40))),
        (
            "40 digits behind the point",
            format!("0.{}", "1".repeat(40)),
        ),
        ("a lone surrogate", r#""\ud800""#.to_owned()),
        (
            "surrogates in the wrong order",
            r#""\udc00\ud800""#.to_owned(),
        ),
        (
            "a lone surrogate as a name",
            r#"{"\udfff":{"\ud800":1}}"#.to_owned(),
        ),
        (
            "one name twice",
            r#"{"a":1,"a":2,"index":7,"mode":"compare"}"#.to_owned(),
        ),
        ("every escape", r#""\u0000\b\f\n\r\t\/\\\"""#.to_owned()),
        ("many lines", "{\r\n \"a\":\n[1,\r2]}".to_owned()),
    ]
}

/// A gateway whose aggregate `default` has one such body and a pong, and whose aggregate `lost` fails after that body.
fn gateway(body: &str) -> (Running, String, [Upstream; 2]) {
    let strange = Upstream::always(Response::json(body));
    let pong = Upstream::always(Response::pong());
    let toml = format!(
        r#"
        defaults.max_depth = 1000
        upstreams.strange.url = "{0}"
        upstreams.pong.url = "{1}"
        upstreams.down = {{ url = "{1}", success = ["404"] }}
        aggregates.default = {{ calls = ["strange", "pong"], compare = true }}
        aggregates.lost = {{ calls = ["strange", "down"], mode = "sequential", on_failure = "fail", compare = true }}"#,
        strange.url("/"),
        pong.url("/")
    );
    let (running, address) = Running::serve(&toml);
    (running, address.to_string(), [strange, pong])
}

/// Asserts that both calls of the aggregate `default` are drawn with their status, in each run.
#[track_caller]
fn is_whole(kind: &str, drawn: &str, runs: usize) {
    for name in ["strange", "pong"] {
        let is_drawn =
            |line: &&str| line.trim().starts_with(name) && line.trim().ends_with("  200");
        assert_eq!(
            drawn.lines().filter(is_drawn).count(),
            runs,
            "{kind}: {drawn}"
        );
    }
}

#[test]
fn whatever_json_a_call_has_its_answer_is_drawn_whole() {
    for (kind, body) in kinds() {
        let (_gateway, address, _upstreams) = gateway(&body);
        let drawn = run(&["call", &address]).expect(0).stdout;
        is_whole(kind, &drawn, 1);
        assert!(
            drawn.contains("default concurrent: complete in "),
            "{kind}: {drawn}"
        );
        let drawn = run(&["call", &address, "--mode", "compare"])
            .expect(0)
            .stdout;
        is_whole(kind, &drawn, 2);
        assert!(drawn.contains(" times as fast"), "{kind}: {drawn}");
    }
}

#[test]
fn whatever_json_a_call_has_json_is_what_the_gateway_sent() {
    for (kind, body) in kinds() {
        let (_gateway, address, _upstreams) = gateway(&body);
        for (mode, status) in [("sync", 0), ("compare", 0)] {
            let finished = run(&["call", &address, "--json", "--mode", mode]).expect(status);
            let embedded = format!("\"body\":{body}}}");
            assert!(finished.stdout.contains(&embedded), "{kind}: {finished:#?}");
            let json: Result<&RawValue, _> = serde_json::from_str(&finished.stdout);
            assert!(json.is_ok(), "{kind}: {json:?}");
            assert_eq!(finished.stderr, "", "{kind}");
        }
    }
}

#[test]
fn whatever_json_a_call_has_a_failed_run_shows_its_results() {
    for (kind, body) in kinds() {
        let (_gateway, address, _upstreams) = gateway(&body);
        let url = format!("{address}/aggregate/lost");
        let finished = run(&["call", &url]).expect(1);
        let drawn = &finished.stdout;
        assert!(
            drawn.contains("lost sequential: failed in "),
            "{kind}: {finished:#?}"
        );
        for end in ["  200", "  status: upstream answered 200 OK"] {
            let is_drawn = drawn.lines().any(|line| line.ends_with(end));
            assert!(is_drawn, "{kind}: {drawn}");
        }
        let finished = run(&["call", &url, "--mode", "compare"]).expect(1);
        assert!(
            finished.stdout.contains("no ratio"),
            "{kind}: {finished:#?}"
        );
        let finished = run(&["call", &url, "--json"]).expect(1);
        assert!(finished.stdout.contains(&body), "{kind}: {finished:#?}");
        assert_eq!(finished.stderr, "", "{kind}");
    }
}

#[test]
fn whatever_json_a_call_has_it_is_followed_on_a_terminal() {
    for (kind, body) in kinds() {
        let (_gateway, address, _upstreams) = gateway(&body);
        for (target, runs, status, said) in [
            ("", 1, 0, "default concurrent: complete in "),
            (" --mode compare", 2, 0, " times as fast"),
            ("/aggregate/lost", 0, 1, "lost sequential: failed in "),
            ("/aggregate/lost --mode compare", 0, 1, "no ratio"),
        ] {
            let Some(command) = on_a_terminal(&format!("call {address}{target}")) else {
                return;
            };
            let shown = shown(&finish(command).expect(status).stdout);
            assert!(shown.contains(said), "{kind}: {shown}");
            if runs > 0 {
                is_whole(kind, &shown, runs);
            }
        }
    }
}

#[test]
fn whatever_json_a_call_has_its_answers_are_measured() {
    for (kind, body) in kinds() {
        let (_gateway, address, _upstreams) = gateway(&body);
        let finished = run(&["bench", &address, "--requests", "3", "--json"]).expect(0);
        let json: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        for mode in ["sequential", "concurrent"] {
            assert_eq!(json[mode]["outcomes"]["complete"], 3, "{kind}: {json:#}");
        }
        let lost = format!("{address}/aggregate/lost");
        let finished = run(&["bench", &lost, "--requests", "2", "--json"]).expect(1);
        let json: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        let failures = &json["sequential"]["failures"];
        assert_eq!(failures["upstream-failed"], 2, "{kind}: {json:#}");
    }
}
