//! Warns of retries, hedges, budgets and breakers of which one keeps another from ever happening. It must not know how
//! settings are read.

use http::StatusCode;

use super::places::{by_place, longest_deadline, written};
use crate::{
    config::{checked::Services, mistake::KeyPath, quantities::quoted, review::Review},
    fanout::{PolicySettings, Repeatable, Retry, Trip, UpstreamId},
    upstream::Settings,
};

/// Warns of retries without a second attempt: `attempts` counts the first too, so 1, the default, means no retry.
pub(super) fn retries_without_a_second_attempt(services: &Services, review: &mut Review<'_>) {
    let defaults = KeyPath::of(["defaults", "retry"]);
    for (place, upstreams) in by_place(services, "retry", review) {
        let overrides = place != defaults && review.is_set(&defaults);
        let single = |upstream: &Settings| upstream.service.policy.retry.attempts.get() == 1;
        let all = ["attempts", "backoff", "on"];
        let is_whole = all.iter().all(|key| review.is_set(&place.key(key)));
        // As `check --print` writes it.
        let is_default =
            |upstream: &Settings| is_whole && upstream.service.policy.retry == Retry::default();
        let is_idle = |upstream: &Settings| single(upstream) && !is_default(upstream);
        if !overrides && upstreams.iter().all(|(_, upstream)| is_idle(upstream)) {
            let message = "nothing is retried: `attempts` counts the first attempt too, and is 1; set it to 2 or more";
            review.warning(&place, message);
        }
    }
}

/// Warns of retries and hedges of an upstream whose calls may all be sent once only, though its own method allows more.
pub(super) fn attempts_of_calls_that_may_not_be_repeated(
    services: &Services,
    review: &mut Review<'_>,
) {
    let is_idle = |id: UpstreamId, upstream: &Settings| {
        upstream.request.repeatable() == Repeatable::Yes && !services.is_repeated(id)
    };
    for (_, upstream) in (services.each()).filter(|&(id, upstream)| is_idle(id, upstream)) {
        for key in ["retry", "hedge"] {
            let path = KeyPath::of(["upstreams", &upstream.service.name, key]);
            if review.is_own(&path) {
                let message = format!(
                    "has no effect: the methods of all calls of `{}` are not idempotent, so they may not be sent twice; set \
                     `idempotency_key = true` in a call",
                    upstream.service.name
                );
                review.warning(&path, message);
            }
        }
    }
}

/// Warns of statuses to retry after that count as success.
pub(super) fn retries_after_a_success(services: &Services, review: &mut Review<'_>) {
    for upstream in sent_again(services) {
        let Some(place) = written(upstream, "retry", review).map(|place| place.key("on")) else {
            continue;
        };
        let both = (100..600)
            .filter_map(|status| StatusCode::from_u16(status).ok())
            .find(|&status| {
                upstream.service.policy.retry.on.statuses().contains(status)
                    && upstream.request.success.contains(status)
            });
        if let Some(status) = both.filter(|_| review.is_set(&place)) {
            let message = format!(
                "a {} of `{name}` is never retried, as it counts as success (upstreams.{name}.success); take it out of one of the two",
                status.as_u16(),
                name = upstream.service.name,
            );
            review.warning(&place, message);
        }
    }
}

/// Warns of pauses that end after every deadline: a pause is anything from zero to its bound, and no attempt begins
/// after the deadline.
pub(super) fn retries_that_pause_for_too_long(services: &Services, review: &mut Review<'_>) {
    for (place, upstreams) in by_place(services, "retry", review) {
        let deadlines = upstreams
            .iter()
            .map(|&(index, _)| longest_deadline(services, index));
        let Some(longest) = deadlines.flatten().max() else {
            continue;
        };
        let backoff = |upstream: &Settings| {
            let retry = &upstream.service.policy.retry;
            let is_late = retry.attempts.get() > 1 && retry.backoff >= longest;
            is_late.then_some(retry.backoff)
        };
        let late = upstreams.iter().map(|(_, upstream)| backoff(upstream));
        let late: Option<Vec<_>> = late.collect();
        if let Some(&backoff) = late.as_ref().and_then(|late| late.first()) {
            let message = format!(
                "a pause of up to {} seldom ends before the deadline, of which the longest is {}, and after it nothing is retried; set a \
                 shorter `backoff`",
                quoted(backoff),
                quoted(longest),
            );
            review.warning(&place.key("backoff"), message);
        }
    }
}

/// Warns of a budget that allows nothing.
pub(super) fn budgets_that_allow_nothing(services: &Services, review: &mut Review<'_>) {
    for upstream in sent_again(services) {
        let budget = upstream.service.policy.budget;
        let place = written(upstream, "budget", review);
        if let Some(place) = place.filter(|_| budget.ratio <= 0.0 && budget.min_per_second == 0) {
            let message = format!(
                "allows `{}` no retry and no hedge, though they are configured; raise `ratio` or `min_per_second`, or leave them out",
                upstream.service.name
            );
            review.warning(&place, message);
        }
    }
}

/// Warns of a second attempt at a time with a ceiling of one.
pub(super) fn hedges_beyond_the_ceiling(services: &Services, review: &mut Review<'_>) {
    for upstream in sent_again(services) {
        let place = written(upstream, "hedge", review);
        let is_single = upstream.service.policy.max_in_flight.get() == 1
            && upstream.service.policy.hedge.is_some();
        if let Some(place) = place.filter(|_| is_single) {
            let message = format!(
                "has no effect: upstreams.{}.max_in_flight is 1, so no attempt joins another; raise it",
                upstream.service.name
            );
            review.warning(&place, message);
        }
    }
}

/// Warns of a breaker that one call alone opens: the call's own last attempts are then refused.
pub(super) fn breakers_that_open_before_the_last_attempt(
    services: &Services,
    review: &mut Review<'_>,
) {
    for upstream in sent_again(services) {
        let Some(Trip::InARow(failures)) =
            upstream.service.policy.breaker.map(|breaker| breaker.trip)
        else {
            continue;
        };
        let attempts = upstream.service.policy.retry.attempts;
        let place = written(upstream, "breaker", review);
        if let Some(place) = place.filter(|_| attempts > failures) {
            let message = format!(
                "opens after {failures} failures in a row, which one call of `{name}` makes alone: its retry has {attempts} attempts, \
                 and the rest of them are refused; set `failures` above `attempts`",
                name = upstream.service.name
            );
            review.warning(&place.key("failures"), message);
        }
    }
}

/// Warns of a breaker that never sees enough: a share needs a number of attempts, and an upstream that hangs ends few.
pub(super) fn breakers_that_never_see_enough(services: &Services, review: &mut Review<'_>) {
    for upstream in &services.upstreams {
        let PolicySettings {
            breaker,
            max_in_flight,
            ..
        } = &upstream.service.policy;
        let Some(Trip::Share { window, .. }) = breaker.map(|breaker| breaker.trip) else {
            continue;
        };
        let turns = window.as_millis() / upstream.request.timeout.as_millis().max(1) + 1;
        let most = turns.saturating_mul(max_in_flight.get() as u128);
        let place = written(upstream, "breaker", review);
        if let Some(place) = place.filter(|_| most < u128::from(Trip::ENOUGH)) {
            let message = format!(
                "never opens while `{}` hangs: at most {most} attempts end within its window, and a share counts from {} on; raise \
                 `max_in_flight` or `window`, lower the timeout, or set `failures` to a number",
                upstream.service.name,
                Trip::ENOUGH,
            );
            review.warning(&place.key("failures"), message);
        }
    }
}

/// Returns the upstreams whose requests may be sent more than once, and whose settings ask for it.
fn sent_again(services: &Services) -> impl Iterator<Item = &Settings> {
    let upstreams = services.each().filter(|(id, upstream)| {
        let policy = &upstream.service.policy;
        services.is_repeated(*id) && (policy.retry.attempts.get() > 1 || policy.hedge.is_some())
    });
    upstreams.map(|(_, upstream)| upstream)
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_one, warned, warned_of};

    #[test]
    fn a_retry_of_one_attempt_is_odd_where_no_other_is_replaced() {
        for table in [
            "{}",
            "{ attempts = 1 }",
            "{ on = ['500'] }",
            "{ backoff = '1s' }",
        ] {
            let told = warned(&format!("retry = {table}"), "");
            assert_one(&told, "upstreams.users.retry", "set it to 2 or more");
        }
        let replaced = "defaults.retry = { attempts = 3 }\n[upstreams.a]\nurl = 'http://a'\nretry = { attempts = 1 }\n\
                        [aggregates.home]\ncalls = ['a']";
        assert_eq!(warned_of(replaced), [""; 0]);
    }

    #[test]
    fn a_retry_after_what_is_a_success_is_odd() {
        let told = warned(
            "success = ['2xx', '404']\nretry = { attempts = 2, on = ['4xx'] }",
            "",
        );
        assert_one(
            &told,
            "upstreams.users.retry.on",
            "a 404 of `users` is never retried",
        );
        assert_eq!(
            warned("retry = { attempts = 2, on = ['404'] }", ""),
            [""; 0]
        );
    }

    #[test]
    fn a_pause_that_is_as_long_as_the_deadline_is_odd() {
        let with = |backoff: &str| {
            let settings =
                format!("timeout = '1s'\nretry = {{ attempts = 2, backoff = '{backoff}' }}");
            warned(&settings, "deadline = '2s'")
        };
        assert_one(
            &with("2s"),
            "upstreams.users.retry.backoff",
            "set a shorter `backoff`",
        );
        assert_eq!(with("500ms"), [""; 0]);
    }

    #[test]
    fn a_budget_of_nothing_is_odd_where_something_is_to_be_paid() {
        let none = "budget = { ratio = 0, min_per_second = 0 }";
        for extra in ["retry = { attempts = 2 }", "hedge = { after = 'p95' }"] {
            let told = warned(&format!("{none}\n{extra}"), "");
            assert_one(&told, "upstreams.users.budget", "no retry and no hedge");
        }
        assert_eq!(warned(none, ""), [""; 0]);
        let some = "budget = { ratio = 0, min_per_second = 1 }\nretry = { attempts = 2 }";
        assert_eq!(warned(some, ""), [""; 0]);
    }

    #[test]
    fn a_hedge_where_one_attempt_is_the_most_is_odd() {
        let told = warned("max_in_flight = 1\nhedge = { after = '50ms' }", "");
        assert_one(&told, "upstreams.users.hedge", "max_in_flight is 1");
        assert_eq!(
            warned("max_in_flight = 2\nhedge = { after = '50ms' }", ""),
            [""; 0]
        );
    }

    #[test]
    fn a_breaker_that_one_call_opens_is_odd() {
        let with = |attempts| {
            let settings = format!(
                "timeout = '1s'\nbreaker = {{ failures = 2 }}\nretry = {{ attempts = {attempts} }}"
            );
            warned(&settings, "")
        };
        assert_one(
            &with(3),
            "upstreams.users.breaker.failures",
            "set `failures` above `attempts`",
        );
        assert_eq!(with(2), [""; 0]);
    }

    #[test]
    fn a_breaker_by_share_that_never_has_enough_attempts_is_odd() {
        let with = |ceiling: u32, timeout: &str| {
            let settings = format!(
                "max_in_flight = {ceiling}\ntimeout = '{timeout}'\nbreaker = {{ failures = '50%', window = '10s' }}"
            );
            warned(&settings, "")
        };
        assert_one(
            &with(5, "5s"),
            "upstreams.users.breaker.failures",
            "at most 15 attempts end",
        );
        assert_eq!(with(7, "5s"), [""; 0]);
        assert_eq!(with(5, "1s"), [""; 0]);
    }
}
