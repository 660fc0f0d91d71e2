//! Checks the keys by which calls depend on the client's request and on one another. Each part of a call has a file.
//! It must not know upstreams, except the requests that they were given.

mod content;
mod each;
mod edges;
mod merge;
mod places;
mod request;
mod shaping;
mod uses;

use std::sync::Arc;

use http::HeaderName;

pub(super) use self::merge::check as check_merge;
use self::uses::Uses;
use super::{
    call_values::RawShape,
    calls::RawCallTable,
    mistake::KeyPath,
    review::{Review, Slot},
};
use crate::{
    compose::{CallShape, Shape},
    endpoint::Takes,
    expression::Expression,
    upstream::Request,
    values::{Known, Part, Root},
};

/// The facts about an aggregate that the checks of its calls need.
#[derive(Debug)]
pub(super) struct AggregateFacts<'a> {
    /// The parameters of its route, in order.
    pub(super) parameters: &'a [Arc<str>],
    /// The names of its calls, in order.
    pub(super) names: &'a [Arc<str>],
    /// True if its clients may send a body.
    pub(super) has_body: bool,
    /// True if it takes Gather's own query parameters.
    pub(super) takes_own: bool,
}

impl<'a> AggregateFacts<'a> {
    /// Returns the names that a request of the call with this index may use.
    fn of_request(&self, own: usize) -> Known<'a> {
        Known {
            path: self.parameters,
            calls: self.names,
            own: Some(own),
            own_result: false,
            in_each: false,
            has_body: self.has_body,
            has_client: true,
        }
    }

    /// Returns the names that may be used of results alone.
    fn of_results(&self, own: Option<usize>) -> Known<'a> {
        Known {
            path: &[],
            calls: self.names,
            own,
            own_result: own.is_some(),
            in_each: false,
            has_body: false,
            has_client: false,
        }
    }
}

/// The composition of one call.
#[derive(Debug)]
pub(super) struct Composition {
    /// Its own request; `None` if it sends its upstream's.
    pub(super) request: Option<Request>,
    /// The JSON value that stands for its body if it fails.
    pub(super) fallback: Option<bytes::Bytes>,
    /// The part of its body that goes into the answer.
    pub(super) shape: CallShape,
    uses: Uses,
}

/// Checks the composition of the call with this index. `path` is the call's, and `upstream` the request that it sends
/// without it.
pub(super) fn check(
    path: &KeyPath,
    own: usize,
    raw: &RawCallTable,
    upstream: &Request,
    facts: &AggregateFacts<'_>,
    review: &mut Review<'_>,
) -> Composition {
    let mut uses = Uses::default();
    edges::named(path, own, raw.after.as_ref(), facts, &mut uses, review);
    let mut place = places::Places {
        path,
        own,
        facts,
        uses: &mut uses,
        review: &mut *review,
    };
    let request = request::check(raw, upstream, &mut place);
    let fallback = each::fallback(path, raw, review);
    let shape = shaping::check(path, own, raw, facts, &mut uses, review);
    Composition {
        request,
        fallback,
        shape,
        uses,
    }
}

/// The parts of one aggregate's calls that follow from all of them together.
#[derive(Debug)]
pub(super) struct Together {
    /// The calls that each waits for, by their indices, in order, each once.
    pub(super) after: Vec<Box<[usize]>>,
    /// The parts of the client's request that each takes.
    pub(super) takes: Vec<Takes>,
    /// The fields of each call's answer that something refers to.
    pub(super) kept_fields: Vec<Vec<HeaderName>>,
}

/// Checks that no calls wait for one another, and gathers what follows from all of them. All calls keep the fields that
/// go to the client.
pub(super) fn together(
    calls: &[Composition],
    names: &[Arc<str>],
    shape: &Shape,
    response_headers: &[HeaderName],
    review: &mut Review<'_>,
) -> Together {
    let uses = || calls.iter().map(|call| &call.uses);
    let after: Vec<_> = uses().map(|uses| &uses.edges).collect();
    edges::refuse_cycles(&after, names, review);
    let of_shape = match shape {
        Shape::Value(expression) => uses::fields(expression.references()),
        Shape::Report | Shape::Merge => Vec::new(),
    };
    let kept = (0..calls.len()).map(|call| {
        let all = uses().flat_map(|uses| &uses.fields).chain(&of_shape);
        let own = all.filter(|(of, _)| *of == call).map(|(_, name)| name);
        let mut kept: Vec<_> = own.chain(response_headers).cloned().collect();
        kept.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        kept.dedup();
        kept
    });
    Together {
        after: after
            .iter()
            .map(|edges| edges.keys().copied().collect())
            .collect(),
        takes: uses().map(|uses| uses.takes.clone()).collect(),
        kept_fields: kept.collect(),
    }
}

/// Checks the shape of an aggregate's answer. `path` is the aggregate's, and `hidden` says which bodies never leave.
pub(super) fn shape(
    path: &KeyPath,
    raw: Option<RawShape>,
    facts: &AggregateFacts<'_>,
    hidden: &[bool],
    review: &mut Review<'_>,
) -> Shape {
    let path = path.key("shape");
    let source = match review.slot(&path, raw) {
        Slot::Absent | Slot::Refused | Slot::Given(RawShape::Report) => return Shape::Report,
        Slot::Given(RawShape::Merge) => return Shape::Merge,
        Slot::Given(RawShape::Value(source)) => source,
    };
    let path = path.key("value");
    let source = match review.slot(&path, source) {
        Slot::Given(source) => source,
        Slot::Refused => return Shape::Report,
        Slot::Absent => {
            review.mistake(
                &path,
                r#"missing; expected an expression such as "users.body""#,
            );
            return Shape::Report;
        }
    };
    let expression = match Expression::parse(&source, &facts.of_results(None)) {
        Ok(expression) => expression,
        Err(errors) => {
            for error in errors {
                review.mistake(&path, error.to_string());
            }
            return Shape::Report;
        }
    };
    for reference in expression.references() {
        let Root::Call(call, Part::Body) = reference.root else {
            continue;
        };
        if hidden.get(call) == Some(&true) {
            let message = format!(
                "`{}` is a part of the body of `{}`, which has `answer = false`: its body never leaves; take it out, or leave `answer` out",
                reference.text, facts.names[call]
            );
            review.mistake(&path, message);
        }
    }
    Shape::Value(expression)
}
