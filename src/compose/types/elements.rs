//! The counts of a call with one request for each element of a list, as answers show them. It must not know the
//! elements.

use serde::Deserialize;
use utoipa::ToSchema;

use super::FailureClass;

/// The counts of a call with one request for each element of a list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = Each)]
pub struct Elements {
    /// The number of elements.
    pub total: u32,
    /// The number of those that succeeded.
    pub ok: u32,
    /// The number of the others.
    pub failed: u32,
    /// The others, by their indices.
    pub failures: Vec<ElementFailure>,
}

/// The failure of one element.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = EachFailure)]
pub struct ElementFailure {
    /// The element's index, from 0.
    pub index: u32,
    pub failure: FailureClass,
    /// The upstream's status, if it sent one.
    #[schema(minimum = 100, maximum = 999, nullable = false)]
    pub status: Option<u16>,
}
