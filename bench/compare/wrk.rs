//! Closed loops by wrk: its command line and its report. It must not know who answers.

use std::{io, process::Command};

/// wrk's report.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Report {
    pub requests: f64,
    /// The length of the run.
    pub seconds: f64,
    /// The median latency, in microseconds. The next one is in microseconds too.
    pub p50: f64,
    pub p99: f64,
    /// Answers outside 2xx and 3xx, and connections that failed.
    pub failures: f64,
}

/// Sends request after request for this many seconds, on each of this many connections, or on a new one each time.
pub fn run(url: &str, connections: usize, seconds: u64, close: bool) -> io::Result<Report> {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--latency", "--timeout", "30s"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")]);
    if close {
        command.args(["--header", "Connection: close"]);
    }
    let output = command.arg(url).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        io::Error::other(format!("wrk said: {text}{error}"))
    })
}

fn parse(text: &str) -> Option<Report> {
    let mut report = Report::default();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["50%", time] => report.p50 = microseconds(time)?,
            ["99%", time] => report.p99 = microseconds(time)?,
            [requests, "requests", "in", time, ..] => {
                report.requests = requests.parse().ok()?;
                report.seconds = microseconds(time.trim_end_matches(','))? / 1e6;
            }
            ["Socket", "errors:", ..] => {
                let counts = words.iter().map(|word| word.trim_end_matches(','));
                report.failures += counts
                    .filter_map(|word| word.parse::<f64>().ok())
                    .sum::<f64>();
            }
            ["Non-2xx", .., count] => report.failures += count.parse::<f64>().ok()?,
            _ => {}
        }
    }
    (report.seconds > 0.0).then_some(report)
}

/// Reads a time in wrk's form: `812.00us`, `1.05ms`, `2.10s`, `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(char::is_alphabetic);
    let scale = match &text[number.len()..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}
