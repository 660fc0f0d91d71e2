//! The commands of the built program: their output, the stream it goes to, and their exit status.
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
mod composed;
mod demo;
mod documents;
mod eval;
mod examples;
mod explain;
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

/// A configuration with one upstream per URL, named `a`, `b`, … and one aggregate of them all that may be compared.
fn before(urls: &[String]) -> String {
    let names: Vec<_> = ('a'..).map(String::from).take(urls.len()).collect();
    let upstreams: Vec<_> = names
        .iter()
        .map(String::as_str)
        .zip(urls.to_vec())
        .collect();
    gateway::compared(&upstreams)
}

/// Writes a configuration into a folder of its own, and returns both the folder and the file's name.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    std::fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (place, name)
}
