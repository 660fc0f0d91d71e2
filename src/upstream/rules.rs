//! The rules for one answer. It must not know how the answer comes.

use http::{HeaderName, Method};

use super::{advice::Advised, body::Bounds, expectation::Expectation, settings::Request};
use crate::exchange::Allowance;
use crate::fanout::{HeadStatus, StatusSet};

/// The rules for an answer.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    /// True if the request's method was HEAD. There is then no body, whatever the head says.
    pub(super) head_only: bool,
    /// The statuses that count as success.
    pub(super) success: &'a StatusSet,
    /// True if an answer is refused that only the end of its connection ends, as nobody can see if it was cut.
    pub(super) refuses_close: bool,
    /// The bytes that the body may take.
    pub(super) bounds: Bounds<'a>,
    /// The depth to which JSON may nest.
    pub(super) depth: u16,
    /// Set when the final head has come.
    pub(super) status: &'a HeadStatus,
    /// The failures of which fields are kept beside their status, if there are any.
    pub(super) advised: Option<&'a Advised>,
    /// The fields that are kept of an answer that counts as success.
    pub(super) kept: &'a [HeaderName],
    /// The condition on the reply, if there is one.
    pub(super) expected: Option<&'a Expectation<'a>>,
}

impl<'a> Rules<'a> {
    /// Returns the rules for the answer to a request. Its body takes its bytes from `shared`, and `status` is told of
    /// its final head.
    pub(super) fn of(
        request: &'a Request,
        shared: &'a Allowance,
        status: &'a HeadStatus,
        advised: Option<&'a Advised>,
    ) -> Self {
        Self {
            head_only: request.method == Method::HEAD,
            success: &request.success,
            refuses_close: request.framed,
            bounds: Bounds {
                own: request.max_body,
                shared,
            },
            depth: u16::try_from(request.max_depth).unwrap_or(u16::MAX),
            status,
            advised,
            kept: &request.kept_fields,
            expected: None,
        }
    }

    /// Adds a condition on the reply.
    pub(super) const fn expecting(mut self, expected: Option<&'a Expectation<'a>>) -> Self {
        self.expected = expected;
        self
    }
}
