//! The configuration in force as a file, and the example that comes with Gather.

use std::{fs, path::PathBuf};

use super::{LEAST, but_for_files};
use crate::config::{Config, effective, load, load_text, schema};

const SECRETS: &str = r#"
[server]
listen = "0.0.0.0:80"
[admin]
listen = "127.0.0.1:9090"
[log]
format = "json"
[tracing]
otlp_endpoint = "http://collector:4318"
sample = 0.25
[upstreams.users]
url = "http://users/a?key=hunter2"
method = "POST"
body = "hunter2"
headers = { authorization = "hunter2", accept = "text/plain", x-api-key = "hunter2" }
success = ["2xx", "301", "404"]
keep_alive = "0s"
max_body = "1.5KiB"
max_depth = 32
framed = true
compressed = true
forward_headers = ["accept-language"]
forward_query = ["q"]
[upstreams.orders]
url = "https://orders"
timeout = "1s 500ms"
tls = { server_name = "orders.example" }
[aggregates.a]
calls = ["users", { upstream = "orders", optional = true }, { upstream = "orders", name = "c", pass_status = [404, 401] }]
mode = "sync"
wait_for = 2
on_failure = "fail"
concurrency = 2
deadline = "1m"
[aggregates.b]
calls = [{ upstream = "users", pass_status = [503] }]
wait_for = "first"
"#;

#[test]
fn no_secret_is_shown_in_what_is_in_force() {
    let config = load_text("x.toml", SECRETS).unwrap();
    let shown = effective(&config);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains("url = \"http://users/a?key=***\""),
        "{shown}"
    );
    assert!(shown.contains("accept = \"text/plain\""), "{shown}");
    assert!(shown.contains("authorization = \"***\""), "{shown}");
    assert!(shown.contains("body = \"***\""), "{shown}");
}

#[test]
fn what_is_in_force_loads_again_to_the_same() {
    let unmasked = SECRETS.replace("hunter2", "***");
    let untraced = unmasked.replace("otlp_endpoint", "# otlp_endpoint");
    let fixed = untraced.replace("x-api-key", "traceparent");
    for text in [LEAST, &unmasked, &untraced, &fixed] {
        let config = load_text("x.toml", text).unwrap();
        let again = load_text("y.toml", &effective(&config)).unwrap();
        assert_eq!(but_for_files(&again), but_for_files(&config));
        assert_eq!(effective(&again), effective(&config));
        let values = |config: &Config| -> Vec<_> {
            let upstreams = config.services.upstreams.iter();
            upstreams
                .flat_map(|upstream| upstream.request.headers.clone())
                .collect()
        };
        assert_eq!(values(&again), values(&config));
    }
}

#[test]
fn the_example_loads_and_keeps_to_the_schema() {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/gather.toml"));
    let text = fs::read_to_string(&file).unwrap();
    let config = load(&[file], [], None).unwrap();
    assert_eq!(config.services.upstreams.len(), 3);
    assert!(
        config
            .services
            .aggregates
            .iter()
            .any(|aggregate| &*aggregate.name == "default" && aggregate.limits.compare)
    );
    let value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn wherever_the_failures_to_retry_after_are_told_they_are_those_in_force() {
    let text = LEAST.replace("[aggregates", "retry = { attempts = 2 }\n[aggregates");
    let shown = effective(&load_text("x.toml", &text).unwrap());
    let shown: toml::Table = shown.parse().unwrap();
    let (_, upstream) = shown["upstreams"]
        .as_table()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let on = upstream["retry"]["on"].as_array().unwrap();
    let on: Vec<_> = on.iter().filter_map(toml::Value::as_str).collect();
    assert!(!on.contains(&"500") && !on.contains(&"5xx"), "{on:?}");
    let list = format!("[\"{}\"]", on.join("\", \""));
    let schema = schema()["$defs"]["Retry"]["properties"]["on"]["description"].to_string();
    for (text, of) in [
        (include_str!("../../../config/gather.toml"), "the example"),
        (
            include_str!("../../../docs/configuration.md"),
            "the document",
        ),
        (
            &schema.replace("\\\"", "\"").replace("\\n", " "),
            "the schema",
        ),
    ] {
        assert!(text.contains(&list), "{of} has no {list}: {text}");
        assert!(text.contains("after a 500"), "{of} does not say it");
    }
}

#[test]
fn the_example_names_every_setting_and_its_commented_defaults_are_the_defaults() {
    let text = include_str!("../../../config/gather.toml");
    let schema = schema();
    for table in [
        "Server",
        "Admin",
        "Log",
        "Tracing",
        "Upstream",
        "Defaults",
        "Tls",
        "Retry",
        "Hedge",
        "Budget",
        "Breaker",
        "Call",
        "Aggregate",
    ] {
        let properties = schema["$defs"][table]["properties"].as_object().unwrap();
        for key in properties.keys() {
            assert!(text.contains(&format!("{key} = ")), "{table}.{key}");
        }
    }
    // With every default spelt out it is the same, except for values that depend on the machine.
    let mut spelt = String::new();
    for line in text.lines() {
        let setting = line.strip_prefix("# ").filter(|line| {
            let key = line.split(" = ").next().unwrap_or_default();
            let is_key =
                line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            is_key
                && ![
                    "body", "headers", "retry", "hedge", "breaker", "tls", "workers", "memory",
                ]
                .contains(&key)
                && !line.contains("9090")
                && !line.contains("4318")
        });
        spelt.push_str(setting.unwrap_or(line));
        spelt.push('\n');
    }
    assert!(spelt.contains("\nmax_in_flight = 4096") && spelt.contains("\ngrace = \"3s\""));
    let plain = load_text("x.toml", text).unwrap();
    let spelt = load_text("x.toml", &spelt).unwrap();
    assert_eq!(effective(&spelt), effective(&plain));
}
