//! The work of a call that has started: one request, or one for each element of a list. It must not know the other calls.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Elements, Failure, Observer, Reply, Upstream, attempt::Scope, call::send, elements::send_each,
};

/// The requests of a call that has started.
pub(super) enum Work<'a, R> {
    /// One.
    One(R),
    /// One for each element of a list.
    Each(Box<Elements<'a, R>>),
}

/// Makes the call and returns its index, its time and its result.
pub(super) async fn perform<U: Upstream, O: Observer>(
    scope: Scope<'_, U, O>,
    work: Work<'_, U::Request>,
) -> (usize, Duration, Result<Reply, Failure>) {
    let started = Instant::now();
    let result = match work {
        Work::One(request) => send(&scope, &request).await,
        // On the heap: otherwise every call would have to keep room for it.
        Work::Each(elements) => Box::pin(send_each(&scope, *elements)).await,
    };
    (scope.index, started.elapsed(), result)
}
