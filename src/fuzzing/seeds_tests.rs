//! Runs every committed input of every target without a fuzzer: first inputs, and those that once found something.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn entries(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(folder);
    let entries = fs::read_dir(&folder).unwrap();
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Runs the inputs of one target.
#[expect(
    clippy::print_stdout,
    reason = "a test that fails shows it: the last is the input"
)]
fn run(target: &str, check: fn(&[u8])) {
    let inputs = entries(&format!("seeds/{target}"));
    assert!(!inputs.is_empty(), "the target {target} has no first input");
    for input in inputs {
        println!("{}", input.display());
        check(&fs::read(&input).unwrap());
    }
}

#[test]
fn every_committed_query_keeps_its_promises() {
    run("query", super::query);
}

#[test]
fn every_committed_configuration_keeps_its_promises() {
    run("config", super::config);
}

#[test]
fn every_committed_body_is_embedded_as_it_came() {
    run("embedding", super::embedding);
}

#[test]
fn every_committed_outcome_has_a_valid_server_timing() {
    run("server_timing", super::server_timing);
}

#[test]
fn every_committed_plan_keeps_its_promises() {
    run("engine", super::engine);
}

#[test]
fn every_committed_answer_is_read_the_same_however_it_is_cut() {
    run("wire", super::wire);
}

#[test]
fn every_committed_head_is_read_the_same_however_it_is_cut() {
    run("heads", super::heads);
}

#[test]
fn every_committed_body_of_a_request_is_read_the_same_however_it_is_cut() {
    run("bodies", super::bodies);
}

#[test]
fn every_committed_reference_keeps_its_promises() {
    run("references", super::references);
}

#[test]
fn every_committed_value_stays_in_its_place() {
    run("templates", super::templates);
}

#[test]
fn every_committed_part_is_found_as_in_a_tree() {
    run("shaping", super::shaping);
}

#[test]
fn every_committed_expression_ends_within_its_bounds() {
    run("expressions", super::expressions);
}

#[test]
fn every_committed_body_is_shaped_into_one_value() {
    run("shaped", super::shaped);
}

#[test]
fn every_target_has_inputs_and_every_input_a_target() {
    let names = |folder| -> Vec<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries(folder).into_iter().map(stem).collect()
    };
    assert_eq!(names("fuzz_targets"), names("seeds"));
    let document = include_str!("../../docs/reliability.md");
    for name in names("fuzz_targets") {
        assert!(document.contains(&format!("\n| `{name}` |")), "{name}");
    }
}
