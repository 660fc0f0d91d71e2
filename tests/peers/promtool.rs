//! Runs Prometheus' own checker on our metrics, our scrape configuration, our rules and their tests.

use std::process::{Command, Stdio};

use crate::{
    lonely, needed,
    program::{Finished, finish, get, repository, which},
};

fn promtool(arguments: &[&str]) -> Option<Finished> {
    let program = needed("promtool", which("promtool"))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository("."));
    Some(finish(command))
}

#[test]
fn the_configuration_the_rules_and_their_tests_pass() {
    for arguments in [
        ["check", "config", "deploy/prometheus/prometheus.yml"],
        ["check", "rules", "deploy/prometheus/recording.yml"],
        ["check", "rules", "deploy/prometheus/alerts.yml"],
        ["test", "rules", "deploy/prometheus/alerts_test.yml"],
        ["test", "rules", "deploy/prometheus/scraping_test.yml"],
    ] {
        let Some(finished) = promtool(&arguments) else {
            return;
        };
        let finished = finished.expect(0);
        let all = finished.stdout + &finished.stderr;
        assert!(all.contains("SUCCESS"), "{arguments:?}: {all}");
        assert!(
            !all.contains("FAILED") && !all.to_lowercase().contains("warn"),
            "{arguments:?}: {all}"
        );
    }
}

#[test]
fn nothing_is_wrong_with_the_metrics() {
    let Some(program) = needed("promtool", which("promtool")) else {
        return;
    };
    let (_gateway, address) = lonely();
    // One request, so that no histogram is empty.
    get(address, "/aggregate");
    let metrics = get(address, "/metrics");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    let mut check = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut check.stdin.take().unwrap(), &metrics.body).unwrap();
    let finished = check.wait_with_output().unwrap();
    let said = [finished.stdout, finished.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(finished.status.success());
}
