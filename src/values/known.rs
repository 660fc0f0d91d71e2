//! The names that a reference may use at one place of a configuration. It must not know the place.

use std::sync::Arc;

/// The names that may be used at one place.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The parameters of the aggregate's route, in order.
    pub path: &'a [Arc<str>],
    /// The names of the aggregate's calls, in order.
    pub calls: &'a [Arc<str>],
    /// The call that the place is in. It may not refer to itself, except in `expect`, `select`, `keep`, `drop`.
    pub own: Option<usize>,
    /// True if the call's own result may be used.
    pub own_result: bool,
    /// True if `item` and `index` may be used: the call has `each`.
    pub in_each: bool,
    /// True if the client's request can have a body.
    pub has_body: bool,
    /// True if the client's request may be used: false in an expression over results alone.
    pub has_client: bool,
}
