//! The goals, and whether they are met. It must not know how anything was measured.

use std::fmt::Write as _;

use super::{
    results::{Figure, Results},
    scenario::BASE_NAME,
    table::rounded,
};

/// The value that a figure of Gather is compared with.
enum Against {
    /// The same figure of another program, times a factor.
    Program(&'static str, &'static str, f64),
    /// A number.
    Number(f64),
}

struct Goal {
    title: &'static str,
    scenario: &'static str,
    figure: Figure,
    /// The divisor, for figures of one call.
    divided: f64,
    against: Against,
}

const fn cpu(peer: &'static str, title: &'static str, times: f64) -> Goal {
    Goal {
        title: "CPU µs an aggregate of 3",
        scenario: BASE_NAME,
        figure: Figure::Cpu,
        divided: 1.0,
        against: Against::Program(peer, title, times),
    }
}

const GOALS: &[Goal] = &[
    cpu("actix", "actix-web + awc", 1.0),
    cpu("nginx-lua", "nginx + Lua", 1.0),
    cpu("fastify", "Fastify", 0.25),
    cpu("fastapi", "FastAPI", 0.08),
    Goal {
        title: "CPU µs a call at 100 calls",
        scenario: "calls-100",
        figure: Figure::Cpu,
        divided: 100.0,
        against: Against::Program("hyper", "hyper", 1.0),
    },
    Goal {
        title: "p50 µs added at 1 connection over the direct call",
        scenario: "added",
        figure: Figure::Added,
        divided: 1.0,
        against: Against::Program("hyper", "hyper", 1.0),
    },
    Goal {
        title: "KiB of RSS an aggregate of 3 in flight",
        scenario: "in-flight",
        figure: Figure::Memory,
        divided: 1.0,
        against: Against::Number(33.0),
    },
    Goal {
        title: "ms of three 2 s calls over the slowest, p99",
        scenario: "over-slowest",
        figure: Figure::OverP99,
        divided: 1.0,
        against: Against::Number(1.0),
    },
    Goal {
        title: "ms from start to ready",
        scenario: "start",
        figure: Figure::Start,
        divided: 1.0,
        against: Against::Number(20.0),
    },
];

/// Returns a table with a row for each goal that was measured.
pub fn table(results: &Results) -> String {
    let mut text =
        String::from("| figure | Gather | at most | ratio to that | |\n|---|---|---|---|---|\n");
    for goal in GOALS {
        let of =
            |program| Some(results.median(goal.scenario, program, goal.figure)? / goal.divided);
        let Some(gather) = of("gather") else { continue };
        let (most, said) = match goal.against {
            Against::Number(number) => (number, rounded(number)),
            Against::Program(program, title, times) => {
                let Some(other) = of(program) else { continue };
                (
                    other * times,
                    format!("{times:.2} × {title}: {}", rounded(other * times)),
                )
            }
        };
        let ratio = gather / most;
        let verdict = if ratio <= 1.0 { "met" } else { "**not met**" };
        let _ = writeln!(
            text,
            "| {} | {} | {said} | {ratio:.2} | {verdict} |",
            goal.title,
            rounded(gather)
        );
    }
    text
}
