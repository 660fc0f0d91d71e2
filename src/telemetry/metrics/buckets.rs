//! The upper bounds of the histograms' buckets, in seconds. It must not know the metrics.

/// 100 µs to 60 s. From 50 ms to 1 s, where services answer, each bound is about four fifths of the next. So a
/// percentile is close to the truth there, and 80 % of a usual timeout is a bound. The search for a bucket begins with
/// the smallest bound, so another bound costs only observations that are slower than it.
pub(super) const DURATIONS: [f64; 33] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.064, 0.08, 0.1, 0.125,
    0.16, 0.2, 0.25, 0.32, 0.4, 0.5, 0.64, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0,
    30.0, 60.0,
];

/// 10 µs to 1 s, for the time that the gateway itself adds. Tens of milliseconds are too much already, so few bounds
/// are above them.
pub(super) const OVERHEADS: [f64; 15] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 1.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The bucket that a time falls into, from its lower bound to its upper one.
    fn bucket(seconds: f64) -> (f64, f64) {
        let place = DURATIONS.partition_point(|&bound| bound < seconds);
        (DURATIONS[place - 1], DURATIONS[place])
    }

    #[test]
    fn services_of_123_and_203_ms_are_told_apart_and_so_are_all_that_are_half_as_slow_again() {
        let (fast, slow) = (bucket(0.123), bucket(0.203));
        assert!(
            fast.1 < slow.0,
            "{fast:?} {slow:?}: a bucket is between them"
        );
        // From 50 ms to 1 s no bucket is wider than a quarter of its upper bound, so any percentile is that exact.
        let within = DURATIONS
            .windows(2)
            .filter(|it| it[0] >= 0.05 && it[1] <= 1.0);
        let widths: Vec<_> = within.map(|it| it[1] / it[0]).collect();
        assert!(widths.len() > 10, "{widths:?}");
        assert!(widths.iter().all(|&width| width <= 1.3), "{widths:?}");
        for millis in 50..650 {
            let seconds = f64::from(millis) / 1000.0;
            let (one, other) = (bucket(seconds + 0.000_5), bucket(seconds * 1.5));
            assert!(one.1 < other.1, "{millis} ms: {one:?} {other:?}");
        }
    }

    #[test]
    fn four_fifths_of_a_usual_timeout_is_a_bound() {
        for timeout in [0.1, 0.2, 0.25, 0.4, 0.5, 0.8, 1.0, 2.5, 5.0] {
            let limit: f64 = timeout * 0.8;
            let is_bound = DURATIONS.iter().any(|bound| (bound - limit).abs() < 1e-9);
            assert!(is_bound, "{limit} of {timeout}");
        }
    }
}
