//! The trace of one request, from the caller's context to the spans of the request, its calls and their attempts. It
//! must not know how spans are sent.

use std::{
    borrow::Cow,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode};
use opentelemetry::{
    KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::time::Instant;

use super::{SpanTargets, Spans, shared, targets::PlanTargets};
use crate::exchange::{Parent, Trace};
use crate::fanout::{AggregateId, AttemptId, Cause, Event, FailureKind, Mode, Observer};

/// A client's request as it came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Incoming<'a> {
    /// `traceparent`, if there is exactly one.
    pub parent: Option<&'a [u8]>,
    /// `tracestate`, with its fields joined.
    pub state: Option<&'a HeaderValue>,
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// `1.1` or `1.0`.
    pub version: &'a str,
    /// `Host`.
    pub host: Option<&'a str>,
    /// `User-Agent`.
    pub agent: Option<&'a str>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The id in the request's answer and in the log.
    pub request_id: &'a str,
}

/// A request's answer, or the fact that there was none.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The route, as a template.
    pub route: &'a str,
    /// The status, or `None` for a client that left before.
    pub status: Option<StatusCode>,
    /// True if the client left before the answer's end.
    pub cancelled: bool,
    /// The aggregate and the mode, if they are known.
    pub run: Option<(&'a str, &'static str)>,
    /// The outcome of the aggregate.
    pub outcome: Option<&'static str>,
}

/// The trace of a request that is being answered.
#[derive(Debug)]
pub struct RequestTrace {
    spans: Arc<Spans>,
    trace: Rc<Trace>,
    /// The caller's span, or 0.
    parent: u64,
    began: Instant,
    /// The request's beginning on the clock that spans use. All times of a request are calculated from it, so that they
    /// fit together even if the system's clock is set meanwhile.
    at: SystemTime,
    method: String,
    /// The attributes of the request's span. Empty if nothing is recorded.
    attributes: Vec<KeyValue>,
}

impl RequestTrace {
    /// Continues the caller's trace, or begins one.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the time of day, which others compare"
    )]
    pub fn begin(spans: &Arc<Spans>, incoming: &Incoming<'_>) -> Self {
        let parent = incoming.parent.and_then(Parent::parse);
        let trace = match parent {
            Some(parent) => Trace::following(parent, incoming.state.cloned()),
            None => Trace::new(|id| spans.samples(id)),
        };
        let sampled = trace.is_sampled();
        Self {
            spans: Arc::clone(spans),
            trace: Rc::new(trace),
            parent: parent.map_or(0, |parent| parent.span),
            began: Instant::now(),
            at: SystemTime::now(),
            method: if sampled {
                incoming.method.to_owned()
            } else {
                String::new()
            },
            attributes: if sampled {
                attributes(incoming)
            } else {
                Vec::new()
            },
        }
    }

    /// Returns the trace context to send upstream with the request's attempts.
    #[must_use]
    pub const fn trace(&self) -> &Rc<Trace> {
        &self.trace
    }

    /// Returns the trace's id as it is written everywhere.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{:032x}", self.trace.id())
    }

    /// Returns an observer for one plan of the request, whose attempts go to these targets. `None` if nothing is
    /// recorded.
    #[must_use]
    pub fn observer<'a, 'n>(
        &'a self,
        plan: PlanShape<impl Iterator<Item = &'n str>>,
        targets: &'a SpanTargets,
    ) -> Option<SpanObserver<'a>> {
        self.trace.is_sampled().then(|| SpanObserver {
            request: self,
            targets: targets.plan(plan.aggregate, plan.names),
            mode: plan.mode,
        })
    }

    /// Records the request's own span, which ends now.
    pub fn end(&self, answered: &Answered<'_>) {
        if !self.trace.is_sampled() {
            return;
        }
        let mut attributes = self.attributes.clone();
        attributes.push(KeyValue::new("http.route", answered.route.to_owned()));
        if let Some(status) = answered.status {
            attributes.push(KeyValue::new(
                "http.response.status_code",
                i64::from(status.as_u16()),
            ));
        }
        if let Some((aggregate, mode)) = answered.run {
            attributes.push(KeyValue::new("gather.aggregate", shared(aggregate)));
            attributes.push(KeyValue::new("gather.mode", mode));
        }
        if let Some(outcome) = answered.outcome {
            attributes.push(KeyValue::new("gather.outcome", outcome));
        }
        let error = match answered.status {
            _ if answered.cancelled => Some(Cow::Borrowed("cancelled")),
            // By the conventions, a client's mistake is not an error of the server.
            Some(status) if status.is_server_error() => {
                Some(Cow::Owned(status.as_str().to_owned()))
            }
            _ => None,
        };
        self.record(Recorded {
            span: self.trace.request_span(),
            parent: self.parent,
            kind: SpanKind::Server,
            name: format!("{} {}", self.method, answered.route),
            took: self.began.elapsed(),
            attributes,
            error,
        });
    }

    fn record(&self, mut recorded: Recorded) {
        let end = self.at + self.began.elapsed();
        let status = match recorded.error {
            None => Status::Unset,
            Some(error) => {
                recorded.attributes.push(KeyValue::new("error.type", error));
                Status::error("")
            }
        };
        let trace = &self.trace;
        let state = trace.state.as_ref().and_then(|state| state.to_str().ok());
        let state = state.and_then(|state| state.parse::<TraceState>().ok());
        self.spans.take(SpanData {
            span_context: SpanContext::new(
                TraceId::from(trace.id()),
                SpanId::from(recorded.span),
                TraceFlags::SAMPLED,
                false,
                state.unwrap_or_default(),
            ),
            parent_span_id: SpanId::from(recorded.parent),
            parent_span_is_remote: recorded.kind == SpanKind::Server && recorded.parent != 0,
            span_kind: recorded.kind,
            name: Cow::Owned(recorded.name),
            start_time: end - recorded.took,
            end_time: end,
            attributes: recorded.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.spans.scope.clone(),
        });
    }
}

/// Returns the attributes that are known at a request's beginning.
fn attributes(incoming: &Incoming<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("http.request.method", incoming.method.to_owned()),
        KeyValue::new("url.path", incoming.path.to_owned()),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("network.protocol.version", incoming.version.to_owned()),
        KeyValue::new("gather.request_id", incoming.request_id.to_owned()),
    ];
    if let Some(host) = incoming.host {
        let (name, port) = host_and_port(host);
        attributes.push(KeyValue::new("server.address", name.to_owned()));
        if let Some(port) = port {
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
    }
    if let Some(client) = incoming.client {
        // A listener for both families sees IPv4 addresses as ::ffff:192.0.2.1.
        let client = client.to_canonical().to_string();
        attributes.push(KeyValue::new("client.address", client));
    }
    if let Some(agent) = incoming.agent {
        attributes.push(KeyValue::new("user_agent.original", agent.to_owned()));
    }
    attributes
}

fn host_and_port(host: &str) -> (&str, Option<u16>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    };
    (name.trim_start_matches('[').trim_end_matches(']'), port)
}

/// A span that has ended.
struct Recorded {
    span: u64,
    parent: u64,
    kind: SpanKind,
    name: String,
    took: Duration,
    attributes: Vec<KeyValue>,
    /// The error that makes it a failed span.
    error: Option<Cow<'static, str>>,
}

/// The calls of a plan.
#[derive(Debug, Clone, Copy)]
pub struct PlanShape<N> {
    /// The aggregate that it is of.
    pub aggregate: AggregateId,
    /// The way in which the calls follow one another.
    pub mode: Mode,
    /// The names of the calls, in plan order.
    pub names: N,
}

/// Makes spans of a plan's events. The event of an end tells how long the span took, so nothing is kept between events.
#[derive(Debug, Clone)]
pub struct SpanObserver<'a> {
    request: &'a RequestTrace,
    targets: PlanTargets<'a>,
    mode: Mode,
}

impl Observer for SpanObserver<'_> {
    fn observe(&self, event: &Event<'_>) {
        let trace = &self.request.trace;
        match *event {
            Event::AttemptFinished {
                call,
                upstream,
                attempt,
                elapsed,
                cause,
                status,
                result,
            } => {
                let target = self.targets.get(call, upstream);
                let mut attributes = target.attributes.clone();
                if attempt > 1 {
                    let again = i64::from(attempt - 1);
                    attributes.push(KeyValue::new("http.request.resend_count", again));
                }
                if cause == Cause::Hedge {
                    attributes.push(KeyValue::new("gather.hedge", true));
                }
                let id = AttemptId {
                    mode: self.mode,
                    call,
                    attempt,
                };
                self.request.record(Recorded {
                    span: trace.attempt_span(id),
                    parent: trace.call_span(self.mode, call),
                    kind: SpanKind::Client,
                    name: target.name.clone(),
                    took: elapsed,
                    error: add_result(&mut attributes, status, result),
                    attributes,
                });
            }
            Event::CallSettled { call, result, .. } => {
                let (status, ended) = match &result.result {
                    Ok(reply) => (Some(reply.status), Ok(())),
                    Err(failure) => (failure.status, Err(failure.kind)),
                };
                let mut attributes = vec![
                    KeyValue::new("gather.call", shared(&result.name)),
                    KeyValue::new("gather.mode", self.mode.as_str()),
                    KeyValue::new("gather.attempts", i64::from(result.attempts)),
                ];
                self.request.record(Recorded {
                    span: trace.call_span(self.mode, call),
                    parent: trace.request_span(),
                    kind: SpanKind::Internal,
                    name: result.name.to_string(),
                    took: result.elapsed,
                    error: add_result(&mut attributes, status, ended),
                    attributes,
                });
            }
            Event::CallStarted { .. }
            | Event::AttemptStarted { .. }
            | Event::Retry { .. }
            | Event::Hedge { .. }
            | Event::ExtraRefused { .. }
            | Event::CircuitChanged { .. } => {}
        }
    }
}

/// Adds the result to the attributes, and returns the error that it means. A call that the plan itself gave up is not
/// an error.
fn add_result(
    attributes: &mut Vec<KeyValue>,
    status: Option<StatusCode>,
    result: Result<(), FailureKind>,
) -> Option<Cow<'static, str>> {
    if let Some(status) = status {
        attributes.push(KeyValue::new(
            "http.response.status_code",
            i64::from(status.as_u16()),
        ));
    }
    let kind = result.err();
    attributes.push(KeyValue::new(
        "gather.result",
        kind.map_or("ok", FailureKind::as_str),
    ));
    match (kind?, status) {
        (kind, _) if kind.is_given_up() => None,
        (FailureKind::Status, Some(status)) => Some(Cow::Owned(status.as_str().to_owned())),
        (kind, _) => Some(Cow::Borrowed(kind.as_str())),
    }
}
