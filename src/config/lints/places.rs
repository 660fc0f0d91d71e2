//! Finds where a setting of an upstream is written, and who calls an upstream. It must not know the rules.

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

/// Returns the upstreams by the path at which a setting of theirs is written: in their own table, or in `[defaults]`.
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

/// Returns the path at which a setting of an upstream is written; `None` if it is not set.
pub(super) fn written(upstream: &Settings, key: &str, review: &Review<'_>) -> Option<KeyPath> {
    let path = KeyPath::of(["upstreams", &upstream.service.name, key]);
    review.is_set(&path).then(|| review.written_at(&path))
}

/// Returns the aggregates that call the upstream with this index.
pub(super) fn callers(
    services: &Services,
    upstream: UpstreamId,
) -> impl Iterator<Item = &Aggregate> {
    let calls = move |aggregate: &&Aggregate| {
        (aggregate.calls.iter()).any(|call| call.upstream == upstream)
    };
    services.aggregates.iter().filter(calls)
}

/// Returns the longest deadline under which an upstream is called; `None` if no aggregate calls it.
pub(super) fn longest_deadline(services: &Services, upstream: UpstreamId) -> Option<Duration> {
    callers(services, upstream)
        .map(|aggregate| aggregate.rules.deadline)
        .max()
}
