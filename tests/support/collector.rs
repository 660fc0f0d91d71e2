//! A receiver of spans by OTLP over HTTP. It decodes them with the protocol's own definitions. It must not know Gather.

// Every test crate includes this file and uses its own part of it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as Sent, span::SpanKind, status::StatusCode},
};
use prost::Message as _;

use crate::upstream::{Behaviour, Request, Response, Upstream};

/// A time far longer than a batch waits.
const SOON: Duration = Duration::from_secs(20);

/// The running receiver.
pub struct Collector(Upstream);

/// A span, with ids in hexadecimal and all attributes as texts.
#[derive(Debug, Clone)]
pub struct Span {
    pub name: String,
    pub kind: SpanKind,
    pub trace: String,
    pub id: String,
    /// The parent's id, which is empty for a root.
    pub parent: String,
    pub state: String,
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    /// The start, in nanoseconds.
    pub start: u64,
    pub end: u64,
}

impl Span {
    /// Returns an attribute, or an empty text.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Collector {
    pub fn start() -> Self {
        let answer = Response::new(200).header("Content-Type", "application/x-protobuf");
        Self::that(answer.into())
    }

    /// Starts a collector that reacts to every batch in this way.
    pub fn that(behaviour: Behaviour) -> Self {
        Self(Upstream::always(behaviour))
    }

    /// Returns the value for `tracing.otlp_endpoint`.
    pub fn endpoint(&self) -> String {
        self.0.url("")
    }

    /// Returns the batches as they came.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }

    /// Returns true once this many batches have come.
    pub async fn wait_batches(&self, count: usize) -> bool {
        self.0.wait_requests(count, SOON).await
    }

    /// Returns all spans so far, in the order in which they were made.
    pub fn spans(&self) -> Vec<Span> {
        let batches = self.requests();
        let batches = batches.iter().map(decode);
        let resources = batches.flat_map(|batch| batch.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        spans.map(span).collect()
    }

    /// Returns all spans, once there are this many.
    pub async fn wait_spans(&self, count: usize) -> Vec<Span> {
        let since = Instant::now();
        loop {
            let spans = self.spans();
            if spans.len() >= count {
                return spans;
            }
            assert!(since.elapsed() < SOON, "{count} spans, not {spans:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the sender's description of itself in the first batch.
    pub fn resource(&self) -> BTreeMap<String, String> {
        let batch = decode(&self.requests()[0]);
        let resource = batch.resource_spans[0].resource.clone().unwrap();
        texts(&resource.attributes)
    }
}

fn decode(request: &Request) -> ExportTraceServiceRequest {
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/v1/traces");
    assert_eq!(
        request.header("content-type"),
        Some("application/x-protobuf")
    );
    ExportTraceServiceRequest::decode(&request.body[..]).unwrap()
}

fn span(sent: Sent) -> Span {
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect();
    let status = sent.status.clone().unwrap_or_default();
    Span {
        kind: sent.kind(),
        trace: hex(&sent.trace_id),
        id: hex(&sent.span_id),
        parent: hex(&sent.parent_span_id),
        state: sent.trace_state,
        failed: status.code() == StatusCode::Error,
        attributes: texts(&sent.attributes),
        name: sent.name,
        start: sent.start_time_unix_nano,
        end: sent.end_time_unix_nano,
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(told) => Some(told.to_string()),
        other => panic!("{other:?}"),
    };
    let mut found = BTreeMap::new();
    for attribute in attributes {
        let before = found.insert(attribute.key.clone(), text(attribute).unwrap());
        assert_eq!(before, None, "{} is there twice", attribute.key);
    }
    found
}
