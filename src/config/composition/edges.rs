//! Checks what calls wait for: the names in `after`, and that no calls wait for one another. It must not know why they
//! wait.

use std::{collections::BTreeMap, sync::Arc};

use super::{AggregateFacts, Uses};
use crate::config::{
    mistake::{KeyPath, nearest},
    review::Review,
    values::Texts,
};

/// Notes the calls that are named in `after` of the call with the index `own`.
pub(super) fn named(
    path: &KeyPath,
    own: usize,
    raw: Option<&Texts>,
    facts: &AggregateFacts<'_>,
    uses: &mut Uses,
    review: &mut Review<'_>,
) {
    let path = path.key("after");
    let mut taken = Vec::new();
    let entries = raw.into_iter().flatten().enumerate();
    for (index, name) in entries {
        let Some(name) = name else { continue };
        let path = path.index(index);
        let place = facts.names.iter().position(|known| **known == **name);
        let refusal = match place {
            None => unknown(name, own, facts),
            Some(place) if place == own => format!("`{name}` is this call itself"),
            Some(place) if taken.contains(&place) => format!("`{name}` is listed twice"),
            Some(place) => {
                taken.push(place);
                uses.edges.insert(place, path);
                continue;
            }
        };
        review.mistake(&path, refusal);
    }
}

fn unknown(name: &str, own: usize, facts: &AggregateFacts<'_>) -> String {
    let others = facts.names.iter().enumerate();
    let others = others.filter(|(index, _)| *index != own);
    let others: Vec<_> = others.map(|(_, name)| &**name).collect();
    let hint = match nearest(name, others.iter().copied()) {
        Some(meant) => format!(", did you mean `{meant}`?"),
        None if (1..=20).contains(&others.len()) => format!("; there are: {}", others.join(", ")),
        None => String::new(),
    };
    format!("no call of this aggregate has the name `{name}`{hint}")
}

/// Notes each cycle of calls that wait for one another, at the place that closes it. `after` has the calls that each
/// waits for, with the place that says so.
pub(super) fn refuse_cycles(
    after: &[&BTreeMap<usize, KeyPath>],
    names: &[Arc<str>],
    review: &mut Review<'_>,
) {
    let mut search = Search {
        after,
        names,
        seen: vec![false; after.len()],
        way: Vec::new(),
        review,
    };
    for call in 0..after.len() {
        search.visit(call);
    }
}

/// A search for cycles, in depth.
struct Search<'s, 'r> {
    after: &'s [&'s BTreeMap<usize, KeyPath>],
    names: &'s [Arc<str>],
    seen: Vec<bool>,
    /// The calls from the first to the one that is looked at. Each waits for the next.
    way: Vec<usize>,
    review: &'s mut Review<'r>,
}

impl Search<'_, '_> {
    fn visit(&mut self, call: usize) {
        if std::mem::replace(&mut self.seen[call], true) {
            return;
        }
        self.way.push(call);
        let edges = self.after[call];
        for (&next, path) in edges {
            match self.way.iter().position(|&before| before == next) {
                Some(start) => {
                    let cycle = self.way[start..].iter().chain([&next]);
                    let names: Vec<_> = cycle.map(|&call| &*self.names[call]).collect();
                    let message = format!(
                        "calls wait for one another without end: {}; take one of these references out",
                        names.join(" → ")
                    );
                    self.review.mistake(path, message);
                }
                None => self.visit(next),
            }
        }
        self.way.pop();
    }
}
