//! The configuration as the rest of Gather takes it: checked, complete, nothing optional that has a default. It must
//! not know files, layers and texts.

use std::{
    collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{calls::RawCallTable, defaults, descriptors::Descriptors, mistake::Mistake};
use crate::{
    compose::{CallShape, Shape},
    endpoint::{Limits, Route, Takes},
    fanout::{Need, Repeatable, Rules, UpstreamId},
    upstream::{self, EachSettings, Request},
};

/// A whole configuration, as far as it could be checked without the network.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that only a restart changes.
    pub process: Process,
    /// The settings that a reload may replace while the process runs.
    pub services: Services,
    /// The files that it was read from, as they were named, in their order.
    pub files: Vec<String>,
    /// Sentences about oddities that are not mistakes.
    pub warnings: Vec<Mistake>,
    /// The shares of the file descriptors on which the warnings are based. `None` if the limit was not known.
    pub descriptors: Option<Descriptors>,
}

/// The process: its listeners, its log and its spans.
#[derive(Debug, Clone)]
pub struct Process {
    /// The public listener and how it stops.
    pub server: Server,
    /// The operational listener, if there is one.
    pub admin: Option<Admin>,
    /// The log's level and format.
    pub log: Log,
    /// Spans and where they go.
    pub tracing: Tracing,
}

/// The services that are called, and the lists of calls.
#[derive(Debug, Clone)]
pub struct Services {
    /// The upstreams, by name. At least one.
    pub upstreams: Vec<upstream::Settings>,
    /// The aggregates, by name. At least one.
    pub aggregates: Vec<Aggregate>,
    /// The files that the upstreams' [`TlsSettings`](upstream::TlsSettings) were read from, by the upstream's name.
    /// They are only for display.
    pub tls_files: BTreeMap<Arc<str>, TlsFiles>,
    /// The roots that `SSL_CERT_FILE` and `SSL_CERT_DIR` name instead of the system's, if any upstream relies on them.
    pub roots: Option<upstream::Roots>,
}

impl Services {
    /// Returns the upstreams with their ids, in order.
    pub fn each(&self) -> impl Iterator<Item = (UpstreamId, &upstream::Settings)> {
        let upstreams = self.upstreams.iter().enumerate();
        upstreams.map(|(place, upstream)| (UpstreamId(place), upstream))
    }

    /// Returns the request that a call sends.
    pub(super) fn request<'a>(&'a self, call: &'a Call) -> Option<&'a Request> {
        let own = call.request.as_ref();
        own.or_else(|| Some(&self.called(call)?.request))
    }

    /// Returns the settings of a call with one request for each element of a list.
    pub(crate) fn elements<'a>(&'a self, call: &'a Call) -> Option<&'a EachSettings> {
        self.request(call)?.composed.as_ref()?.each.as_ref()
    }

    /// Returns the requests that are sent to an upstream: those of the calls of it, or its own if nothing calls it.
    pub(super) fn requests(&self, id: UpstreamId) -> impl Iterator<Item = &Request> {
        let calls = self
            .aggregates
            .iter()
            .flat_map(|aggregate| &aggregate.calls);
        let calls = calls.filter(move |call| call.upstream == id);
        let mut requests = calls.filter_map(|call| self.request(call)).peekable();
        let alone = match requests.peek() {
            Some(_) => None,
            None => self.upstreams.get(id.0).map(|upstream| &upstream.request),
        };
        requests.chain(alone)
    }

    /// Returns true if some request to an upstream may be sent more than once.
    pub(super) fn is_repeated(&self, id: UpstreamId) -> bool {
        let mut requests = self.requests(id);
        requests.any(|request| request.repeatable() == Repeatable::Yes)
    }

    /// Returns the upstream that a call calls.
    pub(super) fn called(&self, call: &Call) -> Option<&upstream::Settings> {
        self.upstreams.get(call.upstream.0)
    }
}

/// The public listener and how it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The listener's address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The number of threads that serve requests, 1 to 512.
    pub workers: NonZeroUsize,
    /// The most open connections from clients, over all workers.
    pub max_connections: NonZeroUsize,
    /// The most aggregates answered at a time, over all workers.
    pub max_in_flight: NonZeroUsize,
    /// The most bytes that the bodies and answers of all requests hold together.
    pub memory: u64,
    /// The most header fields of a request, 1 to 1000.
    pub max_headers: NonZeroUsize,
    /// The time that a client may take for a request's head, and again for its body.
    pub header_timeout: Duration,
    /// The time that a client may take for each 64 KiB of an answer, or for the rest of it.
    pub write_timeout: Duration,
    /// The time for which a client's idle connection is kept.
    pub keep_alive: Duration,
    /// True if clients are served that close their half of the connection after the request.
    pub half_close: bool,
    /// Request header fields that say, in milliseconds, how long their caller will wait.
    pub deadline_headers: Vec<HeaderName>,
    /// The time that requests in flight get at a stop. Never shorter than the longest deadline.
    pub drain: Duration,
    /// The time for which `/readyz` says 503 before the listener closes. May be zero.
    pub grace: Duration,
    /// True if another process may listen on the same address at the same time.
    pub reuse_port: bool,
    /// True if answers are compressed for clients that accept it.
    pub compression: bool,
    /// True if the console is served, a page that runs aggregates.
    pub console: bool,
}

impl Server {
    /// Returns true if answers say for how long an idle connection is kept: if that is not the default, and at least a
    /// second, which is its unit.
    #[must_use]
    pub fn tells_keep_alive(&self) -> bool {
        self.keep_alive != defaults::CLIENT_KEEP_ALIVE && self.keep_alive >= Duration::from_secs(1)
    }
}

/// The operational listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin {
    /// The listener's address; never the public one's.
    pub listen: SocketAddr,
}

/// The log's level and format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// The least important lines that are written.
    pub level: LogLevel,
}

/// Spans and where they go.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// The collector's URL for traces, with its path; without it nothing is traced.
    pub otlp_endpoint: Option<Uri>,
    /// The share of the requests that is recorded if their caller has not decided, from 0 to 1.
    pub sample: f64,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The importance of a log line.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// Lines that an operator must look at.
    Error,
    /// Lines that an operator may have to look at.
    Warn,
    /// One line a request, starts and stops.
    #[default]
    Info,
    /// Reasons why something happened.
    Debug,
    /// Every step.
    Trace,
}

/// A named list of calls, exposed as one endpoint.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// The configured name, `[a-z][a-z0-9_]*`.
    pub name: Arc<str>,
    /// 1 to 1000 calls, in plan order, each with a name of its own.
    pub calls: Vec<Call>,
    /// The rules of its plans: a concurrency of 1 to 1000, and a condition that its calls can meet.
    pub rules: Rules,
    /// The limits of a request.
    pub limits: Limits,
    /// Its own route, beside the one by its name.
    pub route: Option<Route>,
    /// The methods of its routes, at least one. GET stands for HEAD too.
    pub methods: Vec<Method>,
    /// The shape of its answer.
    pub shape: Shape,
    /// The fields of upstreams' answers that go to the client, in order, each once.
    pub response_headers: Vec<HeaderName>,
}

/// One call of an aggregate.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its name in the answer, `[a-z][a-z0-9_]*`.
    pub name: Arc<str>,
    /// The id of the upstream that it calls: its index in [`Services::upstreams`].
    pub upstream: UpstreamId,
    /// The aggregate's need of it: required or optional.
    pub need: Need,
    /// The statuses, 400 to 599, that become the answer's own if the call is not optional; each once.
    pub pass_status: Vec<StatusCode>,
    /// Its own request; `None` if it sends its upstream's.
    pub request: Option<Request>,
    /// The calls that it waits for, by their indices, in order, each once. They make no cycle.
    pub after: Box<[usize]>,
    /// The JSON value that stands for its body if it fails.
    pub fallback: Option<Bytes>,
    /// The part of its body that goes into the answer.
    pub shape: CallShape,
    /// The parts of the client's request that its references take.
    pub takes: Takes,
    /// The keys of its table as they were written. They are only for display.
    pub(super) written: Box<RawCallTable>,
}

/// The files that trust and identity towards an upstream were read from; absolute paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The roots.
    pub ca: Option<PathBuf>,
    /// The client certificate.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}
