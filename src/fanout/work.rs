//! The work of a call that has started: one request, or one for each element of a list. It must not know the other calls.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Call, Elements, Failure, Observer, Reply, Upstream, attempt::Scope, call::send,
    elements::send_each,
};

/// The requests of a call that has started.
pub(super) enum Work<'a, R> {
    /// One.
    One(R),
    /// One for each element of a list.
    Each(Elements<'a, R>),
}

/// Makes the call and returns its index, its time and its result.
pub(super) async fn perform<U: Upstream, O: Observer>(
    call: &Call<U>,
    context: &U::Context,
    work: Work<'_, U::Request>,
    scope: Scope<'_, O>,
) -> (usize, Duration, Result<Reply, Failure>) {
    let started = Instant::now();
    let result = match work {
        Work::One(request) => send(call, context, &request, &scope).await,
        // On the heap: otherwise every call would have to keep room for it.
        Work::Each(elements) => Box::pin(send_each(call, context, elements, &scope)).await,
    };
    (scope.index, started.elapsed(), result)
}
