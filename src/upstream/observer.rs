//! The ways in which an attempt's surroundings hear of its connections, and pay for a request that is sent again. Knows
//! nothing of metrics or policies.

use crate::fanout::Failure;

/// Told of a service's connections.
pub trait ConnectionObserver {
    /// A connection was opened.
    fn opened(&self) {}
    /// No connection could be opened.
    fn unreachable(&self, _failure: &Failure) {}
    /// No connection could be opened, as this process lacks something for all services, such as file descriptors.
    fn short(&self, _failure: &Failure) {}
    /// A pooled connection was closed or brought no answer, and the request was sent again on a new one.
    fn resent(&self) {}
}

/// The budget from which requests are paid for that are sent again after a failed answer.
pub trait ResendBudget {
    /// Pays for one request. Returns false if the budget has nothing left.
    fn withdraw(&self) -> bool;
}

impl ConnectionObserver for () {}

/// A budget without end.
impl ResendBudget for () {
    fn withdraw(&self) -> bool {
        true
    }
}
