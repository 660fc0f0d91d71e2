//! The most memory that a configuration's requests may take, beside the memory that there is. It must not know files.

use std::fmt;

use super::checked::{Aggregate, Call, Services};

/// The number of times that a body is held: as it came, and in the answer. Only JSON does not grow in the answer.
const COPIES: u64 = 2;

/// The most that one request takes.
#[derive(Debug, Clone, Copy)]
pub struct Most<'a> {
    /// The aggregate.
    pub aggregate: &'a str,
    /// Its bodies and its answer, in bytes, if all of them are JSON.
    pub bytes: u64,
}

/// Returns the memory of the largest request, in which each body is as large as `max_body` of its upstream and of the
/// aggregate allows.
#[must_use]
pub fn most(services: &Services) -> Option<Most<'_>> {
    let mosts = (services.aggregates.iter()).map(|aggregate| Most {
        aggregate: &aggregate.name,
        bytes: most_of(aggregate, services),
    });
    mosts.max_by_key(|most| most.bytes)
}

/// Returns the most bytes that one request of an aggregate takes.
pub(super) fn most_of(aggregate: &Aggregate, services: &Services) -> u64 {
    let most = |call: &Call| {
        let body = services.called(call)?.request.max_body as u64;
        let bodies = services.elements(call).map_or(1, |each| each.max);
        Some(body.saturating_mul(bodies as u64))
    };
    let calls = aggregate.calls.iter();
    let bodies = calls.filter_map(most).fold(0, u64::saturating_add);
    let runs = if aggregate.limits.compare { 2 } else { 1 };
    COPIES
        * bodies
            .saturating_mul(runs)
            .min(aggregate.limits.max_body as u64)
}

/// A number of bytes for people.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bytesize::ByteSize(self.0).display().iec().fmt(f)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Config, load_text};

    /// Makes a configuration with two upstreams and an aggregate of both, with more settings of the server and of the
    /// aggregate.
    pub(in crate::config) fn config(server: &str, aggregate: &str) -> Config {
        let text = format!(
            "[server]\n{server}\n[upstreams.users]\nurl = 'http://users'\n[upstreams.orders]\nurl = 'http://orders'\n\
             [aggregates.home]\ncalls = ['users', 'orders']\n{aggregate}\n"
        );
        load_text("x.toml", &text).unwrap()
    }

    #[test]
    fn the_largest_request_holds_each_body_twice_as_far_as_any_bound_lets_it() {
        for (aggregate, mib) in [
            ("", 4),
            ("compare = true", 8),
            ("max_body = '1.5MiB'\ncompare = true", 3),
            ("[aggregates.small]\ncalls = ['users']", 4),
        ] {
            let config = config("", aggregate);
            let most = most(&config.services).unwrap();
            assert_eq!(
                (most.aggregate, most.bytes),
                ("home", mib << 20),
                "{aggregate}"
            );
        }
    }

    #[test]
    fn a_call_with_a_body_for_each_element_counts_as_often() {
        let each =
            "[aggregates.many]\ncalls = [{ upstream = 'users', each = '{query.a}', max = 3 }]";
        let config = config("", each);
        let most = most(&config.services).unwrap();
        assert_eq!((most.aggregate, most.bytes), ("many", 6 << 20));
    }
}
