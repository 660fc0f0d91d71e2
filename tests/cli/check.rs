//! `gather check`: accepts a good configuration, reports all mistakes of a bad one, and prints the effective settings.

use std::{fs, path::PathBuf};

use crate::{
    before, file,
    program::{finish, gather, repository, run},
};

/// Eight mistakes of different kinds.
const EIGHT: &str = r#"
[server]
listen = "localhost"
workers = 80.7
colour = true

[log]
level = "loud"

[upstreams.users]
url = "ftp://users/ping"
timeout = "-1s"

[upstreams.orders]
url = "http://orders/ping"
max_body = "1 furlong"

[aggregates.default]
calls = ["orders", "odrers"]
"#;

const PLACES: [&str; 8] = [
    "server.listen",
    "server.workers",
    "server.colour",
    "log.level",
    "upstreams.users.url",
    "upstreams.users.timeout",
    "upstreams.orders.max_body",
    "aggregates.default.calls[1]",
];

#[test]
fn a_good_file_is_said_to_be_good() {
    let (_place, name) = file(&before(&["http://127.0.0.1:9/".to_owned()]));
    let finished = run(&["check", "--elsewhere", "--strict", "-c", &name]).expect(0);
    let (first, rest) = finished.stdout.split_once('\n').unwrap();
    assert_eq!(
        first,
        format!("good: {name}: 1 upstream, 1 aggregate, listening on 127.0.0.1:8080")
    );
    assert!(rest.starts_with("memory: "), "{rest}");
    assert_eq!(finished.stderr, "");
}

#[test]
fn what_a_configuration_takes_at_most_is_said_and_an_answer_that_never_fits_is_warned_of() {
    let text = |memory: &str| {
        let before = before(&["http://127.0.0.1:9/".to_owned()]);
        format!(
            "[server]\nmemory = \"{memory}\"\nmax_in_flight = 10\n{before}\n[defaults]\nmax_body = \"6MiB\"\n"
        )
    };
    let (_place, name) = file(&text("1GiB"));
    let finished = run(&["check", "--elsewhere", "-c", &name]).expect(0);
    let most = "memory: 1.0 GiB for all bodies and answers (server.memory); one request of `default` takes at most 24.0 MiB, \
                and 10 at a time (server.max_in_flight) 240.0 MiB\n";
    assert!(finished.stdout.ends_with(most), "{}", finished.stdout);
    assert_eq!(finished.stderr, "");
    let (_place, name) = file(&text("31MiB"));
    let finished = run(&["check", "--elsewhere", "-c", &name]).expect(0);
    assert!(
        finished
            .stdout
            .ends_with("240.0 MiB; should that ever come together, further requests get a 503\n")
    );
    let warning = format!(
        "warning: {name}: aggregates.default.max_body: its largest answer may take 24.0 MiB, and large answers have 23.2 MiB"
    );
    assert!(finished.stderr.starts_with(&warning), "{}", finished.stderr);
    let printed = run(&["check", "--print", "-c", &name]).expect(0).stdout;
    assert!(printed.contains("memory = \"31MiB\""), "{printed}");
}

#[test]
fn all_of_eight_mistakes_are_named_with_file_and_key() {
    let (_place, name) = file(EIGHT);
    for command in [&["check"][..], &["check", "--print"], &["serve"]] {
        let finished = run(&[command, &["-c", &name]].concat()).expect(1);
        assert_eq!(finished.stdout, "", "{command:?}");
        let lines: Vec<_> = finished.stderr.lines().collect();
        for place in PLACES {
            let start = format!("{name}: {place}: ");
            let named = lines.iter().filter(|line| line.starts_with(&start)).count();
            assert_eq!(named, 1, "{place} in\n{}", finished.stderr);
        }
        assert_eq!(lines.len(), PLACES.len(), "{}", finished.stderr);
    }
}

#[test]
fn mistakes_of_several_files_and_of_the_environment_are_told_together() {
    let (_place, first) = file(EIGHT);
    let (_other, second) = file("[server]\ngrace = \"3 parsecs\"\n");
    let mut command = gather();
    command
        .args(["check", "-c", &first, "-c", &second])
        .env("GATHER__SERVER__DRAIN", "never");
    let finished = finish(command).expect(1);
    for start in [
        format!("{first}: server.workers: "),
        format!("{second}: server.grace: "),
        "GATHER__SERVER__DRAIN: server.drain: ".to_owned(),
    ] {
        let named = finished.stderr.lines().any(|line| line.starts_with(&start));
        assert!(named, "no {start} in\n{}", finished.stderr);
    }
}

#[test]
fn what_is_printed_loads_again_and_prints_the_same() {
    let (_place, name) = file(&fs::read_to_string(repository("config/gather.toml")).unwrap());
    let printed = run(&["check", "--print", "-c", &name]).expect(0).stdout;
    // The output is complete: it has a default that the file leaves out.
    assert!(printed.contains("header_timeout = \"5s\""), "{printed}");
    let (_again, name) = file(&printed);
    assert_eq!(
        run(&["check", "--print", "-c", &name]).expect(0).stdout,
        printed
    );
}

#[test]
fn what_is_printed_says_after_which_failures_a_call_is_tried_again() {
    for (retry, on) in [
        (
            "{ attempts = 2 }",
            ["connect", "timeout", "protocol", "429", "502", "503", "504"].as_slice(),
        ),
        (
            "{ attempts = 2, on = [\"connect\", \"5xx\"] }",
            &["connect", "5xx"],
        ),
    ] {
        let (_place, name) = file(&format!(
            "upstreams.users = {{ url = \"http://users\", retry = {retry} }}\n\
             aggregates.default.calls = [\"users\"]\n"
        ));
        let printed = run(&["check", "--print", "-c", &name]).expect(0).stdout;
        let printed: toml::Table = printed.parse().unwrap();
        let retry = &printed["upstreams"]["users"]["retry"];
        assert_eq!(retry["attempts"].as_integer(), Some(2));
        let told: Vec<_> = retry["on"].as_array().unwrap().iter().collect();
        let told: Vec<_> = told.into_iter().filter_map(toml::Value::as_str).collect();
        assert_eq!(told, on);
    }
}

#[test]
fn what_is_printed_has_no_secret_of_any_layer_in_it() {
    let (_place, name) = file(
        r#"
        defaults.headers = { x-api-key = "hunter2-default" }
        [upstreams.users]
        url = "http://users/ping?token=hunter2-query"
        method = "POST"
        body = "hunter2-body"
        headers = { cookie = "hunter2-file", accept = "application/json" }
        [aggregates.default]
        calls = ["users"]
        "#,
    );
    let mut command = gather();
    command.args(["check", "--print", "-c", &name]).env(
        "GATHER__UPSTREAMS__USERS__HEADERS__AUTHORIZATION",
        "hunter2-variable",
    );
    let printed = finish(command).expect(0).stdout;
    assert!(!printed.contains("hunter2"), "{printed}");
    for shown in [
        "x-api-key",
        "cookie",
        "authorization",
        "token=***",
        "application/json",
    ] {
        assert!(printed.contains(shown), "no {shown} in\n{printed}");
    }
    let (_again, name) = file(&printed);
    run(&["check", "-c", &name]).expect(0);
}

#[test]
fn no_mistake_quotes_a_secret() {
    let (_place, name) = file(
        r#"
        [upstreams.users]
        url = "http://me:hunter2@users/ping"
        body = 1
        headers = { authorization = "hunter2\n" }
        [aggregates.default]
        calls = ["users"]
        "#,
    );
    let finished = run(&["check", "-c", &name]).expect(1);
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    for place in [
        "upstreams.users.url",
        "upstreams.users.body",
        "upstreams.users.headers",
    ] {
        assert!(finished.stderr.contains(place), "{}", finished.stderr);
    }
}

#[test]
fn an_upstream_that_is_the_gateway_itself_is_a_mistake() {
    let itself = |listen: &str, url: &str| {
        let (_place, name) = file(&format!("{listen}\n{}", before(&[url.to_owned()])));
        run(&["check", "-c", &name])
    };
    for (listen, url) in [
        ("", "http://127.0.0.1:8080/ping"),
        ("", "http://localhost:8080/aggregate"),
        ("server.listen = \"0.0.0.0:8080\"", "http://127.1:8080"),
        ("server.listen = \"[::]:80\"", "http://[::ffff:127.0.0.1]/x"),
        (
            "server.listen = \"[::]:8080\"\nadmin.listen = \"127.0.0.1:9090\"",
            "http://[::1]:8080",
        ),
    ] {
        let said = itself(listen, url).expect(1).stderr;
        assert_eq!(said.lines().count(), 1, "{said}");
        let named =
            said.contains(": upstreams.a.url: this is the gateway itself, which listens on ");
        assert!(named, "{listen} {url}: {said}");
    }
    for (listen, url) in [
        (
            "server.listen = \"127.0.0.1:0\"",
            "http://127.0.0.1:8080/ping",
        ),
        (
            "server.listen = \"127.0.0.1:8081\"",
            "http://127.0.0.1:8080/ping",
        ),
        // The gateway's own metrics are an odd upstream, but no loop.
        (
            "admin.listen = \"127.0.0.1:9090\"",
            "http://127.0.0.1:9090/metrics",
        ),
    ] {
        itself(listen, url).expect(0);
    }
}

#[test]
fn quotes_around_a_variables_value_are_named_and_never_taken_off() {
    let (_place, name) = file(&before(&["http://127.0.0.1:9/".to_owned()]));
    let with = |variable: &str, value: &str| {
        let mut command = gather();
        command
            .args(["check", "--print", "-c", &name])
            .env(variable, value);
        finish(command)
    };
    let hint = "the value has quotes around it; docker's --env-file does not take them off";
    for (variable, value) in [
        ("GATHER__UPSTREAMS__A__URL", "\"http://x\""),
        ("GATHER__UPSTREAMS__A__URL", "'http://x'"),
        ("GATHER__TRACING__OTLP_ENDPOINT", "\"http://x\""),
        ("GATHER__SERVER__WORKERS", "\"4\""),
        ("GATHER__SERVER__CONSOLE", "\"true\""),
        ("GATHER__AGGREGATES__DEFAULT__CALLS", "'[\"a\"]'"),
        ("GATHER__SERVER__GRACE", "\"5 parsecs\""),
    ] {
        let said = with(variable, value).expect(1).stderr;
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(hint), "{said}");
    }
    // A value that doesn't fit as a text is read as TOML, so these quotes are TOML's.
    let printed = with("GATHER__SERVER__LISTEN", "\"127.0.0.1:7\"")
        .expect(0)
        .stdout;
    assert!(printed.contains("listen = \"127.0.0.1:7\""), "{printed}");
    let printed = with("GATHER__UPSTREAMS__A__HEADERS__ACCEPT", "\"x\"")
        .expect(0)
        .stdout;
    assert!(printed.contains("accept = '\"x\"'"), "{printed}");
}

#[test]
fn what_is_printed_says_what_becomes_of_a_traces_context() {
    let printed = |settings: &str| {
        let url = "http://127.0.0.1:9/".to_owned();
        let (_place, name) = file(&format!("{settings}\n{}", before(&[url])));
        let printed = run(&["check", "--print", "-c", &name]).expect(0).stdout;
        let (_again, name) = file(&printed);
        let again = run(&["check", "--print", "-c", &name]).expect(0).stdout;
        assert_eq!(again, printed);
        let document = run(&["openapi", "-c", &name]).expect(0).stdout;
        (printed, document)
    };
    let named = "defaults.forward_headers = [\"traceparent\", \"accept-language\"]";
    let (print, document) = printed("");
    assert!(
        print.contains("\"traceparent\"") && print.contains("\"tracestate\""),
        "{print}"
    );
    assert!(document.contains("\"traceparent\"") && document.contains("\"tracestate\""));
    let (print, _) = printed(named);
    assert_eq!(print.matches("\"traceparent\"").count(), 1, "{print}");

    let traced = "tracing.otlp_endpoint = \"http://127.0.0.1:9\"";
    let fixed = "defaults.headers = { tracestate = \"x\", accept = \"y\" }";
    let (print, document) = printed(&format!("{traced}\n{named}\n{fixed}"));
    assert!(
        print.contains("accept-language") && print.contains("accept ="),
        "{print}"
    );
    assert!(
        !print.contains("traceparent") && !print.contains("tracestate"),
        "{print}"
    );
    assert!(document.contains("\"accept-language\"") && !document.contains("\"traceparent\""));
}

#[test]
fn the_configurations_that_come_with_gather_are_good() {
    for shipped in ["config/gather.toml", "deploy/gather.toml"] {
        let name = repository(shipped);
        let name = name.to_str().unwrap();
        let checked = run(&["check", "--strict", "--elsewhere", "-c", name]).expect(0);
        assert_eq!(checked.stderr, "", "{shipped}");
    }
}

#[test]
fn an_optional_call_without_an_effect_is_a_warning() {
    let warning = |settings: &str| {
        let (_place, name) = file(&format!(
            "[upstreams.users]\nurl = \"http://users\"\n[upstreams.history]\nurl = \"http://history\"\n\
             [aggregates.home]\ncalls = [\"users\", {{ upstream = \"history\", optional = true }}]\n{settings}"
        ));
        run(&["check", "--elsewhere", "-c", &name]).expect(0).stderr
    };
    for settings in ["", "wait_for = 1", "on_failure = \"partial\""] {
        let told = warning(settings);
        let place = "aggregates.home.calls[1].optional: has no effect";
        assert!(
            told.starts_with("warning: ") && told.contains(place),
            "{settings}: {told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    for settings in [
        "wait_for = \"required\"",
        "on_failure = \"fail\"\nwait_for = 1",
    ] {
        assert_eq!(warning(settings), "", "{settings}");
    }
}

#[test]
fn a_status_that_can_never_be_passed_on_is_a_warning() {
    let check = |call: &str, more: &str| {
        let (_place, name) = file(&format!(
            "[upstreams.users]\nurl = \"http://users\"\nsuccess = [\"2xx\", \"404\"]\n\
             [aggregates.home]\ncalls = [\"users\", {{ upstream = \"users\", name = \"me\", {call} }}]\n{more}"
        ));
        run(&["check", "--elsewhere", "-c", &name]).expect(0).stderr
    };
    let at = "aggregates.home.calls[1].pass_status:";
    for (call, more, warning) in [
        (
            "pass_status = [401, 404]",
            "",
            "404 has no effect, as it counts as success (upstreams.users.success)",
        ),
        (
            "pass_status = [401], optional = true",
            "wait_for = \"required\"",
            "has no effect, as the call is optional",
        ),
    ] {
        let told = check(call, more);
        assert!(told.starts_with("warning: "), "{told}");
        assert!(told.contains(&format!("{at} {warning}")), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    for call in ["pass_status = [401, 403]", "pass_status = []"] {
        assert_eq!(check(call, ""), "", "{call}");
    }
}

#[test]
fn the_configuration_in_the_kubernetes_file_is_good() {
    let (_place, name) = file(&config_map());
    let mut command = gather();
    command
        .args(["check", "--strict", "-c", &name])
        .env("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        // This number is within any machine's limit of open files.
        .env("GATHER__SERVER__MAX_CONNECTIONS", "10")
        .env("GATHER__SERVER__MAX_IN_FLIGHT", "10");
    let checked = finish(command).expect(0);
    assert_eq!(checked.stderr, "");
    assert!(checked.stdout.contains("3 upstreams"), "{}", checked.stdout);
    // The container's probes and annotation ask the admin listener.
    let printed = run(&["check", "--print", "-c", &name]).expect(0).stdout;
    assert!(printed.contains("listen = \"0.0.0.0:9091\""), "{printed}");
}

/// Returns the text of `gather.toml` in the ConfigMap. It is a block scalar: the indented text below its key.
fn config_map() -> String {
    let file: PathBuf = repository("deploy/kubernetes/base/gather.yaml");
    let yaml = fs::read_to_string(file).unwrap();
    let block = yaml.split_once("  gather.toml: |\n").unwrap().1;
    let lines: Vec<_> = block
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| line.strip_prefix("    ").unwrap_or(""))
        .collect();
    assert!(lines.len() > 10, "{lines:?}");
    lines.join("\n")
}
