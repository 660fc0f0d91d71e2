//! The commands through the built program: what they print, where, and with which exit status.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "../support/collector.rs"]
mod collector;
#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/markdown.rs"]
mod markdown;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/tls.rs"]
mod tls;
#[path = "../support/upstream.rs"]
mod upstream;

mod bench;
mod bodies;
mod call;
mod check;
mod command_line;
mod demo;
mod documents;
mod live;
mod log;
mod openapi;
mod pause;
mod ping;
mod probe;
mod serve;
mod stop;
mod terminal;
mod tracing;
mod trust;
mod unread;
mod warnings;

use std::fmt::Write as _;

/// A configuration with one upstream per URL, named `a`, `b`, … and one aggregate of them all that may be compared.
fn before(urls: &[String]) -> String {
    let mut text = String::new();
    let mut names = Vec::new();
    for (name, url) in ('a'..).zip(urls) {
        writeln!(text, "[upstreams.{name}]\nurl = \"{url}\"").unwrap();
        names.push(format!("\"{name}\""));
    }
    let names = names.join(", ");
    writeln!(
        text,
        "[aggregates.default]\ncalls = [{names}]\ncompare = true"
    )
    .unwrap();
    text
}

/// Writes a configuration into a folder of its own, and returns both the folder and the file's name.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    std::fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (place, name)
}
