//! Reads an answer's `Keep-Alive` field (RFC 2068, section 19.7.1.1): the time for which its server keeps the
//! connection open. Pure.

use std::time::Duration;

/// The time by which a connection is given up earlier than the server would. A request may be on its way for this long,
/// or wait in a busy server's queue of connections.
const MARGIN: Duration = Duration::from_secs(1);

/// The longest time that makes a difference. Larger numbers mean the same.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The time that a connection may wait for its next request, in milliseconds. It is small, as every head has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Idle(u32);

impl Idle {
    /// The time if the server gives none.
    pub(super) const UNSAID: Self = Self(u32::MAX);

    /// Returns true if the connection takes no other request.
    pub(super) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Returns the time. If the server gives none, it is longer than any connection lives.
    pub(super) const fn time(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }

    fn of(time: Duration) -> Self {
        Self(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
    }
}

/// Reads one line of the field: the server's time less a margin.
#[cold]
pub(super) fn idle(value: &[u8]) -> Idle {
    let mut idle = Idle::UNSAID;
    // Parameters are separated by commas. Some servers use semicolons.
    for parameter in value.split(|byte| b",;".contains(byte)) {
        let mut sides = parameter.splitn(2, |byte| *byte == b'=');
        let name = sides.next().unwrap_or_default().trim_ascii();
        let Some(number) = sides.next().and_then(seconds) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"timeout") {
            idle = idle.min(Idle::of(within(number)));
        } else if name.eq_ignore_ascii_case(b"max") && number.is_zero() {
            return Idle::of(Duration::ZERO);
        }
    }
    idle
}

/// Takes a margin from the server's time, but leaves at least half of it.
fn within(time: Duration) -> Duration {
    time.saturating_sub(MARGIN).max(time / 2)
}

/// Reads whole seconds, quoted or not. Text after the digits, such as a fraction, is ignored. Without digits there is
/// no time.
fn seconds(value: &[u8]) -> Option<Duration> {
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"\"").unwrap_or(value).trim_ascii();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.clone().next()?;
    let number = digits.fold(0_u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_secs(number).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_connection_is_given_up_a_second_before_its_server_closes_it_and_never_before_half_of_its_time()
     {
        for (value, idle_ms) in [
            ("timeout=5", 4_000),
            ("timeout=2", 1_000),
            ("timeout=1", 500),
            ("timeout=3", 2_000),
            ("timeout=75", 74_000),
        ] {
            assert_eq!(idle(value.as_bytes()).time(), ms(idle_ms), "{value}");
        }
    }

    #[test]
    fn the_time_is_found_however_it_is_written() {
        for value in [
            "Timeout=5",
            "TIMEOUT = 5",
            "max=100, timeout=5",
            "timeout=5,max=100",
            "timeout=5; max=100",
            "timeout=\"5\"",
            "timeout=005",
            "timeout=5.9",
            "  timeout=5  ",
            "timeout=9, timeout=5",
            "x=\"y\", , timeout=5, z",
        ] {
            assert_eq!(idle(value.as_bytes()).time(), ms(4_000), "{value}");
        }
    }

    #[test]
    fn a_connection_that_takes_no_other_request_is_not_kept() {
        for value in ["timeout=0", "max=0", "timeout=5, max=0", "timeout=\"0\""] {
            assert!(idle(value.as_bytes()).is_none(), "{value}");
        }
    }

    #[test]
    fn what_is_no_time_says_nothing_and_the_longest_is_a_day() {
        for value in [
            "",
            ",",
            "=",
            "timeout",
            "timeout=",
            "timeout=-1",
            "timeout=soon",
            "timeout=\"",
            "max=5",
            "15",
            "xtimeout=1",
            "max=",
            "max=-0",
        ] {
            assert_eq!(idle(value.as_bytes()), Idle::UNSAID, "{value}");
        }
        let endless = idle(b"timeout=99999999999999999999999999");
        assert_eq!(endless.time(), LONGEST - MARGIN);
        assert_eq!(idle(b"timeout=\xff\x00"), Idle::UNSAID);
    }
}
