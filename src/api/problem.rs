//! Problems: the answers outside 2xx (RFC 9457), each with a stable type. It must not know what causes them.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};

use super::problem_kind::ProblemKind;
use crate::compose;

/// A problem answer before it is sent.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    status: StatusCode,
    detail: Cow<'static, str>,
    /// Further members: JSON text without braces, or nothing.
    members: Vec<u8>,
    /// Header fields beside those of every problem.
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// Makes a problem of this kind. `detail` is one sentence for a person and names the thing.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        let status = kind.status();
        let fields = match status {
            StatusCode::SERVICE_UNAVAILABLE => vec![(header::RETRY_AFTER, SOON)],
            _ => Vec::new(),
        };
        Self {
            kind,
            status,
            detail: detail.into(),
            members: Vec::new(),
            fields,
        }
    }

    /// Adds extension members: JSON text without braces.
    #[must_use]
    pub fn with_members(mut self, members: Vec<u8>) -> Self {
        self.members = members;
        self
    }

    /// Replaces the status of the problem's kind.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds further header fields.
    pub(super) fn with_fields(
        mut self,
        fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Returns the problem's kind.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Returns the body, `application/problem+json`.
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

    /// Returns the answer. Extension members are written straight into its body, as they may be as large as bodies are.
    pub(super) fn response_with(&self, members: impl FnOnce(&mut Vec<u8>)) -> HttpResponse {
        let mut json = self.opened(0);
        json.push(b',');
        members(&mut json);
        json.push(b'}');
        self.response(json)
    }

    /// Returns the body without its last brace, and with room for `more` bytes.
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

    /// Returns the header fields of the answer, except those that every answer has.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let own = [
            (header::CACHE_CONTROL, NO_STORE),
            (header::CONTENT_TYPE, PROBLEM_JSON),
        ];
        own.into_iter().chain(self.fields.iter().cloned())
    }

    fn response(&self, json: Vec<u8>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status.canonical_reason().is_none() {
            // Otherwise actix would write "unknown". A reason may be empty (RFC 9112, section 4).
            response.reason("");
        }
        for field in self.fields() {
            response.append_header(field);
        }
        let mut response = response.body(json);
        // The middleware counts it by its kind.
        response.extensions_mut().insert(self.kind);
        response
    }
}

/// The media type of problems.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The time after which another process may be ready, or this one less busy, in seconds (RFC 9110, section 10.2.3).
const SOON: HeaderValue = HeaderValue::from_static("1");

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

impl actix_web::Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
