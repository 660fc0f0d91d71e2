//! The failure of an answer that breaks the rules of HTTP. It must not know the rules.

use std::borrow::Cow;

use crate::fanout::{Failure, FailureKind};

/// Makes a `protocol` failure.
pub(super) fn protocol(detail: impl Into<Cow<'static, str>>) -> Failure {
    Failure::new(FailureKind::Protocol, detail)
}
