//! The most memory that a configuration's requests may take, beside what there is for them. Knows nothing of files.

use std::fmt;

use super::{
    checked::{Aggregate, Config, Server},
    mistake::KeyPath,
    review::Review,
};
use crate::{
    fanout::{fixed, large},
    upstream::Settings,
};

/// The number of times that a body is held: as it came, and in the answer. Only JSON is no longer there than it was.
const COPIES: u64 = 2;

/// The most that one request takes.
#[derive(Debug, Clone, Copy)]
pub struct Most<'a> {
    /// The aggregate.
    pub aggregate: &'a str,
    /// Its bodies and its answer, in bytes, if all of them are JSON.
    pub bytes: u64,
}

/// The memory of the largest request: each body is as large as `max_body` of its upstream and of the aggregate let it be.
#[must_use]
pub fn most(config: &Config) -> Option<Most<'_>> {
    let mosts = (config.aggregates.iter()).map(|aggregate| Most {
        aggregate: &aggregate.name,
        bytes: of(aggregate, &config.upstreams),
    });
    mosts.max_by_key(|most| most.bytes)
}

fn of(aggregate: &Aggregate, upstreams: &[Settings]) -> u64 {
    let calls = aggregate.calls.iter();
    let bodies = calls
        .filter_map(|call| upstreams.get(call.upstream))
        .map(|upstream| upstream.max_body as u64)
        .sum::<u64>();
    let runs = if aggregate.compare { 2 } else { 1 };
    COPIES * (bodies * runs).min(aggregate.max_body as u64)
}

/// Warns of aggregates whose largest answer is never held.
pub(super) fn warn(
    server: &Server,
    aggregates: &[Aggregate],
    upstreams: &[Settings],
    review: &mut Review<'_>,
) {
    let total = usize::try_from(server.memory).unwrap_or(usize::MAX);
    let there = large(total) as u64;
    for aggregate in aggregates {
        let at = |key| KeyPath::of(["aggregates", &aggregate.name, key]);
        let at_start = fixed(aggregate.calls.len()).0 as u64;
        if at_start > server.memory {
            let message = format!(
                "each request of it counts as {} from its start, and server.memory is {}: all of them are refused with 503; raise \
                 server.memory or list fewer calls",
                Bytes(at_start),
                Bytes(server.memory),
            );
            review.warning(&at("calls"), message);
        }
        let largest = of(aggregate, upstreams);
        if largest > there {
            let message = format!(
                "its largest answer may take {}, and large answers have {}, three quarters of server.memory ({}): a call whose body is \
                 beyond that fails with `overload`; lower max_body or raise server.memory",
                Bytes(largest),
                Bytes(there),
                Bytes(server.memory),
            );
            review.warning(&at("max_body"), message);
        }
    }
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
mod tests {
    use super::*;
    use crate::config::load_text;

    fn config(server: &str, aggregate: &str) -> Config {
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
            let most = most(&config).unwrap();
            assert_eq!(
                (most.aggregate, most.bytes),
                ("home", mib << 20),
                "{aggregate}"
            );
        }
    }

    #[test]
    fn an_aggregate_of_which_no_request_can_begin_is_warned_of() {
        let calls: Vec<_> = (0..130)
            .map(|at| format!("{{ upstream = 'users', name = 'call_{at}' }}"))
            .collect();
        let many = format!(
            "max_body = '1KiB'\n[aggregates.many]\nmax_body = '1KiB'\ncalls = [{}]",
            calls.join(", ")
        );
        let warned = config("memory = '1MiB'", &many).warnings;
        let [warning] = &warned[..] else {
            panic!("{warned:?}");
        };
        assert_eq!(
            warning.to_string(),
            "x.toml: aggregates.many.calls: each request of it counts as 1.1 MiB from its start, and server.memory is 1.0 MiB: all of them \
             are refused with 503; raise server.memory or list fewer calls"
        );
    }

    #[test]
    fn an_answer_that_never_fits_is_warned_of() {
        let warned = config("memory = '5MiB'", "").warnings;
        let [warning] = &warned[..] else {
            panic!("{warned:?}");
        };
        assert_eq!(
            warning.to_string(),
            "x.toml: aggregates.home.max_body: its largest answer may take 4.0 MiB, and large answers have 3.8 MiB, three quarters of \
             server.memory (5.0 MiB): a call whose body is beyond that fails with `overload`; lower max_body or raise server.memory"
        );
        assert_eq!(config("memory = '6MiB'", "").warnings, []);
    }
}
