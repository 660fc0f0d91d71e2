//! Looks for settings that are valid and probably not meant: one that leaves another without effect, or one that does
//! not fit where the gateway runs. Each rule is a function of its own. It must not know how settings are read.

mod attempts;
mod container;
mod memory;
mod places;
mod plans;
mod time;
mod tracing;
mod upstreams;

use super::{
    checked::{Config, Process, Services},
    descriptors::{Descriptors, TooFew},
    mistake::KeyPath,
    review::Review,
    surroundings::Surroundings,
};

/// A rule about settings of this kind. It notes a warning for each case that it finds.
type Rule<T> = fn(&T, &mut Review<'_>);

/// The rules about services alone.
const OF_SERVICES: [Rule<Services>; 23] = [
    time::hangs_are_cut_off_by_the_deadline,
    time::timeouts_beyond_every_deadline,
    time::connect_timeouts_beyond_the_timeout,
    time::hedges_that_come_too_late,
    time::calls_that_leave_nothing_to_the_next,
    attempts::retries_without_a_second_attempt,
    attempts::attempts_of_calls_that_may_not_be_repeated,
    attempts::retries_after_a_success,
    attempts::retries_that_pause_for_too_long,
    attempts::budgets_that_allow_nothing,
    attempts::hedges_beyond_the_ceiling,
    attempts::breakers_that_open_before_the_last_attempt,
    attempts::breakers_that_never_see_enough,
    plans::calls_beyond_the_ceiling,
    plans::elements_beyond_the_ceiling,
    plans::calls_that_are_taken_for_something_else,
    plans::races_that_the_first_failure_ends,
    plans::bodies_beyond_the_sum,
    plans::statuses_of_optional_calls,
    plans::statuses_that_are_a_success,
    upstreams::upstreams_without_a_caller,
    upstreams::successes_without_a_2xx,
    upstreams::ports_of_something_else,
];

/// The rules about the process alone.
const OF_PROCESS: [Rule<Process>; 2] = [
    tracing::ports_of_something_else,
    tracing::samples_of_nothing,
];

/// The rules about both.
const OF_BOTH: [Rule<Config>; 2] = [
    memory::requests_beyond_the_memory,
    memory::answers_beyond_the_memory,
];

/// Notes the warnings of a configuration. If its surroundings and its shares of the file descriptors are known, it
/// notes those that depend on them too.
pub(super) fn look(
    config: &Config,
    surroundings: Option<&Surroundings>,
    descriptors: Option<&Result<Descriptors, TooFew>>,
    review: &mut Review<'_>,
) {
    for rule in OF_SERVICES {
        rule(&config.services, review);
    }
    for rule in OF_PROCESS {
        rule(&config.process, review);
    }
    for rule in OF_BOTH {
        rule(config, review);
    }
    if surroundings.is_some_and(|surroundings| surroundings.in_container) {
        container::look(config, review);
    }
    let warning = descriptors.and_then(|divided| match divided {
        Ok(shares) => shares.warning(config),
        Err(few) => Some((KeyPath::of(["server", "workers"]), few.to_string())),
    });
    if let Some((path, message)) = warning {
        review.warning(&path, message);
    }
    if let Some(there) = surroundings.and_then(|surroundings| surroundings.memory) {
        memory::look(config, there, review);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::load_text;

    /// Returns the warnings of a configuration with two upstreams, `users` and `orders`, and an aggregate `home` of
    /// both. `settings` begins in the table of `users`, `more` in that of the aggregate, after its calls.
    pub(in crate::config) fn warned(settings: &str, more: &str) -> Vec<String> {
        let text = format!(
            "[upstreams.orders]\nurl = 'http://orders'\n[upstreams.users]\nurl = 'http://users'\n{settings}\n\
             [aggregates.home]\ncalls = ['users', 'orders']\n{more}\n"
        );
        warned_of(&text)
    }

    /// Returns the warnings of a configuration, without the name of its file.
    pub(in crate::config) fn warned_of(text: &str) -> Vec<String> {
        let config =
            load_text("x.toml", text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        let lines = config.warnings.iter().map(ToString::to_string);
        let bare = lines.map(|line| line.strip_prefix("x.toml: ").unwrap().to_owned());
        bare.collect()
    }

    /// Asserts that there is one warning, at this path, with these words somewhere in the sentence.
    pub(in crate::config) fn assert_one(warned: &[String], place: &str, words: &str) {
        let [warning] = warned else {
            panic!("{place}: {warned:#?}");
        };
        assert!(
            warning.starts_with(&format!("{place}: ")),
            "{place}: {warning}"
        );
        assert!(warning.contains(words), "{words}: {warning}");
    }

    #[test]
    fn the_least_configuration_and_one_with_short_deadlines_are_not_odd() {
        for (settings, more) in [
            ("", ""),
            ("", "deadline = '2s'"),
            ("", "mode = 'sequential'"),
            (
                "timeout = '2s'\nmax_in_flight = 1",
                "deadline = '2s'\ncompare = true",
            ),
            (
                "retry = { attempts = 2 }\nbreaker = {}\nhedge = { after = '50ms' }",
                "",
            ),
            (
                "retry = { attempts = 3, on = ['503'] }\ntimeout = '10s'",
                "deadline = '10s'",
            ),
        ] {
            assert_eq!(warned(settings, more), [""; 0], "{settings} {more}");
        }
    }
}
