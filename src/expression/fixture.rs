//! A request with a client and three calls, for tests: one that answered, one that failed, and one that was omitted.

#![cfg_attr(
    not(test),
    allow(dead_code, reason = "the fuzz target uses a part of it")
)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Expression, ExpressionError};
use crate::{
    exchange::{ClientBody, ClientContext},
    fanout::{Body, CallResult, Earlier, Failure, FailureKind, Reply},
    values::{Item, Known, Reference, ReferenceError, Scope},
};

/// A request whose calls have settled.
pub(super) struct Request {
    pub(super) client: ClientContext,
    pub(super) results: Vec<CallResult>,
    pub(super) item: Bytes,
}

/// The names of the route's parameters.
fn parameters() -> Vec<Arc<str>> {
    vec!["id".into()]
}

/// The names of the calls: `users` answered, `orders` failed, `stock` was omitted.
fn calls() -> Vec<Arc<str>> {
    ["users", "orders", "stock"].map(Arc::from).to_vec()
}

fn result(name: &Arc<str>, result: Result<Reply, Failure>) -> CallResult {
    CallResult {
        name: Arc::clone(name),
        start: Duration::ZERO,
        elapsed: Duration::ZERO,
        attempts: 1,
        hedges: 0,
        result,
        aside: None,
    }
}

impl Request {
    /// Makes a request in which `users` answered with this JSON.
    pub(super) fn new(users: impl Into<Bytes>) -> Self {
        let mut reply = Reply::new(StatusCode::OK, Body::Json(users.into()));
        let field = |name, value| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        };
        reply.fields = Some(
            [field("etag", "\"v1\""), field("x-plan", "pro")]
                .into_iter()
                .collect(),
        );
        let mut client = ClientContext::new(HeaderValue::from_static("id"));
        client.path = vec!["42".to_owned()];
        let pair = |name: &str, pair: &str| (name.to_owned(), pair.to_owned());
        client.query = vec![pair("page", "page=2"), pair("t", "t=a"), pair("t", "t=b")];
        client.headers = vec![field("accept-language", "de")];
        client.body = Some(ClientBody {
            bytes: Bytes::from_static(b"{\"user\":{\"email\":\"a@b\"}}"),
            content_type: None,
            is_json: true,
        });
        let failure = Failure::new(FailureKind::Status, "503").with_status(StatusCode::BAD_GATEWAY);
        let omitted = Failure::new(FailureKind::Omitted, "no");
        let names = calls();
        let results = [Ok(reply), Err(failure), Err(omitted)];
        let results = names.iter().zip(results);
        Self {
            client,
            results: results.map(|(name, own)| result(name, own)).collect(),
            item: Bytes::from_static(b"{\"sku\":\"x1\",\"n\":3}"),
        }
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            client: &self.client,
            earlier: Earlier::over(&self.results, None),
            own: None,
            item: Some(Item {
                index: 7,
                json: &self.item,
            }),
        }
    }

    /// Evaluates an expression.
    #[cfg(test)]
    pub(super) fn json(&self, source: &str) -> Result<String, super::Unevaluated> {
        let mut out = Vec::new();
        let expression = parse(source).expect(source);
        let written = expression.write(&self.scope(), &mut out);
        assert!(written.is_ok() || out.is_empty());
        written.map(|()| String::from_utf8(out).expect("UTF-8"))
    }
}

/// Parses an expression in which every root may be used.
pub(super) fn parse(source: &str) -> Result<Expression, Vec<ExpressionError>> {
    parse_with(source, |_| {})
}

/// Parses an expression with other names.
pub(super) fn parse_with(
    source: &str,
    change: impl FnOnce(&mut Known<'_>),
) -> Result<Expression, Vec<ExpressionError>> {
    let (parameters, calls) = (parameters(), calls());
    let mut known = known(&parameters, &calls);
    change(&mut known);
    Expression::parse(source, &known)
}

/// Parses a reference in which every root may be used.
pub(super) fn reference(text: &str) -> Result<Reference, ReferenceError> {
    Reference::parse(text, &known(&parameters(), &calls()))
}

fn known<'k>(path: &'k [Arc<str>], calls: &'k [Arc<str>]) -> Known<'k> {
    Known {
        path,
        calls,
        own: None,
        own_result: false,
        in_each: true,
        has_body: true,
        has_client: true,
    }
}
