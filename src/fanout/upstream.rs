//! The trait by which the core asks what a call sends, and for an attempt of it. It must not know plans.

use std::{future::Future, num::NonZeroUsize};

use tokio::time::Instant;

use super::{AttemptId, Body, Earlier, Failure, HeadStatus, Reply};

/// The way to one upstream. The future is local: it never leaves the thread that its plan runs on.
pub trait Upstream {
    /// The part of the client's request that a call needs.
    type Context;

    /// One request of a call, as its turn made it: `()` where nothing varies. All attempts share it.
    type Request;

    /// Decides what the call does, when every call that it waits for has settled. It is asked once, and must not wait.
    fn turn<'a>(
        &'a self,
        context: &'a Self::Context,
        earlier: Earlier<'a>,
    ) -> Turn<'a, Self::Request>;

    /// Sends one request and takes its whole answer. Dropping the future must give the attempt up at once, on the wire
    /// too.
    ///
    /// `id` tells the attempt from all others of the client's request. The caller gives the attempt up at `until`, the
    /// earlier of its call's timeout and its plan's deadline. As the attempt knows that moment, it may say what it was
    /// waiting for. It sets `head` to the status of its answer as soon as that is known. A reply can be judged by
    /// `earlier` results.
    fn attempt(
        &self,
        context: &Self::Context,
        request: &Self::Request,
        earlier: Earlier<'_>,
        id: AttemptId,
        until: Instant,
        head: &HeadStatus,
    ) -> impl Future<Output = Result<Reply, Failure>>;

    /// Makes one body of the bodies of all elements, in order; `None` for an element that failed.
    ///
    /// # Errors
    /// Fails if there is no room for it.
    fn list(&self, context: &Self::Context, bodies: Vec<Option<Body>>) -> Result<Body, Failure>;
}

/// The decision of a call whose turn has come.
pub enum Turn<'a, R> {
    /// It sends this request.
    Send(R),
    /// It sends a request for each element of a list.
    Each(Elements<'a, R>),
    /// Its own condition is false: it is neither a success nor a failure.
    Omit,
    /// It can't be made, so nothing is sent: a value is missing, or too many are there.
    Fail(Failure),
}

/// The requests of a call with one request for each element of a list.
pub struct Elements<'a, R> {
    /// The number of elements.
    pub total: usize,
    /// The requests in order, each made when it is asked for. An element of which none can be made has a failure.
    pub requests: Box<dyn Iterator<Item = Result<R, Failure>> + 'a>,
    /// The most requests at a time.
    pub concurrency: NonZeroUsize,
    /// The failures up to which the call succeeds.
    pub tolerate: usize,
}
