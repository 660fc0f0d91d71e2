//! Checks the rules of the house that a program can check: the parts that a part may name, the module docs, and sizes.
//! The files in `tidy/` check imports, doc comments, links, and the places that a change touches.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/openings.rs"]
mod openings;
#[path = "tidy/places.rs"]
mod places;
#[path = "tidy/source.rs"]
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use source::{rust_files, shipped};

/// The longest file of each folder, in lines. Aim at half of it.
const LONGEST: [(&str, usize); 3] = [("src", 450), ("tests", 600), ("bench", 600)];

/// The median of the lines of the files that ship, without their tests. Half of the files are shorter.
const MEDIAN: usize = 130;

/// The longest line of a document, in characters. Wrap at 116.
const WIDEST: usize = 120;

/// The own parts that a part may name, and the libraries that it must not. A part that is not listed may name anything.
const RULES: &[Rule] = &[
    Rule {
        part: "fanout",
        knows: &["fanout"],
        never: &["actix", "awc", "serde", "prometheus", "tracing", "config"],
    },
    Rule {
        part: "exchange",
        knows: &["fanout"],
        never: &["actix", "awc", "serde", "prometheus", "config"],
    },
    Rule {
        part: "endpoint",
        knows: &["compose", "fanout"],
        never: &["actix", "awc", "serde", "prometheus", "config"],
    },
    Rule {
        part: "pick",
        knows: &[],
        never: &["actix", "awc", "serde", "prometheus", "config", "tokio"],
    },
    Rule {
        part: "spelling",
        knows: &[],
        never: &["actix", "awc", "serde", "prometheus", "config", "tokio"],
    },
    Rule {
        part: "values",
        knows: &["exchange", "fanout", "pick", "spelling"],
        never: &["actix", "awc", "prometheus", "config", "tokio"],
    },
    Rule {
        part: "expression",
        knows: &["exchange", "fanout", "pick", "spelling", "values"],
        never: &["actix", "awc", "prometheus", "config", "tokio"],
    },
    Rule {
        part: "readiness",
        knows: &[],
        never: &["actix", "awc", "tokio"],
    },
    Rule {
        part: "port",
        knows: &[],
        never: &["actix", "awc"],
    },
    Rule {
        part: "duration",
        knows: &[],
        never: &["actix", "awc", "tokio"],
    },
    Rule {
        part: "timing",
        knows: &["fanout"],
        never: &["actix", "awc", "prometheus"],
    },
    Rule {
        part: "compose",
        knows: &[
            "exchange",
            "expression",
            "fanout",
            "pick",
            "timing",
            "values",
        ],
        never: &["actix", "awc", "prometheus"],
    },
    Rule {
        part: "telemetry",
        knows: &["exchange", "fanout"],
        never: &["actix", "awc"],
    },
    Rule {
        part: "upstream",
        knows: &["exchange", "expression", "fanout", "pick", "values"],
        never: &["actix_web", "prometheus"],
    },
    Rule {
        part: "config",
        knows: &[
            "compose",
            "duration",
            "endpoint",
            "exchange",
            "expression",
            "fanout",
            "pick",
            "spelling",
            "upstream",
            "values",
        ],
        never: &["actix", "awc", "prometheus"],
    },
    Rule {
        part: "cli",
        knows: &[
            "app",
            "compose",
            "config",
            "duration",
            "endpoint",
            "exchange",
            "expression",
            "fanout",
            "pick",
            "ping",
            "port",
            "shutdown",
            "spelling",
            "spelling",
            "telemetry",
            "upstream",
            "values",
        ],
        never: &["prometheus"],
    },
    Rule {
        part: "api",
        knows: &[
            "compose",
            "console",
            "duration",
            "endpoint",
            "exchange",
            "fanout",
            "readiness",
            "telemetry",
            "timing",
            "values",
        ],
        never: &["awc", "prometheus"],
    },
    Rule {
        part: "edge",
        knows: &["api", "exchange", "fanout", "telemetry"],
        never: &["awc", "serde", "prometheus"],
    },
    Rule {
        part: "openapi",
        knows: &[
            "api",
            "compose",
            "edge",
            "endpoint",
            "fanout",
            "telemetry",
            "timing",
        ],
        never: &["actix", "awc", "prometheus", "tokio"],
    },
    Rule {
        part: "console",
        knows: &["endpoint", "fanout"],
        never: &["actix", "awc", "tokio"],
    },
    Rule {
        part: "shutdown",
        knows: &["readiness"],
        never: &["actix", "awc"],
    },
    Rule {
        part: "ping",
        knows: &["duration"],
        never: &["awc", "prometheus"],
    },
];

struct Rule {
    part: &'static str,
    knows: &'static [&'static str],
    never: &'static [&'static str],
}

/// Returns the files of one part: `src/part.rs` and all below `src/part/`.
fn part_files(part: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<_> = rust_files("src")
        .into_iter()
        // A part's tests may know what they need.
        .filter(|(path, _)| !path.ends_with("tests.rs") && !path.iter().any(|part| part == "tests"))
        .filter(|(path, _)| {
            *path == root.join(format!("{part}.rs")) || path.starts_with(root.join(part))
        })
        .collect();
    assert!(!files.is_empty(), "the part {part} has no files");
    files
}

/// Returns true if `text` names the crate or module `name` in a path. `serde` matches `serde_json` too.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..]
            .trim_start_matches(|next: char| next.is_alphanumeric() || next == '_');
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == '"')
            && after.starts_with("::")
    })
}

/// Returns the modules that `use crate::{…}` names, on one line or on many.
fn grouped(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for group in text.split("use crate::{").skip(1) {
        let mut depth = 0_usize;
        let mut item = String::new();
        for next in group.chars() {
            match next {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(std::mem::take(&mut item)),
                _ if depth == 0 => item.push(next),
                _ => {}
            }
        }
        found.push(item);
    }
    found
        .iter()
        .filter_map(|item| item.trim().split("::").next())
        .filter(|named| !named.is_empty())
        .map(str::to_owned)
        .collect()
}

fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn every_part_knows_only_what_it_may() {
    let mut offences = Vec::new();
    for rule in RULES {
        for (path, text) in part_files(rule.part) {
            for (number, line) in code(&text) {
                let library = rule.never.iter().find(|library| names(line, library));
                if let Some(library) = library {
                    offences.push(format!("{}:{number} names {library}", path.display()));
                }
                for (at, _) in line.match_indices("crate::") {
                    let named = line[at + "crate::".len()..]
                        .split(|next: char| !next.is_alphanumeric() && next != '_')
                        .next()
                        .unwrap_or_default();
                    let own = named == rule.part || named.is_empty();
                    if !own && !rule.knows.contains(&named) {
                        offences.push(format!("{}:{number} names {named}", path.display()));
                    }
                }
            }
            for named in grouped(&text) {
                if named != rule.part && !rule.knows.contains(&named.as_str()) {
                    offences.push(format!("{} names {named}", path.display()));
                }
            }
            if text.contains("super::super") {
                offences.push(format!("{} goes up two levels", path.display()));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn the_check_itself_sees_what_it_should() {
    assert!(names("use actix_web::App;", "actix"));
    assert!(names("serde_json::from_str(text)", "serde"));
    assert!(!names("let reconfig = config;", "config"));
    assert!(!names("reserved::word", "served"));
    let one_line = "use crate::{config::Config, fanout::{Mode, Outcome}, timing};";
    assert_eq!(grouped(one_line), ["config", "fanout", "timing"]);
    let many = "use crate::{\n    api::{self, Problem},\n    fanout,\n};\nuse x::{y, z};";
    assert_eq!(grouped(many), ["api", "fanout"]);
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["src", "tests", "fuzz/fuzz_targets"] {
        for (path, text) in rust_files(folder) {
            assert!(
                text.starts_with("//!"),
                "{} does not begin with //!",
                path.display()
            );
        }
    }
}

#[test]
fn no_file_is_too_long() {
    for (folder, most) in LONGEST {
        for (path, text) in rust_files(folder) {
            let lines = text.lines().count();
            assert!(lines <= most, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn most_files_are_short() {
    let mut lines: Vec<_> = shipped()
        .iter()
        .map(|source| source.text.lines().count())
        .collect();
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median <= MEDIAN, "half of the files have {median} lines");
}

/// People who don't build the console read it. So its modules are small, and each says what it does.
#[test]
fn every_file_of_the_console_is_short_and_says_what_it_is_for() {
    let mut seen = 0;
    for folder in ["src/console", "tests/console"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().unwrap_or_default().to_str().unwrap();
            if ending == "js" || ending == "mjs" {
                let text = fs::read_to_string(&path).unwrap();
                assert!(
                    text.starts_with("// "),
                    "{} does not begin with //",
                    path.display()
                );
                assert!(text.lines().count() < 300, "{} is long", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen}");
}

/// Returns the documents in a folder of this repository and, if `deep`, in the folders below it.
fn documents(folder: &Path, deep: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if deep && path.is_dir() {
            found.extend(documents(&path, deep));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found
}

/// Returns the numbers of the lines that are too long, except in tables and fenced blocks, where nothing can be
/// wrapped.
fn wide_lines(text: &str) -> Vec<usize> {
    let mut is_fenced = false;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        let is_prose = !is_fenced && !is_fence && !line.starts_with('|');
        is_prose && line.chars().count() > WIDEST
    });
    lines.map(|(number, _)| number).collect()
}

/// Returns all documents that readers find: those of the root, and those below `docs` and `deploy`.
fn all_documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = documents(root, false);
    for folder in ["docs", "deploy"] {
        paths.extend(documents(&root.join(folder), true));
    }
    assert!(paths.len() > 15, "{paths:?}");
    paths
}

#[test]
fn no_line_of_a_document_is_too_long_to_read() {
    for path in all_documents() {
        let wide = wide_lines(&fs::read_to_string(&path).unwrap());
        assert!(wide.is_empty(), "{}: lines {wide:?}", path.display());
    }
    let long = "ä".repeat(WIDEST);
    let text = format!("{long}\n{long}.\n| {long} |\n```sh\n{long}.\n```\n{long}.");
    assert_eq!(wide_lines(&text), [2, 7]);
}

/// Returns the name, version and source of every package in a lock file.
fn locked(file: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(file).unwrap();
    let packages = text.split("[[package]]\n").skip(1);
    packages
        .map(|package| package.lines().take(3).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn what_is_fuzzed_is_what_is_shipped() {
    let shipped = locked("Cargo.lock");
    let only_for_fuzzing = ["gather-fuzz", "libfuzzer-sys", "jobserver"];
    for package in locked("fuzz/Cargo.lock") {
        let is = |name: &str| package.starts_with(&format!("name = \"{name}\""));
        assert!(
            shipped.contains(&package) || only_for_fuzzing.into_iter().any(is),
            "{package} is not in Cargo.lock: run .ci/fuzz lock"
        );
    }
}

/// The peers are not built here, as that takes minutes. Without this test, another day's packages could come with them
/// unseen.
#[test]
fn what_the_peers_of_the_bench_are_made_of_is_pinned() {
    let read = |file: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("bench/peers")
            .join(file);
        fs::read_to_string(file).unwrap()
    };
    let manifest = read("Cargo.toml");
    let (_, rest) = manifest.split_once("[dependencies]\n").unwrap();
    let dependencies: Vec<_> = rest
        .lines()
        .map_while(|line| Some(line.split_once(" = ")?.0))
        .collect();
    assert!(dependencies.contains(&"hyper"), "{dependencies:?}");
    let lock = read("Cargo.lock");
    let own = "name = \"gather-peers\"";
    let own = lock
        .split("[[package]]")
        .find(|package| package.contains(own));
    for dependency in dependencies {
        // The version follows if there are two packages of one name.
        let lines = ["\",", " "].map(|end| format!("\n \"{dependency}{end}"));
        let locked = |line: &String| own.unwrap().contains(line);
        assert!(lines.iter().any(locked), "Cargo.lock: no {dependency}");
    }
    let wanted = read("fastify/package.json");
    let modules = read("fastify/package-lock.json");
    for name in ["fastify", "undici"] {
        let (_, rest) = wanted.split_once(&format!("\"{name}\": ")).unwrap();
        let version = rest.lines().next().unwrap().trim_end_matches(',');
        let locked = format!("\"node_modules/{name}\": {{\n      \"version\": {version},");
        assert!(modules.contains(&locked), "package-lock.json: no {name}");
    }
    assert!(!modules.contains("\"resolved\""), "it names a registry");
    for line in read("fastapi/requirements.txt").lines() {
        assert!(line.starts_with('#') || line.contains("=="), "{line}");
    }
}

#[test]
fn the_core_never_sleeps_in_real_time() {
    for (path, text) in part_files("fanout") {
        for word in ["std::thread::sleep", "std::time::Instant", "SystemTime"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for folder in ["src", "tests"] {
        for (path, _) in rust_files(folder) {
            for part in path.iter().filter_map(|part| part.to_str()) {
                let stem = part.trim_end_matches(".rs");
                assert!(
                    !["utils", "util", "helpers", "common", "misc"].contains(&stem),
                    "{}",
                    path.display()
                );
            }
        }
    }
}
