//! The reasons why the parameters of a request can't be accepted, each with the parameter's name. It must not know how
//! they are read.

use std::borrow::Cow;

use super::excerpt::excerpt;

/// The reason why a query can't be accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No call declares the parameter.
    #[error("unknown parameter `{}`: neither Gather nor a call of this aggregate takes it", excerpt(.name))]
    Unknown {
        /// The parameter.
        name: String,
    },
    /// The parameter is given more than once.
    #[error("parameter `{name}` is given more than once")]
    Repeated {
        /// The parameter.
        name: Cow<'static, str>,
    },
    /// A parameter of the route is not given.
    #[error("parameter `{name}` is missing: the aggregate's route takes it")]
    Missing {
        /// The parameter.
        name: Cow<'static, str>,
    },
    /// The parameter is given without a value.
    #[error("parameter `{name}` is empty")]
    Empty {
        /// The parameter.
        name: Cow<'static, str>,
    },
    /// The parameter's value has no meaning.
    #[error("parameter `{name}` is `{}`, expected {expected}", excerpt(.found))]
    Invalid {
        /// The parameter.
        name: Cow<'static, str>,
        /// The parameter's value.
        found: String,
        /// The values that would be accepted.
        expected: &'static str,
    },
}

impl QueryError {
    /// Returns the parameter that the error is about.
    pub(super) fn parameter(&self) -> &str {
        match self {
            Self::Unknown { name } => name,
            Self::Repeated { name }
            | Self::Missing { name }
            | Self::Empty { name }
            | Self::Invalid { name, .. } => name,
        }
    }
}
