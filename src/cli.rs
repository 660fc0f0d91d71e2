//! The command line: one file a command, each with its arguments and one `run`. Results go to standard output, progress
//! and errors to standard error. Exit status: 0 done, 1 the job failed, 2 a bad command line.

mod answer;
mod bench;
mod call;
mod check;
mod client;
mod completions;
mod critical;
mod demo;
mod eval;
mod explain;
mod indented;
mod openapi;
mod ping;
mod probe;
mod schema;
mod screen;
mod serve;
mod shaped;
mod times;
pub mod waterfall;

use std::{future::Future, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, LocalOptions};

use crate::{duration, telemetry::log};

/// The time that the end of the process waits for its last log lines, which nobody may read.
const LAST_LINES: Duration = Duration::from_millis(200);

/// An HTTP aggregation gateway: one request in, several upstream calls out, sequentially or concurrently, one answer
/// back, with the time of every call.
#[derive(Debug, Parser)]
#[command(
    name = "gather",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    Check(check::Check),
    Eval(eval::Eval),
    Call(call::Call),
    Bench(bench::Bench),
    Ping(ping::Ping),
    Probe(probe::Probe),
    Schema(schema::Schema),
    #[command(name = "openapi")]
    OpenApi(openapi::OpenApi),
    Completions(completions::Completions),
}

/// The success or failure of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// It did.
    Well,
    /// It didn't, and has said why.
    Badly,
}

/// Parses the process's command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Call(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Ping(command) => command.run(),
        Command::Probe(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::OpenApi(command) => command.run(),
        Command::Completions(command) => command.run(),
    };
    // An error comes after the lines that led to it.
    log::flush(LAST_LINES);
    match result {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Badly) => ExitCode::FAILURE,
        // Whoever reads our output has had enough, as `head` does.
        Err(error) if screen::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            screen::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs `work` on this thread. Not in an actix system: without one the server's workers run on tokio's local runtime,
/// which polls tasks itself, where a system has a `LocalSet` in between.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?
        .block_on(work)
}

/// An option's time.
fn time(text: &str) -> Result<Duration, &'static str> {
    duration::parse(text)
        .filter(|time| !time.is_zero())
        .ok_or("expected a duration above zero such as 500ms or 2s")
}
