//! The profile of instructions. It reads callgrind's output and sums it by library, by function alone, and by function
//! with all its callees. It must not know how the instructions were counted.
//!
//! `callgrind_annotate` splits a function by the files of inlined code, and sums neither by library nor by whole
//! function. The format: <https://valgrind.org/docs/manual/cl-format.html>.

use std::{collections::HashMap, fs, io, path::Path};

/// Instructions by name, in falling order.
pub type Ranking = Vec<(String, u64)>;

/// The sums of all instructions.
pub struct Profile {
    /// The sums by the library of the source code, inlined or not.
    pub libraries: Ranking,
    /// The sums by function, without its callees.
    pub alone: Ranking,
    /// The sums by function, with its callees.
    pub with_callees: Ranking,
}

/// The parts that have been read so far.
#[derive(Default)]
struct Reader<'a> {
    files: Names<'a>,
    functions: Names<'a>,
    file: &'a str,
    function: &'a str,
    libraries: HashMap<&'a str, u64>,
    alone: HashMap<&'a str, u64>,
    with_callees: HashMap<&'a str, u64>,
}

/// The names by number. A name is written out once, as `(7) name`, and is `(7)` from then on.
#[derive(Default)]
struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    fn of(&mut self, text: &'a str) -> &'a str {
        match text.split_once(") ") {
            Some((number, name)) => {
                self.0.insert(number, name);
                name
            }
            None => self
                .0
                .get(text.trim_end_matches(')'))
                .copied()
                .unwrap_or(text),
        }
    }
}

impl Profile {
    /// Reads a dump.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(file)?;
        let mut reader = Reader::default();
        let mut calls = false;
        for line in text.lines() {
            calls = reader.line(line, calls);
        }
        Ok(Self {
            libraries: ranked(reader.libraries),
            alone: ranked(reader.alone),
            with_callees: ranked(reader.with_callees),
        })
    }
}

impl<'a> Reader<'a> {
    /// Reads a line. Returns true if the next one has a call's cost.
    fn line(&mut self, line: &'a str, calls: bool) -> bool {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "fl" | "fi" | "fe" => self.file = self.files.of(value),
                "cfi" | "cfl" => drop(self.files.of(value)),
                "fn" => self.function = self.functions.of(value),
                "cfn" => drop(self.functions.of(value)),
                "calls" => return true,
                _ => {}
            }
            return false;
        }
        let cost = line
            .starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            .then(|| line.split_once(' ')?.1.parse::<u64>().ok())
            .flatten();
        if let Some(cost) = cost {
            *self.with_callees.entry(self.function).or_default() += cost;
            if !calls {
                *self.alone.entry(self.function).or_default() += cost;
                *self.libraries.entry(library(self.file)).or_default() += cost;
            }
        }
        false
    }
}

/// Returns the library of a source file.
fn library(file: &str) -> &str {
    let parts: Vec<_> = file.split('/').collect();
    let after = |name: &str, by: usize| {
        let at = parts.iter().position(|part| *part == name)?;
        parts.get(at + by).copied()
    };
    if let Some(registry) = after("registry", 3) {
        return registry;
    }
    match file {
        _ if file.starts_with("/rustc/") => after("library", 1).unwrap_or("std"),
        _ if file.contains("jemalloc") => "jemalloc",
        _ if file.starts_with("./") => "glibc",
        _ if file.contains("/src/") => "gather",
        _ => "other",
    }
}

fn ranked(sums: HashMap<&str, u64>) -> Ranking {
    let mut ranking: Ranking = sums
        .into_iter()
        .map(|(name, sum)| (name.to_owned(), sum))
        .collect();
    ranking.sort_unstable_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
    ranking
}
