//! Times as text: milliseconds in answers, and the `Server-Timing` field (W3C Server Timing) that browsers draw. It
//! knows outcomes, but not how they are sent.

use std::{fmt, io::Write as _, time::Duration};

use crate::fanout::Outcome;

/// A duration in milliseconds with three decimals, as the JSON answer and the `Gather-*` fields show it.
#[derive(Debug, Clone, Copy)]
pub struct Millis(pub Duration);

impl Millis {
    /// Returns the milliseconds as a number, for a log whose readers calculate with it.
    #[must_use]
    pub fn number(self) -> f64 {
        // The number is exact to the microsecond for more than two hundred years.
        self.0.as_micros() as f64 / 1000.0
    }
}

impl Millis {
    /// Returns the milliseconds as text.
    #[must_use]
    pub fn text(self) -> Decimal {
        Decimal::new(micros(self.0), 3)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// Returns whole microseconds in 64 bits. Nobody waits so long that 128 bits are needed.
const fn micros(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000);
    seconds.saturating_add(duration.subsec_micros() as u64)
}

/// A number as text. It is written by hand: an answer has a dozen numbers, and `write!` takes four times the
/// instructions.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    digits: [u8; 24],
    from: usize,
}

impl Decimal {
    /// Makes a number from `value`, which counts units of the last decimal place. With no `places` it is a whole
    /// number.
    #[must_use]
    pub fn new(mut value: u64, places: usize) -> Self {
        let mut digits = [b'0'; 24];
        let mut from = digits.len();
        let mut written = 0;
        while value > 0 || written <= places {
            if written == places && places > 0 {
                from -= 1;
                digits[from] = b'.';
            }
            from -= 1;
            digits[from] = b'0' + (value % 10) as u8;
            value /= 10;
            written += 1;
        }
        Self { digits, from }
    }

    /// Returns the digits and the point.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.from..]
    }

    /// Returns the digits and the point as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Returns a duration in milliseconds with one decimal, as `Server-Timing` shows it.
fn tenths(duration: Duration) -> Decimal {
    Decimal::new(micros(duration).saturating_add(50) / 100, 1)
}

/// Returns the field for one outcome: the total, then each call in plan order with its status or its failure. It has at
/// most `most` bytes, which must not be below 512. Calls that are left out are counted at its end.
#[must_use]
pub fn server_timing(total: Duration, outcome: &Outcome, most: usize) -> String {
    let mut text = with_total(total, outcome.results.len(), most);
    push_calls(&mut text, "", outcome, most);
    checked(text)
}

/// Returns the field for two outcomes of one request: the total, each run, and each run's calls by `mode.name`. Each
/// run has half of the room for calls.
#[must_use]
pub fn server_timing_of_both(total: Duration, runs: [&Outcome; 2], most: usize) -> String {
    let mut text = with_total(total, runs[0].results.len() * 2, most);
    for run in runs {
        // Writing to memory can't fail.
        let _ = write!(text, ", {};dur={}", run.mode, tenths(run.elapsed).as_str());
    }
    let half = usize::midpoint(text.len(), most);
    for (run, most) in runs.into_iter().zip([half, most]) {
        push_calls(&mut text, run.mode.as_str(), run, most);
    }
    checked(text)
}

/// Returns a text whose parts are bytes until it is whole: one check of all is cheaper than one of each number.
fn checked(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_default()
}

fn with_total(total: Duration, calls: usize, most: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity((24 + 40 * calls).min(most));
    text.extend_from_slice(b"total;dur=");
    text.extend_from_slice(tenths(total).as_bytes());
    text
}

/// The most bytes of an entry, without its name and prefix.
const ENTRY: usize = ", ._;dur=1844674407370955161.5;desc=\"circuit_open\"".len();

/// The most bytes of the mark for entries that are left out, without its prefix.
const MARK: usize = ", ._more;desc=\"1000\"".len();

/// Appends the calls. Names are `[a-z][a-z0-9_]*`, and descriptions are statuses or failure classes. So quotation marks
/// around the descriptions are enough, and nothing needs escaping.
fn push_calls(text: &mut Vec<u8>, prefix: &str, outcome: &Outcome, most: usize) {
    let dot = if prefix.is_empty() { "" } else { "." };
    for (index, call) in outcome.results.iter().enumerate() {
        if text.len() + call.name.len() + 2 * prefix.len() + ENTRY + MARK > most {
            // No call has a name that begins with an underscore.
            let left = outcome.results.len() - index;
            let _ = write!(text, ", {prefix}{dot}_more;desc=\"{left}\"");
            return;
        }
        let elapsed = tenths(call.elapsed);
        // Browsers look a metric up by its name, and the whole already has this name.
        let mark = if dot.is_empty() && &*call.name == "total" {
            "_"
        } else {
            ""
        };
        let settled = match &call.result {
            Ok(reply) => reply.status.as_str(),
            Err(failure) => failure.kind.as_str(),
        };
        for part in [
            b", ",
            prefix.as_bytes(),
            dot.as_bytes(),
            mark.as_bytes(),
            call.name.as_bytes(),
            b";dur=",
            elapsed.as_bytes(),
            b";desc=\"",
            settled.as_bytes(),
            b"\"",
        ] {
            text.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::fanout::{Body, CallResult, Failure, FailureKind, Mode, Reply, Verdict};

    /// Room enough for most tests.
    const ROOM: usize = 3000;

    fn outcome(mode: Mode) -> Outcome {
        let call = |name, micros, result| {
            CallResult::new(name, Duration::ZERO, Duration::from_micros(micros), result)
        };
        let reply = Reply::new(StatusCode::OK, Body::Empty);
        Outcome {
            mode,
            verdict: Verdict::Partial,
            elapsed: Duration::from_micros(2_001_913),
            results: vec![
                call("ping_1", 2_001_402, Ok(reply)),
                call("ping_2", 912, Err(Failure::new(FailureKind::Status, "x"))),
            ],
            positions: None,
        }
    }

    #[test]
    fn a_decimal_has_its_places_and_at_least_one_digit_before_them() {
        for (value, places, text) in [
            (0, 0, "0"),
            (0, 3, "0.000"),
            (7, 1, "0.7"),
            (41, 3, "0.041"),
            (1000, 3, "1.000"),
            (10, 0, "10"),
            (u64::MAX, 0, "18446744073709551615"),
            (u64::MAX, 3, "18446744073709551.615"),
        ] {
            assert_eq!(Decimal::new(value, places).as_str(), text);
        }
        assert_eq!(Millis(Duration::MAX).to_string(), "18446744073709551.615");
    }

    #[test]
    fn milliseconds_have_three_decimals_and_no_rounding_up() {
        assert_eq!(
            Millis(Duration::from_nanos(2_001_913_999)).to_string(),
            "2001.913"
        );
        assert_eq!(Millis(Duration::from_micros(41)).to_string(), "0.041");
    }

    #[test]
    fn every_call_stands_in_the_field_with_its_status_or_failure() {
        let text = server_timing(
            Duration::from_micros(2_001_913),
            &outcome(Mode::Concurrent),
            ROOM,
        );
        assert_eq!(
            text,
            "total;dur=2001.9, ping_1;dur=2001.4;desc=\"200\", ping_2;dur=0.9;desc=\"status\""
        );
    }

    #[test]
    fn a_field_that_would_be_too_long_says_how_many_calls_it_leaves_out() {
        let mut outcome = outcome(Mode::Concurrent);
        outcome.results = vec![outcome.results[0].clone(); 1000];
        for most in [512, 2999, ROOM] {
            let text = server_timing(Duration::ZERO, &outcome, most);
            assert!(text.len() <= most, "{}", text.len());
            // Another entry would not have fitted.
            assert!(text.len() > most - 80, "{}", text.len());
            assert_eq!(shown_and_left(&text, ""), 1000, "{text}");
        }
    }

    /// Counts the calls with that prefix, including those that are left out.
    fn shown_and_left(text: &str, prefix: &str) -> usize {
        let shown = text.matches(&format!(" {prefix}ping_1;")).count();
        let mark = format!(" {prefix}_more;desc=\"");
        let (_, left) = text.split_once(&mark).unwrap();
        let left: usize = left.split('"').next().unwrap().parse().unwrap();
        shown + left
    }

    #[test]
    fn both_runs_have_as_much_room_for_their_calls() {
        let outcomes = [Mode::Sequential, Mode::Concurrent].map(|mode| {
            let mut outcome = outcome(mode);
            outcome.results = vec![outcome.results[0].clone(); 1000];
            outcome
        });
        let text = server_timing_of_both(Duration::ZERO, [&outcomes[0], &outcomes[1]], ROOM);
        assert!(text.len() <= ROOM, "{}", text.len());
        for prefix in ["sequential.", "concurrent."] {
            assert_eq!(shown_and_left(&text, prefix), 1000, "{text}");
        }
        let shown = |prefix: &str| text.matches(&format!(" {prefix}ping_1;")).count();
        assert!(
            shown("sequential.").abs_diff(shown("concurrent.")) <= 1,
            "{text}"
        );
    }

    #[test]
    fn the_longest_entries_and_their_marks_fit() {
        for kind in FailureKind::ALL {
            let mut outcome = outcome(Mode::Sequential);
            let mut call = outcome.results[1].clone();
            call.name = "a".repeat(64).into();
            call.elapsed = Duration::MAX;
            call.result = Err(Failure::new(kind, "x"));
            outcome.results = vec![call; 1000];
            for most in 512..1024 {
                let one = server_timing(Duration::MAX, &outcome, most);
                let both = server_timing_of_both(Duration::MAX, [&outcome, &outcome], most);
                assert!(one.len() <= most && both.len() <= most, "{kind}: {both}");
            }
        }
    }

    #[test]
    fn a_call_that_is_named_total_does_not_stand_for_the_whole() {
        let mut outcome = outcome(Mode::Concurrent);
        outcome.results[0].name = "total".into();
        let text = server_timing(Duration::ZERO, &outcome, ROOM);
        assert!(
            text.starts_with("total;dur=0.0, _total;dur=2001.4;"),
            "{text}"
        );
        let text = server_timing_of_both(Duration::ZERO, [&outcome, &outcome], ROOM);
        assert!(text.contains(", concurrent.total;dur=2001.4;"), "{text}");
    }

    #[test]
    fn two_runs_stand_apart_by_their_mode() {
        let runs = [&outcome(Mode::Sequential), &outcome(Mode::Concurrent)];
        let text = server_timing_of_both(Duration::from_millis(4_004), runs, ROOM);
        assert!(text.starts_with(
            "total;dur=4004.0, sequential;dur=2001.9, concurrent;dur=2001.9, sequential.ping_1;dur=2001.4;desc=\"200\""
        ));
        assert!(text.ends_with("concurrent.ping_2;dur=0.9;desc=\"status\""));
    }
}
