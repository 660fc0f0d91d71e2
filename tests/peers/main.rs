//! Gather among programs of other authors: real servers behind it, Prometheus beside it. A test whose program is
//! missing says so and passes. If `CI` is `true`, it fails instead.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/markdown.rs"]
mod markdown;
#[path = "../support/panicking.rs"]
mod panicking;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/upstream.rs"]
mod upstream;

mod alerts;
mod clients;
mod console;
mod dashboards;
mod discovery;
mod effective;
mod fastapi;
mod kubernetes;
mod load;
mod nginx;
mod open_metrics;
mod openapi;
mod panels;
mod prometheus;
mod promtool;
mod provisioning;
mod proxies;
mod quick;
mod scraped;
mod series;
mod servers;

use std::{net::SocketAddr, path::PathBuf};

use gateway::compared;
use program::{Running, has};

/// Returns a program that a test needs. If it is missing, prints a line that says why, and returns `None`.
fn needed(program: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if has(program, found.is_some()) {
        found
    } else {
        None
    }
}

/// Starts a gateway whose only upstream, `users`, is not there.
fn lonely() -> (Running, SocketAddr) {
    Running::serve(&compared(&[("users", "http://127.0.0.1:9/".to_owned())]))
}
