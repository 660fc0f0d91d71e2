//! The values of one request: of its client, and of the calls that have settled. It must not know who asks.

use std::borrow::Cow;

use crate::{
    exchange::ClientContext,
    fanout::{Earlier, Reply},
};

/// The values that can be referred to at one moment of a request.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'s> {
    /// The client's request.
    pub client: &'s ClientContext,
    /// The calls that have settled.
    pub earlier: Earlier<'s>,
    /// The reply of the call that is being judged, by its index in the aggregate. It has not settled yet.
    pub own: Option<(usize, &'s Reply)>,
    /// The element of a call with `each`.
    pub item: Option<Item<'s>>,
}

/// An element of a list.
#[derive(Debug, Clone, Copy)]
pub struct Item<'s> {
    /// From 0.
    pub index: usize,
    /// One valid JSON value.
    pub json: &'s [u8],
}

/// A value that a reference has found.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'s> {
    /// The bytes of one JSON value.
    Json(&'s [u8]),
    /// The bytes of several: a list.
    List(Vec<&'s [u8]>),
    /// Text that is not JSON: of a path, a query, a header field, or a body of text.
    Text(Cow<'s, str>),
    /// Several texts: a query parameter that was given more than once.
    Texts(Vec<Cow<'s, str>>),
    /// A number: a status, an index.
    Number(u64),
    /// `.ok`
    Bool(bool),
}

/// The reason why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is not there, or not of a kind that has such a part.
    Missing,
    /// It is a part of the result of a call that failed. The index is the call's in the aggregate.
    Failed(usize),
    /// It is a part of the result of a call that was omitted.
    Omitted(usize),
}
