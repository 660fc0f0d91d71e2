//! The parts of a call's request that are made from values, as checked settings. It must not know how they are sent.

use std::num::NonZeroUsize;

use http::HeaderName;

use crate::{
    expression::Expression,
    values::{FormTemplate, HeaderTemplate, JsonTemplate, PathTemplate, QueryTemplate, Reference},
};

/// The parts of a call's request that are made anew for each client's request.
#[derive(Debug, Clone, Default)]
pub struct Composed {
    /// The call's index in its aggregate.
    pub call: usize,
    /// The condition of the call (`when`).
    pub when: Option<Expression>,
    /// One request for each element of a list.
    pub each: Option<EachSettings>,
    /// The whole path, with that of the upstream's URL. Without it, the request's own path.
    pub path: Option<PathTemplate>,
    /// The query parameters after those of the request's own target, in order.
    pub query: Vec<QueryTemplate>,
    /// The header fields. They replace fixed and forwarded ones of the same names.
    pub headers: Vec<(HeaderName, HeaderTemplate)>,
    /// The body, if it is not a fixed one.
    pub content: Option<Content>,
    /// True if all attempts of the call have one `Idempotency-Key`, which is generated.
    pub idempotency_key: bool,
    /// The condition of a reply (`expect`).
    pub expect: Option<Expression>,
}

impl Composed {
    /// Returns true if some part of the request itself is made anew, beside its conditions.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.path.is_some()
            || !self.query.is_empty()
            || !self.headers.is_empty()
            || self.content.is_some()
            || self.idempotency_key
    }

    /// Returns all references, also those of its conditions.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let content: Box<dyn Iterator<Item = &Reference>> = match &self.content {
            Some(Content::Json(template)) => Box::new(template.references()),
            Some(Content::Form(template)) => Box::new(template.references()),
            Some(Content::Forward) | None => Box::new(std::iter::empty()),
        };
        let conditions = self.when.iter().chain(&self.expect);
        let headers = self.headers.iter();
        conditions
            .flat_map(Expression::references)
            .chain(self.each.iter().map(|each| &each.list))
            .chain(self.path.iter().flat_map(PathTemplate::references))
            .chain(self.query.iter().flat_map(QueryTemplate::references))
            .chain(headers.flat_map(|(_, template)| template.references()))
            .chain(content)
    }
}

/// A body that is made from values.
#[derive(Debug, Clone)]
pub enum Content {
    /// `json`
    Json(JsonTemplate),
    /// `form`
    Form(FormTemplate),
    /// `forward_body`: the client's body as it came, with its type.
    Forward,
}

/// One request for each element of a list.
#[derive(Debug, Clone)]
pub struct EachSettings {
    /// The list.
    pub list: Reference,
    /// The most requests at a time.
    pub concurrency: NonZeroUsize,
    /// The most elements. More of them fail the call.
    pub max: usize,
    /// The failures up to which the call succeeds.
    pub tolerate: Tolerance,
}

impl Tolerance {
    /// Returns the most failures of a call with this many elements. A share is rounded down.
    #[must_use]
    pub fn most(self, total: usize) -> usize {
        match self {
            Self::Count(most) => most,
            // 29 % of 100 elements are 29, though the product of the two numbers is a little less.
            Self::Share(share) => (total as f64 * share + 1e-9) as usize,
        }
    }
}

/// The failures up to which a call with `each` succeeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// This many.
    Count(usize),
    /// This share of all elements, from 0 to 1.
    Share(f64),
}
