//! Runs the operators' drill of `deploy/drill` with the program that was built for the tests. All scenes must go as
//! described, and the drill must fail if a gateway does otherwise. It is a program of its own, because it would disturb
//! tests of time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/program.rs"]
mod program;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use program::{Finished, Running, has, is_ci, repository, which, within};

/// The longest time for a drill. It is far more than it takes, because every scene has bounds of its own.
const WHOLE: Duration = Duration::from_secs(600);

/// Runs the drill with this program. Returns `None` if Python is missing.
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

/// Writes a program of these lines.
fn script(folder: &Path, lines: &str) -> PathBuf {
    let file = folder.join("gather");
    fs::write(&file, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    file
}

/// Plays these scenes, and asserts that all of them go as described. They mostly wait, so that two halves of them can
/// be played beside one another.
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

/// The scenes of a gateway's surroundings: its end, its log and its name service.
const AROUND: [&str; 3] = ["sigterm", "log", "names"];

/// The scenes of a gateway's connections.
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
    // This timeout is shorter than the time that its upstream takes.
    let hasty = script(
        files.path(),
        &format!(
            "GATHER__UPSTREAMS__USERS__TIMEOUT=10ms exec '{}' \"$@\"",
            env!("CARGO_BIN_EXE_gather")
        ),
    );
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

#[test]
fn a_gateway_that_dies_at_once_fails_the_drill_with_its_own_last_words() {
    let files = tempfile::tempdir().unwrap();
    let dead = script(
        files.path(),
        &format!(
            "[ $1 = ping ] && exec '{}' \"$@\"\necho 'error: there is no heart' >&2\nexit 3",
            env!("CARGO_BIN_EXE_gather")
        ),
    );
    let Some(finished) = drill(&dead, &["log"]) else {
        return;
    };
    let finished = finished.expect(1);
    let sentence = "serve` has ended (exit status 3), and said at last: error: there is no heart";
    assert!(finished.stdout.contains(sentence), "{finished:#?}");
    // The drill did not wait for it.
    assert!(!finished.stdout.contains("within"), "{finished:#?}");
}

#[test]
fn the_drill_says_what_is_wrong_with_a_path_that_is_no_program() {
    for (path, wrong) in [
        ("/nope", "/nope can't be run: No such file or directory"),
        ("/", "/ is a directory, not a program"),
        ("/etc/passwd", "/etc/passwd is not a program"),
        ("nope", "there is no `nope` by the search path"),
    ] {
        let Some(finished) = drill(Path::new(path), &[]) else {
            return;
        };
        let stderr = finished.expect(2).stderr;
        assert!(stderr.contains(wrong), "{stderr}");
    }
}

/// Runs the rest of the command line with every signal at its default. Under `nohup` this process ignores SIGHUP, and
/// the drill would inherit that.
const ANEW: &str = "import os, signal, sys\n\
                    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):\n    \
                    signal.signal(number, signal.SIG_DFL)\n\
                    os.execvp('python3', ['python3', *sys.argv[1:]])";

/// Ends a drill in the middle of a scene.
fn ended_by(signal: &str, code: i32) {
    let files = tempfile::tempdir().unwrap();
    // The id of the gateway's process.
    let noted = files.path().join("started");
    let gather = script(
        files.path(),
        &format!(
            "[ $1 = ping ] || echo $$ >'{}'\nexec '{}' \"$@\"",
            noted.display(),
            env!("CARGO_BIN_EXE_gather")
        ),
    );
    let mut command = Command::new("python3");
    command
        .args(["-c", ANEW])
        .arg(repository("deploy/drill/drill"))
        .arg("--gather")
        .arg(gather)
        .arg("frozen")
        .env("TMPDIR", files.path());
    let running = Running::start(command);
    let gateway = program::eventually("the gateway", || {
        let text = fs::read_to_string(&noted).ok()?;
        text.ends_with('\n').then(|| text.trim().to_owned())
    });
    let folders = || {
        fs::read_dir(files.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count()
    };
    assert_eq!(folders(), 1);
    running.signal(signal);
    let finished = running.wait().expect(code);
    assert_eq!(
        finished.stderr.trim_end(),
        format!("drill: ended by SIG{signal}")
    );
    assert_eq!(folders(), 0);
    assert!(!Path::new("/proc").join(&gateway).exists());
}

#[test]
fn a_drill_that_is_ended_early_leaves_nothing_behind() {
    if which("python3").is_none() {
        return;
    }
    for (signal, code) in [("HUP", 129), ("INT", 130), ("QUIT", 131), ("TERM", 143)] {
        ended_by(signal, code);
    }
}
