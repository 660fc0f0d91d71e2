//! `gather completions`: what a shell needs to complete our command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Done};

/// Prints a shell's completions.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "gather", &mut text);
        std::io::Write::write_all(&mut std::io::stdout(), &text)?;
        Ok(Done::Well)
    }
}
