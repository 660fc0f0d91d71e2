//! `gather completions`: prints a script that completes our command line in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Done};

/// The place where each shell looks for them.
const PLACES: &str = "\
Where they go, for one user:
  bash        gather completions bash > ~/.local/share/bash-completion/completions/gather
  zsh         gather completions zsh > ~/.zfunc/_gather
              with `fpath+=~/.zfunc` before `autoload -U compinit; compinit` in ~/.zshrc
  fish        gather completions fish > ~/.config/fish/completions/gather.fish
  elvish      gather completions elvish >> ~/.config/elvish/rc.elv
  powershell  gather completions powershell >> $PROFILE
The folder must be there (`mkdir -p`). A new shell has them.";

/// Prints a shell's completions.
#[derive(Debug, Args)]
#[command(after_help = PLACES)]
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
