//! The table in docs/upstreams.md, between two markers. The prose around it stays. A test writes the table if it is
//! asked to. Otherwise it compares the table with its observations, except for the versions.

use std::fs;

use super::{
    idle::POSTS,
    program::Kind,
    seen::{Call, Framing, Lost, RAISING, REFUSED, Seen},
};
use crate::program::repository;

const PAGE: &str = "docs/upstreams.md";
const BEGIN: &str =
    "<!-- servers: written by `GATHER_TEST_WRITE=1 cargo test --test peers servers` -->";
const END: &str = "<!-- end of servers -->";

/// The first cell of the row that may differ from the page's.
const VERSION: &str = "version";

/// A row's first cell, and the function that makes the cell of a server.
type Row = (String, fn(&Seen) -> String);

fn rows() -> Vec<Row> {
    let row = |name: &str, cell: fn(&Seen) -> String| (name.to_owned(), cell);
    vec![
        row(VERSION, |seen| seen.version.clone()),
        row("JSON", |seen| taken(&seen.json.class, "embedded")),
        row("text", |seen| taken(&seen.text.class, "a string")),
        row("204", |seen| taken(&seen.nothing.class, "`null`")),
        row("POST of 100 KB", |seen| {
            taken(&seen.taken.class, "all arrived")
        }),
        row("stream", |seen| ending(&seen.stream)),
        row("stream, with `framed`", |seen| {
            taken(&seen.stream.framed.class, "`ok`")
        }),
        row("text, handler fails midway", |seen| ending(&seen.broken)),
        row("the same with `framed`", |seen| {
            taken(&seen.broken.framed.class, "`ok`")
        }),
        row("text of a known length, handler fails midway", |seen| {
            ending(&seen.broken_length)
        }),
        row("JSON, handler fails midway", |seen| {
            ending(&seen.broken_json)
        }),
        row(&format!("{POSTS} POSTs around the idle close"), |seen| {
            let note = if seen.closes_each {
                "; closes after each answer"
            } else {
                ""
            };
            lost(&seen.idle) + note
        }),
        row(
            &format!("{RAISING} POSTs, every other handler raises"),
            |seen| lost(&seen.raising),
        ),
        row(
            &format!("{REFUSED} POSTs of 300 KB, refused unread"),
            |seen| {
                let more = seen.refused.len() > seen.refused_by_curl;
                let cell = if more {
                    "more lost than by curl"
                } else {
                    "no more lost than by curl"
                };
                cell.to_owned()
            },
        ),
    ]
}

/// Returns the name of a good answer, or the class of the failure.
fn taken(class: &str, good: &str) -> String {
    match class {
        "ok" => good.to_owned(),
        failure => format!("`{failure}`"),
    }
}

/// Describes the result of an answer, and its end if the class does not tell that.
fn ending(call: &Call) -> String {
    let result = taken(&call.plain.class, "`ok`");
    match (call.wire.whole, call.wire.framing) {
        (true, Framing::Length | Framing::Chunked) => format!("{result}; a clean end"),
        (true, Framing::Close) => format!("{result}; only the close ends it"),
        (false, _) => result,
    }
}

fn lost(posts: &Lost) -> String {
    if posts.is_empty() {
        "none lost"
    } else {
        "some lost"
    }
    .to_owned()
}

/// Writes the table if `GATHER_TEST_WRITE` is set. Otherwise asserts that the table has these observations.
pub(super) fn compare(all: &[Seen]) {
    let file = repository(PAGE);
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("GATHER_TEST_WRITE").is_some() {
        assert_eq!(
            all.len(),
            Kind::ALL.len(),
            "a server is missing, which the table has to have"
        );
        fs::write(
            file,
            format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(all)),
        )
        .unwrap();
        return;
    }
    for seen in all {
        let column = column(written, seen.name);
        for (name, cell) in rows() {
            let told = column.iter().find(|(row, _)| *row == name);
            let told = told.map(|(_, cell)| cell.as_str());
            assert!(
                name == VERSION || told == Some(&cell(seen)),
                "{PAGE} says of {} under {name}: {told:?}; seen was {}. It is written anew as its comment says.",
                seen.name,
                cell(seen)
            );
        }
    }
}

fn table(all: &[Seen]) -> String {
    let line = |first: &str, cells: Vec<String>| format!("| {first} | {} |\n", cells.join(" | "));
    let mut text = line("", all.iter().map(|seen| seen.name.to_owned()).collect());
    text += &line("---", all.iter().map(|_| "---".to_owned()).collect());
    for (name, cell) in rows() {
        text += &line(&name, all.iter().map(cell).collect());
    }
    text
}

/// Returns the rows' names and the cells of one server, as the page has them.
fn column(written: &str, server: &str) -> Vec<(String, String)> {
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_start_matches('|').trim_end_matches('|');
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = written.trim().lines().map(cells);
    let names = lines.next().unwrap_or_default();
    let place = names.iter().position(|name| name == server);
    let place = place.unwrap_or_else(|| panic!("{PAGE} has no column for {server}"));
    lines
        .map(|line| (line[0].clone(), line[place].clone()))
        .collect()
}
