//! Checks `[aggregates.NAME]`: its rules, and its calls one by one and together. Of upstreams it must know only the
//! names and the requests.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc, time::Duration};

use http::{HeaderName, uri::PathAndQuery};

use super::{
    call_values::RawShape,
    calls::{RawCall, RawCallTable, WaitFor},
    checked::{Aggregate, Call},
    composition::{self, AggregateFacts, Composition, Together},
    defaults::{self, MOST_CALLS},
    headers,
    listed::{self, Listed},
    mistake::KeyPath,
    quantities::Size,
    raw::{Named, RawAggregate, RawMode, RawOnFailure},
    review::{Review, Slot},
    routes::{self, Access},
    values::{Table, count},
};
use crate::{
    compose::Shape,
    endpoint::{Limits, TakenPaths},
    fanout::{Completion, Mode, Need, OnFailure, Rules},
    upstream::Request,
};

/// The upstreams, as far as aggregates know them.
pub(super) struct Upstreams<'a> {
    /// The names of all, in order.
    pub(super) names: &'a [String],
    /// The requests of those that could be made, by name.
    pub(super) requests: BTreeMap<&'a str, &'a Request>,
}

/// The aggregates that could be made, and the deadlines that are known.
pub(super) struct Checked {
    /// The aggregates, by name.
    pub(super) checked: Vec<Aggregate>,
    /// The deadlines, by the aggregate's name, without those that were refused.
    pub(super) deadlines: BTreeMap<String, Duration>,
}

/// Checks all aggregates.
pub(super) fn check(
    raw: Option<Named<RawAggregate>>,
    upstreams: &Upstreams<'_>,
    review: &mut Review<'_>,
) -> Checked {
    let table = KeyPath::of(["aggregates"]);
    if review.names(&table).is_empty() && !review.refused.contains(&table) {
        let message = r#"missing; expected at least one aggregate, such as [aggregates.default] with calls = ["users"]"#;
        review.mistake(&table, message);
    }
    for name in review.names(&table) {
        review.check_name(&table.key(&name), &name);
    }
    let mut all = Checked {
        checked: Vec::new(),
        deadlines: BTreeMap::new(),
    };
    let mut taken = TakenPaths::default();
    for (name, Table(raw)) in raw.unwrap_or_default() {
        let path = table.key(&name);
        let deadline = review.duration(&path.key("deadline"), raw.deadline);
        let deadline = deadline.or(Slot::Given(defaults::DEADLINE)).given();
        let own: Arc<str> = Arc::from(name.as_str());
        let access = routes::check(&own, &path, &raw, &mut taken, review);
        let aggregate = aggregate(own, &path, raw, deadline, access, upstreams, review);
        all.checked.extend(aggregate);
        all.deadlines
            .extend(deadline.map(|deadline| (name, deadline)));
    }
    all
}

fn aggregate(
    name: Arc<str>,
    path: &KeyPath,
    mut raw: RawAggregate,
    deadline: Option<Duration>,
    access: Access,
    upstreams: &Upstreams<'_>,
    review: &mut Review<'_>,
) -> Option<Aggregate> {
    let entries = entries(path, raw.calls.take(), review);
    let max_body = review
        .slot(&path.key("max_body"), raw.max_body)
        .and_then(|Size(bytes)| bytes.try_into().ok())
        .or(Slot::Given(defaults::MAX_BODIES))
        .given();
    let completion = completion(path, raw.wait_for, entries.as_ref().map(Vec::len), review);
    let at = path.key("response_headers");
    let response_headers = raw.response_headers.take();
    let response_headers = response_headers.map(|names| headers::of_answers(&at, names, review));
    let answer = Answer {
        raw_shape: raw.shape.take(),
        response_headers: response_headers.unwrap_or_default(),
    };
    let listed = entries
        .and_then(|entries| listed::check(&path.key("calls"), entries, upstreams.names, review));
    let made = listed.and_then(|listed| calls(path, listed, &access, &answer, upstreams, review));
    let calls = made.as_ref().map(|(calls, _)| calls.as_slice());
    check_needs(path, completion, &raw, calls, review);
    let (calls, shape) = made?;
    Some(Aggregate {
        name,
        calls,
        rules: Rules {
            mode: match raw.mode {
                Some(RawMode::Sequential | RawMode::Sync) => Mode::Sequential,
                Some(RawMode::Concurrent | RawMode::Async) | None => Mode::Concurrent,
            },
            concurrency: count(raw.concurrency, MOST_CALLS),
            deadline: deadline?,
            completion: completion?,
            on_failure: match raw.on_failure {
                Some(RawOnFailure::Fail) => OnFailure::Fail,
                Some(RawOnFailure::Partial) | None => OnFailure::Partial,
            },
        },
        limits: Limits {
            compare: raw.compare.unwrap_or(false),
            max_body: max_body?,
            max_request_body: access.max_request_body,
            parameters: access.parameters,
        },
        route: access.route,
        methods: access.methods,
        shape,
        response_headers: answer.response_headers,
    })
}

/// The settings of an answer, as far as they don't depend on the calls.
struct Answer {
    raw_shape: Option<RawShape>,
    response_headers: Vec<HeaderName>,
}

fn entries(
    path: &KeyPath,
    raw: Option<Vec<RawCall>>,
    review: &mut Review<'_>,
) -> Option<Vec<RawCall>> {
    match review.slot(&path.key("calls"), raw) {
        Slot::Given(calls) => Some(calls),
        Slot::Refused => None,
        Slot::Absent => {
            let message =
                r#"missing; expected the names of upstreams, such as ["users", "orders"]"#;
            review.mistake(&path.key("calls"), message);
            None
        }
    }
}

/// Checks that there is something to wait for, and that `optional` has an effect. `path` is the aggregate's.
fn check_needs(
    path: &KeyPath,
    completion: Option<Completion>,
    raw: &RawAggregate,
    calls: Option<&[Call]>,
    review: &mut Review<'_>,
) {
    let (Some(completion), Some(calls)) = (completion, calls) else {
        return;
    };
    if completion == Completion::Required {
        if calls.iter().all(|call| call.need == Need::Optional) {
            let message =
                "found \"required\", but every call is optional: there is nothing to wait for";
            review.mistake(&path.key("wait_for"), message);
        }
        return;
    }
    if matches!(raw.on_failure, Some(RawOnFailure::Fail)) {
        return;
    }
    for (index, call) in calls.iter().enumerate() {
        if call.need == Need::Optional {
            let message = "has no effect here, except for callers that send wait_for=required; set `wait_for = \"required\"` or \
                           `on_failure = \"fail\"`";
            review.warning(&path.key("calls").index(index).key("optional"), message);
        }
    }
}

/// Makes the calls of an aggregate, and the shape of its answer. `path` is the aggregate's.
fn calls(
    path: &KeyPath,
    listed: Vec<Listed>,
    access: &Access,
    answer: &Answer,
    upstreams: &Upstreams<'_>,
    review: &mut Review<'_>,
) -> Option<(Vec<Call>, Shape)> {
    let names = listed.iter().map(|entry| entry.name.clone());
    // Without all names, nothing can be said of references to calls.
    let names: Vec<Arc<str>> = names.collect::<Option<_>>()?;
    let facts = AggregateFacts {
        parameters: &access.parameters_by_name,
        names: &names,
        has_body: access.has_body(),
        takes_own: access.parameters,
    };
    let unknown = Request::get(PathAndQuery::from_static("/"));
    let compositions: Vec<_> = listed
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let upstream = entry.table.upstream.as_deref();
            let request = upstream.and_then(|name| upstreams.requests.get(name).copied());
            let request = request.unwrap_or(&unknown);
            composition::check(&entry.path, index, &entry.table, request, &facts, review)
        })
        .collect();
    let hidden: Vec<_> = compositions
        .iter()
        .map(|call| call.shape.is_hidden)
        .collect();
    let shape = composition::shape(path, answer.raw_shape.clone(), &facts, &hidden, review);
    let together = composition::together(
        &compositions,
        &names,
        &shape,
        &answer.response_headers,
        review,
    );
    let calls = put_together(listed, compositions, together, upstreams)?;
    composition::check_merge(&path.key("calls"), &calls, &shape, review);
    Some((calls, shape))
}

/// Makes the calls of their parts. `None` if a part is missing, which has its mistake.
fn put_together(
    listed: Vec<Listed>,
    compositions: Vec<Composition>,
    together: Together,
    upstreams: &Upstreams<'_>,
) -> Option<Vec<Call>> {
    let Together {
        after,
        takes,
        kept_fields,
    } = together;
    let parts = listed.into_iter().zip(compositions);
    let parts = parts.zip(after.into_iter().zip(takes).zip(kept_fields));
    let calls = parts.map(|((entry, composition), ((after, takes), kept_fields))| {
        let upstream = upstreams.names.get(entry.upstream?.0)?;
        let request = match (composition.request, kept_fields.is_empty()) {
            (None, true) => None,
            (own, _) => {
                // An upstream that was refused has no request, and its mistake.
                let request = own.or_else(|| Some((*upstreams.requests.get(&**upstream)?).clone()));
                request.map(|request| Request {
                    kept_fields,
                    ..request
                })
            }
        };
        Some(Call {
            name: entry.name.filter(|_| entry.is_name_free)?,
            upstream: entry.upstream?,
            need: entry.need,
            pass_status: entry.pass_status,
            request,
            after,
            fallback: composition.fallback,
            shape: composition.shape,
            takes,
            // The others are in force above.
            written: Box::new(RawCallTable {
                upstream: None,
                name: None,
                optional: None,
                pass_status: None,
                ..entry.table
            }),
        })
    });
    calls.collect()
}

fn completion(
    path: &KeyPath,
    raw: Option<WaitFor>,
    calls: Option<usize>,
    review: &mut Review<'_>,
) -> Option<Completion> {
    match raw {
        Some(WaitFor::First) => Some(Completion::FIRST),
        Some(WaitFor::Required) => Some(Completion::Required),
        Some(WaitFor::Count(needed)) => {
            if let Some(calls) = calls.filter(|&calls| (1..needed).contains(&calls)) {
                let message =
                    format!("found {needed}, expected at most {calls}, the number of its calls");
                review.mistake(&path.key("wait_for"), message);
                return None;
            }
            NonZeroUsize::new(needed).map(Completion::Quorum)
        }
        Some(WaitFor::All) | None => Some(Completion::All),
    }
}
