//! The facts that the document describes. It must not know how it is written, nor where the configuration comes from.

use std::sync::Arc;

use crate::endpoint::Endpoint;

/// The version of OpenAPI that a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1, which nearly all programs read. It can't describe the messages of a stream.
    V3_1,
    /// 3.2, which describes them by `itemSchema`.
    V3_2,
}

/// The facts that differ from one gateway's document to another's.
#[derive(Debug, Clone, Copy)]
pub struct Surface<'a> {
    /// The aggregates, in the order in which they are shown.
    pub endpoints: &'a [Arc<Endpoint>],
    /// True if the operational routes are on the public listener.
    pub operations: bool,
    /// True if there is a console.
    pub console: bool,
    /// True if answers are compressed for clients that accept it.
    pub compression: bool,
}
