//! The built program in networks and under limits that a test's own process can't have: names with dead addresses, no
//! more threads, a pause, the ports that the README names. A test that needs root and `ip` says so, and passes without
//! them. If `CI` is `true`, it fails instead.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/markdown.rs"]
mod markdown;
#[path = "../support/program.rs"]
mod program;

mod addresses;
mod namespace;
mod pause;
mod ports;
mod readme;
mod service;
mod threads;

use program::has;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
