//! An aggregate as its clients see it. It is made once for each generation of the configuration. The handlers, the
//! OpenAPI document and the console read this one value. No address of an upstream is in it, and it must not know how a
//! call is made.

#[cfg(test)]
pub(crate) mod fixture;
mod methods;
mod segments;
mod table;
mod taken;

use std::sync::Arc;

use http::{HeaderName, Method, StatusCode};

use crate::{
    compose::{CallShape, Shape},
    fanout::{Need, Rules, UpstreamId},
};

pub use self::{
    methods::{is_query, may_have_body},
    segments::Segment,
    table::{Found, RouteTable},
    taken::{Clash, TakenPaths},
};

/// The name of the aggregate that a path without a name means.
pub const DEFAULT: &str = "default";

/// One aggregate as its clients see it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The configured name.
    pub name: Arc<str>,
    /// Its calls, in plan order.
    pub calls: Vec<EndpointCall>,
    /// The rules that hold if the client chooses nothing else.
    pub rules: Rules,
    /// The limits of a request.
    pub limits: Limits,
    /// The client's header fields that some call passes on, in the order of their names, each once.
    pub forward_headers: Vec<HeaderName>,
    /// The query parameters that some call passes on, in order, each once.
    pub forward_query: Vec<String>,
    /// The client's header fields that say for how many milliseconds it will wait.
    pub deadline_headers: Arc<[HeaderName]>,
    /// The calls of which some statuses become the answer's own, in plan order. None of them is optional.
    pub pass_status: Vec<PassStatus>,
    /// Its own route, beside the one by its name.
    pub route: Option<Route>,
    /// The methods of its routes. GET stands for HEAD too.
    pub methods: Vec<Method>,
    /// The shape of its answer.
    pub shape: Shape,
    /// The fields of upstreams' answers that go to the client, in order, each once.
    pub response_headers: Vec<HeaderName>,
}

/// The route of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// As it is configured: `/users/{id:int}/home`.
    pub path: Arc<str>,
    /// The parameters in it, in order, each with a name of its own.
    pub parameters: Vec<PathParameter>,
}

/// A parameter of a route. It is one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathParameter {
    /// Its name.
    pub name: Arc<str>,
    /// The values that it takes.
    pub kind: ParameterKind,
}

/// The values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Any text, but none that is empty, `.` or `..`.
    Text,
    /// `int`: an integer of 64 bits in decimal digits, with a sign before it if it is negative.
    Int,
    /// `uuid`: in the form of RFC 9562, section 4.
    Uuid,
}

/// The limits of a request of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// True if `mode=compare`, which doubles the load, is allowed.
    pub compare: bool,
    /// The most bytes of bodies that one request holds.
    pub max_body: usize,
    /// The most bytes of a client's body.
    pub max_request_body: usize,
    /// True if Gather's own query parameters are taken.
    pub parameters: bool,
}

/// A call of an aggregate.
#[derive(Debug, Clone)]
pub struct EndpointCall {
    /// Its name in the answer.
    pub name: Arc<str>,
    /// The id of the upstream that it calls.
    pub id: UpstreamId,
    /// The name of the upstream that it calls.
    pub upstream: Arc<str>,
    /// The aggregate's need of it.
    pub need: Need,
    /// The calls that it waits for, by their indices, in order, each once.
    pub after: Box<[usize]>,
    /// The part of its body that goes into the answer.
    pub shape: CallShape,
    /// The parts of the client's request that it takes.
    pub takes: Takes,
}

/// The parts of the client's request that a call's references take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takes {
    /// Query parameters, in order, each once.
    pub query: Vec<Arc<str>>,
    /// Header fields, in order, each once.
    pub headers: Vec<HeaderName>,
    /// True if it takes the body as it came.
    pub body: bool,
    /// True if it takes a part of the body, which must be JSON.
    pub json: bool,
}

/// A call whose statuses may become the answer's own.
#[derive(Debug, Clone)]
pub struct PassStatus {
    /// The call's name.
    pub call: Arc<str>,
    /// The statuses, 400 to 599, each once.
    pub statuses: Box<[StatusCode]>,
}

impl Endpoint {
    /// Returns the names of the calls, in plan order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.calls.iter().map(|call| &call.name)
    }

    /// Returns true if some call takes the client's body, or a part of it.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        let mut calls = self.calls.iter();
        calls.any(|call| call.takes.body || call.takes.json)
    }

    /// Returns true if some call takes a part of the client's body, which must then be JSON.
    #[must_use]
    pub fn takes_json(&self) -> bool {
        self.calls.iter().any(|call| call.takes.json)
    }

    /// Returns true if its answer is not the report of its calls with each body as it came.
    #[must_use]
    pub fn is_shaped(&self) -> bool {
        !matches!(self.shape, Shape::Report) || !self.calls.iter().all(|call| call.shape.is_plain())
    }

    /// Returns the indices and the shapes of the calls with these names, in the order of the names.
    pub fn shapes<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = (usize, &CallShape)> {
        names.enumerate().filter_map(|(position, name)| {
            let is_named = |call: &EndpointCall| *call.name == *name;
            // A plan has all calls, unless the client has chosen some.
            let index = match self.calls.get(position) {
                Some(call) if is_named(call) => position,
                _ => self.calls.iter().position(is_named)?,
            };
            Some((index, &self.calls[index].shape))
        })
    }

    /// Returns true if some call is not optional.
    #[must_use]
    pub fn has_required(&self) -> bool {
        self.calls.iter().any(|call| call.need == Need::Required)
    }
}
