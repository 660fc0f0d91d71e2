//! The operators' drill of `deploy/drill`, with the program that was built for the tests: all scenes are as they are said to be,
//! and a gateway that does otherwise makes it fail. A program of its own: tests of time would not like it beside them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/program.rs"]
mod program;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::Duration,
};

use program::{Finished, Running, has, is_ci, repository, which, within};

/// Far more than it takes: every scene has bounds of its own.
const WHOLE: Duration = Duration::from_secs(600);

/// Runs the drill with this program. `None` where Python is missing.
fn drill(gather: &Path, arguments: &[&str]) -> Option<Finished> {
    if !has("python3", which("python3").is_some()) {
        return None;
    }
    let mut command = Command::new(repository("deploy/drill/drill"));
    command.arg("--gather").arg(gather).args(arguments);
    if is_ci() {
        command.arg("--strict");
    }
    let mut running = Running::start_group(&command);
    within(WHOLE, "the end of the drill", || {
        (!running.is_running()).then_some(())
    });
    Some(running.wait())
}

/// Plays these scenes, and asserts that all of them are as they are said to be. They wait most of the time, so that two halves
/// of them can be played beside one another.
#[allow(clippy::print_stdout, reason = "it says what was skipped")]
fn show(scenes: &[&str]) {
    let Some(finished) = drill(Path::new(env!("CARGO_BIN_EXE_gather")), scenes) else {
        return;
    };
    let said = finished.expect(0).stdout;
    println!("{said}");
    for scene in scenes {
        assert!(said.contains(&format!("\n{scene}: ")), "{said}");
    }
    assert!(!said.contains("FAILED"), "{said}");
}

/// The scenes of what is around a gateway: its end, its log and its name service.
const AROUND: [&str; 3] = ["sigterm", "log", "names"];

/// The scenes of its connections.
const CONNECTIONS: [&str; 3] = ["certificate", "descriptors", "frozen"];

#[test]
fn the_scenes_of_a_stop_the_log_and_names_show_what_they_are_said_to_show() {
    show(&AROUND);
}

#[test]
fn the_scenes_of_upstreams_and_descriptors_show_what_they_are_said_to_show() {
    show(&CONNECTIONS);
}

#[test]
fn the_drill_fails_where_a_client_sees_what_it_should_not() {
    let files = tempfile::tempdir().unwrap();
    let hasty = files.path().join("gather");
    // Shorter than what its upstream takes.
    let script = format!(
        "#!/bin/sh\nGATHER__UPSTREAMS__USERS__TIMEOUT=10ms exec '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_gather")
    );
    fs::write(&hasty, script).unwrap();
    fs::set_permissions(&hasty, Permissions::from_mode(0o755)).unwrap();
    let Some(finished) = drill(&hasty, &["sigterm"]) else {
        return;
    };
    let finished = finished.expect(1);
    assert!(finished.stdout.contains("client   FAILED"), "{finished:#?}");
    assert!(
        finished.stderr.contains("drill: not as expected: sigterm"),
        "{finished:#?}"
    );
}

#[test]
fn the_drill_names_its_scenes_where_one_is_unknown() {
    let Some(finished) = drill(Path::new(env!("CARGO_BIN_EXE_gather")), &["sigtrem"]) else {
        return;
    };
    let stderr = finished.expect(2).stderr;
    // No scene is left out above.
    let all = [AROUND, CONNECTIONS].concat().join(", ");
    let told = format!("no scene is named sigtrem: there are {all}\n");
    assert!(stderr.contains(&told), "{stderr}");
}
