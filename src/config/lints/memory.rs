//! Warns of memory that does not exist: the machine has less than `server.memory`, or a request takes more than that.
//! It must not know how the memory is measured.

use crate::{
    config::{Bytes, checked::Config, memory::most_of, mistake::KeyPath, review::Review},
    exchange::{fixed, large},
};

/// Warns of an aggregate whose requests are all refused, as each takes more from its start than all may have.
pub(super) fn requests_beyond_the_memory(config: &Config, review: &mut Review<'_>) {
    let memory = config.process.server.memory;
    for aggregate in &config.services.aggregates {
        let at_start = fixed(aggregate.calls.len()).0 as u64;
        if at_start > memory {
            let message = format!(
                "each request of it counts as {} from its start, and server.memory is {}: all of them are refused with 503; raise \
                 server.memory or list fewer calls",
                Bytes(at_start),
                Bytes(memory),
            );
            let path = KeyPath::of(["aggregates", &aggregate.name, "calls"]);
            review.warning(&path, message);
        }
    }
}

/// Warns of an aggregate whose largest answer never fits.
pub(super) fn answers_beyond_the_memory(config: &Config, review: &mut Review<'_>) {
    let memory = config.process.server.memory;
    let there = large(usize::try_from(memory).unwrap_or(usize::MAX)) as u64;
    for aggregate in &config.services.aggregates {
        let largest = most_of(aggregate, &config.services);
        if largest > there {
            let message = format!(
                "its largest answer may take {}, and large answers have {}, three quarters of server.memory ({}): a call whose body is \
                 beyond that fails with `overload`; lower max_body or raise server.memory",
                Bytes(largest),
                Bytes(there),
                Bytes(memory),
            );
            let path = KeyPath::of(["aggregates", &aggregate.name, "max_body"]);
            review.warning(&path, message);
        }
    }
}

/// Warns if bodies and answers alone may take all memory: the system ends the process before it refuses a request.
pub(super) fn look(config: &Config, there: u64, review: &mut Review<'_>) {
    let path = KeyPath::of(["server", "memory"]);
    if config.process.server.memory >= there && review.is_set(&path) {
        let message = format!(
            "bodies and answers may take {}, and this machine or container has {} for all of the process, which is killed beyond that; \
             leave it out for half of what there is",
            Bytes(config.process.server.memory),
            Bytes(there),
        );
        review.warning(&path, message);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Surroundings, load, memory::tests::config};

    #[test]
    fn more_memory_than_there_is_is_odd() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("gather.toml");
        let text = "server.memory = '512MiB'\n[upstreams.a]\nurl = 'http://a'\n[aggregates.home]\ncalls = ['a']\n";
        std::fs::write(&file, text).unwrap();
        let warned = |there| {
            let surroundings = Surroundings {
                memory: Some(there),
                ..Surroundings::default()
            };
            let config = load(std::slice::from_ref(&file), [], Some(&surroundings)).unwrap();
            let paths = config.warnings.into_iter().map(|warning| warning.path);
            paths.collect::<Vec<_>>()
        };
        assert_eq!(warned(512 << 20), ["server.memory"]);
        assert_eq!(warned(1 << 30), [""; 0]);
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
