//! `gather openapi`: the document of the shipped configuration, word for word, and that a gateway serves the same.

use std::fs;

use crate::{
    before,
    program::{Running, get, repository, run},
};

fn shipped() -> String {
    let file = repository("config/gather.toml");
    run(&["openapi", "-c", file.to_str().unwrap()])
        .expect(0)
        .stdout
}

#[test]
fn the_document_of_the_shipped_configuration_reads_as_reviewed() {
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let document = shipped();
    assert_eq!(document.matches(&version).count(), 1);
    insta::assert_snapshot!(document.replace(&version, "\"version\": \"[version]\""));
}

#[test]
fn a_gateway_serves_the_very_bytes_that_are_printed() {
    let configuration = before(&["http://127.0.0.1:9/".to_owned()]);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    fs::write(&file, &configuration).unwrap();
    let printed = run(&["openapi", "-c", file.to_str().unwrap()])
        .expect(0)
        .stdout;
    let (_gateway, address) = Running::serve(&configuration);
    let served = get(address, "/openapi.json");
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert!(served.text() == printed, "not the same bytes");
    assert_ne!(printed, shipped(), "it depends on the configuration");
}

#[test]
fn a_bad_configuration_has_no_document() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    fs::write(&file, "[server]\nlistne = \"127.0.0.1:0\"\n").unwrap();
    let finished = run(&["openapi", "-c", file.to_str().unwrap()]).expect(1);
    assert_eq!(finished.stdout, "");
    assert!(finished.stderr.contains("listne"), "{}", finished.stderr);
}
