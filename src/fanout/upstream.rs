//! The trait by which the core asks for an attempt of a call. It must not know plans.

use std::future::Future;

use tokio::time::Instant;

use super::{AttemptId, Failure, HeadStatus, Reply};

/// The way to one upstream. The future is local: it never leaves the thread that its plan runs on.
pub trait Upstream {
    /// The part of the client's request that an attempt needs.
    type Context;

    /// Sends one request and takes its whole answer. Dropping the future must give the attempt up at once, on the wire
    /// too.
    ///
    /// `id` tells the attempt from all others of the client's request. The caller gives the attempt up at `until`, the
    /// earlier of its call's timeout and its plan's deadline. As the attempt knows that moment, it may say what it was
    /// waiting for. It sets `head` to the status of its answer as soon as that is known.
    fn attempt(
        &self,
        context: &Self::Context,
        id: AttemptId,
        until: Instant,
        head: &HeadStatus,
    ) -> impl Future<Output = Result<Reply, Failure>>;
}
