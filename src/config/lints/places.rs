//! Finds where a setting of an upstream is written, and who calls an upstream. Knows no rule.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    config::{
        checked::{Aggregate, Services},
        mistake::KeyPath,
        review::Review,
    },
    fanout::UpstreamId,
    upstream::Settings,
};

/// The upstreams that take a setting from the same place, by that place: their own table, or `[defaults]`.
pub(super) fn by_place<'a>(
    services: &'a Services,
    key: &str,
    review: &Review<'_>,
) -> BTreeMap<KeyPath, Vec<(UpstreamId, &'a Settings)>> {
    let mut places = BTreeMap::<_, Vec<_>>::new();
    for (index, upstream) in services.each() {
        if let Some(place) = written(upstream, key, review) {
            places.entry(place).or_default().push((index, upstream));
        }
    }
    places
}

/// The place where a setting of an upstream is written; `None` where nobody has set it.
pub(super) fn written(upstream: &Settings, key: &str, review: &Review<'_>) -> Option<KeyPath> {
    let path = KeyPath::of(["upstreams", &upstream.service.name, key]);
    review.is_set(&path).then(|| review.written_at(&path))
}

/// The aggregates that call the upstream with this index.
pub(super) fn callers(
    services: &Services,
    upstream: UpstreamId,
) -> impl Iterator<Item = &Aggregate> {
    let calls = move |aggregate: &&Aggregate| {
        (aggregate.calls.iter()).any(|call| call.upstream == upstream)
    };
    services.aggregates.iter().filter(calls)
}

/// The longest deadline under which an upstream is called; `None` for one that nobody calls.
pub(super) fn longest_deadline(services: &Services, upstream: UpstreamId) -> Option<Duration> {
    callers(services, upstream)
        .map(|aggregate| aggregate.rules.deadline)
        .max()
}
