//! Sends spans in batches, each a POST of OTLP in protobuf. That happens on the SDK's own thread, where blocking does
//! no harm. Spans that can't be sent are counted. The first failure is logged, and then the return to success. It must
//! not know what spans say.

use std::{
    future::{Future, ready},
    io::Read as _,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    Protocol, SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor as _},
};
use tokio_rustls::rustls::{crypto::ring, pki_types::CertificateDer};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout, time},
    },
};

use super::{Settings, SpansError, resource::resource};
use crate::telemetry::Metrics;

/// The processor that takes finished spans from the workers.
pub(super) type Processor = BatchSpanProcessor;

/// The most spans of a batch.
const BATCH: usize = 512;

/// The longest time that a span waits for others, if there are few.
const DELAY: Duration = Duration::from_secs(1);

/// The time for one POST, from connecting to the last byte of the answer.
const POST: Duration = Duration::from_secs(5);

/// The time for a batch with its repetitions. A collector that has stopped answering must not hold up other batches for
/// longer.
const EXPORT: Duration = Duration::from_secs(10);

/// The most bytes that are read of an answer.
const ANSWER: u64 = 64 * 1024;

/// Makes a processor with a queue of `queue` spans.
pub(super) fn processor(exporter: Exporter, queue: usize) -> Processor {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(queue)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let mut processor = BatchSpanProcessor::new(exporter, config);
    processor.set_resource(&resource());
    processor
}

/// The exporter of OTLP, with counts and log lines.
#[derive(Debug)]
pub(super) struct Exporter {
    otlp: Otlp,
    /// The number of spans that wait for it, over all workers.
    queued: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    failing: AtomicBool,
    /// The collector's URL for the log. It holds no secret.
    endpoint: String,
    /// The reason why the last POST failed. The exporter itself only reports that it failed.
    reason: Arc<Mutex<String>>,
}

impl Exporter {
    pub(super) fn new(
        settings: &Settings,
        queued: Arc<AtomicUsize>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, SpansError> {
        let reason = Arc::default();
        let client = Client {
            agent: agent(&settings.roots),
            reason: Arc::clone(&reason),
        };
        let otlp = Otlp::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(settings.endpoint.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT)
            .build()
            .map_err(|error| SpansError(error.to_string()))?;
        Ok(Self {
            otlp,
            queued,
            metrics,
            failing: AtomicBool::new(false),
            endpoint: settings.endpoint.to_string(),
            reason,
        })
    }

    fn watch(&self, count: usize, result: &OTelSdkResult) {
        match result {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("spans are sent again");
                }
            }
            Err(error) => {
                self.metrics.spans_dropped(count as u64);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
                    tracing::warn!(endpoint = self.endpoint, %error, reason = reason.as_str(), "spans can't be sent; they are dropped until they can");
                }
            }
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.queued.fetch_sub(count, Ordering::Relaxed);
        let result = self.otlp.export(batch).await;
        self.watch(count, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// Makes an agent that asks the given collector directly. Proxies in the environment are for other programs.
fn agent(roots: &[CertificateDer<'static>]) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(POST))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("gather/", env!("CARGO_PKG_VERSION")));
    let roots = match roots {
        [] => RootCerts::WebPki,
        roots => {
            let roots = roots.iter();
            RootCerts::from(roots.map(|root| Certificate::from_der(root).to_owned()))
        }
    };
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(roots);
    let config = config.tls_config(tls.build()).build();
    Agent::with_parts(config, DefaultConnector::default(), OnThisThread::default())
}

/// Looks up the collector's name on the sending thread, which may block. Otherwise ureq would start another thread each
/// time, and panic if it can't. Then no more spans would be sent.
#[derive(Debug, Default)]
struct OnThisThread(DefaultResolver);

impl Resolver for OnThisThread {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let unlimited = NextTimeout {
            after: time::Duration::NotHappening,
            ..timeout
        };
        self.0.resolve(uri, config, unlimited)
    }
}

#[derive(Debug)]
struct Client {
    agent: Agent,
    reason: Arc<Mutex<String>>,
}

impl Client {
    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(head, &body[..]))?;
        let (head, body) = answer.into_parts();
        let mut bytes = Vec::new();
        body.into_reader().take(ANSWER).read_to_end(&mut bytes)?;
        Ok(Response::from_parts(head, bytes.into()))
    }
}

impl HttpClient for Client {
    fn send_bytes<'life, 'answer>(
        &'life self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'life: 'answer,
        Self: 'answer,
    {
        let answer = self.post(request);
        let mut reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        *reason = match &answer {
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        drop(reason);
        Box::pin(ready(answer))
    }
}
