//! OpenMetrics, as the reference parser and a real Prometheus read it.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    compared,
    fastapi::python_with,
    program::{Running, finish, get, read, send},
};

const ACCEPT: &str = "application/openmetrics-text; version=1.0.0";

/// A program that prints the findings of the Prometheus project's reference parser. It prints a line for each family,
/// with its type, unit, samples and, if there are any, exemplars.
const PARSE: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(open(sys.argv[1], newline='').read()):
    traces = [sample.exemplar.labels['trace_id'] for sample in family.samples if sample.exemplar]
    print(family.name, family.type, family.unit or '-', len(family.samples), *traces)
";

fn python() -> Option<PathBuf> {
    python_with(
        "a Python with prometheus-client",
        "prometheus_client.openmetrics.parser",
    )
}

#[test]
fn the_reference_parser_takes_it_and_finds_what_the_text_format_has() {
    let Some(python) = python() else { return };
    // Nobody takes its spans, which must not matter to the metrics.
    let tracing = "tracing.otlp_endpoint = \"http://127.0.0.1:9/\"\n";
    let users = [("users", "http://127.0.0.1:9/".to_owned())];
    let (_gateway, address) = Running::serve(&(tracing.to_owned() + &compared(&users)));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let context = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("traceparent", context.as_str())];
    read(send(address, "/aggregate", &headers).unwrap()).unwrap();
    let metrics = read(send(address, "/metrics", &[("Accept", ACCEPT)]).unwrap()).unwrap();
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("metrics");
    std::fs::write(&file, &metrics.body).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", PARSE]).arg(&file).stdin(Stdio::null());
    let parsed = finish(command).expect(0).stdout;
    for line in [
        &format!("gather_request_duration_seconds histogram seconds 72 {trace}"),
        "gather_overhead_seconds histogram seconds 18",
        "gather_requests counter - 10",
        "gather_sequential_seconds counter seconds 1",
        "gather_requests_in_flight gauge - 1",
        "process_resident_memory_bytes gauge bytes 1",
    ] {
        assert!(
            parsed.lines().any(|known| known == line),
            "no {line} in\n{parsed}"
        );
    }
    let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let text = get(address, "/metrics");
    assert_eq!(samples(metrics.text()), samples(text.text()));
}
