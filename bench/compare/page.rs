//! Puts the figures into docs/performance.md, between two markers. The prose around them stays. It must not know the
//! figures.

use std::{fs, io};

use super::nginx::repository;

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- figures: written by `just bench` -->";
const END: &str = "<!-- end of figures -->";

/// Writes the figures.
pub fn write(figures: &str) -> io::Result<()> {
    let file = repository(PAGE);
    let text = fs::read_to_string(&file)?;
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(io::Error::other(format!(
            "{PAGE} has not both of {BEGIN} and {END}"
        )));
    };
    fs::write(file, format!("{before}{BEGIN}\n\n{figures}\n{END}{after}"))
}
