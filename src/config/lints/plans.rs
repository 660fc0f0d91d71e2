//! Warns of aggregates whose every request loses a call or ends too soon, and of statuses that are never passed on. It
//! must not know how settings are read.

use std::collections::BTreeMap;

use super::places::written;
use crate::{
    config::{
        Bytes,
        checked::{Aggregate, Call, Services},
        defaults,
        mistake::KeyPath,
        review::Review,
    },
    fanout::{Completion, Mode, Need, OnFailure},
    values::Root,
};

/// Warns of more calls of one upstream at once than it may have attempts.
pub(super) fn calls_beyond_the_ceiling(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        if aggregate.rules.mode == Mode::Sequential {
            continue;
        }
        let mut times = BTreeMap::<_, (_, usize)>::new();
        // Of the others, some may not begin at all, or not before these are over.
        let begins = |call: &&Call| call.after.is_empty() && !has_condition(call);
        for call in aggregate.calls.iter().filter(begins) {
            if let Some(upstream) = services.called(call) {
                times.entry(call.upstream.0).or_insert((upstream, 0)).1 += 1;
            }
        }
        for (upstream, times) in times.into_values() {
            let at_once = times.min(aggregate.rules.concurrency.get());
            let most = upstream.service.policy.max_in_flight.get();
            if at_once > most {
                let message = format!(
                    "calls `{name}` {at_once} times at once, and upstreams.{name}.max_in_flight is {most}: every request fails with \
                     `overload` for the rest; raise it, or set `concurrency`",
                    name = upstream.service.name
                );
                let path = KeyPath::of(["aggregates", &aggregate.name, "calls"]);
                review.warning(&path, message);
            }
        }
    }
}

fn has_condition(call: &Call) -> bool {
    let request = call.request.as_ref();
    let composed = request.and_then(|request| request.composed.as_ref());
    composed.is_some_and(|composed| composed.when.is_some())
}

/// Warns of more elements at a time than their upstream may have attempts.
pub(super) fn elements_beyond_the_ceiling(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        let path = KeyPath::of(["aggregates", &aggregate.name, "calls"]);
        for (index, call) in aggregate.calls.iter().enumerate() {
            let (Some(each), Some(upstream)) = (services.elements(call), services.called(call))
            else {
                continue;
            };
            let at_once = each.concurrency.get().min(each.max);
            let most = upstream.service.policy.max_in_flight.get();
            if at_once > most {
                let message = format!(
                    "makes {at_once} requests at once, and upstreams.{}.max_in_flight is {most}: the elements beyond it fail with \
                     `overload`; raise it, or set a lower `concurrency`",
                    upstream.service.name
                );
                review.warning(&path.index(index).key("concurrency"), message);
            }
        }
    }
}

/// Warns of a call whose name has another meaning in references, where one of them has that meaning.
pub(super) fn calls_that_are_taken_for_something_else(
    services: &Services,
    review: &mut Review<'_>,
) {
    for aggregate in &services.aggregates {
        let requests = aggregate
            .calls
            .iter()
            .filter_map(|call| call.request.as_ref());
        let composed = requests.filter_map(|request| request.composed.as_ref());
        let roots: Vec<_> = composed
            .flat_map(|composed| composed.references())
            .filter_map(|reference| meaning(&reference.root))
            .collect();
        let path = KeyPath::of(["aggregates", &aggregate.name, "calls"]);
        for (index, call) in aggregate.calls.iter().enumerate() {
            let taken = roots.iter().find(|(name, _)| *name == &*call.name);
            if let Some((name, meaning)) = taken {
                let message = format!(
                    "the call has the name `{name}`, which in references is {meaning}; give it another `name`"
                );
                review.warning(&path.index(index), message);
            }
        }
    }
}

/// Returns the name of a root that is no call, and what it means.
const fn meaning(root: &Root) -> Option<(&'static str, &'static str)> {
    Some(match root {
        Root::Path(_) => ("path", "the parameters of the route"),
        Root::Query(_) => ("query", "the client's query"),
        Root::Header(_) => ("headers", "the client's header fields"),
        Root::Body => ("body", "the client's body"),
        Root::Item => ("item", "the element of a list"),
        Root::Index => ("index", "the number of an element"),
        Root::Call(..) => return None,
    })
}

/// Warns of a race for a few successes that the first failure ends.
pub(super) fn races_that_the_first_failure_ends(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        let calls = aggregate.calls.len();
        let is_race = matches!(aggregate.rules.completion, Completion::Quorum(needed) if needed.get() < calls);
        let all_count = aggregate
            .calls
            .iter()
            .all(|call| call.need == Need::Required);
        if is_race && all_count && aggregate.rules.on_failure == OnFailure::Fail {
            let path = KeyPath::of(["aggregates", &aggregate.name, "on_failure"]);
            let message = "the first call that fails ends the request, though others could still succeed (`wait_for`); leave \
                           `on_failure` out, or make calls `optional`";
            review.warning(&path, message);
        }
    }
}

/// Warns of an upstream's bound that is set above the default bound of all bodies of an aggregate.
pub(super) fn bodies_beyond_the_sum(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        if aggregate.limits.max_body != defaults::MAX_BODIES {
            continue;
        }
        let upstreams = (aggregate.calls.iter())
            .filter_map(|call| services.called(call))
            .filter(|upstream| upstream.request.max_body > aggregate.limits.max_body);
        for upstream in upstreams {
            let Some(place) = written(upstream, "max_body", review) else {
                continue;
            };
            let message = format!(
                "`{}` may answer with {}, but all bodies of one request of `{name}` together have {}, and what is beyond that is \
                 `too_large`; raise aggregates.{name}.max_body too",
                upstream.service.name,
                Bytes(upstream.request.max_body as u64),
                Bytes(aggregate.limits.max_body as u64),
                name = aggregate.name,
            );
            review.warning(&place, message);
        }
    }
}

/// Warns of statuses that are to become the answer's own, of a call that never makes a request fail.
pub(super) fn statuses_of_optional_calls(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        for (index, call) in aggregate.calls.iter().enumerate() {
            if call.need == Need::Optional && !call.pass_status.is_empty() {
                let path = pass_status(aggregate, index);
                review.warning(&path, "has no effect, as the call is optional");
            }
        }
    }
}

/// Warns of statuses that never are a failure, and so never become the answer's own.
pub(super) fn statuses_that_are_a_success(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        for (index, call) in aggregate.calls.iter().enumerate() {
            let Some(upstream) = services.called(call) else {
                continue;
            };
            let statuses = call.pass_status.iter();
            for status in statuses.filter(|status| upstream.request.success.contains(**status)) {
                let message = format!(
                    "{} has no effect, as it counts as success (upstreams.{}.success)",
                    status.as_u16(),
                    upstream.service.name
                );
                review.warning(&pass_status(aggregate, index), message);
            }
        }
    }
}

/// Returns the path of a call's statuses.
fn pass_status(aggregate: &Aggregate, call: usize) -> KeyPath {
    KeyPath::of(["aggregates", &aggregate.name, "calls"])
        .index(call)
        .key("pass_status")
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_one, warned};

    #[test]
    fn an_aggregate_that_calls_an_upstream_more_often_at_once_than_it_may_is_odd() {
        let twice = |more: &str| {
            let more = format!(
                "[aggregates.twice]\ncalls = ['users', {{ upstream = 'users', name = 'b' }}]\n{more}"
            );
            warned("max_in_flight = 1", &more)
        };
        assert_one(
            &twice(""),
            "aggregates.twice.calls",
            "calls `users` 2 times at once",
        );
        for more in ["concurrency = 1", "mode = 'sequential'"] {
            assert_eq!(twice(more), [""; 0], "{more}");
        }
    }

    #[test]
    fn calls_that_wait_for_one_another_or_for_a_condition_are_not_made_at_once() {
        for second in ["after = ['users']", "when = 'query.a == \"b\"'"] {
            let more = format!(
                "[aggregates.twice]\ncalls = ['users', {{ upstream = 'users', name = 'b', {second} }}]"
            );
            assert_eq!(warned("max_in_flight = 1", &more), [""; 0], "{second}");
        }
    }

    #[test]
    fn more_elements_at_once_than_their_upstream_may_have_are_odd() {
        let each = |keys: &str| {
            let more = format!(
                "[aggregates.all]\ncalls = [{{ upstream = 'users', each = '{{query.a}}', {keys} }}]"
            );
            warned("max_in_flight = 5", &more)
        };
        assert_one(
            &each("max = 9"),
            "aggregates.all.calls[0].concurrency",
            "makes 9 requests at once",
        );
        for keys in ["concurrency = 5", "max = 5"] {
            assert_eq!(each(keys), [""; 0], "{keys}");
        }
    }

    #[test]
    fn a_race_that_the_first_failure_ends_is_odd() {
        let place = "aggregates.home.on_failure";
        for wait_for in ["'first'", "1"] {
            let more = format!("wait_for = {wait_for}\non_failure = 'fail'");
            assert_one(&warned("", &more), place, "leave `on_failure` out");
        }
        for more in [
            "wait_for = 2\non_failure = 'fail'",
            "wait_for = 1",
            "on_failure = 'fail'",
        ] {
            assert_eq!(warned("", more), [""; 0], "{more}");
        }
    }

    #[test]
    fn a_body_that_only_the_aggregate_refuses_is_odd_unless_it_says_so() {
        let told = warned("max_body = '32MiB'", "");
        assert_one(
            &told,
            "upstreams.users.max_body",
            "raise aggregates.home.max_body too",
        );
        assert_eq!(warned("max_body = '32MiB'", "max_body = '8MiB'"), [""; 0]);
        assert_eq!(warned("max_body = '16MiB'", ""), [""; 0]);
    }
}
