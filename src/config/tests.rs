//! The configuration as a whole: from files and variables to the configuration in force, or to the messages about it.

mod composed;
mod composition;
mod descriptors;
mod in_force;
mod layering;
mod mistakes;
mod refusals;
mod routes;
mod tls;

use std::{fs, time::Duration};

use super::{Config, LogFormat, LogLevel, Mistakes, load, load_text};
use crate::fanout::{Completion, Mode, OnFailure};

/// The smallest configuration, to which a test adds its own settings.
const LEAST: &str = r#"
[upstreams.users]
url = "http://users:8080/ping"
[upstreams.orders]
url = "https://orders:8443/ping"
[aggregates.default]
calls = ["users", "orders"]
"#;

fn lines(result: Result<Config, Mistakes>) -> Vec<String> {
    result
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Returns the mistakes of a file, without its name.
fn said(text: &str) -> Vec<String> {
    let lines = lines(load_text("x.toml", text));
    lines
        .iter()
        .map(|line| line.strip_prefix("x.toml: ").unwrap().to_owned())
        .collect()
}

/// Returns the mistakes of the smallest configuration with one more text after it.
fn said_with(more: &str) -> Vec<String> {
    said(&format!("{LEAST}{more}"))
}

/// Returns the mistakes of the smallest configuration with one more setting of the upstream `users`.
fn said_of_users(setting: &str) -> Vec<String> {
    said(&LEAST.replacen(
        "[upstreams.users]\n",
        &format!("[upstreams.users]\n{setting}\n"),
        1,
    ))
}

/// Returns all of a configuration except the names of its files.
fn but_for_files(config: &Config) -> String {
    let mut nameless = config.clone();
    nameless.files.clear();
    for warning in &mut nameless.warnings {
        warning.origin.clear();
    }
    format!("{nameless:?}")
}

fn with_variables(text: &str, variables: &[(&str, &str)]) -> Result<Config, Mistakes> {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    fs::write(&file, text).unwrap();
    let variables = variables
        .iter()
        .map(|&(name, text)| (name.to_owned(), text.to_owned()));
    load(&[file], variables, None)
}

#[test]
fn the_least_configuration_gets_every_default() {
    let config = load_text("x.toml", LEAST).unwrap();
    assert_eq!(
        config.process.server.listen,
        "127.0.0.1:8080".parse().unwrap()
    );
    assert_eq!(
        config.process.server.workers.get(),
        std::thread::available_parallelism().unwrap().get()
    );
    assert_eq!(config.process.server.max_connections.get(), 25_000);
    assert_eq!(config.process.server.header_timeout, Duration::from_secs(5));
    assert_eq!(config.process.server.drain, Duration::from_secs(15));
    assert_eq!(config.process.server.grace, Duration::from_secs(3));
    assert_eq!(config.process.admin, None);
    assert_eq!(
        (config.process.log.format, config.process.log.level),
        (LogFormat::Text, LogLevel::Info)
    );
    // In the order of names, and the calls find their upstreams by index.
    let [orders, users] = config.services.upstreams.as_slice() else {
        panic!()
    };
    assert_eq!(
        (&*orders.service.name, &*users.service.name),
        ("orders", "users")
    );
    assert_eq!(users.url(), "http://users:8080/ping");
    assert_eq!(users.request.method, http::Method::GET);
    assert_eq!(users.request.timeout, Duration::from_secs(5));
    assert_eq!(users.service.connect_timeout, Duration::from_secs(1));
    assert_eq!(users.service.keep_alive, Duration::from_secs(4));
    assert_eq!(
        (
            users.request.max_depth,
            users.request.framed,
            users.request.compressed
        ),
        (64, false, false)
    );
    assert_eq!(
        (
            users.request.max_body,
            users.service.policy.max_in_flight.get()
        ),
        (1_048_576, 4096)
    );
    assert!(users.request.success.contains(http::StatusCode::CREATED));
    assert!(!users.request.success.contains(http::StatusCode::NOT_FOUND));
    assert!(users.request.body.is_none() && users.request.headers.is_empty());
    let [default] = config.services.aggregates.as_slice() else {
        panic!()
    };
    assert_eq!(
        default
            .calls
            .iter()
            .map(|call| call.upstream.0)
            .collect::<Vec<_>>(),
        [1, 0]
    );
    assert_eq!(
        (default.rules.mode, default.rules.completion),
        (Mode::Concurrent, Completion::All)
    );
    assert_eq!(
        (default.rules.on_failure, default.limits.compare),
        (OnFailure::Partial, false)
    );
    assert_eq!(
        (default.rules.concurrency.get(), default.rules.deadline),
        (1000, Duration::from_secs(10))
    );
}
