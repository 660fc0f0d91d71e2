//! Traits through which attempts report their connections, and pay for a request that is sent again. It must not know
//! metrics or policies.

use crate::fanout::Failure;

/// An observer of a service's connections.
pub trait ConnectionObserver {
    /// Reports that a connection was opened.
    fn opened(&self) {}
    /// Reports that no connection could be opened.
    fn unreachable(&self, _failure: &Failure) {}
    /// Reports that no connection could be opened, as this process lacks a resource for all services, such as file
    /// descriptors.
    fn short(&self, _failure: &Failure) {}
    /// Reports that a pooled connection was closed or brought no answer, and that the request was sent again on a new
    /// one.
    fn resent(&self) {}
}

/// The budget that pays for requests that are sent again after a failed answer.
pub trait ResendBudget {
    /// Pays for one request. Returns false if the budget has nothing left.
    fn withdraw(&self) -> bool;
}

impl ConnectionObserver for () {}

/// Never runs out.
impl ResendBudget for () {
    fn withdraw(&self) -> bool {
        true
    }
}
