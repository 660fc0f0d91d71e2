//! The examples in the documents: every configuration is valid, and every command line of ours exists.

use toml::{Table, Value};

use crate::{
    markdown,
    program::{Running, finish, gather, get, repository},
};

/// The configuration that goes below an example without upstreams or aggregates of its own.
const BASE: &str = "[upstreams.users]\nurl = \"http://users:8080/ping\"\n[upstreams.orders]\nurl = \"http://orders:8080/ping\"\n\
                    [aggregates.default]\ncalls = [\"users\", \"orders\"]\n";

/// Returns every document with its text.
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

/// Returns the fenced blocks of this language in all documents, each with its place.
fn blocks(language: &str) -> Vec<(String, String)> {
    let of = |(path, text): (String, String)| {
        let blocks = markdown::blocks(&text).into_iter();
        blocks
            .filter(|block| block.language == language)
            .map(move |block| (format!("{path}:{}", block.line), block.text))
    };
    documents().into_iter().flat_map(of).collect()
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
        // Warnings about this machine say nothing about the documents.
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
                // With `--help` the line is read and nothing is done.
                command.args(words).arg("--help");
                let finished = finish(command);
                assert_eq!(finished.code, Some(0), "{place}: {line}\n{finished:#?}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 12, "{tried}");
}

/// Returns the value at this path of a printed configuration.
fn at<'a>(printed: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, tables) = path.split_last()?;
    let table = tables
        .iter()
        .try_fold(printed, |table, key| table.get(key)?.as_table());
    table?.get(last)
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
        // The shell prints its reading of each value, and the program prints the value that it uses.
        let names: Vec<_> = text
            .lines()
            .filter_map(|line| line.split('=').next())
            .collect();
        let told: String = names
            .iter()
            .map(|name| format!("printf '%s\\n' \"${name}\"\n"))
            .collect();
        let program = env!("CARGO_BIN_EXE_gather");
        let base = base.display();
        let script = format!("set -a\n{text}\n{told}exec {program} check --print -c {base}");
        command.args(["-c", &script]).env("TOKEN", "secret");
        let finished = finish(command);
        assert_eq!(finished.code, Some(0), "{place}\n{finished:#?}");
        let mut lines = finished.stdout.splitn(names.len() + 1, '\n');
        let values: Vec<_> = lines.by_ref().take(names.len()).collect();
        let printed: Table = lines.next().unwrap().parse().unwrap();
        for (name, value) in names.iter().zip(values) {
            let path = name.trim_start_matches("GATHER__").to_lowercase();
            let path: Vec<_> = path.split("__").map(str::to_owned).collect();
            let found = at(&printed, &path).unwrap_or_else(|| panic!("no {name} in {printed}"));
            let set = match found {
                Value::String(_) => Value::from(value),
                _ => format!("it = {value}").parse::<Table>().unwrap()["it"].clone(),
            };
            // The values of headers are not shown.
            let is_hidden = path.contains(&"headers".to_owned());
            assert_eq!(found, &if is_hidden { hidden(&set) } else { set }, "{name}");
            tried += 1;
        }
    }
    assert!(tried >= 5, "{tried}");
}

/// Returns a value as it is printed if it may be a secret.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Table(table) => {
            let entries = table.iter();
            Value::Table(
                entries
                    .map(|(key, value)| (key.clone(), hidden(value)))
                    .collect(),
            )
        }
        _ => Value::from("***"),
    }
}

#[test]
fn the_document_has_the_number_of_series_of_the_shipped_configuration() {
    let text = std::fs::read_to_string(repository("docs/observability.md")).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, _) = text
        .split_once(" series whose names begin with `gather_`")
        .unwrap();
    let said: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
    let mut command = gather();
    command
        .arg("serve")
        .arg("-c")
        .arg(repository("config/gather.toml"))
        .env("GATHER__SERVER__LISTEN", "127.0.0.1:0");
    let gateway = Running::start(command);
    let metrics = get(gateway.address("address"), "/metrics");
    let series = metrics
        .text()
        .lines()
        .filter(|line| line.starts_with("gather_"))
        .count();
    assert_eq!(said, series);
}
