//! Reads the source files of this repository. It must not know what is expected of them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A file of `src` that ships, without its tests.
pub(crate) struct Source {
    /// Its path in the repository.
    pub(crate) path: String,
    /// Its text up to its tests.
    pub(crate) text: String,
}

impl Source {
    /// Returns its lines of code: those that are no comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines();
        lines.filter(|line| !line.trim_start().starts_with("//"))
    }
}

/// Returns the files of `src` that ship. Modules that only tests and fuzzing have are left out.
pub(crate) fn shipped() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = rust_files("src");
    let tests: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|(path, text)| test_modules(path, text))
        .collect();
    let is_test = |path: &Path| {
        let mut modules = path.ancestors().map(|folder| folder.with_extension("rs"));
        modules.any(|module| tests.contains(&module))
    };
    let shipped = files.into_iter().filter(|(path, _)| !is_test(path));
    shipped
        .map(|(path, text)| Source {
            path: path.strip_prefix(root).unwrap().display().to_string(),
            text: without_tests(&text).to_owned(),
        })
        .collect()
}

/// Returns every Rust file of a folder and of those below it, with its text.
pub(crate) fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_built = path.ends_with("target") || path.ends_with("node_modules");
            if path.is_dir() && !is_built {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no files in {folder}");
    found
}

/// Returns the files of the modules that `text`, in the file `path`, declares for tests alone.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !is_for_tests(line) {
            continue;
        }
        let mut next = lines.next().unwrap_or_default();
        let named = next
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.strip_suffix("\"]"));
        if named.is_some() {
            next = lines.next().unwrap_or_default();
        }
        let module = next
            .strip_suffix(';')
            .and_then(|line| line.split_once("mod "));
        let Some((_, module)) = module else { continue };
        let below = match path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") {
            true => path.with_file_name(""),
            false => path.with_extension(""),
        };
        found.push(match named {
            Some(file) => path.with_file_name(file),
            None => below.join(format!("{module}.rs")),
        });
    }
    found
}

/// Cuts off the module of tests with which a file ends.
fn without_tests(text: &str) -> &str {
    let mut end = 0;
    let mut is_next = false;
    for line in text.split_inclusive('\n') {
        if is_next && line.starts_with("mod ") && line.trim_end().ends_with('{') {
            let before = text[..end].trim_end();
            return before.rsplit_once('\n').map_or("", |(before, _)| before);
        }
        is_next = is_for_tests(line);
        end += line.len();
    }
    text
}

/// Returns true for an attribute that only builds for tests or for fuzzing have.
fn is_for_tests(line: &str) -> bool {
    line.starts_with("#[cfg(") && line.contains("test") && !line.contains("not(")
}

#[test]
fn a_files_tests_are_told_from_what_ships() {
    let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    mod deep {}\n}\n";
    assert_eq!(without_tests(text).trim_end(), "fn a() {}");
    let text = "#[cfg(test)]\nmod fixture;\n#[cfg(any(test, fuzzing))]\n#[path = \"b.rs\"]\npub mod b;\nmod c;\n";
    assert_eq!(without_tests(text), text);
    let modules = test_modules(Path::new("src/a.rs"), text);
    assert_eq!(
        modules,
        [Path::new("src/a/fixture.rs"), Path::new("src/b.rs")]
    );
    assert!(shipped().iter().all(|file| !file.path.contains("fuzzing")));
}
