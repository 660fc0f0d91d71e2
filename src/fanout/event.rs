//! Everything that an observer can learn of a plan while it runs. Metrics, spans, logs and drawings read this one type,
//! so they can't disagree. It must not know who observes.

use std::time::Duration;

use http::StatusCode;

use super::{CallResult, Circuit, FailureKind, Mode, Refusal, UpstreamId};

/// The identity of an attempt within its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptId {
    /// The mode of its plan. It tells the two runs of a comparison apart.
    pub mode: Mode,
    /// The index of its call in the plan.
    pub call: usize,
    /// The attempt's number. The call's first attempt has 1.
    pub attempt: u32,
}

impl AttemptId {
    /// The id in a request that is a single attempt.
    pub const ONLY: Self = Self {
        mode: Mode::Sequential,
        call: 0,
        attempt: 1,
    };
}

/// The reason why an attempt was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is the first of its call.
    First,
    /// The attempt before it failed.
    Retry,
    /// The attempt before it was not answered in time.
    Hedge,
}

/// An event of a plan. `call` is the call's index in the plan.
#[derive(Debug)]
pub enum Event<'a> {
    /// A call has started.
    CallStarted {
        /// Its index in the plan.
        call: usize,
    },
    /// An attempt is about to be sent.
    AttemptStarted {
        /// The index of its call in the plan.
        call: usize,
        /// The upstream that it goes to.
        upstream: UpstreamId,
        /// 1 for the first.
        attempt: u32,
        /// The reason why it is sent. Count by this, and not by `Retry` and `Hedge`, as a retry can still be refused or
        /// dropped after its pause. The number of attempts is then the sum of the causes.
        cause: Cause,
    },
    /// An attempt has ended, or was dropped. Follows every `AttemptStarted` exactly once.
    AttemptFinished {
        /// The index of its call in the plan.
        call: usize,
        /// The upstream that it went to.
        upstream: UpstreamId,
        /// 1 for the first.
        attempt: u32,
        /// From its start to its end.
        elapsed: Duration,
        /// The reason why it was sent.
        cause: Cause,
        /// The status of its answer, if an answer came.
        status: Option<StatusCode>,
        /// The kind of its failure, if it brought no reply.
        result: Result<(), FailureKind>,
    },
    /// A failed attempt will be followed by another.
    Retry {
        /// The index of its call in the plan.
        call: usize,
        /// The upstream that it is for.
        upstream: UpstreamId,
        /// The failure before it.
        after: FailureKind,
        /// The pause before it.
        pause: Duration,
    },
    /// An attempt has not been answered in time, and gets a second beside it: the attempt that starts next.
    Hedge {
        /// The index of its call in the plan.
        call: usize,
        /// The upstream that it is for.
        upstream: UpstreamId,
        /// The time for which the first has been under way.
        after: Duration,
    },
    /// A retry or a hedge was due, and is not sent. A retry may have been announced before.
    ExtraRefused {
        /// The index of its call in the plan.
        call: usize,
        /// The upstream that it was for.
        upstream: UpstreamId,
        /// The reason why it was due: never [`Cause::First`].
        cause: Cause,
        /// The reason why it is not sent.
        reason: Refusal,
    },
    /// An upstream's circuit breaker has changed its state.
    CircuitChanged {
        /// The upstream of the breaker.
        upstream: UpstreamId,
        /// The new state.
        circuit: Circuit,
    },
    /// A call's result is final. Comes exactly once for every call of a plan, also if the plan is dropped.
    CallSettled {
        /// Its index in the plan.
        call: usize,
        /// The upstream that it was for.
        upstream: UpstreamId,
        /// The call's result.
        result: &'a CallResult,
    },
}

/// Takes events as they happen, on the plan's own thread. It must not block.
pub trait Observer {
    /// Takes one event. It is called once for each event, in order.
    fn observe(&self, event: &Event<'_>);
}

/// Observes nothing.
impl Observer for () {
    fn observe(&self, _: &Event<'_>) {}
}

impl<O: Observer> Observer for &O {
    fn observe(&self, event: &Event<'_>) {
        (**self).observe(event);
    }
}

/// Observes if there is an observer.
impl<O: Observer> Observer for Option<O> {
    fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = self {
            observer.observe(event);
        }
    }
}

/// Passes events on to two observers.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&self, event: &Event<'_>) {
        self.0.observe(event);
        self.1.observe(event);
    }
}
