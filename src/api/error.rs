//! The one place where causes become statuses: every answer outside 2xx is a problem (RFC 9457) with a stable type.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};

use super::{methods, passed::Passed, query::QueryError};
use crate::{
    compose,
    fanout::{Blame, Choice, PlanError, Verdict},
    telemetry::ProblemId,
};

/// Every type of problem. The order is that of the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// 400: the request is not valid HTTP/1.1.
    MalformedRequest,
    /// 400: a query parameter that nobody declares.
    UnknownParameter,
    /// 400: a query parameter given twice.
    RepeatedParameter,
    /// 400: a query parameter without a value.
    EmptyParameter,
    /// 400: a query parameter's value that means nothing here.
    InvalidParameter,
    /// 400: a body where none is taken.
    UnexpectedBody,
    /// 404: no such route.
    NotFound,
    /// 404: no aggregate of this name.
    UnknownAggregate,
    /// 405: the route knows other methods.
    MethodNotAllowed,
    /// 408: the request's head, or the end of an empty body, did not come in time.
    RequestTimeout,
    /// 413: the body is larger than any route takes.
    BodyTooLarge,
    /// 414: the request target is too long.
    UriTooLong,
    /// 431: the request's head is too large.
    HeadTooLarge,
    /// 500: a handler panicked.
    Internal,
    /// 501: no route knows the method.
    MethodNotImplemented,
    /// 502: what was waited for did not come.
    UpstreamFailed,
    /// 502: the request came from the gateway itself.
    LoopDetected,
    /// 503: the gateway is starting or stopping.
    NotReady,
    /// 503: as many requests are in flight as the gateway takes.
    Overloaded,
    /// 504: what was waited for did not come in time.
    UpstreamTimeout,
    /// 505: another version of HTTP than 1.
    VersionNotSupported,
    /// An upstream's own status, where the configuration says that it is the answer's.
    UpstreamStatus,
}

impl From<ProblemKind> for ProblemId {
    fn from(kind: ProblemKind) -> Self {
        Self(kind as usize)
    }
}

impl ProblemKind {
    /// Every kind, in the order of the metric.
    pub const ALL: [Self; 22] = [
        Self::MalformedRequest,
        Self::UnknownParameter,
        Self::RepeatedParameter,
        Self::EmptyParameter,
        Self::InvalidParameter,
        Self::UnexpectedBody,
        Self::NotFound,
        Self::UnknownAggregate,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
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

    /// The names of all kinds, for the metric's label, in the order of their [`ProblemId`]s.
    #[must_use]
    pub fn names() -> [&'static str; Self::ALL.len()] {
        Self::ALL.map(|kind| kind.facts().0)
    }

    /// The last part of the problem's `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// The answer's status; of an upstream's status, which is as many, one that stands for all.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().1
    }

    /// Name, status and title.
    const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedRequest => ("malformed-request", S::BAD_REQUEST, "Malformed request"),
            Self::UnknownParameter => ("unknown-parameter", S::BAD_REQUEST, "Unknown parameter"),
            Self::RepeatedParameter => ("repeated-parameter", S::BAD_REQUEST, "Repeated parameter"),
            Self::EmptyParameter => ("empty-parameter", S::BAD_REQUEST, "Empty parameter"),
            Self::InvalidParameter => ("invalid-parameter", S::BAD_REQUEST, "Invalid parameter"),
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

impl From<Blame> for Problem {
    fn from(blame: Blame) -> Self {
        let detail = match blame {
            Blame::Time => "what was waited for did not come in time",
            Blame::Upstream => "what was waited for can't come: see the results",
        };
        Self::new(ProblemKind::from(blame), detail)
    }
}

/// A problem answer before it is sent.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    status: StatusCode,
    detail: Cow<'static, str>,
    /// Further members: JSON text without braces, or nothing.
    members: Vec<u8>,
}

impl Problem {
    /// A problem of this kind; `detail` is one sentence for a person and names the thing.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            status: kind.status(),
            detail: detail.into(),
            members: Vec::new(),
        }
    }

    /// The problem that a run is, if it is one. A status that is passed on says more than that the run failed: its client can
    /// do something about it.
    pub(super) fn of_run(verdict: Verdict, passed: Option<&Passed<'_>>) -> Option<Self> {
        match (passed, verdict) {
            (Some(passed), _) => Some(Self::passed(passed.call, passed.status)),
            (None, Verdict::Failed(blame)) => Some(blame.into()),
            (None, Verdict::Complete | Verdict::Partial) => None,
        }
    }

    /// The status of an upstream, which the call of this name has brought, as the answer's own.
    pub(crate) fn passed(call: &str, status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        let detail = format!(
            "the call `{call}` was answered with {} {reason}",
            status.as_str()
        );
        Self {
            status,
            ..Self::new(ProblemKind::UpstreamStatus, detail.trim_end().to_owned())
        }
    }

    /// The same problem with extension members: JSON text without braces.
    #[must_use]
    pub fn with_members(mut self, members: Vec<u8>) -> Self {
        self.members = members;
        self
    }

    /// The problem's kind.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The body, `application/problem+json`.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut json = self.opened(self.members.len());
        if !self.members.is_empty() {
            json.push(b',');
            json.extend_from_slice(&self.members);
        }
        json.push(b'}');
        json
    }

    /// The answer, with extension members written straight into its body: they may be as large as bodies are.
    pub(super) fn response_with(&self, members: impl FnOnce(&mut Vec<u8>)) -> HttpResponse {
        let mut json = self.opened(0);
        json.push(b',');
        members(&mut json);
        json.push(b'}');
        self.response(json)
    }

    /// The body without its last brace, and with room for `more` bytes.
    fn opened(&self, more: usize) -> Vec<u8> {
        let mut json = Vec::with_capacity(192 + self.detail.len() + more);
        json.push(b'{');
        self.members(&mut json);
        json
    }

    /// Appends its own members, without braces.
    pub(crate) fn members(&self, json: &mut Vec<u8>) {
        let (name, _, title) = self.kind.facts();
        json.extend_from_slice(b"\"type\":\"urn:gather:problem:");
        json.extend_from_slice(name.as_bytes());
        json.extend_from_slice(b"\",\"title\":");
        compose::string(json, title);
        json.extend_from_slice(b",\"status\":");
        json.extend_from_slice(self.status.as_str().as_bytes());
        json.extend_from_slice(b",\"detail\":");
        compose::string(json, &self.detail);
    }

    fn response(&self, json: Vec<u8>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status.canonical_reason().is_none() {
            // actix would call it unknown. A reason may be empty (RFC 9112, section 4).
            response.reason("");
        }
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.kind == ProblemKind::MethodNotAllowed {
            response.insert_header((header::ALLOW, methods::ALLOWED));
        }
        if self.kind.status() == StatusCode::SERVICE_UNAVAILABLE {
            // By then another process may be ready, or this one less busy. In seconds (RFC 9110, section 10.2.3).
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        let mut response = response.body(json);
        // So that the middleware can count it by its kind.
        response.extensions_mut().insert(self.kind);
        response
    }
}

/// The media type of problems.
pub(super) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.response(self.json())
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let kind = match &error {
            QueryError::Unknown { .. } => ProblemKind::UnknownParameter,
            QueryError::Repeated { .. } => ProblemKind::RepeatedParameter,
            QueryError::Empty { .. } => ProblemKind::EmptyParameter,
            QueryError::Invalid { .. } => ProblemKind::InvalidParameter,
        };
        let detail = error.to_string();
        Self::new(kind, detail).with_members(parameter(error.parameter()))
    }
}

impl Problem {
    /// A choice that can't be planned is the fault of the parameter that made it so.
    pub(super) fn unplanned(error: &PlanError, choice: &Choice<'_>) -> Self {
        let name = match error {
            PlanError::UnknownCall(_) | PlanError::RepeatedCall(_) => "calls",
            // The aggregate's own `wait_for` can be met by all of its calls.
            PlanError::QuorumTooLarge { .. } | PlanError::NothingRequired
                if choice.completion.is_none() =>
            {
                "calls"
            }
            PlanError::QuorumTooLarge { .. } | PlanError::NothingRequired => "wait_for",
        };
        let detail = format!("parameter `{name}`: {error}");
        Self::new(ProblemKind::InvalidParameter, detail).with_members(parameter(name))
    }
}

/// The member that names the parameter, for programs.
fn parameter(name: &str) -> Vec<u8> {
    let mut members = b"\"parameter\":".to_vec();
    compose::string(&mut members, name);
    members
}

/// The answer where no route matches.
pub(super) fn not_found(request: &HttpRequest) -> Problem {
    let detail = format!("there is nothing at `{}`", shown(request.path()));
    Problem::new(ProblemKind::NotFound, detail)
}

/// A client's text as an answer may repeat it: not without end.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

impl actix_web::Responder for Problem {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_json_with_a_stable_type() {
        let problem = Problem::new(ProblemKind::UnknownParameter, "unknown parameter `a\"b`")
            .with_members(parameter("a\"b"));
        let json = String::from_utf8(problem.json()).unwrap();
        insta::assert_snapshot!(json, @r#"{"type":"urn:gather:problem:unknown-parameter","title":"Unknown parameter","status":400,"detail":"unknown parameter `a\"b`","parameter":"a\"b"}"#);
    }

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

    #[test]
    fn a_long_text_is_repeated_in_part() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"é".repeat(200)).chars().count(), 101);
    }
}
