//! An answer with a shape of its own, which has no results: it is shown with the times that its header fields have. It
//! must not know how it was asked for.

use std::{io, time::Duration};

use http::HeaderName;

use super::{
    indented::indented,
    times::millis,
    waterfall::{self, Style, duration},
};
use crate::fanout::Reply;

/// The fields of an answer that are read.
pub(super) const FIELDS: [HeaderName; 4] = [
    HeaderName::from_static("gather-mode"),
    HeaderName::from_static("gather-outcome"),
    HeaderName::from_static("gather-elapsed"),
    HeaderName::from_static("server-timing"),
];

/// An answer with a shape of its own.
#[derive(Debug)]
pub(super) struct Shaped {
    json: String,
    mode: String,
    outcome: String,
    elapsed: Option<Duration>,
    calls: Vec<Call>,
}

/// The time and the end of a call.
#[derive(Debug, PartialEq)]
struct Call {
    name: String,
    elapsed: Duration,
    end: String,
}

impl Shaped {
    /// Reads a successful answer whose fields say that a gateway has run an aggregate. `None` if it is none.
    pub(super) fn read(json: &str, reply: &Reply) -> Option<Self> {
        let field = |name: &HeaderName| {
            let mut fields = reply.fields().iter();
            let (_, value) = fields.find(|(own, _)| own == name)?;
            value.to_str().ok()
        };
        let [mode, outcome, elapsed, timing] = FIELDS.each_ref().map(field);
        let outcome = outcome.filter(|_| reply.status.is_success())?;
        Some(Self {
            json: json.to_owned(),
            mode: mode.unwrap_or_default().to_owned(),
            outcome: outcome.to_owned(),
            elapsed: elapsed.and_then(|text| text.parse().ok()).map(millis),
            calls: calls(timing.unwrap_or_default()),
        })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.outcome == "complete"
    }

    /// Writes the answer, and a line for each call.
    pub(super) fn draw(&self, out: &mut dyn io::Write, style: Style) -> io::Result<()> {
        draw_value(&self.json, out, style)?;
        let elapsed = self.elapsed.map_or_else(String::new, |elapsed| {
            format!(" in {}", duration(elapsed, style.unicode))
        });
        writeln!(out, "{}: {}{elapsed}", self.mode, self.outcome)?;
        let rows: Vec<_> = (self.calls.iter())
            .map(|call| {
                (
                    waterfall::shown(&call.name, style.unicode),
                    duration(call.elapsed, style.unicode),
                    waterfall::shown(&call.end, style.unicode),
                )
            })
            .collect();
        let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
        let name = widest(&mut rows.iter().map(|(name, ..)| name.chars().count()));
        let time = widest(&mut rows.iter().map(|(_, time, _)| time.chars().count()));
        rows.iter()
            .try_for_each(|(own, took, end)| writeln!(out, "  {own:name$}  {took:>time$}  {end}"))
    }
}

/// Writes the value of an answer and an empty line: indented for a terminal, and as it came for a program.
pub(super) fn draw_value(json: &str, out: &mut dyn io::Write, style: Style) -> io::Result<()> {
    if style.whole_notes {
        return writeln!(out, "{json}\n");
    }
    for line in indented(json, style.width).lines() {
        writeln!(out, "{}", waterfall::shown(line, style.unicode))?;
    }
    writeln!(out)
}

/// Reads `Server-Timing`: `total;dur=2.5, users;dur=1.5;desc="200"`.
fn calls(timing: &str) -> Vec<Call> {
    let entries = timing.split(", ");
    let call = |entry: &str| {
        let (name, rest) = entry.split_once(";dur=")?;
        let (time, end) = rest.split_once(";desc=").unwrap_or((rest, ""));
        Some(Call {
            name: name.to_owned(),
            elapsed: millis(time.parse().ok()?),
            end: end.trim_matches('"').to_owned(),
        })
    };
    let calls = entries.filter_map(call);
    calls.filter(|call| call.name != "total").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_calls_are_read_from_server_timing() {
        let timing = r#"total;dur=2.5, users;dur=1.5;desc="200", _more;desc="950""#;
        let users = Call {
            name: "users".to_owned(),
            elapsed: Duration::from_micros(1500),
            end: "200".to_owned(),
        };
        assert_eq!(calls(timing), [users]);
        assert_eq!(calls(""), []);
    }
}
