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
    fn attempt(
        &self,
        question: &Question<'_, Self>,
    ) -> impl Future<Output = Result<Reply, Failure>>;

    /// Makes one body of the bodies of all elements, in order; `None` for an element that failed.
    ///
    /// # Errors
    /// Fails if there is no room for it.
    fn list(&self, context: &Self::Context, bodies: Vec<Option<Body>>) -> Result<Body, Failure>;
}

/// The question of one attempt.
///
/// The futures that pass it on hold one pointer to it: every call in flight has room for all of them.
pub struct Question<'a, U: Upstream + ?Sized> {
    /// The part of the client's request that the call needs.
    pub context: &'a U::Context,
    /// The call's request.
    pub request: &'a U::Request,
    /// The results by which a reply can be judged.
    pub earlier: Earlier<'a>,
    /// Tells the attempt from all others of the client's request.
    pub id: AttemptId,
    /// The moment at which the caller gives the attempt up: the earlier of its call's timeout and its plan's deadline.
    /// As the attempt knows it, it may say what it was waiting for.
    pub until: Instant,
    /// Set to the status of the answer as soon as that is known.
    pub head: &'a HeadStatus,
}

/// The decision of a call whose turn has come.
pub enum Turn<'a, R> {
    /// It sends this request.
    Send(R),
    /// It sends a request for each element of a list.
    Each(Box<Elements<'a, R>>),
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
