//! The failures that a merged answer lists. It must not know the answer's other members.

use serde::Deserialize;
use utoipa::ToSchema;

use super::FailureClass;

/// A call that failed, in a merged answer.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CallFailure {
    /// The call's name in its aggregate.
    pub name: String,
    pub failure: FailureClass,
    /// The upstream's status, if it sent one.
    #[schema(minimum = 100, maximum = 999, nullable = false)]
    pub status: Option<u16>,
    /// One sentence for a person.
    pub detail: String,
}
