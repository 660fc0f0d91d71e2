//! Checks the entries of `calls`: that each has an upstream, and a name of its own. It must not know what they send.

use std::{collections::HashMap, sync::Arc};

use http::StatusCode;

use super::{
    calls::{RawCall, RawCallTable},
    defaults::MOST_CALLS,
    mistake::{KeyPath, nearest},
    pass_status,
    review::{Review, Slot},
};
use crate::fanout::{Need, UpstreamId};

/// The name of the whole request in `Server-Timing`.
const TOTAL: &str = "total";

/// One entry, as far as it could be checked.
#[derive(Debug)]
pub(super) struct Listed {
    /// The path of the entry.
    pub(super) path: KeyPath,
    /// The name in the answer, if it is known.
    pub(super) name: Option<Arc<str>>,
    /// True if no other call has the name, and nothing else.
    pub(super) is_name_free: bool,
    pub(super) upstream: Option<UpstreamId>,
    pub(super) need: Need,
    pub(super) pass_status: Vec<StatusCode>,
    /// The entry as a table.
    pub(super) table: RawCallTable,
}

/// Checks all entries of one aggregate. `path` is that of the list.
pub(super) fn check(
    path: &KeyPath,
    entries: Vec<RawCall>,
    upstreams: &[String],
    review: &mut Review<'_>,
) -> Option<Vec<Listed>> {
    if !(1..=MOST_CALLS).contains(&entries.len()) {
        let message = format!("found {} calls, expected 1 to {MOST_CALLS}", entries.len());
        review.mistake(path, message);
        return None;
    }
    let mut taken = HashMap::new();
    let checked = entries.into_iter().enumerate().map(|(index, entry)| {
        let at = path.index(index);
        let (upstream_path, name_path, table) = match entry {
            RawCall::Refused => return refused(at),
            RawCall::Table(table) => {
                let name_path = match table.name {
                    Some(_) => at.key("name"),
                    None => at.clone(),
                };
                (at.key("upstream"), name_path, *table)
            }
            RawCall::Name(name) => {
                let table = RawCallTable {
                    upstream: Some(name),
                    ..RawCallTable::default()
                };
                (at.clone(), at.clone(), table)
            }
        };
        let upstream = match review.slot(&upstream_path, table.upstream.as_deref()) {
            Slot::Given(upstream) => Some(upstream),
            Slot::Refused => None,
            Slot::Absent => {
                review.mistake(&upstream_path, "missing; expected the name of an upstream");
                None
            }
        };
        let place = upstream.and_then(|name| place(&upstream_path, name, upstreams, review));
        if let Some(name) = &table.name {
            review.check_name(&name_path, name);
        }
        let is_refused = table.name.is_none() && review.is_refused(&at.key("name"));
        let name = table.name.as_deref().or(upstream).filter(|_| !is_refused);
        let name: Option<Arc<str>> = name.map(Arc::from);
        let is_free = name.as_ref().is_some_and(|name| {
            let refusal = refusal(name, &taken);
            taken.entry(Arc::clone(name)).or_insert(index);
            let is_free = refusal.is_none();
            refusal
                .into_iter()
                .for_each(|message| review.mistake(&name_path, message));
            is_free
        });
        Listed {
            name,
            is_name_free: is_free,
            upstream: place,
            need: match table.optional {
                Some(true) => Need::Optional,
                Some(false) | None => Need::Required,
            },
            pass_status: pass_status::of_call(&at, table.pass_status.as_ref(), review),
            table,
            path: at,
        }
    });
    Some(checked.collect())
}

fn refused(path: KeyPath) -> Listed {
    Listed {
        path,
        name: None,
        is_name_free: false,
        upstream: None,
        need: Need::Required,
        pass_status: Vec::new(),
        table: RawCallTable::default(),
    }
}

/// Returns the reason why a call can't have a name.
fn refusal(name: &Arc<str>, taken: &HashMap<Arc<str>, usize>) -> Option<String> {
    if **name == *TOTAL {
        let message =
            "the name `total` is the whole answer's in Server-Timing; the call needs another";
        return Some(message.to_owned());
    }
    let first = taken.get(name)?;
    Some(format!(
        "the name `{name}` is taken by calls[{first}]; one of them needs another, such as \
         {{ upstream = \"…\", name = \"{name}_2\" }}"
    ))
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
