//! The places that allocate: reads what dhat writes and sums it by place and by size. It must not know what was run.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    path::Path,
};

use serde::Deserialize;

/// A heap profile as dhat writes it.
#[derive(Deserialize)]
struct Heap {
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// All allocations with one backtrace.
#[derive(Deserialize)]
struct Point {
    /// Bytes.
    tb: u64,
    /// Blocks.
    tbk: u64,
    /// Frames, the innermost first.
    fs: Vec<usize>,
}

/// What one place allocated.
pub struct Site {
    pub allocations: u64,
    pub bytes: u64,
    /// Where memory was asked for, past the standard library and buffers.
    pub place: String,
    /// The nearest line of Gather that led there.
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

    /// Allocations and bytes.
    pub fn total(&self) -> (u64, u64) {
        let add = |(a, b), site: &Site| (a + site.allocations, b + site.bytes);
        self.0.iter().fold((0, 0), add)
    }

    /// Allocations and bytes by size; a place that asks for various sizes counts with its mean.
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

    /// The places with the most allocations.
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

/// A line of a backtrace, `0x1234: function (file:line:column)`; of the file's path dhat leaves the last three parts.
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

    /// Whether it only passes on what another asked for: the standard library, buffers and tables, and what counts.
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
    /// Without the types of what is generic: they fill a screen.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{} ", self.file, self.line)?;
        let mut depth = 0;
        let mut before = ' ';
        for char in self.function.chars() {
            match char {
                '<' => depth += 1,
                // That of `->` closes nothing.
                '>' if before != '-' => depth -= 1,
                _ if depth == 0 => out.write_char(char)?,
                _ => {}
            }
            before = char;
        }
        Ok(())
    }
}
