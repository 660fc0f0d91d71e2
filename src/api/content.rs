//! The body of a client's request: refuses one that its aggregate does not take, and reads one that it takes. What the
//! head tells decides first, so that a refusal comes before `100 Continue`. It must not know how a body comes in, nor
//! what is made of it.

use std::rc::Rc;

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};
use mime::Mime;

use super::{
    incoming_body::{IncomingBody, Unread},
    methods,
    problem::Problem,
    problem_kind::ProblemKind,
    strict_json,
};
use crate::{
    endpoint::{Endpoint, may_have_body},
    exchange::ClientBody,
};

/// A body that is on its way, and that is going to be read.
#[derive(Debug)]
pub(super) struct Content {
    incoming: Rc<IncomingBody>,
    content_type: Option<HeaderValue>,
    body_use: BodyUse,
    /// True if the request is a QUERY, or the POST that does the same.
    is_query: bool,
    /// The most bytes that it may have.
    most: usize,
}

/// The use of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyUse {
    /// Nobody takes it, so it has to turn out to be empty.
    Nothing,
    /// It goes on as it came.
    Bytes,
    /// A part of it is taken.
    Json,
}

impl Content {
    /// Judges a request by its head. `None` if it has no body, and needs none.
    pub(super) fn announced(
        request: &HttpRequest,
        endpoint: &Endpoint,
    ) -> Result<Option<Self>, Problem> {
        let incoming = request.extensions().get::<Rc<IncomingBody>>().cloned();
        let (method, headers) = (request.method(), request.headers());
        let is_query = endpoint.queries(method);
        let body_use = match endpoint.takes_json() {
            _ if !may_have_body(method) || !endpoint.takes_body() => BodyUse::Nothing,
            true => BodyUse::Json,
            false => BodyUse::Bytes,
        };
        if body_use != BodyUse::Nothing && (incoming.is_some() || is_query) {
            check_type(headers, endpoint, is_query)?;
        }
        let Some(incoming) = incoming else {
            return match body_use {
                BodyUse::Json => Err(empty(is_query)),
                BodyUse::Bytes if is_query => Err(empty(is_query)),
                BodyUse::Bytes | BodyUse::Nothing => Ok(None),
            };
        };
        let is_certain = incoming.length.is_some() || headers.contains_key(header::EXPECT);
        if body_use == BodyUse::Nothing && is_certain {
            return Err(unexpected(method));
        }
        let most = match body_use {
            BodyUse::Nothing => 0,
            BodyUse::Bytes | BodyUse::Json => endpoint.limits.max_request_body,
        };
        if let Some(length) = incoming.length.filter(|length| *length > most as u64) {
            let detail = format!(
                "the request announces a body of {length} bytes; at most {most} are taken here"
            );
            return Err(Problem::new(ProblemKind::BodyTooLarge, detail));
        }
        Ok(Some(Self {
            incoming,
            content_type: headers.get(header::CONTENT_TYPE).cloned(),
            body_use,
            is_query,
            most,
        }))
    }

    /// Returns the bytes that it may take.
    pub(super) fn size(&self) -> usize {
        let length = self.incoming.length;
        let length = length.and_then(|length| length.try_into().ok());
        length.unwrap_or(self.most)
    }

    /// Reads the body to its end and checks it. A client that waits for `100 Continue` is told to go on. `None` if
    /// nobody takes it and it is empty: proxies announce chunks if they don't know that there will be none.
    pub(super) async fn read(self, method: &Method) -> Result<Option<ClientBody>, Problem> {
        let bytes = self.incoming.read(self.most).await;
        let bytes = bytes.map_err(|unread| self.unread(unread, method))?;
        match self.body_use {
            BodyUse::Nothing => return Ok(None),
            BodyUse::Bytes if bytes.is_empty() && self.is_query => return Err(empty(true)),
            BodyUse::Bytes => {}
            BodyUse::Json if bytes.is_empty() => return Err(empty(self.is_query)),
            BodyUse::Json => strict_json::check(&bytes).map_err(|reason| invalid(&reason))?,
        }
        Ok(Some(ClientBody {
            bytes,
            content_type: self.content_type,
            is_json: self.body_use == BodyUse::Json,
        }))
    }

    fn unread(&self, reason: Unread, method: &Method) -> Problem {
        let (kind, detail) = match reason {
            Unread::TooLarge if self.body_use == BodyUse::Nothing => return unexpected(method),
            Unread::TooLarge => (
                ProblemKind::BodyTooLarge,
                format!(
                    "the body is larger than {} bytes, the most that is taken here",
                    self.most
                ),
            ),
            Unread::Late => (
                ProblemKind::RequestTimeout,
                "the body did not come in time".to_owned(),
            ),
            Unread::Malformed => (
                ProblemKind::MalformedRequest,
                "the body breaks the rules of its chunks".to_owned(),
            ),
            Unread::Gone => (
                ProblemKind::MalformedRequest,
                "the body did not come to its end".to_owned(),
            ),
        };
        Problem::new(kind, detail)
    }
}

/// Returns the problem of a body that is not the JSON that it has to be.
fn invalid(reason: &str) -> Problem {
    let detail = format!("a call takes a part of the body as JSON, but {reason}");
    Problem::new(ProblemKind::InvalidBody, detail)
}

/// Returns the problem of a request that should have a body.
#[cold]
fn empty(is_query: bool) -> Problem {
    let detail = match is_query {
        true => "the body is empty, and a QUERY says in it what it asks for",
        false => "the body is empty, and a call takes a part of it as JSON",
    };
    Problem::new(ProblemKind::InvalidBody, detail)
}

#[cold]
fn unexpected(method: &Method) -> Problem {
    let detail = match may_have_body(method) {
        true => "no call of this aggregate takes a body".to_owned(),
        false => format!("{method} takes no body here"),
    };
    Problem::new(ProblemKind::UnexpectedBody, detail)
}

/// Refuses a body whose type or coding its calls can't take.
fn check_type(headers: &HeaderMap, endpoint: &Endpoint, is_query: bool) -> Result<(), Problem> {
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).all(is_plain) {
        // Otherwise a call would get bytes whose type does not tell what they are.
        let identity = (
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        let detail = "the body has a `Content-Encoding`; it is taken only without one";
        return Err(Problem::new(ProblemKind::UnsupportedMediaType, detail).with_fields([identity]));
    }
    let mut types = headers.get_all(header::CONTENT_TYPE);
    let detail = match (types.next(), types.next()) {
        (_, Some(_)) => "the request has several `Content-Type` fields",
        (None, None) if is_query => "a QUERY has to have a `Content-Type` (RFC 10008)",
        (None, None) if endpoint.takes_json() => {
            "the body has no `Content-Type`, expected `application/json`"
        }
        (Some(one), None) if endpoint.takes_json() && !is_json(one) => {
            "the body's `Content-Type` is not `application/json`, nor does its type end in `+json`"
        }
        _ => return Ok(()),
    };
    let accept = match endpoint.takes_json() {
        true => HeaderValue::from_static("application/json"),
        false => HeaderValue::from_static("*/*"),
    };
    let fields = [Some((header::ACCEPT, accept)), methods::accepted(endpoint)];
    let fields = fields.into_iter().flatten();
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail).with_fields(fields))
}

/// Returns true for a media type of JSON. The parameter `charset` has no meaning for it (RFC 8259, section 11).
fn is_json(content_type: &HeaderValue) -> bool {
    let parsed = content_type
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Mime>().ok());
    parsed.is_some_and(|parsed| {
        parsed.essence_str() == "application/json" || parsed.suffix() == Some(mime::JSON)
    })
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
