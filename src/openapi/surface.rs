//! The facts that the document tells of. It must not know how it is written, nor where the configuration comes from.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use http::{HeaderName, StatusCode};

use crate::fanout::{Completion, Mode};

/// The version of OpenAPI that a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1, which nearly all programs read. It has no word for the messages of a stream.
    V3_1,
    /// 3.2, which has one: `itemSchema`.
    V3_2,
}

/// The facts that the document has to tell of, beside those that are the same everywhere.
#[derive(Debug, Clone)]
pub struct Surface {
    /// The aggregates, in the order in which they are shown.
    pub endpoints: Vec<Endpoint>,
    /// True if the operational routes are on the public listener.
    pub operations: bool,
    /// True if the console is there.
    pub console: bool,
    /// True if answers are compressed for clients that take it.
    pub compression: bool,
}

/// One aggregate as its clients see it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name.
    pub name: Arc<str>,
    /// The names of its calls, in plan order.
    pub calls: Vec<Arc<str>>,
    /// Some call of it is not optional.
    pub has_required: bool,
    /// The mode, if the caller names none.
    pub mode: Mode,
    /// At most this many calls at a time.
    pub concurrency: NonZeroUsize,
    /// The time of a whole request.
    pub deadline: Duration,
    /// The condition that is waited for, if the caller doesn't say.
    pub completion: Completion,
    /// True if `mode=compare` is allowed.
    pub compare: bool,
    /// The client's header fields that some call of it passes on; each once.
    pub forward_headers: Vec<HeaderName>,
    /// The query parameters that some call of it passes on; each once.
    pub forward_query: Vec<String>,
    /// The client's header fields that say for how many milliseconds it will wait.
    pub deadline_headers: Vec<HeaderName>,
    /// The upstreams' statuses that become the answer's own, in order, each with the first call that it may come from.
    pub pass_status: Vec<(StatusCode, Arc<str>)>,
}
