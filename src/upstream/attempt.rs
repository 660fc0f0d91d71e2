//! One attempt: a prepared request sent, its whole answer taken, and whatever went wrong named by its class.

use std::{cell::Cell, rc::Rc, time::Duration};

use actix_http::{
    HttpMessage as _, Payload,
    body::{EitherBody, None as NoBody},
};
use awc::{
    Client, ClientResponse, FrozenClientRequest, SendClientRequest,
    error::SendRequestError,
    http::header::{self, HeaderMap, HeaderName},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, StatusCode, Uri};

use super::{
    Prepared,
    answer::{self, Described},
    body::{self, Bounds},
    head::Framing,
    trace::{TRACE, Trace},
};
use crate::fanout::{Body, Failure, FailureKind, Forward, Repeatable, Reply, StatusSet, Upstream};

/// The largest body of a failed answer that is read for the connection's sake.
const DRAIN_BYTES: u64 = 16 * 1024;

/// How long such a body may keep a call waiting: it usually came with the head.
const DRAIN_TIME: Duration = Duration::from_millis(20);

/// Told of what happens below an attempt, and asked where it costs something.
pub trait Watch {
    /// A connection was opened.
    fn opened(&self) {}
    /// A pooled connection turned out to be closed, and the request was sent again on a new one.
    fn resent(&self) {}
    /// Whether a request may be sent again though the upstream's last answer was none to be glad of; if so it is paid for.
    fn may_resend(&self) -> bool {
        true
    }
}

impl Watch for () {}

/// The way to one upstream from one worker thread, with a pool of its own.
pub struct Adapter {
    client: Client,
    request: FrozenClientRequest,
    /// Sent with every attempt; an empty one where the method announces a body and there is none.
    body: Option<Bytes>,
    /// Whether a request may be sent once more after a stale connection.
    repeatable: Repeatable,
    success: StatusSet,
    max_body: usize,
    forward_headers: Vec<HeaderName>,
    forward_query: Vec<String>,
    /// Whether the last attempt that ended here brought a reply.
    answering: Cell<bool>,
    watch: Rc<dyn Watch>,
}

impl Adapter {
    /// Opens a pool and prepares the request. Needs to be on the thread that will run the attempts.
    #[must_use]
    pub fn new(prepared: &Prepared, watch: Rc<dyn Watch>) -> Self {
        let (client, request) = prepared.open(&watch);
        let settings = prepared.settings();
        let announces = ![Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS]
            .contains(&settings.method);
        Self {
            client,
            request,
            body: settings.body.clone().or_else(|| announces.then(Bytes::new)),
            repeatable: settings.lane.repeatable,
            success: settings.success.clone(),
            max_body: settings.max_body,
            forward_headers: settings.forward_headers.clone(),
            forward_query: settings.forward_query.clone(),
            answering: Cell::new(false),
            watch,
        }
    }

    /// Whether a request whose pooled connection was closed may be sent once more. With an upstream that answers well,
    /// that is the connection's end and nothing else, and free. With one that fails it may be another way to fail, and
    /// counts as what it then is: one more attempt.
    fn may_resend(&self) -> bool {
        self.repeatable == Repeatable::Yes && (self.answering.get() || self.watch.may_resend())
    }

    fn send(&self, forward: &Forward) -> SendClientRequest {
        let mut extra = HeaderMap::with_capacity(1 + self.forward_headers.len());
        extra.insert(REQUEST_ID, forward.request_id.clone());
        for (name, value) in &forward.headers {
            if self.forward_headers.contains(name) {
                extra.append(name.clone(), value.clone());
            }
        }
        let body = match &self.body {
            Some(body) => EitherBody::left(body.clone()),
            None => EitherBody::right(NoBody::new()),
        };
        match self.target(forward) {
            None => self.request.extra_headers(extra).send_body(body),
            Some(uri) => {
                let mut request = self.client.request(self.request.get_method().clone(), uri);
                let own = self.request.headers().iter();
                let own = own.filter(|(name, _)| !extra.contains_key(*name));
                for (name, value) in own.chain(&extra) {
                    request = request.append_header((name.clone(), value.clone()));
                }
                request.send_body(body)
            }
        }
    }

    /// The URI with forwarded parameters after its own; `None` where none are forwarded.
    fn target(&self, forward: &Forward) -> Option<Uri> {
        let mut pairs = forward
            .query
            .iter()
            .filter(|(name, _)| self.forward_query.contains(name))
            .map(|(_, pair)| pair.as_str())
            .peekable();
        pairs.peek()?;
        let uri = self.request.get_uri();
        let mut target = uri.to_string();
        let mut separator = if uri.query().is_some() { '&' } else { '?' };
        for pair in pairs {
            target.push(separator);
            target.push_str(pair);
            separator = '&';
        }
        // The pairs came out of a valid URI, so they go into one.
        target.parse().ok()
    }

    async fn exchange(&self, forward: &Forward, trace: &Trace) -> Result<Reply, Failure> {
        let mut answer = self
            .send(forward)
            .await
            .map_err(|error| unanswered(&error, trace))?;
        let status = answer.status();
        let framing = trace.framing().unwrap_or(Framing::Close);
        let payload = answer.take_payload();
        if !self.success.contains(status) {
            drain(payload, framing).await;
            let mut failure = rejected(status);
            failure.retry_after = retry_after(&answer);
            return Err(failure);
        }
        // awc would wait for a body that such an answer only declares.
        if framing == Framing::None {
            return Ok(Reply {
                status,
                body: Body::Empty,
            });
        }
        let bounds = Bounds {
            own: self.max_body,
            shared: &forward.allowance,
        };
        let (bytes, share) = body::read(payload, framing, trace, bounds)
            .await
            .map_err(|failure| failure.with_status(status))?;
        let body = answer::read(described(&answer), bytes)
            .map_err(|failure| failure.with_status(status))?;
        share.keep();
        Ok(Reply { status, body })
    }
}

/// The name awc and actix know it by.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Upstream for Adapter {
    type Context = Forward;

    async fn attempt(&self, forward: &Forward) -> Result<Reply, Failure> {
        let method = self.request.get_method();
        let trace = Rc::new(Trace::new(method == Method::HEAD));
        let work = async {
            let mut result = self.exchange(forward, &trace).await;
            if result.is_err() && trace.was_stale() && self.may_resend() {
                self.watch.resent();
                trace.restart();
                result = self.exchange(forward, &trace).await;
            }
            self.answering.set(result.is_ok());
            result
        };
        TRACE.scope(Rc::clone(&trace), work).await
    }
}

fn described(answer: &ClientResponse<impl Sized>) -> Described<'_> {
    let headers = answer.headers();
    let encoding = headers.get(header::CONTENT_ENCODING);
    Described {
        content_type: headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok()),
        encoded: encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")),
    }
}

fn rejected(status: StatusCode) -> Failure {
    let reason = status.canonical_reason().unwrap_or("");
    let detail = format!("upstream answered {} {reason}", status.as_u16());
    Failure::new(FailureKind::Status, detail.trim_end().to_owned()).with_status(status)
}

/// When a 429 or 503 wants to be asked again: its `Retry-After` in seconds (RFC 9110, section 10.2.3). The other form, a
/// date, is not worth trusting two clocks for.
fn retry_after(answer: &ClientResponse<impl Sized>) -> Option<Duration> {
    let temporary = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if !temporary.contains(&answer.status()) {
        return None;
    }
    let value = answer.headers().get(header::RETRY_AFTER)?;
    let seconds = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Reads a small body that nobody wants, so that its connection can be used again. Others cost their connection.
async fn drain(mut payload: Payload, framing: Framing) {
    if framing
        .length()
        .is_some_and(|length| length == 0 || length > DRAIN_BYTES)
        || framing == Framing::Close
    {
        return;
    }
    let read = async {
        let mut seen = 0;
        while let Some(Ok(chunk)) = payload.next().await {
            seen += chunk.len() as u64;
            if seen > DRAIN_BYTES {
                return;
            }
        }
    };
    // Late or not, the answer's status is all that the call needs.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

/// Why there is no head of an answer.
fn unanswered(error: &SendRequestError, trace: &Trace) -> Failure {
    if let Some(failure) = trace.take_refused() {
        return failure;
    }
    tracing::debug!(%error, "an attempt brought no answer");
    let detail = if let Some(fault) = trace.fault() {
        fault
    } else if trace.answered() {
        match error {
            SendRequestError::Response(_) if trace.framing().is_some() => {
                "the answer is not valid HTTP/1.1"
            }
            _ => "the upstream closed the connection within its answer's head",
        }
    } else {
        "the upstream closed the connection without an answer"
    };
    Failure::new(FailureKind::Protocol, detail)
}
