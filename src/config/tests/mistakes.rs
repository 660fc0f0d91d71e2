//! Every mistake in one go, none that only follows from another, and nothing coerced.

use std::fs;

use super::{LEAST, lines, said, said_with, with_variables};
use crate::config::{Surroundings, load, load_text};

#[test]
fn eight_different_mistakes_in_one_file_are_all_named_with_their_paths() {
    let text = r#"
[server]
listen = "localhost:8080"
workers = 0
[log]
level = "loud"
[upstreams.users]
url = "ftp://users/ping"
timeout = "abc"
tiemout = "1s"
[upstreams.orders]
url = "http://orders:8080/ping"
max_body = 1024
[aggregates.default]
calls = ["users", "odrers", 3]
wait_for = 4
[aggregates.Home]
calls = ["users", "users"]
"#;
    assert_eq!(
        lines(load_text("config/gather.toml", text)),
        [
            "config/gather.toml: aggregates.Home: expected a name that begins with a letter and goes on with \
             letters, digits and _, all in lower case, at most 64 long, such as `home`",
            "config/gather.toml: aggregates.Home.calls[1]: the name `users` is taken by calls[0]; one of them needs \
             another, such as { upstream = \"…\", name = \"users_2\" }",
            "config/gather.toml: aggregates.default.calls[1]: no upstream has the name `odrers`, did you mean `orders`?",
            "config/gather.toml: aggregates.default.calls[2]: found 3, expected an upstream's name or a table such as \
             { upstream = \"users\" }",
            "config/gather.toml: aggregates.default.wait_for: found 4, expected at most 3, the number of its calls",
            "config/gather.toml: log.level: found \"loud\", expected one of `off`, `error`, `warn`, `info`, `debug`, `trace`",
            "config/gather.toml: server.listen: found \"localhost:8080\", expected an IP address and a port such as \
             \"127.0.0.1:8080\" or \"[::]:8080\"",
            "config/gather.toml: server.workers: found 0, expected a whole number from 1 to 512",
            "config/gather.toml: upstreams.orders.max_body: found 1024, expected text with a unit, such as \"1024B\"",
            "config/gather.toml: upstreams.users.tiemout: unknown key, did you mean `timeout`? Allowed here: body, \
             breaker, budget, compressed, connect_timeout, forward_headers, forward_query, framed, headers, hedge, keep_alive, \
             max_body, max_depth, max_in_flight, method, retry, success, timeout, tls, url",
            "config/gather.toml: upstreams.users.timeout: found \"abc\", expected a duration such as \"150ms\", \"2s\" \
             or \"1m\"",
            "config/gather.toml: upstreams.users.url: found the scheme `ftp`, expected http:// or https://",
        ]
    );
}

const COERCIONS: &[(&str, &str)] = &[
    (
        "[server]\nworkers = 80.7",
        "server.workers: found 80.7, expected a whole number",
    ),
    (
        "[server]\nworkers = 4.0",
        "server.workers: found 4.0, expected a whole number",
    ),
    (
        "[server]\nworkers = '4'",
        "server.workers: found \"4\", expected a whole number",
    ),
    (
        "[server]\nworkers = true",
        "server.workers: found true, expected a whole number",
    ),
    (
        "[server]\nworkers = -1",
        "server.workers: found -1, expected a whole number",
    ),
    (
        "[server]\nlisten = 8081",
        "server.listen: found 8081, expected an IP address",
    ),
    (
        "[server]\nlisten = '127.0.0.1:80.7'",
        "server.listen: found \"127.0.0.1:80.7\", expected an IP address",
    ),
    (
        "[server]\nheader_timeout = 5",
        "server.header_timeout: found 5, expected text with a unit, such as \"5s\"",
    ),
    (
        "[server]\nheader_timeout = '5'",
        "server.header_timeout: found \"5\", expected a duration such as",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\ncompare = 2",
        "aggregates.a.compare: found 2, expected true or false",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\ncompare = 'yes'",
        "aggregates.a.compare: found \"yes\", expected true or",
    ),
    (
        "[aggregates.a]\ncalls = ['users']\nwait_for = '1'",
        "aggregates.a.wait_for: found \"1\", expected \"all\", \"required\", \"first\"",
    ),
    (
        "[aggregates.a]\ncalls = 'users'",
        "aggregates.a.calls: found \"users\", expected a list",
    ),
    (
        "[aggregates.a]\ncalls = { users = 1 }",
        "aggregates.a.calls: found a table, expected a list",
    ),
    (
        "[log]\nformat = { text = 1 }",
        "log.format: found a table, expected",
    ),
    (
        "[defaults]\nheaders = ['a']",
        "defaults.headers: found a list, expected a table",
    ),
    (
        "[defaults]\nheaders = { x-n = 5 }",
        "defaults.headers.x-n: found a number, expected a string",
    ),
    (
        "[defaults]\nbody = 5",
        "defaults.body: found a number, expected a string",
    ),
    (
        "[defaults]\nsuccess = [200]",
        "defaults.success[0]: found 200, expected a string",
    ),
    (
        "[defaults]\ntls = ['a']",
        "defaults.tls: found a list, expected a table",
    ),
    (
        "[[admin]]\nlisten = '127.0.0.1:1'",
        "admin: found a list, expected a table",
    ),
];

#[test]
fn nothing_is_coerced() {
    for &(setting, found) in COERCIONS {
        let said = said_with(setting);
        assert_eq!(said.len(), 1, "{setting}: {said:?}");
        assert!(said[0].starts_with(found), "{setting}: {said:?}");
    }
    assert_eq!(
        said(&format!("server = ['127.0.0.1:80']\n{LEAST}")),
        ["server: found a list, expected a table"]
    );
}

#[test]
fn a_number_is_told_as_it_was_written() {
    for number in ["4.0", "4.00", "1e3", "-2.0"] {
        let counts = format!(
            "[server]\nworkers = {number}\ngrace = {number}\n[defaults]\nmax_body = {number}\nsuccess = [{number}]\n\
             retry = {{ attempts = {number} }}"
        );
        let said = said_with(&counts);
        assert_eq!(said.len(), 5, "{said:?}");
        for line in said {
            assert!(
                line.contains(&format!(": found {number}, expected ")),
                "{line}"
            );
        }
    }
    let place = tempfile::tempdir().unwrap();
    let json = place.path().join("x.json");
    fs::write(&json, r#"{"server": {"workers": 4.00}, "aggregates": {"a": {"wait_for": 1e0, "calls": ["users"]}}}"#).unwrap();
    let yaml = place.path().join("y.yaml");
    fs::write(
        &yaml,
        "server:\n  max_in_flight: 4.0\naggregates: {b: {calls: [users, 1.50]}}\n",
    )
    .unwrap();
    let toml = place.path().join("z.toml");
    fs::write(&toml, LEAST).unwrap();
    let variables = [
        ("GATHER__SERVER__MAX_CONNECTIONS", "4.0"),
        ("GATHER__AGGREGATES__DEFAULT", "{ concurrency = 2.00 }"),
    ];
    let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let said = lines(load(&[json, yaml, toml], variables, None));
    for (place, found) in [
        ("x.json: server.workers", "4.00"),
        ("x.json: aggregates.a.wait_for", "1e0"),
        ("y.yaml: server.max_in_flight", "4.0"),
        ("y.yaml: aggregates.b.calls[1]", "1.50"),
        (
            "GATHER__SERVER__MAX_CONNECTIONS: server.max_connections",
            "4.0",
        ),
        (
            "GATHER__AGGREGATES__DEFAULT: aggregates.default.concurrency",
            "2.00",
        ),
    ] {
        let found = format!("{place}: found {found}, expected ");
        assert!(
            said.iter().any(|line| line.contains(&found)),
            "no {found} in {said:#?}"
        );
    }
    assert_eq!(said.len(), 6, "{said:#?}");
}

#[test]
fn a_yaml_tag_is_a_mistake_with_its_place_and_never_quoted() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("x.yaml");
    let text = "upstreams:\n  users:\n    url: http://a\n    headers:\n      authorization: !hunter2\n    body: !!binary aGk=\n\
                aggregates:\n  default: !Ref\n    calls: [!!str users]\n";
    fs::write(&file, text).unwrap();
    let name = file.display();
    let tag =
        "found a tag (!…), which has no meaning here; a text that begins with ! goes in quotes";
    assert_eq!(
        lines(load(std::slice::from_ref(&file), [], None)),
        [
            format!("{name}: aggregates.default: line 8, column 12: {tag}"),
            format!(
                "{name}: upstreams.users.body: line 6, column 11: found the tag `!!binary`, which has no meaning here"
            ),
            format!("{name}: upstreams.users.headers.authorization: line 5, column 22: {tag}"),
        ]
    );
}

#[test]
fn a_null_is_no_default() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("x.yaml");
    let text = "upstreams:\n  users:\n    url: http://a\n    timeout:\naggregates:\n  default:\n    calls: [users, ~]\n";
    fs::write(&file, text).unwrap();
    let name = file.display();
    assert_eq!(
        lines(load(std::slice::from_ref(&file), [], None)),
        [
            format!(
                "{name}: aggregates.default.calls[1]: found no value (null); leave the key out for its default"
            ),
            format!(
                "{name}: upstreams.users.timeout: found no value (null); leave the key out for its default"
            ),
        ]
    );
}

#[test]
fn what_follows_from_a_mistake_is_not_told_as_another() {
    for (text, only) in [
        // The upstream exists, even if it has mistakes.
        (
            "[upstreams.a]\nurl = 5\n[aggregates.x]\ncalls = ['a']",
            "upstreams.a.url: found a number, expected a string",
        ),
        (
            "[upstreams]\na = 5\n[aggregates.x]\ncalls = ['a']",
            "upstreams.a: found a number, expected a table",
        ),
        (
            "upstreams = 5\n[aggregates.x]\ncalls = ['a']",
            "upstreams: found a number, expected a table",
        ),
        // A misspelt key is not also missing.
        (
            "[upstreams.a]\nulr = 'http://a'\n[aggregates.x]\ncalls = ['a']",
            "upstreams.a.ulr: unknown key, did you mean `url`?",
        ),
        (
            "[upstream.a]\nurl = 'http://a'\n[aggregates.x]\ncalls = ['a']",
            "upstream: unknown key, did you mean `upstreams`?",
        ),
        (
            "[upstreams.a]\nurl = 'http://a'\n[aggregates.x]\ncals = ['a']",
            "aggregates.x.cals: unknown key, did you mean `calls`?",
        ),
        (
            "[upstreams.a]\nurl = 'http://a'\n[aggregates.x]\ncalls = 'a'",
            "aggregates.x.calls: found \"a\", expected a list",
        ),
        (
            "[upstreams.a]\nurl = 'http://a'\n[aggregates.x]\ncalls = [{ upstream = 5 }]",
            "aggregates.x.calls[0].upstream: found 5",
        ),
        // An unknown method may well take a body.
        (
            "[upstreams.a]\nurl = 'http://a'\nbody = 'x'\nmethod = 'post'\n[aggregates.x]\ncalls = ['a']",
            "upstreams.a.method: found \"post\", expected one of `GET`",
        ),
        // An unknown deadline may well be shorter than this.
        (
            "[server]\ndrain = '1s'\n[upstreams.a]\nurl = 'http://a'\n[aggregates.x]\ncalls = ['a']\ndeadline = 1",
            "aggregates.x.deadline: found 1",
        ),
        (
            "[server]\nlisten = 1\n[admin]\nlisten = '127.0.0.1:8080'\n[upstreams.a]\nurl = 'http://a'\n[aggregates.x]\ncalls = ['a']",
            "server.listen: found 1",
        ),
    ] {
        let said = said(text);
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        assert!(said[0].starts_with(only), "{text}: {said:?}");
    }
}

#[test]
fn a_key_that_is_known_elsewhere_is_told_with_its_place() {
    for (setting, told) in [
        (
            "[aggregates.home]\ncalls = ['users']\nroute = '/users/{id}'",
            "aggregates.home.route: unknown key; the route of an aggregate is its `path`, such as \"/users/{id:int}/home\". \
             Allowed here: ",
        ),
        (
            "[aggregates.home]\ncalls = ['users']\ntimeout = '1s'",
            "aggregates.home.timeout: unknown key; the time of an aggregate is its `deadline`. Allowed here: ",
        ),
        (
            "[aggregates.home]\ncalls = ['users']\nretry = { attempts = 2 }",
            "aggregates.home.retry: unknown key; `retry` is a setting of an upstream: [upstreams.NAME] or [defaults]. Allowed",
        ),
        (
            "[aggregates.home]\ncalls = [{ upstream = 'users', timeout = '1s' }]",
            "aggregates.home.calls[0].timeout: unknown key; `timeout` is a setting of an upstream: ",
        ),
        (
            "[upstreams.stock]\nurl = 'http://stock'\ndeadline = '1s'",
            "upstreams.stock.deadline: unknown key; the time of one attempt is its `timeout`",
        ),
        (
            "[upstreams.stock]\nurl = 'http://stock'\nwait_for = 'all'",
            "upstreams.stock.wait_for: unknown key; `wait_for` is a setting of an aggregate: [aggregates.NAME]. Allowed",
        ),
        (
            "[aggregates.home]\ncalls = ['users']\noptional = true",
            "aggregates.home.optional: unknown key; `optional` is a setting of a call: calls = [{ upstream = \"…\", optional = … }]",
        ),
        (
            "[upstreams.stock]\nurl = 'http://stock'\npass_status = [404]",
            "upstreams.stock.pass_status: unknown key; `pass_status` is a setting of a call: ",
        ),
        (
            "[server]\nport = 8080",
            "server.port: unknown key; `listen` has the address and the port, such as \"0.0.0.0:8080\". Allowed",
        ),
        (
            "[listen]\nport = 8080",
            "listen: unknown key; `listen` belongs in [server]. Allowed here: ",
        ),
        (
            "[upstream.stock]\nurl = 'http://stock'",
            "upstream: unknown key, did you mean `upstreams`? Allowed here: ",
        ),
    ] {
        let [said] = &said_with(setting)[..] else {
            panic!("{setting}: {:#?}", said_with(setting));
        };
        assert!(said.starts_with(told), "{said}");
    }
}

#[test]
fn a_name_that_may_not_be_used_is_told_with_one_that_may() {
    let said = said_with(
        "[upstreams.user-service]\nurl = 'http://a'\n[aggregates.home]\ncalls = [{ upstream = 'users', name = 'A B' }]",
    );
    let ends = [
        ("calls[0].name", "`a_b`"),
        ("user-service", "`user_service`"),
    ];
    assert_eq!(said.len(), ends.len(), "{said:#?}");
    for (said, (place, name)) in said.iter().zip(ends) {
        assert!(said.contains(place), "{said}");
        assert!(
            said.ends_with(&format!("at most 64 long, such as {name}")),
            "{said}"
        );
    }
}

#[test]
fn a_variable_with_an_underscore_too_few_is_told_with_the_one_that_is_meant() {
    for (variable, meant) in [
        ("GATHER__LOG_LEVEL", "GATHER__LOG__LEVEL"),
        ("GATHER__LISTEN", "GATHER__SERVER__LISTEN"),
        (
            "GATHER__UPSTREAMS_USERS_URL",
            "GATHER__UPSTREAMS__USERS__URL",
        ),
    ] {
        let said = lines(with_variables(LEAST, &[(variable, "hunter2")]));
        let [said] = &said[..] else {
            panic!("{said:#?}");
        };
        assert!(said.starts_with(&format!("{variable}: ")), "{said}");
        assert!(said.contains(&format!("did you mean {meant}?")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_stray_variable_is_warned_of_beside_the_mistakes_that_it_explains() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    let surroundings = Surroundings::default();
    let name = "GATHER_UPSTREAMS_USERS_URL".to_owned();
    // The second file can't be parsed at all.
    for text in [
        LEAST.replace("url = \"http://users:8080/ping\"", ""),
        "[".to_owned(),
    ] {
        fs::write(&file, text).unwrap();
        let variables = [(name.clone(), "http://hunter2".to_owned())];
        let refused =
            load(std::slice::from_ref(&file), variables, Some(&surroundings)).unwrap_err();
        assert!(!refused.to_string().contains("GATHER_"), "{refused}");
        let [warning] = &refused.warnings[..] else {
            panic!("{refused:?}");
        };
        let told = warning.to_string();
        assert!(
            told.starts_with("GATHER_UPSTREAMS_USERS_URL: sets nothing: "),
            "{told}"
        );
        assert!(
            told.ends_with("did you mean GATHER__UPSTREAMS__USERS__URL?"),
            "{told}"
        );
    }
}
