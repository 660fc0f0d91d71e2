//! Files over files, the environment over files, upstreams over defaults, and one meaning in three formats.

use std::{fs, path::PathBuf, time::Duration};

use super::{LEAST, but_for_files, lines, with_variables};
use crate::{
    config::{load, load_text},
    fanout::Need,
    upstream::Settings,
};

#[test]
fn the_environment_wins_over_the_files_and_can_give_numbers_lists_and_tables() {
    let config = with_variables(
        LEAST,
        &[
            ("GATHER__SERVER__WORKERS", "3"),
            ("GATHER__SERVER__LISTEN", "127.0.0.1:0"),
            ("GATHER__UPSTREAMS__USERS__SUCCESS", r#"["2xx", "404"]"#),
            ("GATHER__UPSTREAMS__USERS__URL", "http://elsewhere"),
            ("GATHER__UPSTREAMS__USERS__HEADERS__AUTHORIZATION", "12345"),
            (
                "GATHER__UPSTREAMS__LAST",
                r#"{ url = "http://last", timeout = "1s" }"#,
            ),
            (
                "GATHER__AGGREGATES__DEFAULT__CALLS",
                r#"["users", { upstream = "last", optional = true }]"#,
            ),
            ("GATHER__AGGREGATES__DEFAULT__COMPARE", "true"),
            ("GATHER__AGGREGATES__DEFAULT__WAIT_FOR", "2"),
            ("GATHER_SERVICE_PORT", "not ours"),
        ],
    )
    .unwrap();
    assert_eq!(config.process.server.workers.get(), 3);
    assert_eq!(config.process.server.listen.port(), 0);
    let names: Vec<_> = config
        .services
        .upstreams
        .iter()
        .map(|upstream| &*upstream.service.name)
        .collect();
    assert_eq!(names, ["last", "orders", "users"]);
    let users = &config.services.upstreams[2];
    assert_eq!(users.url(), "http://elsewhere/");
    assert_eq!(users.request.headers[0].1, "12345");
    assert!(users.request.headers[0].1.is_sensitive());
    assert!(users.request.success.contains(http::StatusCode::NOT_FOUND));
    let default = &config.services.aggregates[0];
    assert!(default.limits.compare);
    assert_eq!(default.calls[1].need, Need::Optional);
    assert_eq!(default.rules.completion.to_string(), "2");
}

#[test]
fn a_mistake_in_a_variable_is_told_with_its_name() {
    let refused = with_variables(
        LEAST,
        &[
            ("GATHER__SERVER__WORKERS", "80.7"),
            ("GATHER__SERVER__GRACE", "5"),
            ("GATHER__SERVER__LISTNE", "127.0.0.1:0"),
            ("GATHER__SEVRER__LISTEN", "127.0.0.1:0"),
            ("GATHER__LOG__LEVEL", ""),
            ("GATHER__UPSTREAMS__LAST__TIMEOUT", "1s"),
            ("GATHER__AGGREGATES__DEFAULT__CALLS", "users,orders"),
            (
                "GATHER__AGGREGATES__OTHER__CALLS",
                "[\"users\", \"nobody\", 3]",
            ),
            (
                "GATHER__UPSTREAMS__USERS__HEADERS",
                "authorization: hunter2",
            ),
            ("GATHER__UPSTREAMS__USERS__TLS", "{ key = hunter2 }"),
            ("GATHER__UPSTREAMS__ORDERS", "hunter2"),
        ],
    );
    let lines = lines(refused);
    assert_eq!(
        lines,
        [
            "GATHER__AGGREGATES__DEFAULT__CALLS: aggregates.default.calls: found \"users,orders\", expected a list",
            "GATHER__AGGREGATES__OTHER__CALLS: aggregates.other.calls[1]: no upstream has the name `nobody`; there \
             are: last, orders, users",
            "GATHER__AGGREGATES__OTHER__CALLS: aggregates.other.calls[2]: found 3, expected an upstream's name or a \
             table such as { upstream = \"users\" }",
            "GATHER__LOG__LEVEL: log.level: found \"\", expected one of `off`, `error`, `warn`, `info`, `debug`, `trace`",
            "GATHER__SERVER__GRACE: server.grace: found 5, expected text with a unit, such as \"5s\"",
            "GATHER__SERVER__LISTNE: server.listne: unknown key, did you mean `listen`? Allowed here: compression, console, deadline_headers, \
             drain, grace, half_close, header_timeout, keep_alive, listen, max_connections, max_headers, max_in_flight, memory, \
             reuse_port, workers, write_timeout",
            "GATHER__SERVER__WORKERS: server.workers: found 80.7, expected a whole number from 1 to 512",
            "GATHER__SEVRER__LISTEN: sevrer: unknown key, did you mean `server`? Allowed here: $schema, admin, \
             aggregates, defaults, log, server, tracing, upstreams",
            "GATHER__UPSTREAMS__LAST__TIMEOUT: upstreams.last.url: missing; expected a URL such as \
             \"http://users:8080/ping\"",
            "GATHER__UPSTREAMS__ORDERS: upstreams.orders: found text, expected a table",
            "GATHER__UPSTREAMS__USERS__HEADERS: upstreams.users.headers: found text, expected a table",
            "GATHER__UPSTREAMS__USERS__TLS: upstreams.users.tls: found text, expected a table",
        ]
    );
}

#[test]
fn a_later_file_wins_and_a_list_is_replaced_as_a_whole() {
    let place = tempfile::tempdir().unwrap();
    let files: [PathBuf; 2] = ["a.toml", "b.json"].map(|name| place.path().join(name));
    fs::write(&files[0], LEAST).unwrap();
    let second = r#"{"aggregates": {"default": {"calls": ["orders"]}}, "upstreams": {"users": {"timeout": "1s"}}}"#;
    fs::write(&files[1], second).unwrap();
    let config = load(&files, [], None).unwrap();
    assert_eq!(config.services.aggregates[0].calls.len(), 1);
    assert_eq!(
        config.services.upstreams[1].request.timeout,
        Duration::from_secs(1)
    );
    assert_eq!(config.services.upstreams[1].url(), "http://users:8080/ping");
}

#[test]
fn yaml_and_json_say_the_same_as_toml() {
    let toml = r#"
[server]
workers = 2
grace = "0s"
[upstreams.users]
url = "http://users/a?b=c"
headers = { accept = "text/plain" }
success = ["2xx", "404"]
[aggregates.home]
calls = ["users", { upstream = "users", name = "again", optional = true }]
wait_for = "required"
compare = true
"#;
    let yaml = r#"
server: { workers: 2, grace: 0s }
upstreams:
  users:
    url: http://users/a?b=c
    headers: { accept: text/plain }
    success: [2xx, "404"]
aggregates:
  home:
    calls: [users, { upstream: users, name: again, optional: true }]
    wait_for: required
    compare: true
"#;
    let json = r#"{"$schema": "gather.schema.json", "server": {"workers": 2, "grace": "0s"}, "upstreams": {"users": {
        "url": "http://users/a?b=c", "headers": {"accept": "text/plain"}, "success": ["2xx", "404"]}}, "aggregates":
        {"home": {"calls": ["users", {"upstream": "users", "name": "again", "optional": true}], "wait_for": "required",
        "compare": true}}}"#;
    let place = tempfile::tempdir().unwrap();
    let debug = |name: &str, text| {
        let file = place.path().join(name);
        fs::write(&file, text).unwrap();
        but_for_files(&load(&[file], [], None).unwrap())
    };
    let expected = debug("a.toml", toml);
    assert_eq!(debug("a.yaml", yaml), expected);
    assert_eq!(debug("a.json", json), expected);
}

#[test]
fn defaults_hold_for_every_upstream_that_does_not_say_otherwise() {
    let text = r#"
[defaults]
timeout = "2s"
headers = { Accept = "a", X-Team = "t" }
forward_query = ["q"]
[upstreams.one]
url = "http://one"
[upstreams.two]
url = "http://two"
timeout = "3s"
headers = { accept = "b" }
forward_query = []
[aggregates.default]
calls = ["one", "two"]
"#;
    let config = load_text("x.toml", text).unwrap();
    let [one, two] = config.services.upstreams.as_slice() else {
        panic!()
    };
    assert_eq!(
        (one.request.timeout.as_secs(), two.request.timeout.as_secs()),
        (2, 3)
    );
    let headers = |upstream: &Settings| -> Vec<String> {
        let headers = upstream.request.headers.iter();
        headers
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect()
    };
    assert_eq!(headers(one), ["accept=a", "x-team=t"]);
    assert_eq!(headers(two), ["accept=b", "x-team=t"]);
    assert_eq!(
        (
            one.request.forward_query.len(),
            two.request.forward_query.len()
        ),
        (1, 0)
    );
}
