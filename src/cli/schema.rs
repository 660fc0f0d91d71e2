//! `gather schema`: the configuration file's JSON Schema.

use std::io::Write as _;

use clap::Args;

use super::{Done, screen};
use crate::config;

/// Prints the JSON Schema of the configuration file, for editors.
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let text = serde_json::to_string_pretty(&config::schema())?;
        writeln!(screen::out(), "{text}")?;
        Ok(Done::Well)
    }
}
