//! The file as it is written: one struct for each table, everything optional, unknown keys denied. The doc comments are
//! the descriptions in the JSON Schema. It must not know what makes sense; `check` does.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    call_values::{RawRouteMethod, RawShape},
    calls::{RawCall, WaitFor},
    checked::{LogFormat, LogLevel},
    defaults::{MOST_CALLS, MOST_CONNECTIONS, MOST_DEPTH, MOST_HEADERS, MOST_WORKERS},
    policy_values::{Failures, HedgeAfter, MOST_ATTEMPTS, MOST_EXTRA, Ratio},
    quantities::{HumanDuration, MemorySize, Size},
    values::{Count, Listen, Table, Texts},
};

/// Upstreams and aggregates by their names.
pub(super) type Named<T> = BTreeMap<String, Table<T>>;

/// The configuration of Gather, an HTTP aggregation gateway.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Gather configuration")]
pub(super) struct RawConfig {
    /// The location of this schema, for editors. Gather does not read it.
    #[serde(rename = "$schema")]
    pub(super) schema: Option<String>,
    /// The public listener and how it stops.
    pub(super) server: Option<Table<RawServer>>,
    /// A separate listener for `/metrics`, `/livez` and `/readyz`, which are then not on the public one.
    pub(super) admin: Option<Table<RawAdmin>>,
    /// The log's level and format.
    pub(super) log: Option<Table<RawLog>>,
    /// Spans and where they go.
    pub(super) tracing: Option<Table<RawTracing>>,
    /// Settings for every upstream without its own: any setting of an upstream but `url`.
    #[schemars(with = "Option<Defaults>")]
    pub(super) defaults: Option<Table<RawUpstream>>,
    /// The HTTP services that may be called, by name (`[a-z][a-z0-9_]*`). At least one.
    #[schemars(extend("propertyNames" = {"pattern": "^[a-z][a-z0-9_]{0,63}$"}))]
    pub(super) upstreams: Option<Named<RawUpstream>>,
    /// The lists of calls that are answered at `/aggregate/NAME`, by name (`[a-z][a-z0-9_]*`). At least one. The one
    /// named `default` is also at `/aggregate`.
    #[schemars(extend("propertyNames" = {"pattern": "^[a-z][a-z0-9_]{0,63}$"}))]
    pub(super) aggregates: Option<Named<RawAggregate>>,
}

/// The public listener and how it stops.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Server")]
pub(super) struct RawServer {
    /// An IP address and a port; port 0 takes a free one. Default `127.0.0.1:8080`.
    pub(super) listen: Option<Listen>,
    /// The number of threads that serve requests. Default: one for each core.
    pub(super) workers: Option<Count<1, MOST_WORKERS>>,
    /// The most open connections from clients, over all workers. Default 25000.
    pub(super) max_connections: Option<Count<1, MOST_CONNECTIONS>>,
    /// The most aggregates answered at a time, over all workers; beyond it 503. Default 4096.
    pub(super) max_in_flight: Option<Count<1, MOST_CONNECTIONS>>,
    /// The most bytes that the bodies and answers of all requests may hold together; beyond it 503. Default: half of
    /// what the container may have, otherwise half of the machine's memory.
    pub(super) memory: Option<MemorySize>,
    /// The most header fields of a request; beyond it 431. Default 100.
    pub(super) max_headers: Option<Count<1, MOST_HEADERS>>,
    /// The time that a client may take for a request's head, and again for its body. Default `5s`.
    pub(super) header_timeout: Option<HumanDuration>,
    /// The time that a client may take for each 64 KiB of an answer, or for the rest of it. Default `30s`.
    pub(super) write_timeout: Option<HumanDuration>,
    /// The time for which a client's idle connection is kept. Default `75s`.
    pub(super) keep_alive: Option<HumanDuration>,
    /// Serves clients that close their half of the connection after the request. Default `false`: such a client has
    /// left, and its calls are cancelled.
    pub(super) half_close: Option<bool>,
    /// Request header fields in which a caller says how many milliseconds it will wait, such as
    /// `x-envoy-expected-rq-timeout-ms`. They shorten the deadline as `timeout` does. Default: none.
    pub(super) deadline_headers: Option<Texts>,
    /// The time that requests in flight get at a stop. Default: the longest deadline and 5s. Not shorter than the
    /// longest deadline.
    pub(super) drain: Option<HumanDuration>,
    /// The time for which `/readyz` says 503 before the listener closes at a stop; may be `0s`. Default `3s`.
    pub(super) grace: Option<HumanDuration>,
    /// Lets another process listen on the same address at the same time (`SO_REUSEPORT`), so that it can take
    /// over without a pause. Default `false`: a second process by mistake fails.
    pub(super) reuse_port: Option<bool>,
    /// Compresses answers (gzip, brotli) for clients that accept it. Default `false`.
    pub(super) compression: Option<bool>,
    /// Serves `/console`, a page that runs aggregates and draws them. Default `true`.
    pub(super) console: Option<bool>,
}

/// The operational listener.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Admin")]
pub(super) struct RawAdmin {
    /// An IP address and a port, other than the public ones. Required.
    pub(super) listen: Option<Listen>,
}

/// The log.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Log")]
pub(super) struct RawLog {
    /// `text` for people, `json` for machines. Default `text`.
    pub(super) format: Option<LogFormat>,
    /// The least important lines that are written. Default `info`.
    pub(super) level: Option<LogLevel>,
}

/// Spans and where they go.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tracing")]
pub(super) struct RawTracing {
    /// A collector that accepts OTLP over HTTP, such as `http://collector:4318`. Without a path it is asked at
    /// `/v1/traces`. Default: none, and nothing is traced.
    pub(super) otlp_endpoint: Option<String>,
    /// The share of the requests that is recorded, from 0 to 1, if their caller has not decided. Default 1.
    pub(super) sample: Option<Ratio>,
}

/// Trust and identity towards an upstream, for `https`. Paths are relative to the file that they are written in.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tls")]
pub(super) struct RawTls {
    /// A PEM file with the only roots to trust. Default: those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, otherwise
    /// the system's, otherwise Mozilla's.
    pub(super) ca: Option<String>,
    /// A PEM file with a client certificate and its chain. Only with `key`.
    pub(super) cert: Option<String>,
    /// A PEM file with the private key of `cert`. Only with `cert`.
    pub(super) key: Option<String>,
    /// The name that the upstream's certificate must carry. Default: the URL's host.
    pub(super) server_name: Option<String>,
}

/// Retries of a call that has failed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Retry")]
pub(super) struct RawRetry {
    /// The number of attempts in all. Default 1: no retry.
    pub(super) attempts: Option<Count<1, MOST_ATTEMPTS>>,
    /// The longest first pause. It doubles with each further one, up to 10s. The pause itself is anything from zero up
    /// to that. Default `25ms`.
    pub(super) backoff: Option<HumanDuration>,
    /// The failures to retry after: `connect`, `tls`, `timeout`, `protocol`, `too_large`, `invalid_body`, `unexpected`,
    /// or statuses. Default `["connect", "timeout", "protocol", "429", "502", "503", "504"]`, so not after a 500;
    /// `"5xx"` is for all of them.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) on: Option<Texts>,
}

/// A second attempt beside a slow one.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Hedge")]
pub(super) struct RawHedge {
    /// A duration, or a percentile of the upstream's recent answers. Required.
    pub(super) after: Option<HedgeAfter>,
}

/// The load that retries and hedges together may add, over all workers.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Budget")]
pub(super) struct RawBudget {
    /// Extra attempts a call, from 0 to 1. Default 0.2.
    pub(super) ratio: Option<Ratio>,
    /// Extra attempts a second that are always allowed. Default 10.
    pub(super) min_per_second: Option<Count<0, MOST_EXTRA>>,
}

/// A circuit breaker: it refuses attempts if too many have failed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Breaker")]
pub(super) struct RawBreaker {
    /// The number of failures in a row that open it, or their share of the window. Default 5.
    pub(super) failures: Option<Failures>,
    /// The time within which a share counts attempts. Default `10s`.
    pub(super) window: Option<HumanDuration>,
    /// The time for which it refuses before it lets one attempt through. Default `5s`.
    pub(super) open_for: Option<HumanDuration>,
}

/// A method, in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "Method")]
pub(super) enum RawMethod {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// An HTTP service that may be called.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Upstream")]
pub(super) struct RawUpstream {
    /// The upstream's URL: `http://` or `https://`, a host, a path; no user, password or fragment. Required.
    pub(super) url: Option<String>,
    /// The method of every attempt. Default `GET`.
    pub(super) method: Option<RawMethod>,
    /// A fixed body, for a method other than `GET` and `HEAD`.
    pub(super) body: Option<String>,
    /// The time of one attempt, from its start to the last byte of the answer. Default `5s`.
    pub(super) timeout: Option<HumanDuration>,
    /// The time to look up the name, connect and do the TLS handshake. Default `1s`.
    pub(super) connect_timeout: Option<HumanDuration>,
    /// The time that a connection may wait for its next request, up to 1h; `0s` keeps none. Set it below the time after
    /// which the upstream closes it. Default `4s`.
    pub(super) keep_alive: Option<HumanDuration>,
    /// The largest body accepted, from 1B to 1GiB. Default `1MiB`.
    pub(super) max_body: Option<Size>,
    /// The depth to which its JSON may nest, from 1 to 1000; deeper is `invalid_body`. Default 64, which common clients
    /// can read.
    pub(super) max_depth: Option<Count<1, MOST_DEPTH>>,
    /// Refuses answers that only the end of their connection ends, as nobody can see if such an answer was cut short.
    /// Default `false`.
    pub(super) framed: Option<bool>,
    /// Asks it for gzip or brotli. Default `false`. Compressed bodies are inflated in any case.
    pub(super) compressed: Option<bool>,
    /// The statuses that count as success: `"404"`, or `"2xx"` for a class. Default `["2xx"]`.
    #[schemars(
        with = "Option<Vec<String>>",
        inner(regex(pattern = "^([1-5][0-9][0-9]|[1-5]xx)$"))
    )]
    pub(super) success: Option<Texts>,
    /// The most attempts at a time, over all workers. Default 4096.
    pub(super) max_in_flight: Option<Count<1, MOST_CONNECTIONS>>,
    /// Retries of a call. Default: none. For idempotent methods only. Not after a 500, unless `on` says so.
    pub(super) retry: Option<Table<RawRetry>>,
    /// A second attempt beside a slow one. Default: none. For idempotent methods only.
    pub(super) hedge: Option<Table<RawHedge>>,
    /// The load that retries and hedges together may add.
    pub(super) budget: Option<Table<RawBudget>>,
    /// A circuit breaker: it refuses attempts if too many have failed. Default: none.
    pub(super) breaker: Option<Table<RawBreaker>>,
    /// The client's headers that go upstream. Default: none. Without tracing, `traceparent` and `tracestate` go
    /// too, unless `headers` sets them.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) forward_headers: Option<Texts>,
    /// The client's query parameters that go upstream. Default: none.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) forward_query: Option<Texts>,
    /// Fixed headers of every attempt. Those of `[defaults]` are added, name by name.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// Trust and client certificate, for `https`. Replaces the table in `[defaults]` as a whole.
    pub(super) tls: Option<Table<RawTls>>,
}

/// The schema of `[defaults]`: that of an upstream, without the keys that only an upstream has.
pub(super) struct Defaults;

impl JsonSchema for Defaults {
    fn schema_name() -> Cow<'static, str> {
        "Defaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RawUpstream::json_schema(generator);
        let about = "Settings for every upstream that does not say otherwise.";
        schema.insert("description".to_owned(), about.into());
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        if let Some(properties) = properties {
            properties.remove("url");
        }
        schema
    }
}

/// The way in which the calls follow one another. `sync` and `async` are aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Mode")]
pub(super) enum RawMode {
    Sequential,
    Sync,
    Concurrent,
    Async,
}

/// The effect of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OnFailure")]
pub(super) enum RawOnFailure {
    Partial,
    Fail,
}

/// A list of calls that is one endpoint.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Aggregate")]
pub(super) struct RawAggregate {
    /// `sequential` (or `sync`): each call starts when the one before has ended. `concurrent` (or `async`): all at
    /// once, or at most `concurrency` at a time. Default `concurrent`.
    pub(super) mode: Option<RawMode>,
    /// The most calls at a time. Default 1000.
    pub(super) concurrency: Option<Count<1, MOST_CALLS>>,
    /// The time for all calls together. Default `10s`.
    pub(super) deadline: Option<HumanDuration>,
    /// The most bytes of the bodies of all its calls together, from 1B to 1GiB; a body that does not fit is
    /// `too_large`. Default `16MiB`.
    pub(super) max_body: Option<Size>,
    /// The condition to wait for. `all`: every call settles. `required`: every call that is not optional settles, and
    /// the rest are cancelled. `first` or a number: that many succeed, and the rest are cancelled. Default `all`.
    pub(super) wait_for: Option<WaitFor>,
    /// `partial`: a failed call is reported in its place. `fail`: it ends the aggregate, unless the call is
    /// `optional`. Default `partial`.
    pub(super) on_failure: Option<RawOnFailure>,
    /// Allows `mode=compare`, which runs both modes in turn and so doubles the load. Default `false`.
    pub(super) compare: Option<bool>,
    /// The path of a route of its own, beside `/aggregate/NAME`: `/users/{id:int}/home`. A parameter in it is one
    /// segment: `{name}`, `{name:int}` or `{name:uuid}`. Default: none.
    pub(super) path: Option<String>,
    /// The methods of its routes: `GET` (with `HEAD`), `POST`, `PUT`, `PATCH`, `DELETE` or `QUERY`. Default `["GET"]`.
    #[schemars(
        with = "Option<Vec<RawRouteMethod>>",
        extend("uniqueItems" = true, "minItems" = 1)
    )]
    pub(super) methods: Option<Vec<Option<RawRouteMethod>>>,
    /// The most bytes of a client's body, from 1B to 1GiB; beyond it 413. Default `64KiB`.
    pub(super) max_request_body: Option<Size>,
    /// The shape of the answer. `report`: the results of all calls. `merge`: one object, each call's value in its
    /// place. A table with `value`: the value of an expression over all results. Default `report`.
    pub(super) shape: Option<RawShape>,
    /// The upstreams' header fields that go to the client. `Set-Cookie` goes from all calls in plan order, any other
    /// from the first that has it. Default: none.
    #[schemars(with = "Option<Vec<String>>", extend("uniqueItems" = true))]
    pub(super) response_headers: Option<Texts>,
    /// Takes Gather's own query parameters: `mode`, `concurrency`, `calls`, `timeout` and `wait_for`. Default `true`.
    pub(super) parameters: Option<bool>,
    /// From 1 to 1000 calls: names of upstreams, or tables. Required.
    #[schemars(length(min = 1, max = 1000))]
    pub(super) calls: Option<Vec<RawCall>>,
}
