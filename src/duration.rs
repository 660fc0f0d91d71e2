//! Durations as people write them: `150ms`, `2s`, `1m 30s`. It must know no other part.

use std::time::Duration;

/// The longest text, and the longest number in it. `humantime` panics if a sum overflows. The sum of a text this short
/// can't.
const LONGEST_TEXT: usize = 64;
const LONGEST_NUMBER: usize = 10;

/// The longest duration: nothing here waits for longer, and no clock overflows.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads a duration: numbers with units, at most a year. Returns `None` for anything else, also for a bare number.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    // White space doesn't end a number: to `humantime`, `1 0s` is ten seconds.
    let digits = text
        .split(|c: char| !c.is_ascii_digit() && !c.is_whitespace())
        .map(|number| number.chars().filter(char::is_ascii_digit).count())
        .max()
        .unwrap_or(0);
    if text.len() > LONGEST_TEXT || digits > LONGEST_NUMBER || !text.contains(char::is_alphabetic) {
        return None;
    }
    let duration = humantime::parse_duration(text).ok()?;
    (duration <= LONGEST).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_durations() {
        assert_eq!(parse("150ms"), Some(Duration::from_millis(150)));
        assert_eq!(parse("1m 30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
    }

    #[test]
    fn anything_else_is_none_and_never_a_panic() {
        for text in [
            "",
            "0",
            "5",
            "-1s",
            "1e99",
            "abc",
            "s",
            "99999999999999999999s",
            "18446744073709551615s 1000000000ns",
            "9999999999y 9999999999y",
            "1844674407 3709551615s 1000000000ns",
            "366d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
