//! The table of all figures, with each program's ratio to Gather. It must not know how anything was measured.

use std::fmt::Write as _;

use super::{peers::Program, results::Results, scenario::SCENARIOS};

/// Writes a number with three significant digits, and no more than a person reads.
pub fn rounded(number: f64) -> String {
    match number.abs() {
        large if large >= 1e3 => {
            let step = if large >= 1e4 { 100.0 } else { 1.0 };
            let whole = ((number / step).round() * step) as i64;
            format!("{},{:03}", whole / 1000, whole.abs() % 1000)
        }
        whole if whole >= 100.0 => format!("{number:.0}"),
        tens if tens >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// Returns the table, with a row for each figure of each scenario and a column for each program.
pub fn table(results: &Results, programs: &[Program]) -> String {
    let mut text = String::from("| scenario | figure |");
    for program in programs {
        let _ = write!(text, " {} |", program.title);
    }
    let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(programs.len()));
    for scenario in SCENARIOS {
        for (row, figure) in results.figures(scenario.name).into_iter().enumerate() {
            let title = if row == 0 { scenario.title } else { "" };
            let _ = write!(text, "| {title} | {} |", figure.title());
            let of = |program: &str| results.median(scenario.name, program, figure);
            let gather = of("gather").filter(|_| figure.compares());
            for program in programs {
                let cell = match (of(&program.name), gather) {
                    (None, _) => "–".to_owned(),
                    (Some(number), Some(gather)) if program.name != "gather" => {
                        format!("{} ({:.2})", rounded(number), number / gather)
                    }
                    (Some(number), _) => rounded(number),
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
    }
    text
}
