//! Gathers what the references of one call use: other calls, their fields, and parts of the client's request. It must
//! not know the places of the references.

use std::collections::BTreeMap;

use http::HeaderName;

use super::AggregateFacts;
use crate::{
    config::{mistake::KeyPath, review::Review},
    endpoint::Takes,
    fanout::PARAMETERS,
    values::{Part, Reference, Root},
};

/// The values that one call uses.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The calls that it waits for, each with the path of the first place that says so.
    pub(super) edges: BTreeMap<usize, KeyPath>,
    /// The fields of calls' answers, by the index of the call.
    pub(super) fields: Vec<(usize, HeaderName)>,
    /// The parts of the client's request.
    pub(super) takes: Takes,
}

impl Uses {
    /// Notes the references in the place at `path` of the call with the index `own`.
    pub(super) fn note<'r>(
        &mut self,
        references: impl Iterator<Item = &'r Reference>,
        path: &KeyPath,
        own: usize,
        facts: &AggregateFacts<'_>,
        review: &mut Review<'_>,
    ) {
        for reference in references {
            match &reference.root {
                Root::Query(name) => {
                    if let Some(message) = misleading(name, facts) {
                        review.mistake(path, message);
                    }
                    let query = &mut self.takes.query;
                    if let Err(place) = query.binary_search(name) {
                        query.insert(place, name.clone());
                    }
                }
                Root::Header(name) => {
                    let headers = &mut self.takes.headers;
                    let place = headers.binary_search_by(|known| known.as_str().cmp(name.as_str()));
                    if let Err(place) = place {
                        headers.insert(place, name.clone());
                    }
                }
                Root::Body => self.takes.json = true,
                Root::Call(call, part) => {
                    if *call != own {
                        self.edges.entry(*call).or_insert_with(|| path.clone());
                    }
                    self.fields.extend(field(*call, part));
                }
                Root::Path(_) | Root::Item | Root::Index => {}
            }
        }
    }
}

/// Returns the fields of calls' answers in these references, by the index of the call.
pub(super) fn fields<'r>(
    references: impl Iterator<Item = &'r Reference>,
) -> Vec<(usize, HeaderName)> {
    let of = |reference: &Reference| match &reference.root {
        Root::Call(call, part) => field(*call, part),
        _ => None,
    };
    references.filter_map(of).collect()
}

fn field(call: usize, part: &Part) -> Option<(usize, HeaderName)> {
    match part {
        Part::Header(name) => Some((call, name.clone())),
        Part::Body | Part::Status | Part::Ok | Part::Failure => None,
    }
}

/// Returns the reason why no reference may have this query parameter of the client.
fn misleading(name: &str, facts: &AggregateFacts<'_>) -> Option<String> {
    if facts.takes_own && PARAMETERS.contains(&name) {
        return Some(format!(
            "the query parameter `{name}` is Gather's own; use another name, or set `parameters = false` in the aggregate"
        ));
    }
    let is_of_route = facts.parameters.iter().any(|known| **known == *name);
    is_of_route.then(|| {
        format!(
            "the query parameter `{name}` has the name of a parameter of the route, which takes its place at /aggregate/NAME; \
             did you mean `path.{name}`?"
        )
    })
}
