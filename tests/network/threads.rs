//! A process that may start no more threads, as under a container's pids limit.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    has, is_root,
    program::{eventually, finish, get, which},
    service::{EMPTY, PONG, Service, start},
};

/// A user without any other process, because the limit counts all threads of a user.
const NOBODY_ELSE: &str = "54321";

/// Makes a command that such a user runs, because the limit doesn't bind root.
fn by_another(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY_ELSE, "--clear-groups", program]);
    command
}

/// Copies the program to a place where any user may run it, as the place of the build may be closed to others. Returns
/// `None` if a limit can't be set.
fn program_for_all() -> Option<(TempDir, String)> {
    let tools = ["setpriv", "prlimit"].map(|tool| has(tool, which(tool).is_some()));
    if tools != [true, true] || !has("root, to be another user,", is_root()) {
        return None;
    }
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    let program = folder.path().join("gather");
    fs::copy(env!("CARGO_BIN_EXE_gather"), &program).unwrap();
    let program = program.to_str().unwrap().to_owned();
    Some((folder, program))
}

#[test]
fn a_start_without_a_thread_for_look_ups_fails_and_says_so() {
    let Some((folder, program)) = program_for_all() else {
        return;
    };
    let configuration = "server.workers = 1\nupstreams.one.url = \"http://localhost:9/\"\n\
                         [aggregates.default]\ncalls = [\"one\"]\n";
    let file = folder.path().join("gather.toml");
    fs::write(&file, configuration).unwrap();
    // The log and the allocator start their threads first.
    let told = (1..=6).any(|threads| {
        let mut command = by_another("prlimit");
        command
            .args([&format!("--nproc={threads}"), &program, "serve", "-c"])
            .arg(&file);
        let stderr = finish(command).expect(1).stderr;
        stderr.contains("no thread can be started to look up names")
    });
    assert!(told);
}

#[test]
fn look_ups_go_on_where_no_thread_can_be_started() {
    let Some((_folder, program)) = program_for_all() else {
        return;
    };
    let good = Service::at("127.0.0.1", 0, PONG);
    let collector = Service::at("127.0.0.1", 0, EMPTY);
    let port = good.port;
    let configuration = format!(
        "tracing.otlp_endpoint = \"http://localhost:{}/\"\n\
         upstreams.name.url = \"http://localhost:{port}/\"\n\
         upstreams.unknown.url = \"http://nothing.invalid:{port}/\"\n\
         upstreams.address.url = \"http://127.0.0.1:{port}/\"\n\
         [aggregates.default]\ncalls = [\"name\", \"address\"]\n\
         [aggregates.all]\ncalls = [\"name\", \"unknown\", \"address\"]\n",
        collector.port
    );
    let started = start(&configuration, |command| {
        let mut by_another = by_another(&program);
        by_another.args(command.get_args());
        by_another
    });
    let limit = |threads: &str| {
        let mut prlimit = by_another("prlimit");
        let pid = started.gateway.id().to_string();
        prlimit.args(["--pid", &pid, &format!("--nproc={threads}:")]);
        finish(prlimit).expect(0);
    };
    let ok = |json: &Value| -> Vec<bool> {
        let results = json["results"].as_array().unwrap().iter();
        results.map(|result| result["ok"] == true).collect()
    };
    // It starts its own threads after it says that it listens.
    eventually("a gateway that is ready", || {
        (get(started.address, "/readyz").status == 200).then_some(())
    });
    limit("1");
    for _ in 0..3 {
        let json = get(started.address, "/aggregate").json();
        assert_eq!(ok(&json), [true, true], "{json}");
        let json = get(started.address, "/aggregate/all").json();
        assert_eq!(ok(&json), [true, false, true], "{json}");
        assert_eq!(json["results"][1]["failure"], "connect", "{json}");
        // Each POST has a connection of its own, whose name is looked up.
        let sent = collector.accepted();
        eventually("spans", || (collector.accepted() > sent).then_some(()));
    }
    let stopped = started.gateway.stop().expect(0);
    assert!(!stopped.stderr.contains("panic"), "{}", stopped.stderr);
}
