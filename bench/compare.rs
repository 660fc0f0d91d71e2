//! The comparison of Gather with programs that do the same by hand. Each has one worker and the same upstream, and they
//! are measured in turn. It prints the results beside the goals, and writes them to docs/performance.md, which explains
//! the figures.
//!
//! `cargo bench --locked --bench compare -- --help` shows the options.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints, and ends where it can't go on"
)]
#![allow(unreachable_pub, reason = "its modules are for this program alone")]

#[path = "support/client.rs"]
mod client;
#[path = "compare/clients.rs"]
mod clients;
#[path = "compare/delayed.rs"]
mod delayed;
#[path = "compare/goals.rs"]
mod goals;
#[path = "support/load.rs"]
mod load;
#[path = "compare/machine.rs"]
mod machine;
#[path = "compare/measure.rs"]
mod measure;
#[path = "support/metrics.rs"]
mod metrics;
#[path = "compare/nginx.rs"]
mod nginx;
#[path = "compare/options.rs"]
mod options;
#[path = "compare/page.rs"]
mod page;
#[path = "compare/peers.rs"]
mod peers;
#[path = "compare/process.rs"]
mod process;
#[path = "compare/programs.rs"]
mod programs;
#[path = "compare/results.rs"]
mod results;
#[path = "compare/scenario.rs"]
mod scenario;
#[path = "compare/table.rs"]
mod table;
#[path = "support/times.rs"]
mod times;
#[path = "compare/upstreams.rs"]
mod upstreams;
#[path = "compare/wrk.rs"]
mod wrk;

use std::{env, fmt::Write as _, io, path::Path, process::ExitCode, time::Instant};

use tokio::runtime;

use machine::Cores;
use measure::Bench;
use options::Options;
use peers::Program;
use results::Results;
use scenario::{BASE_NAME, SCENARIOS, Scenario};
use upstreams::Instantly;

/// The argument with which this program starts itself as an upstream.
const UPSTREAM: &str = "--be-the-upstream";

fn main() -> ExitCode {
    let done = if env::args().nth(1).as_deref() == Some(UPSTREAM) {
        delayed::serve()
    } else {
        match Options::parse(env::args().skip(1)) {
            Ok(options) => compare(&options),
            Err(error) => {
                eprintln!("{error}\n\n{}", options::USAGE);
                return ExitCode::from(2);
            }
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> io::Result<()> {
    if options.list {
        for scenario in SCENARIOS {
            println!("{:16} {}", scenario.name, scenario.title);
        }
        return Ok(());
    }
    for (program, package) in [("wrk", "wrk"), ("nginx", "nginx-light")] {
        if peers::version(Path::new(program), "-v").is_none() {
            let error =
                format!("nothing can be measured without {program}: apt-get install {package}");
            return Err(io::Error::other(error));
        }
    }
    let programs = peers::find(options);
    // That is enough for 4,000 clients here. Programs that this one starts inherit it.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let cores = Cores::share();
    let bench = Bench {
        options,
        cores: &cores,
        instantly: &Instantly::start()?,
        runtime: &runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    let results = rounds(&bench, &programs);
    let figures = report(&results, &programs, &bench);
    println!("{figures}");
    if options.page {
        page::write(&figures)?;
    }
    Ok(())
}

/// Measures every scenario with every program in turn, and repeats that each round.
fn rounds(bench: &Bench<'_>, programs: &[Program]) -> Results {
    let options = bench.options;
    let mut results = Results::default();
    let began = Instant::now();
    for round in 1..=options.rounds {
        for scenario in SCENARIOS.iter().filter(|scenario| options.wants(scenario)) {
            eprintln!(
                "{:4} s, round {round}: {}",
                began.elapsed().as_secs(),
                scenario.title
            );
            for program in programs
                .iter()
                .filter(|program| !left_out(options, round, scenario, program))
            {
                match bench.measure(scenario, program) {
                    Ok(figures) => results.add(scenario.name, &program.name, figures),
                    Err(error) => eprintln!("{}, {}: {error}", scenario.name, program.name),
                }
            }
        }
    }
    results
}

/// Returns true if a measurement is left out. The slow programs would take half of the time. They differ by multiples,
/// so one round outside the base case is enough, and a quick run needs none.
fn left_out(options: &Options, round: usize, scenario: &Scenario, program: &Program) -> bool {
    let slow = ["fastify", "fastapi"].contains(&program.name.as_str());
    slow && scenario.name != BASE_NAME && (options.quick || round > 1)
}

/// Returns the machine's data, the goals and all figures.
fn report(results: &Results, programs: &[Program], bench: &Bench<'_>) -> String {
    let mut text = String::new();
    for fact in machine::facts(bench.cores) {
        let _ = writeln!(text, "- {fact}");
    }
    for program in programs {
        let size = program
            .size
            .map(|size| format!(", {:.1} MiB", size as f64 / 1024.0 / 1024.0));
        let _ = writeln!(
            text,
            "- {}: {}{}",
            program.title,
            program.version,
            size.unwrap_or_default()
        );
    }
    let wrk = peers::version(Path::new("wrk"), "-v").unwrap_or_default();
    let wrk = wrk.split(" [").next().unwrap_or_default();
    let nginx = peers::version(Path::new("nginx"), "-v").unwrap_or_default();
    let nginx = nginx.trim_start_matches("nginx version: ");
    let _ = writeln!(text, "- load: {wrk}; upstream: {nginx}");
    let (rounds, seconds) = (bench.options.rounds, bench.options.seconds);
    let _ = writeln!(text, "- medians of {rounds} rounds, {seconds} s each\n");
    let _ = writeln!(text, "{}", goals::table(results));
    text + &table::table(results, programs)
}
