//! The examples in the documents: every configuration is a good one, and every command line of ours is one that there is.

use crate::program::{finish, gather, repository};

/// What an example that names no upstream or no aggregate of its own is laid over.
const BASE: &str = "[upstreams.users]\nurl = \"http://users:8080/ping\"\n[upstreams.orders]\nurl = \"http://orders:8080/ping\"\n\
                    [aggregates.default]\ncalls = [\"users\", \"orders\"]\n";

/// Every document with its text.
fn documents() -> Vec<(String, String)> {
    let mut paths = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["docs", "deploy", "deploy/drill"] {
        for file in std::fs::read_dir(repository(folder)).into_iter().flatten() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                paths.push(format!("{folder}/{name}"));
            }
        }
    }
    let read = |path: String| {
        let text = std::fs::read_to_string(repository(&path)).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The fenced blocks of this language in all documents, with where each is.
fn blocks(language: &str) -> Vec<(String, String)> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    for (path, text) in documents() {
        let mut open = None::<(String, String)>;
        for (number, line) in text.lines().enumerate() {
            match &mut open {
                None if line == fence => {
                    open = Some((format!("{path}:{}", number + 1), String::new()));
                }
                Some(_) if line == "```" => blocks.extend(open.take()),
                Some((_, text)) => {
                    text.push_str(line);
                    text.push('\n');
                }
                None => {}
            }
        }
    }
    blocks
}

#[test]
fn every_configuration_in_the_documents_is_good() {
    let examples = blocks("toml");
    assert!(examples.len() >= 5, "{examples:#?}");
    let folder = tempfile::tempdir().unwrap();
    let [base, file] = ["base.toml", "example.toml"].map(|name| folder.path().join(name));
    std::fs::write(&base, BASE).unwrap();
    for (place, text) in examples {
        std::fs::write(&file, &text).unwrap();
        let mut command = gather();
        // What it says of this machine is no matter of the documents.
        command.args(["check", "--strict", "--elsewhere"]);
        if !text.contains("[aggregates.") || !text.contains("[upstreams.") {
            command.arg("-c").arg(&base);
        }
        command.arg("-c").arg(&file);
        let finished = finish(command);
        assert_eq!(finished.code, Some(0), "{place}\n{text}\n{finished:#?}");
        assert_eq!(finished.stderr, "", "{place}\n{text}");
    }
}

#[test]
fn every_command_line_of_ours_in_the_documents_is_one_that_there_is() {
    let mut tried = 0;
    for (place, text) in blocks("sh").into_iter().chain(blocks("")) {
        for line in text.lines() {
            let line = line.split(" #").next().unwrap().trim_start_matches("$ ");
            for part in line.split(['|', '&', '>']) {
                let Some(arguments) = part.trim().strip_prefix("gather ") else {
                    continue;
                };
                let words = arguments
                    .split_whitespace()
                    .map(|word| word.trim_matches('\''));
                let mut command = gather();
                // With it, the line is read and nothing is done.
                command.args(words).arg("--help");
                let finished = finish(command);
                assert_eq!(finished.code, Some(0), "{place}: {line}\n{finished:#?}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 12, "{tried}");
}

#[test]
fn the_variables_in_the_document_about_them_set_what_they_say() {
    let variables = blocks("sh").into_iter().filter(|(place, text)| {
        place.starts_with("docs/configuration.md") && text.starts_with("GATHER__")
    });
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.toml");
    std::fs::write(&base, BASE).unwrap();
    let mut tried = 0;
    for (place, text) in variables {
        let mut command = std::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_gather");
        command
            .args([
                "-c",
                &format!(
                    "set -a\n{text}\nexec {program} check --print -c {}",
                    base.display()
                ),
            ])
            .env("TOKEN", "secret");
        let finished = finish(command);
        assert_eq!(finished.code, Some(0), "{place}\n{finished:#?}");
        for name in text.lines().filter_map(|line| line.split('=').next()) {
            let key = name.rsplit("__").next().unwrap().to_lowercase();
            assert!(
                finished.stdout.contains(&key),
                "{name}: {}",
                finished.stdout
            );
            tried += 1;
        }
    }
    assert!(tried >= 5, "{tried}");
}
