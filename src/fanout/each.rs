//! The result of a call with one request for each element of a list, beside its body. It must not know the elements.

use http::StatusCode;

use super::FailureKind;

/// The counts of such a call, and its failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EachReport {
    /// The number of elements.
    pub total: usize,
    /// The number of those that succeeded.
    pub ok: usize,
    /// The others, in the order of their indices.
    pub failures: Vec<EachFailure>,
}

/// The failure of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EachFailure {
    /// The element's index, from 0.
    pub index: usize,
    /// The class.
    pub kind: FailureKind,
    /// The upstream's status, if it sent one.
    pub status: Option<StatusCode>,
}
