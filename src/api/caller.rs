//! The time for which a caller will wait, read from header fields that the configuration names. Proxies send it as
//! whole milliseconds: Envoy's `x-envoy-expected-rq-timeout-ms` is the time that Envoy itself has left. It must not
//! know what the time is for.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName};

/// Returns the shortest of `wait` and the times in these fields, over all their lines. A value that is not a number of
/// milliseconds is left out and passed to `ignored`.
#[cold]
pub(super) fn shortest(
    wait: Option<Duration>,
    headers: &HeaderMap,
    names: &[HeaderName],
    ignored: impl Fn(),
) -> Option<Duration> {
    let values = names.iter().flat_map(|name| headers.get_all(name));
    let times = values.filter_map(|value| {
        let millis = milliseconds(value.as_bytes());
        if millis.is_none() {
            ignored();
        }
        // Senders use zero for "no time-out", so zero sets no bound.
        millis.filter(|millis| *millis > 0)
    });
    times.map(Duration::from_millis).chain(wait).min()
}

/// Reads a number of digits alone. `parse` would accept a sign before it.
fn milliseconds(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use actix_web::http::header::HeaderValue;

    use super::*;

    const NAMES: [HeaderName; 2] = [
        HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
        HeaderName::from_static("x-wait-ms"),
    ];

    /// Returns the shortest time in milliseconds, and the number of values that were ignored.
    fn read(wait: Option<u64>, fields: &[(usize, &[u8])]) -> (Option<u128>, usize) {
        let mut headers = HeaderMap::new();
        headers.append(
            HeaderName::from_static("x-other"),
            HeaderValue::from_static("1"),
        );
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value).unwrap();
            headers.append(NAMES[*name].clone(), value);
        }
        let ignored = Cell::new(0);
        let count = || ignored.set(ignored.get() + 1);
        let wait = wait.map(Duration::from_millis);
        let time = shortest(wait, &headers, &NAMES, count);
        (time.map(|time| time.as_millis()), ignored.get())
    }

    #[test]
    fn the_shortest_of_all_that_is_said_counts() {
        assert_eq!(read(None, &[]), (None, 0));
        assert_eq!(read(Some(7), &[]), (Some(7), 0));
        assert_eq!(read(None, &[(0, b"250")]), (Some(250), 0));
        assert_eq!(read(Some(7), &[(0, b"250")]), (Some(7), 0));
        assert_eq!(read(None, &[(0, b"250"), (1, b"0100")]), (Some(100), 0));
        assert_eq!(
            read(None, &[(1, b"300"), (1, b"200"), (1, b"400")]),
            (Some(200), 0)
        );
        let most = u64::MAX.to_string();
        assert_eq!(
            read(None, &[(0, most.as_bytes())]),
            (Some(u64::MAX.into()), 0)
        );
    }

    #[test]
    fn zero_is_no_bound_and_no_mistake() {
        assert_eq!(read(None, &[(0, b"0")]), (None, 0));
        assert_eq!(read(None, &[(0, b"000"), (1, b"5")]), (Some(5), 0));
    }

    #[test]
    fn what_is_no_number_of_milliseconds_is_ignored_and_counted() {
        for value in [
            &b""[..],
            b"-1",
            b"+1",
            b"1.5",
            b"1e3",
            b"0x10",
            b"100ms",
            b"1s",
            b"soon",
            b"1 0",
            b"1,000",
            b"100, 200",
            b"1_000",
            b"18446744073709551616",
            b"\xd9\xa1",
            b"\xff",
            b"NaN",
        ] {
            assert_eq!(read(None, &[(0, value)]), (None, 1), "{value:?}");
            assert_eq!(
                read(Some(9), &[(0, value), (0, b"8"), (1, value)]),
                (Some(8), 2),
                "{value:?}"
            );
        }
    }
}
