//! Checks `[aggregates.NAME]`: that its calls name upstreams, and that it waits for no more than it calls. Of upstreams
//! it must know only the names.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use http::Method;

use super::{
    calls::{RawCall, RawCallTable, WaitFor},
    checked::{Aggregate, Call},
    defaults::{self, MOST_CALLS},
    mistake::{KeyPath, nearest},
    pass_status,
    quantities::Size,
    raw::{Named, RawAggregate, RawMode, RawOnFailure},
    review::{Review, Slot},
    values::{Table, count},
};
use crate::{
    compose::{CallShape, Shape},
    endpoint::{Limits, Takes},
    fanout::{Completion, Mode, Need, OnFailure, Rules, UpstreamId},
};

/// The aggregates that could be made, and the deadlines that are known.
pub(super) struct Checked {
    /// The aggregates, by name.
    pub(super) checked: Vec<Aggregate>,
    /// The deadlines, by the aggregate's name, without those that were refused.
    pub(super) deadlines: BTreeMap<String, Duration>,
}

/// The name of the whole request in `Server-Timing`.
const TOTAL: &str = "total";

/// Checks all aggregates against the names of all upstreams, which are in order.
pub(super) fn check(
    raw: Option<Named<RawAggregate>>,
    upstreams: &[String],
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
    for (name, Table(raw)) in raw.unwrap_or_default() {
        let path = table.key(&name);
        let deadline = review.duration(&path.key("deadline"), raw.deadline);
        let deadline = deadline.or(Slot::Given(defaults::DEADLINE)).given();
        let aggregate = aggregate(&name, &path, raw, deadline, upstreams, review);
        all.checked.extend(aggregate);
        all.deadlines
            .extend(deadline.map(|deadline| (name, deadline)));
    }
    all
}

fn aggregate(
    name: &str,
    path: &KeyPath,
    raw: RawAggregate,
    deadline: Option<Duration>,
    upstreams: &[String],
    review: &mut Review<'_>,
) -> Option<Aggregate> {
    let entries = match review.slot(&path.key("calls"), raw.calls) {
        Slot::Given(calls) => Some(calls),
        Slot::Refused => None,
        Slot::Absent => {
            let message =
                r#"missing; expected the names of upstreams, such as ["users", "orders"]"#;
            review.mistake(&path.key("calls"), message);
            None
        }
    };
    let max_body = review
        .slot(&path.key("max_body"), raw.max_body)
        .and_then(|Size(bytes)| bytes.try_into().ok())
        .or(Slot::Given(defaults::MAX_BODIES))
        .given();
    let completion = completion(path, raw.wait_for, entries.as_ref().map(Vec::len), review);
    let calls = entries.and_then(|entries| calls(&path.key("calls"), entries, upstreams, review));
    if let (Some(Completion::Required), Some(calls)) = (completion, &calls)
        && calls.iter().all(|call| call.need == Need::Optional)
    {
        let message =
            "found \"required\", but every call is optional: there is nothing to wait for";
        review.mistake(&path.key("wait_for"), message);
    }
    if let (Some(completion), Some(calls)) = (completion, &calls)
        && completion != Completion::Required
        && !matches!(raw.on_failure, Some(RawOnFailure::Fail))
    {
        for (index, call) in calls.iter().enumerate() {
            if call.need == Need::Optional {
                let message = "has no effect here, except for callers that send wait_for=required; set `wait_for = \"required\"` or \
                               `on_failure = \"fail\"`";
                review.warning(&path.key("calls").index(index).key("optional"), message);
            }
        }
    }
    Some(Aggregate {
        name: Arc::from(name),
        calls: calls?,
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
            max_request_body: defaults::MAX_REQUEST_BODY,
            parameters: true,
        },
        route: None,
        methods: vec![Method::GET],
        shape: Shape::default(),
        response_headers: Vec::new(),
    })
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

fn calls(
    path: &KeyPath,
    entries: Vec<RawCall>,
    upstreams: &[String],
    review: &mut Review<'_>,
) -> Option<Vec<Call>> {
    if !(1..=MOST_CALLS).contains(&entries.len()) {
        let message = format!("found {} calls, expected 1 to {MOST_CALLS}", entries.len());
        review.mistake(path, message);
        return None;
    }
    let mut taken = HashMap::<String, usize>::new();
    let checked = entries.into_iter().enumerate().map(|(index, entry)| {
        let at = path.index(index);
        let (upstream_path, name_path, table) = match entry {
            RawCall::Refused => return None,
            RawCall::Table(table) => {
                let name_path = match table.name {
                    Some(_) => at.key("name"),
                    None => at.clone(),
                };
                (at.key("upstream"), name_path, table)
            }
            RawCall::Name(name) => {
                let table = RawCallTable {
                    upstream: Some(name),
                    ..RawCallTable::default()
                };
                (at.clone(), at.clone(), table)
            }
        };
        let upstream = match review.slot(&upstream_path, table.upstream) {
            Slot::Given(upstream) => Some(upstream),
            Slot::Refused => None,
            Slot::Absent => {
                review.mistake(&upstream_path, "missing; expected the name of an upstream");
                None
            }
        };
        let place = upstream
            .as_ref()
            .and_then(|name| place(&upstream_path, name, upstreams, review));
        if let Some(name) = &table.name {
            review.check_name(&name_path, name);
        }
        let need = match table.optional {
            Some(true) => Need::Optional,
            Some(false) | None => Need::Required,
        };
        let pass_status = pass_status::of_call(&at, table.pass_status, review);
        let name = table.name.or(upstream)?;
        if name == TOTAL {
            let message =
                "the name `total` is the whole answer's in Server-Timing; the call needs another";
            review.mistake(&name_path, message);
            return None;
        }
        if let Some(first) = taken.get(&name) {
            let message = format!(
                "the name `{name}` is taken by calls[{first}]; one of them needs another, \
                 such as {{ upstream = \"…\", name = \"{name}_2\" }}"
            );
            review.mistake(&name_path, message);
            return None;
        }
        taken.insert(name.clone(), index);
        Some(Call {
            name: Arc::from(name),
            upstream: place?,
            need,
            pass_status,
            request: None,
            after: Box::default(),
            fallback: None,
            shape: CallShape::default(),
            takes: Takes::default(),
        })
    });
    // All of them first, as each may have a mistake of its own.
    checked.collect::<Vec<_>>().into_iter().collect()
}

/// Returns the id of an upstream: its index among all.
fn place(
    path: &KeyPath,
    name: &str,
    upstreams: &[String],
    review: &mut Review<'_>,
) -> Option<UpstreamId> {
    let place = upstreams.iter().position(|known| known == name);
    let place = place.map(UpstreamId);
    // If the whole table was refused, its names are unknown.
    if place.is_none() && !review.refused.contains(&KeyPath::of(["upstreams"])) {
        let hint = match nearest(name, upstreams.iter().map(String::as_str)) {
            Some(meant) => format!(", did you mean `{meant}`?"),
            None if (1..=20).contains(&upstreams.len()) => {
                format!("; there are: {}", upstreams.join(", "))
            }
            None => String::new(),
        };
        review.mistake(path, format!("no upstream has the name `{name}`{hint}"));
    }
    place
}
