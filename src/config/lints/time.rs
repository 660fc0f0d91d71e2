//! Warns of times of which one is always over before another begins to matter. It must not know how settings are read.

use super::places::{by_place, longest_deadline};
use crate::{
    config::{
        checked::{Aggregate, Services},
        mistake::KeyPath,
        order::order,
        quantities::quoted,
        review::Review,
    },
    fanout::{FailureKind, Hedge, Mode, Repeatable, UpstreamId},
    upstream::{Request, Service, Settings},
};

/// Warns of a timeout that the deadline cuts off. Such a call fails with `deadline`, which says nothing of the
/// upstream: its breaker does not count it, and there is no time for a retry.
pub(super) fn hangs_are_cut_off_by_the_deadline(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        for (index, upstream) in cut_off(services, aggregate) {
            let request = services.request(&aggregate.calls[index]);
            let is_repeated =
                request.is_some_and(|request| request.repeatable() == Repeatable::Yes);
            let consequence = match (
                upstream.service.policy.breaker.is_some(),
                is_repeated && retries_hangs(upstream),
            ) {
                (true, true) => "its breaker counts none of them, and none is retried",
                (true, false) => "its breaker counts none of them, so that they never open it",
                (false, true) => "none of them is retried",
                (false, false) => continue,
            };
            let message = format!(
                "{} leaves the timeout of `{name}` ({}) no effect: attempts that hang fail with `deadline` and not with `timeout`, \
                 {consequence}; set upstreams.{name}.timeout below the deadline",
                quoted(aggregate.rules.deadline),
                quoted(upstream.request.timeout),
                name = upstream.service.name,
            );
            let path = KeyPath::of(["aggregates", &aggregate.name, "deadline"]);
            review.warning(&path, message);
        }
    }
}

/// Warns of a timeout that is set, and for which no aggregate leaves the time.
pub(super) fn timeouts_beyond_every_deadline(services: &Services, review: &mut Review<'_>) {
    for (place, upstreams) in by_place(services, "timeout", review) {
        let longest = upstreams
            .iter()
            .map(|&(index, _)| longest_deadline(services, index));
        let Some(longest) = longest.flatten().max() else {
            continue;
        };
        let told = |id: UpstreamId, upstream: &Settings| {
            upstream.service.policy.breaker.is_some()
                || (services.is_repeated(id) && retries_hangs(upstream))
        };
        let has_effect = |&(id, upstream): &(UpstreamId, &Settings)| {
            // A default that is written out is not a choice.
            upstream.request.timeout <= longest
                || upstream.request.timeout == Request::TIMEOUT
                || told(id, upstream)
        };
        if let [(_, first), ..] = upstreams[..]
            && !upstreams.iter().any(has_effect)
        {
            let message = format!(
                "{} has no effect: the longest deadline of the aggregates that call it is {}; set a shorter time or raise the deadline",
                quoted(first.request.timeout),
                quoted(longest),
            );
            review.warning(&place, message);
        }
    }
}

/// Warns of a `connect_timeout` above the timeout, as connecting is part of the attempt.
pub(super) fn connect_timeouts_beyond_the_timeout(services: &Services, review: &mut Review<'_>) {
    for (place, upstreams) in by_place(services, "connect_timeout", review) {
        let is_idle = |upstream: &Settings| {
            upstream.service.connect_timeout != Service::CONNECT_TIMEOUT
                && upstream.service.connect_timeout >= upstream.request.timeout
        };
        if let [(_, first), ..] = upstreams[..]
            && upstreams.iter().all(|(_, upstream)| is_idle(upstream))
        {
            let message = format!(
                "{} has no effect: connecting is part of the attempt, whose timeout is {}; set a shorter time or raise the timeout",
                quoted(first.service.connect_timeout),
                quoted(first.request.timeout),
            );
            review.warning(&place, message);
        }
    }
}

/// Warns of a second attempt that would begin after the first is over.
pub(super) fn hedges_that_come_too_late(services: &Services, review: &mut Review<'_>) {
    for (place, upstreams) in by_place(services, "hedge", review) {
        let late = upstreams.iter().map(|&(index, upstream)| {
            let Some(Hedge::After(after)) = upstream.service.policy.hedge else {
                return None;
            };
            let deadline = longest_deadline(services, index)?;
            let end = upstream.request.timeout.min(deadline);
            (services.is_repeated(index) && after >= end).then_some((after, end))
        });
        let late: Option<Vec<_>> = late.collect();
        if let Some(&(after, end)) = late.as_ref().and_then(|late| late.first()) {
            let message = format!(
                "{} has no effect: the first attempt is over after {} at the latest, by its timeout or the deadline; set a shorter time",
                quoted(after),
                quoted(end),
            );
            review.warning(&place.key("after"), message);
        }
    }
}

/// Warns of a call that may take all the time that there is, though others begin only after it.
pub(super) fn calls_that_leave_nothing_to_the_next(services: &Services, review: &mut Review<'_>) {
    for aggregate in &services.aggregates {
        let after: Vec<_> = aggregate.calls.iter().map(|call| &*call.after).collect();
        let is_sequential = aggregate.rules.mode == Mode::Sequential;
        let last = order(&after).last().copied();
        let is_followed = |call: usize| match is_sequential {
            true => Some(call) != last,
            false => after.iter().any(|after| after.contains(&call)),
        };
        // Those after the first such call have the same problem, and the same cure.
        let hogs = cut_off(services, aggregate).find(|&(index, _)| is_followed(index));
        if let Some((index, upstream)) = hogs {
            let path = KeyPath::of(["aggregates", &aggregate.name, "calls"]);
            let others = match is_sequential {
                true => "the calls after it",
                false => "the calls that wait for it",
            };
            let message = format!(
                "while `{call}` hangs, {others} never begin: its timeout ({}) takes the whole deadline ({}); set \
                 upstreams.{}.timeout well below the deadline",
                quoted(upstream.request.timeout),
                quoted(aggregate.rules.deadline),
                upstream.service.name,
                call = aggregate.calls[index].name,
            );
            review.warning(&path.index(index), message);
        }
    }
}

/// Returns the calls whose timeout is never over before the deadline is, with their indices.
fn cut_off<'a>(
    services: &'a Services,
    aggregate: &'a Aggregate,
) -> impl Iterator<Item = (usize, &'a Settings)> {
    let calls = aggregate.calls.iter().enumerate();
    calls
        .filter_map(|(index, call)| Some((index, services.called(call)?)))
        // At best, they begin together.
        .filter(|(_, upstream)| upstream.request.timeout >= aggregate.rules.deadline)
}

/// Returns true if the settings ask for a retry of an attempt that hangs. The request must allow it too.
fn retries_hangs(upstream: &Settings) -> bool {
    let policy = &upstream.service.policy;
    policy.retry.attempts.get() > 1 && policy.retry.on.kinds().contains(&FailureKind::Timeout)
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_one, warned, warned_of};

    #[test]
    fn a_breaker_or_a_retry_that_no_hang_ever_reaches_is_odd() {
        let home = "aggregates.home.deadline";
        for (settings, more, words) in [
            (
                "breaker = {}",
                "deadline = '2s'",
                "so that they never open it",
            ),
            (
                "breaker = {}\ntimeout = '2s'",
                "deadline = '2s'",
                "so that they never open it",
            ),
            (
                "breaker = { failures = '50%' }\ntimeout = '10s'",
                "",
                "so that they never open it",
            ),
            (
                "retry = { attempts = 2 }",
                "deadline = '2s'",
                ", none of them is retried",
            ),
            (
                "retry = { attempts = 2 }\nbreaker = {}",
                "deadline = '2s'",
                "counts none of them, and none is retried; set upstreams.users.timeout",
            ),
        ] {
            assert_one(&warned(settings, more), home, words);
        }
        for (settings, more) in [
            ("breaker = {}\ntimeout = '1s'", "deadline = '2s'"),
            (
                "retry = { attempts = 2, on = ['connect', '503'] }",
                "deadline = '2s'",
            ),
            ("timeout = '5s'", "deadline = '2s'"),
        ] {
            assert_eq!(warned(settings, more), [""; 0], "{settings} {more}");
        }
        // Sent once in any case.
        let posts = "defaults.retry = { attempts = 2 }\n[upstreams.a]\nurl = 'http://a'\nmethod = 'POST'\n\
                     [aggregates.home]\ncalls = ['a']\ndeadline = '1s'";
        assert_eq!(warned_of(posts), [""; 0]);
    }

    #[test]
    fn a_chosen_timeout_that_no_aggregate_leaves_time_for_is_odd() {
        let told = warned("timeout = '30s'", "");
        assert_one(
            &told,
            "upstreams.users.timeout",
            "\"30s\" has no effect: the longest deadline",
        );
        let other = "[aggregates.slow]\ncalls = ['users']\ndeadline = '1m'";
        assert_eq!(warned("timeout = '30s'", other), [""; 0]);
        let all = "defaults.timeout = '3s'\n[upstreams.a]\nurl = 'http://a'\n[upstreams.b]\nurl = 'http://b'\n";
        let both = format!("{all}[aggregates.home]\ncalls = ['a', 'b']\ndeadline = '1s'");
        assert_one(
            &warned_of(&both),
            "defaults.timeout",
            "the longest deadline",
        );
        let slow = format!("{both}\n[aggregates.slow]\ncalls = ['b']");
        assert_eq!(warned_of(&slow), [""; 0]);
    }

    #[test]
    fn a_connect_timeout_that_the_timeout_hides_is_odd() {
        let told = warned("timeout = '500ms'\nconnect_timeout = '2s'", "");
        assert_one(
            &told,
            "upstreams.users.connect_timeout",
            "timeout is \"500ms\"",
        );
        for settings in ["timeout = '500ms'", "connect_timeout = '2s'"] {
            assert_eq!(warned(settings, ""), [""; 0], "{settings}");
        }
    }

    #[test]
    fn a_hedge_after_the_end_of_the_first_attempt_is_odd() {
        let place = "upstreams.users.hedge.after";
        let told = warned("timeout = '1s'\nhedge = { after = '1s' }", "");
        assert_one(&told, place, "over after \"1s\" at the latest");
        assert_one(
            &warned("hedge = { after = '2s' }", "deadline = '2s'"),
            place,
            "\"2s\"",
        );
        for after in ["1s", "p99"] {
            let settings = format!("hedge = {{ after = '{after}' }}");
            assert_eq!(warned(&settings, "deadline = '2s'"), [""; 0], "{after}");
        }
    }

    #[test]
    fn a_sequential_plan_of_which_one_call_may_take_all_the_time_is_odd() {
        let sequential = "mode = 'sequential'\ndeadline = '2s'";
        let told = warned("", sequential);
        assert_one(
            &told,
            "aggregates.home.calls[0]",
            "while `users` hangs, the calls after it never begin",
        );
        assert_eq!(warned("timeout = '1s'", sequential), [""; 0]);
        assert_eq!(warned("", "mode = 'concurrent'\ndeadline = '2s'"), [""; 0]);
    }

    #[test]
    fn the_last_call_of_a_sequence_is_the_last_that_begins() {
        let text = "[upstreams.a]\nurl = 'http://a'\n[upstreams.b]\nurl = 'http://b'\ntimeout = '1s'\n\
                    [aggregates.home]\nmode = 'sequential'\ndeadline = '2s'\ncalls = ";
        let waits = "[{ upstream = 'a', after = ['b'] }, 'b']";
        assert_eq!(warned_of(&format!("{text}{waits}")), [""; 0]);
        let told = warned_of(&format!("{text}['a', 'b']"));
        assert_one(&told, "aggregates.home.calls[0]", "while `a` hangs");
    }

    #[test]
    fn a_call_that_may_take_all_the_time_of_those_that_wait_for_it_is_odd() {
        let with = |calls: &str| {
            let text = "[upstreams.a]\nurl = 'http://a'\n[upstreams.b]\nurl = 'http://b'\ntimeout = '1s'\n\
                        [aggregates.home]\ndeadline = '2s'\ncalls = ";
            warned_of(&format!("{text}{calls}"))
        };
        let told = with(
            "['b', { upstream = 'a', name = 'slow' }, { upstream = 'b', name = 'c', after = ['slow'] }]",
        );
        let words = "while `slow` hangs, the calls that wait for it never begin";
        assert_one(&told, "aggregates.home.calls[1]", words);
        assert!(told[0].contains("set upstreams.a.timeout"), "{told:?}");
        for calls in ["['b', { upstream = 'a', after = ['b'] }]", "['a', 'b']"] {
            assert_eq!(with(calls), [""; 0], "{calls}");
        }
    }
}
