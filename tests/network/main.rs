//! The built program in networks and under limits that it can't have inside of a test's own process: names with dead addresses,
//! no more threads, a pause, the ports that the README names. What needs root and `ip` says so and passes without; where `CI`
//! is `true`, it fails instead.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/program.rs"]
mod program;

mod addresses;
mod namespace;
mod pause;
mod ports;
mod readme;
mod service;
mod threads;

/// Whether a test may go on that needs `what`. If it isn't there, a line says so.
#[allow(clippy::print_stdout, reason = "a test that can't be run says why")]
fn has(what: &str, is_there: bool) -> bool {
    if !is_there {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "{what} is missing, and CI has to have it");
        println!("skipped: {what} is missing");
    }
    is_there
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
