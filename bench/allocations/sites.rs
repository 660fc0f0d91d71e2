//! Finds the places that allocate: it reads dhat's output and sums it by place and by size. It must not know what was
//! run.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    path::Path,
};

use serde::Deserialize;

/// A heap profile in dhat's format.
#[derive(Deserialize)]
struct Heap {
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// All allocations with one backtrace.
#[derive(Deserialize)]
struct Point {
    /// The number of bytes.
    tb: u64,
    /// The number of blocks.
    tbk: u64,
    /// The frames, with the innermost first.
    fs: Vec<usize>,
}

/// The allocations of one place.
pub struct Site {
    pub allocations: u64,
    pub bytes: u64,
    /// The place that asked for memory, outside the standard library and buffers.
    pub place: String,
    /// The nearest line of Gather that led to the place.
    pub behalf: String,
}

pub struct Sites(Vec<Site>);

impl Sites {
    /// Reads a heap profile.
    pub fn read(file: &Path) -> Self {
        let heap: Heap = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let sites = heap.pps.iter().map(|point| {
            let frames = point.fs.iter().map(|frame| Frame::of(&heap.ftbl[*frame]));
            let named = |frame: Option<Frame<'_>>| {
                frame.map_or("–".to_owned(), |frame| frame.to_string())
            };
            Site {
                allocations: point.tbk,
                bytes: point.tb,
                place: named(frames.clone().find(|frame| !frame.is_plumbing())),
                behalf: named(frames.clone().find(Frame::is_ours)),
            }
        });
        Self(sites.collect())
    }

    /// Returns the number of allocations and of bytes.
    pub fn total(&self) -> (u64, u64) {
        let add = |(a, b), site: &Site| (a + site.allocations, b + site.bytes);
        self.0.iter().fold((0, 0), add)
    }

    /// Returns allocations and bytes by size. A place that asks for various sizes counts with its mean size.
    pub fn classes(&self) -> Vec<(String, u64, u64)> {
        let mut classes = BTreeMap::new();
        for site in &self.0 {
            let upper = (site.bytes / site.allocations).next_power_of_two().max(16);
            let (allocations, bytes) = classes.entry(upper).or_insert((0, 0));
            *allocations += site.allocations;
            *bytes += site.bytes;
        }
        classes
            .into_iter()
            .map(|(upper, (allocations, bytes))| (format!("up to {upper}"), allocations, bytes))
            .collect()
    }

    /// Returns the places with the most allocations.
    pub fn top(&self, most: usize) -> Vec<Site> {
        let mut places: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for site in &self.0 {
            let (allocations, bytes) = places.entry((&site.place, &site.behalf)).or_default();
            *allocations += site.allocations;
            *bytes += site.bytes;
        }
        let mut sites: Vec<_> = places
            .into_iter()
            .map(|((place, behalf), (allocations, bytes))| Site {
                allocations,
                bytes,
                place: place.to_owned(),
                behalf: behalf.to_owned(),
            })
            .collect();
        sites.sort_by_key(|site| std::cmp::Reverse(site.allocations));
        sites.truncate(most);
        sites
    }
}

/// A line of a backtrace, `0x1234: function (file:line:column)`. dhat keeps only the last three parts of the file's
/// path.
#[derive(Clone, Copy)]
struct Frame<'a> {
    function: &'a str,
    file: &'a str,
    line: &'a str,
}

impl<'a> Frame<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.split_once(": ").map_or(text, |(_, rest)| rest);
        let (function, place) = text.rsplit_once(" (").unwrap_or((text, ""));
        let mut parts = place.trim_end_matches(')').splitn(3, ':');
        Self {
            function,
            file: parts.next().unwrap_or_default(),
            line: parts.next().unwrap_or_default(),
        }
    }

    /// Returns true if the frame only passes on another's request: the standard library, buffers, tables, and the
    /// counter itself.
    fn is_plumbing(&self) -> bool {
        const PLUMBING: [&str; 15] = [
            "src/vec/",
            "src/convert/",
            "alloc/src/",
            "core/src/",
            "std/src/",
            "src/backtrace/",
            "src/raw_vec/",
            "src/boxed/",
            "src/raw/",
            "src/raw.rs",
            "collections/hash/",
            "dhat-",
            "bytes-",
            "hashbrown-",
            "smallvec-",
        ];
        self.line == "0"
            || self.file.ends_with("bench/allocations.rs")
            || PLUMBING.iter().any(|file| self.file.starts_with(file))
    }

    fn is_ours(&self) -> bool {
        self.file.starts_with("src/")
            && Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(self.file)
                .is_file()
    }
}

impl fmt::Display for Frame<'_> {
    /// Writes the frame without the types of generic code, which would fill a screen.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{} ", self.file, self.line)?;
        let mut depth = 0;
        let mut before = ' ';
        for char in self.function.chars() {
            match char {
                '<' => depth += 1,
                // The `>` of `->` closes nothing.
                '>' if before != '-' => depth -= 1,
                _ if depth == 0 => out.write_char(char)?,
                _ => {}
            }
            before = char;
        }
        Ok(())
    }
}
