//! Instructions per aggregate of the built gateway, counted by callgrind. Counts don't vary as times do. It fails if a
//! count is more than 5 % above the figure in `bench/instructions.toml`.
//!
//! `just instructions` (`cargo test --bench instructions`) runs it. It counts the user's side of all threads of `gather
//! serve` with one worker, while that answers one request after another on one connection. The kernel's side is not
//! counted. The client and the upstreams are in this process, which valgrind does not watch. docs/performance.md says
//! more.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints, and ends where it can't go on"
)]
#![allow(unreachable_pub, reason = "its modules are for this program alone")]

#[path = "instructions/gateway.rs"]
mod gateway;
#[path = "instructions/profile.rs"]
mod profile;
#[path = "instructions/program.rs"]
mod program;
#[path = "instructions/scenario.rs"]
mod scenario;
#[path = "instructions/script.rs"]
mod script;
#[path = "instructions/stored.rs"]
mod stored;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use gateway::Gateway;
use profile::Profile;
use program::Build;
use scenario::{SCENARIOS, Scenario};
use script::{Gateway as _, Script};
use stored::{Stored, change, grouped, store};

/// The number of counts for each scenario. Their median is the scenario's figure.
const COUNTS: usize = 5;

/// The number of functions in a profile.
const TOP: usize = 50;

/// Counts the gateway's instructions per aggregate and compares them with those stored.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stores the counts in bench/instructions.toml.
    #[arg(long)]
    store: bool,
    /// Prints the functions that the instructions belong to, and compares nothing.
    #[arg(long)]
    profile: bool,
    /// Counts this program instead of the one that it builds.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// The flag that cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
    /// Only these: calls_1, calls_3, calls_10, calls_100, calls_3_of_4kib.
    scenarios: Vec<String>,
}

/// The result of one scenario.
struct Counted {
    scenario: &'static Scenario,
    /// The median of the instructions per aggregate.
    count: u64,
    /// The difference of the largest and the smallest count, as a share of the median.
    spread: f64,
    profile: Profile,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let with = program::circumstances()?;
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| {
            arguments.scenarios.is_empty()
                || arguments.scenarios.iter().any(|name| name == scenario.name)
        })
        .collect();
    anyhow::ensure!(!chosen.is_empty(), "there is no such scenario");
    let program = match (arguments.binary, arguments.profile) {
        (Some(file), _) => file,
        (None, false) => program::build(Build::Release)?,
        (None, true) => program::build(Build::Profiling)?,
    };
    let counted = chosen
        .into_iter()
        .map(|scenario| count(scenario, &program))
        .collect::<Result<Vec<_>, _>>()?;

    let stored = Stored::read()?;
    table(&counted, &stored);
    if arguments.profile {
        counted.iter().for_each(show);
        return Ok(ExitCode::SUCCESS);
    }
    let counts: Vec<_> = counted
        .iter()
        .map(|counted| (counted.scenario.name, counted.count))
        .collect();
    if arguments.store {
        store(&counts, &with)?;
        println!("\nStored in bench/instructions.toml.");
        return Ok(ExitCode::SUCCESS);
    }
    let verdicts: Vec<_> = counts
        .iter()
        .map(|(name, count)| stored.judge(name, *count))
        .collect();
    match stored.advise(&verdicts, &with) {
        Ok(advice) => {
            println!("\n{advice}");
            Ok(ExitCode::SUCCESS)
        }
        Err(advice) => {
            eprintln!("\n{advice}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Counts one scenario in a gateway of its own.
fn count(scenario: &'static Scenario, program: &Path) -> anyhow::Result<Counted> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut gateway = Gateway::start(program, &scenario.configuration(listener.local_addr()?))?;
    let mut script = Script::begin(&gateway, &listener, scenario)?;
    script.play(&gateway, scenario.aggregates)?;
    let stop = cost_of_a_stop(&mut gateway, scenario.aggregates)?;

    gateway.zero()?;
    let mut counts = Vec::new();
    let mut dump = PathBuf::new();
    for _ in 0..COUNTS {
        script.play(&gateway, scenario.aggregates)?;
        let (count, file) = gateway.count()?;
        counts.push(count / u64::from(scenario.aggregates) - stop);
        dump = file;
    }
    counts.sort_unstable();
    let count = counts[COUNTS / 2];
    Ok(Counted {
        scenario,
        count,
        spread: (counts[COUNTS - 1] - counts[0]) as f64 / count as f64,
        profile: Profile::read(&dump)?,
    })
}

/// Counts the cost of a stop while the gateway waits. It is no part of an aggregate.
fn cost_of_a_stop(gateway: &mut Gateway, times: u32) -> anyhow::Result<u64> {
    gateway.zero()?;
    for _ in 0..times {
        gateway.at_once(|| Ok(()))?;
    }
    Ok(gateway.count()?.0 / u64::from(times))
}

fn table(counted: &[Counted], stored: &Stored) {
    println!(
        "| scenario | instructions per aggregate | spread | per further call | stored | change |"
    );
    println!("|---|---|---|---|---|---|");
    let mut before: Option<&Counted> = None;
    for row in counted {
        let Scenario {
            name, calls, body, ..
        } = row.scenario;
        let further =
            before.filter(|before| before.scenario.calls < *calls && before.scenario.body == *body);
        let further = further.map(|before| {
            let calls = (calls - before.scenario.calls) as u64;
            grouped(row.count.saturating_sub(before.count) / calls, ',')
        });
        before = Some(row);
        let figure = stored.of(name);
        println!(
            "| {name}: {calls} × {body} B | {} | {:.1} % | {} | {} | {} |",
            grouped(row.count, ','),
            row.spread * 100.0,
            further.as_deref().unwrap_or("–"),
            figure.map_or("–".to_owned(), |figure| grouped(figure, ',')),
            figure.map_or("–".to_owned(), |figure| {
                format!("{:+.1} %", change(figure, row.count) * 100.0)
            }),
        );
    }
}

/// Prints the profile of a scenario's instructions.
fn show(counted: &Counted) {
    let Counted {
        scenario, profile, ..
    } = counted;
    let total: u64 = profile.alone.iter().map(|(_, sum)| sum).sum();
    for (title, ranking) in [
        (
            "by the library that the code comes from, inlined or not",
            &profile.libraries,
        ),
        ("by function, alone", &profile.alone),
        ("by function, with what it calls", &profile.with_callees),
    ] {
        println!("\n{}, instructions per aggregate {title}:\n", scenario.name);
        for (name, sum) in ranking.iter().take(TOP) {
            println!(
                "{:>12} {:>5.1} %  {name}",
                grouped(sum / u64::from(scenario.aggregates), ','),
                *sum as f64 / total as f64 * 100.0
            );
        }
    }
}
