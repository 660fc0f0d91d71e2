//! `gather check`: whether a configuration is good, and what it comes to.

use std::{io::Write as _, path::PathBuf};

use clap::Args;

use super::{Done, screen};
use crate::config::{self, Bytes, Config, Descriptors, Mistakes};

/// Validates the configuration and prints every mistake with its file and key path; exit status 0 or 1.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    files: Files,
    /// Print the effective configuration as TOML, secrets masked
    #[arg(long)]
    print: bool,
}

/// Which files the configuration is in.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// A configuration file (TOML, YAML or JSON); may be given again, each over the one before [default:
    /// config/gather.toml, else /etc/gather/gather.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Files {
    /// Loads them, or the default ones, and the environment over them.
    pub(super) fn load(&self) -> anyhow::Result<Result<Config, Mistakes>> {
        let files = if self.files.is_empty() {
            config::default_files()?
        } else {
            self.files.clone()
        };
        let environment = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        Ok(config::load(&files, environment))
    }
}

/// A name or value that is not UTF-8 shows as such where it matters, and nowhere else.
fn lossy(text: std::ffi::OsString) -> String {
    text.to_string_lossy().into_owned()
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        match self.files.load()? {
            Ok(config) if self.print => {
                warn(&config)?;
                write!(screen::out(), "{}", config::effective(&config))?;
                Ok(Done::Well)
            }
            Ok(config) => {
                warn(&config)?;
                writeln!(
                    screen::out(),
                    "good: {}, {}, listening on {}",
                    counted(config.upstreams.len(), "upstream"),
                    counted(config.aggregates.len(), "aggregate"),
                    config.server.listen
                )?;
                say_memory(&config)?;
                Ok(Done::Well)
            }
            Err(mistakes) => {
                writeln!(anstream::stderr(), "{mistakes}")?;
                Ok(Done::Badly)
            }
        }
    }
}

/// Says what requests may take at most, beside what there is for them.
fn say_memory(config: &Config) -> std::io::Result<()> {
    let Some(most) = config::most(config) else {
        return Ok(());
    };
    let in_flight = config.server.max_in_flight.get();
    let all = most.bytes.saturating_mul(in_flight as u64);
    writeln!(
        screen::out(),
        "memory: {} for all bodies and answers (server.memory); one request of `{}` takes at most {}, and {in_flight} at a time \
         (server.max_in_flight) {}{}",
        Bytes(config.server.memory),
        most.aggregate,
        Bytes(most.bytes),
        Bytes(all),
        if all > config.server.memory {
            "; should that ever come together, further requests get a 503"
        } else {
            ""
        }
    )
}

/// Tells what is odd and no mistake.
fn warn(config: &Config) -> std::io::Result<()> {
    let descriptors = Descriptors::at_start(config).warning(config);
    let mut told = config.warnings.iter().chain(&descriptors);
    told.try_for_each(|warning| writeln!(anstream::stderr(), "warning: {warning}"))
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
