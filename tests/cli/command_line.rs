//! The command line as a whole: version, help, completions, schema, and the reports of unknown arguments.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    before,
    program::{finish, gather, repository, run, which},
};

#[test]
fn the_version_is_the_packages() {
    let version = run(&["--version"]).expect(0).stdout;
    assert_eq!(version, format!("gather {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_explains_itself() {
    let help = run(&["--help"]).expect(0).stdout;
    for command in [
        "demo",
        "serve",
        "check",
        "eval",
        "call",
        "bench",
        "ping",
        "probe",
        "schema",
        "openapi",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let own = run(&[command, "--help"]).expect(0).stdout;
        assert!(own.contains(&format!("Usage: gather {command}")), "{own}");
        assert!(own.contains("--help"), "{own}");
    }
}

#[test]
fn no_command_and_an_unknown_one_are_bad_command_lines() {
    assert!(run(&[]).expect(2).stderr.contains("Usage: gather"));
    let finished = run(&["srve"]).expect(2);
    assert!(
        finished.stderr.contains("'srve'") && finished.stderr.contains("'serve'"),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.stdout, "");
}

#[test]
fn completions_are_what_each_shell_takes() {
    for (shell, sign) in [
        ("bash", "complete -F _gather"),
        ("zsh", "#compdef gather"),
        ("fish", "complete -c gather"),
    ] {
        let script = run(&["completions", shell]).expect(0).stdout;
        assert!(script.contains(sign), "{shell}");
        for word in ["demo", "serve", "probe", "fail-rate", "max-time"] {
            assert!(script.contains(word), "{shell} knows no {word}");
        }
        // If the shell is there, it checks that it can read the script.
        if which(shell).is_some() {
            let mut parse = Command::new(shell)
                .arg("-n")
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            parse
                .stdin
                .take()
                .unwrap()
                .write_all(script.as_bytes())
                .unwrap();
            let finished = parse.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&finished.stderr);
            assert!(
                finished.status.success() && stderr.is_empty(),
                "{shell}: {stderr}"
            );
        }
    }
    assert!(
        which("bash").is_some(),
        "bash is the one that has to be there"
    );
    let finished = run(&["completions", "tcsh"]).expect(2);
    assert!(finished.stderr.contains("'tcsh'"), "{}", finished.stderr);
}

#[test]
fn bash_completes_a_commands_options_by_that_script() {
    let script = run(&["completions", "bash"]).expect(0).stdout;
    let ask = format!(
        "{script}\nCOMP_WORDS=(gather probe --ti); COMP_CWORD=2; _gather gather --ti probe; echo \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "--timeout",
        "{output:?}"
    );
}

fn schema() -> Value {
    let text = run(&["schema"]).expect(0).stdout;
    serde_json::from_str(&text).unwrap()
}

fn as_json(toml: &str) -> Value {
    toml::from_str(toml).unwrap()
}

#[test]
fn the_schema_is_one_and_takes_the_configurations_that_come_with_gather() {
    let schema = schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert!(jsonschema::meta::is_valid(&schema), "not a JSON Schema");
    let validator = jsonschema::validator_for(&schema).unwrap();
    for shipped in ["config/gather.toml", "deploy/gather.toml"] {
        let config = as_json(&fs::read_to_string(repository(shipped)).unwrap());
        let mistakes: Vec<_> = validator
            .iter_errors(&config)
            .map(|error| error.to_string())
            .collect();
        assert!(mistakes.is_empty(), "{shipped}: {mistakes:#?}");
    }
}

#[test]
fn the_schema_takes_what_check_prints_and_refuses_what_check_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let file = repository("config/gather.toml");
    let printed = run(&["check", "--print", "-c", file.to_str().unwrap()])
        .expect(0)
        .stdout;
    assert!(validator.is_valid(&as_json(&printed)), "{printed}");
    let good = before(&["http://127.0.0.1:9/".to_owned()]);
    assert!(validator.is_valid(&as_json(&good)));
    for (line, why) in [
        ("server.workers = 80.7", "no whole number"),
        ("server.workers = \"4\"", "no number"),
        ("server.workers = 0", "out of range"),
        ("server.colour = true", "an unknown key"),
        ("log.level = \"loud\"", "an unknown level"),
        ("server.grace = 3", "a duration without a unit"),
    ] {
        assert!(
            !validator.is_valid(&as_json(&format!("{line}\n{good}"))),
            "{why}: {line}"
        );
        let place = tempfile::tempdir().unwrap();
        let name = place.path().join("gather.toml");
        fs::write(&name, format!("{line}\n{good}")).unwrap();
        run(&["check", "-c", name.to_str().unwrap()]).expect(1);
    }
}

/// Returns the keys of a table that hold this kind of text.
fn holding<'a>(table: &'a Value, kind: &str) -> Vec<&'a str> {
    let keys = table["properties"].as_object().unwrap().iter();
    let holding = keys.filter(|(_, key)| key["x-gather"] == kind);
    holding.map(|(name, _)| &**name).collect()
}

#[test]
fn the_schema_says_which_keys_hold_references_and_which_an_expression() {
    let schema = schema();
    let call = &schema["$defs"]["Call"];
    let mut references = holding(call, "references");
    references.sort_unstable();
    assert_eq!(
        references,
        ["each", "form", "headers", "json", "path", "query"]
    );
    let mut expressions = holding(call, "expression");
    expressions.sort_unstable();
    assert_eq!(expressions, ["expect", "select", "when"]);
    let shape = &schema["$defs"]["ShapeValue"];
    assert_eq!(holding(shape, "expression"), ["value"]);
}

#[test]
fn results_go_to_a_reader_that_has_gone_without_a_complaint() {
    for arguments in [
        &["schema"][..],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = gather();
        command
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped());
        let finished = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&finished.stderr),
            "",
            "{arguments:?}"
        );
        assert_eq!(finished.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_a_failure_that_is_told() {
    for arguments in [&["schema"][..], &["completions", "bash"]] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = gather();
        command.args(arguments).stdout(full).stderr(Stdio::piped());
        let finished = command.spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&finished.stderr);
        assert_eq!(finished.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("error: ") && stderr.lines().count() == 1,
            "{stderr}"
        );
    }
}

#[test]
fn an_argument_that_is_not_utf8_is_a_bad_command_line() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut command = gather();
    command
        .args(["call", "--mode"])
        .arg(std::ffi::OsStr::from_bytes(b"\xff"));
    finish(command).expect(2);
}
