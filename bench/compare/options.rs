//! The command line of the comparison. It must not know how anything is measured.

use std::{path::PathBuf, time::Duration};

use super::scenario::{SCENARIOS, Scenario};

/// The text for a wrong command line.
pub const USAGE: &str = "\
cargo bench --locked --bench compare -- [OPTION]…

  --quick               one short round, Fastify and FastAPI only in the base case; three minutes at most
  --only SCENARIO       only this one; may be given several times
  --programs NAME,…     only these, for example gather,hyper
  --beside PATH         another build of Gather as a further column; may be given several times
  --gather PATH         this build of Gather instead of the one that cargo has just built
  --rounds N            rounds, of which the median is taken (3)
  --seconds N           how long each load goes on (2)
  --list                the scenarios
  --no-page             does not write docs/performance.md; a run that leaves anything out never does
";

/// The work to do.
pub struct Options {
    pub quick: bool,
    pub only: Vec<String>,
    pub programs: Vec<String>,
    pub beside: Vec<PathBuf>,
    pub gather: PathBuf,
    pub rounds: usize,
    pub seconds: u64,
    pub list: bool,
    pub page: bool,
}

impl Options {
    /// Reads the arguments. The error names the wrong argument.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            quick: false,
            only: Vec::new(),
            programs: Vec::new(),
            beside: Vec::new(),
            gather: env!("CARGO_BIN_EXE_gather").into(),
            rounds: 0,
            seconds: 0,
            list: false,
            page: true,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                // cargo passes this to every bench.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--help" => return Err("The options:".to_owned()),
                "--list" => options.list = true,
                "--no-page" => options.page = false,
                "--only" => options.only.push(scenario(value()?)?),
                "--programs" => options
                    .programs
                    .extend(value()?.split(',').map(str::to_owned)),
                "--beside" => options.beside.push(value()?.into()),
                "--gather" => options.gather = value()?.into(),
                "--rounds" => options.rounds = number(&value()?)?,
                "--seconds" => options.seconds = number(&value()?)? as u64,
                other => return Err(format!("{other} is no option")),
            }
        }
        let whole = options.only.is_empty() && options.programs.is_empty();
        options.page &= whole && !options.quick && options.beside.is_empty();
        if options.rounds == 0 {
            options.rounds = if options.quick { 1 } else { 3 };
        }
        if options.seconds == 0 {
            options.seconds = if options.quick { 1 } else { 2 };
        }
        Ok(options)
    }

    /// Returns true if this scenario is to be measured.
    pub fn wants(&self, scenario: &Scenario) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == scenario.name)
    }

    /// Returns true if this program is to be measured.
    pub fn wants_program(&self, name: &str) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|wanted| wanted == name)
    }

    /// Returns the time for which a program is warmed up.
    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 800 })
    }
}

fn scenario(name: String) -> Result<String, String> {
    if SCENARIOS.iter().any(|scenario| scenario.name == name) {
        Ok(name)
    } else {
        Err(format!("no scenario is named {name}; --list shows them"))
    }
}

fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text} is no number from 1")),
    }
}
