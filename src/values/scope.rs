//! The values of one request: of its client, and of the calls that have settled. It must not know who asks.

use std::borrow::Cow;

use crate::{
    exchange::ClientContext,
    fanout::{Earlier, Reply},
    pick::quote,
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
    /// It is there, but it is no text in UTF-8. So it is no missing value, and nothing stands in for it.
    NoText,
    /// It is a part of the result of a call that failed. The index is the call's in the aggregate.
    Failed(usize),
    /// It is a part of the result of a call that was omitted.
    Omitted(usize),
}

impl Value<'_> {
    /// Appends the value as JSON. What is JSON keeps its bytes.
    pub fn json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) => out.extend_from_slice(json),
            Self::List(values) => list(values, out, |json, out| out.extend_from_slice(json)),
            Self::Text(text) => quote(text, out),
            Self::Texts(texts) => list(texts, out, |text, out| quote(text, out)),
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        }
    }
}

fn list<T>(elements: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (place, element) in elements.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(element, out);
    }
    out.push(b']');
}
