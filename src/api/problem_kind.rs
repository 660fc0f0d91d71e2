//! The types of problems: a stable name, a status and a title for each. It must not know which cause has which type.

use actix_web::http::StatusCode;

use crate::{fanout::Blame, telemetry::ProblemId};

/// Every type of problem. The order is that of the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// 400: the request is not valid HTTP/1.1.
    MalformedRequest,
    /// 400: a query parameter that no call declares.
    UnknownParameter,
    /// 400: a query parameter given twice.
    RepeatedParameter,
    /// 400: a query parameter without a value.
    EmptyParameter,
    /// 400: a query parameter's value that has no meaning here.
    InvalidParameter,
    /// 400: a parameter of a route that is not given.
    MissingParameter,
    /// 400: a body with a request that takes none.
    UnexpectedBody,
    /// 400: a body that is not the JSON that it has to be.
    InvalidBody,
    /// 404: no such route.
    NotFound,
    /// 404: no aggregate of this name.
    UnknownAggregate,
    /// 405: the route knows other methods.
    MethodNotAllowed,
    /// 408: the request's head, or the end of an empty body, did not come in time.
    RequestTimeout,
    /// 413: the body is larger than any route accepts.
    BodyTooLarge,
    /// 414: the request target is too long.
    UriTooLong,
    /// 415: a body whose type or coding no call takes.
    UnsupportedMediaType,
    /// 431: the request's head is too large.
    HeadTooLarge,
    /// 500: a handler panicked.
    Internal,
    /// 501: no route knows the method.
    MethodNotImplemented,
    /// 502: the awaited calls did not succeed.
    UpstreamFailed,
    /// 502: the request came from the gateway itself.
    LoopDetected,
    /// 503: the gateway is starting or stopping.
    NotReady,
    /// 503: as many requests are in flight as the gateway takes.
    Overloaded,
    /// 504: the awaited calls did not succeed in time.
    UpstreamTimeout,
    /// 505: a version of HTTP other than 1.
    VersionNotSupported,
    /// An upstream's own status that the configuration makes the answer's.
    UpstreamStatus,
}

impl From<ProblemKind> for ProblemId {
    fn from(kind: ProblemKind) -> Self {
        Self(kind as usize)
    }
}

impl ProblemKind {
    /// Every kind, in the order of the metric.
    pub const ALL: [Self; 25] = [
        Self::MalformedRequest,
        Self::UnknownParameter,
        Self::RepeatedParameter,
        Self::EmptyParameter,
        Self::InvalidParameter,
        Self::MissingParameter,
        Self::UnexpectedBody,
        Self::InvalidBody,
        Self::NotFound,
        Self::UnknownAggregate,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::HeadTooLarge,
        Self::Internal,
        Self::MethodNotImplemented,
        Self::UpstreamFailed,
        Self::LoopDetected,
        Self::NotReady,
        Self::Overloaded,
        Self::UpstreamTimeout,
        Self::VersionNotSupported,
        Self::UpstreamStatus,
    ];

    /// Returns the names of all kinds, for the metric's label, in the order of their [`ProblemId`]s.
    #[must_use]
    pub fn names() -> [&'static str; Self::ALL.len()] {
        Self::ALL.map(|kind| kind.facts().0)
    }

    /// Returns the last part of the problem's `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// Returns the answer's status. For an upstream's status, which varies, it is one that stands for all.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().1
    }

    /// Returns name, status and title.
    pub(super) const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedRequest => ("malformed-request", S::BAD_REQUEST, "Malformed request"),
            Self::UnknownParameter => ("unknown-parameter", S::BAD_REQUEST, "Unknown parameter"),
            Self::RepeatedParameter => ("repeated-parameter", S::BAD_REQUEST, "Repeated parameter"),
            Self::EmptyParameter => ("empty-parameter", S::BAD_REQUEST, "Empty parameter"),
            Self::InvalidParameter => ("invalid-parameter", S::BAD_REQUEST, "Invalid parameter"),
            Self::MissingParameter => ("missing-parameter", S::BAD_REQUEST, "Missing parameter"),
            Self::InvalidBody => ("invalid-body", S::BAD_REQUEST, "Invalid body"),
            Self::UnexpectedBody => ("unexpected-body", S::BAD_REQUEST, "Unexpected body"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "Not found"),
            Self::UnknownAggregate => ("unknown-aggregate", S::NOT_FOUND, "Unknown aggregate"),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                S::METHOD_NOT_ALLOWED,
                "Method not allowed",
            ),
            Self::RequestTimeout => ("request-timeout", S::REQUEST_TIMEOUT, "Request timeout"),
            Self::BodyTooLarge => ("body-too-large", S::PAYLOAD_TOO_LARGE, "Body too large"),
            Self::UriTooLong => ("uri-too-long", S::URI_TOO_LONG, "URI too long"),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
            ),
            Self::HeadTooLarge => (
                "head-too-large",
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Request head too large",
            ),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "Internal error"),
            Self::MethodNotImplemented => (
                "method-not-implemented",
                S::NOT_IMPLEMENTED,
                "Method not implemented",
            ),
            Self::UpstreamFailed => ("upstream-failed", S::BAD_GATEWAY, "Upstream failed"),
            Self::LoopDetected => ("loop-detected", S::BAD_GATEWAY, "Loop detected"),
            Self::NotReady => ("not-ready", S::SERVICE_UNAVAILABLE, "Not ready"),
            Self::Overloaded => ("overloaded", S::SERVICE_UNAVAILABLE, "Overloaded"),
            Self::UpstreamTimeout => ("upstream-timeout", S::GATEWAY_TIMEOUT, "Upstream timeout"),
            Self::VersionNotSupported => (
                "version-not-supported",
                S::HTTP_VERSION_NOT_SUPPORTED,
                "HTTP version not supported",
            ),
            Self::UpstreamStatus => ("upstream-status", S::BAD_GATEWAY, "Upstream status"),
        }
    }
}

impl From<Blame> for ProblemKind {
    fn from(blame: Blame) -> Self {
        match blame {
            Blame::Time => Self::UpstreamTimeout,
            Blame::Upstream => Self::UpstreamFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kinds_number_is_its_place_among_all() {
        for (place, kind) in ProblemKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let mut names = ProblemKind::names().to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ProblemKind::ALL.len());
    }
}
