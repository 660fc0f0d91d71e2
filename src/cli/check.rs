//! `gather check`: validates a configuration, prints the effective settings, and draws plans.

use std::{io::Write as _, path::PathBuf};

use clap::Args;

use super::{Done, explain, screen};
use crate::config::{self, Bytes, Config, Mistake, Mistakes, Surroundings};

/// Validates the configuration and prints every mistake with its file and key path; exit status 0 or 1.
///
/// A warning names a setting that is valid and probably not what you mean. It changes the exit status only with
/// --strict.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    files: Files,
    /// Print the effective configuration as TOML, secrets masked
    #[arg(long)]
    print: bool,
    /// Draw the plan of the aggregate NAME, or of all: what waits for what, what goes upstream from where, and the
    /// answer; secrets masked
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with = "print")]
    explain: Option<Option<String>>,
    /// Exit with status 1 if there is a warning
    #[arg(long)]
    strict: bool,
    /// Leave out warnings that depend on this machine: container, limits, variables
    #[arg(long)]
    elsewhere: bool,
}

/// The files of the configuration.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// A configuration file (TOML, YAML or JSON). Given again, a later file overrides an earlier one [default: the
    /// first that exists of gather.toml, config/gather.toml and /etc/gather/gather.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Files {
    /// Loads the files, or the default file, and lays the environment over them. Without `surroundings`, the warnings
    /// that depend on them are left out.
    pub(super) fn load(
        &self,
        surroundings: Option<&Surroundings>,
    ) -> anyhow::Result<Result<Config, Mistakes>> {
        let (files, passed_over) = if self.files.is_empty() {
            let (file, passed_over) = config::default_files()?;
            (vec![file], passed_over)
        } else {
            (self.files.clone(), Vec::new())
        };
        let environment = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        let mut loaded = config::load(&files, environment, surroundings);
        match &mut loaded {
            Ok(config) => config.warnings.extend(passed_over),
            Err(mistakes) => mistakes.warnings.extend(passed_over),
        }
        Ok(loaded)
    }
}

/// Replaces bytes that are not UTF-8. The checks report such a name or value only if it matters.
fn lossy(text: std::ffi::OsString) -> String {
    text.to_string_lossy().into_owned()
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let here = Surroundings::of_this_process();
        let config = match self.files.load(Some(&here).filter(|_| !self.elsewhere))? {
            Ok(config) => config,
            Err(mistakes) => return refuse(&mistakes),
        };
        warn(&config.warnings)?;
        if self.print {
            write!(screen::out(), "{}", config::effective(&config))?;
        } else if let Some(name) = &self.explain {
            explain::explain(&config, name.as_deref(), &mut screen::out())?;
        } else {
            writeln!(
                screen::out(),
                "good: {}: {}, {}, listening on {}",
                config.files.join(", "),
                counted(config.services.upstreams.len(), "upstream"),
                counted(config.services.aggregates.len(), "aggregate"),
                config.process.server.listen
            )?;
            say_memory(&config)?;
        }
        Ok(match self.strict && !config.warnings.is_empty() {
            true => Done::Badly,
            false => Done::Well,
        })
    }
}

/// Prints the warnings, which may name the reason, and then all mistakes.
pub(super) fn refuse(mistakes: &Mistakes) -> anyhow::Result<Done> {
    warn(&mistakes.warnings)?;
    writeln!(anstream::stderr(), "{mistakes}")?;
    Ok(Done::Badly)
}

/// Prints the most memory that requests may take, beside the memory that the configuration allows.
fn say_memory(config: &Config) -> std::io::Result<()> {
    let Some(most) = config::most(&config.services) else {
        return Ok(());
    };
    let in_flight = config.process.server.max_in_flight.get();
    let all = most.bytes.saturating_mul(in_flight as u64);
    writeln!(
        screen::out(),
        "memory: {} for all bodies and answers (server.memory); one request of `{}` takes at most {}, and {in_flight} at a time \
         (server.max_in_flight) {}{}",
        Bytes(config.process.server.memory),
        most.aggregate,
        Bytes(most.bytes),
        Bytes(all),
        if all > config.process.server.memory {
            "; should that ever come together, further requests get a 503"
        } else {
            ""
        }
    )
}

/// Prints the warnings.
fn warn(warnings: &[Mistake]) -> std::io::Result<()> {
    let mut told = warnings.iter();
    told.try_for_each(|warning| writeln!(anstream::stderr(), "warning: {warning}"))
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
