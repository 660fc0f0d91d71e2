//! Spans: one a request, one a call, one an attempt, by OpenTelemetry's HTTP semantic conventions, sent by OTLP from a thread
//! of its own. Off, there is none of this.
//!
//! Whether a trace is recorded is decided once, as its request begins. Of one that isn't only the ids are made: they go
//! upstream and into the log. A worker hands a finished span over and never waits: where there is no room it is dropped and
//! counted. It must not know what a request's handler is.

mod export;
mod request;
mod resource;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, Uri};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanProcessor as _};
use tokio_rustls::rustls::pki_types::CertificateDer;

use self::export::{Exporter, Processor};
pub use self::request::{Answered, Incoming, RequestTrace, SpanObserver};
use super::Metrics;

/// Finished spans that wait to be sent: some 10 MB at most, and several seconds of a busy gateway.
const QUEUE: usize = 8192;

/// How long what waits at a stop may take to be sent.
const FLUSH: Duration = Duration::from_secs(3);

/// Where spans go and which are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collector's URL for traces.
    pub endpoint: Uri,
    /// The share of the traces that begin here that is recorded, from 0 to 1.
    pub sample: f64,
    /// Whom to trust where the URL is `https`; Mozilla's roots where there are none.
    pub roots: Vec<CertificateDer<'static>>,
}

/// What spans say of an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The configured name.
    pub name: &'a str,
    /// Its URL.
    pub url: &'a Uri,
    /// The port that it is connected to.
    pub port: u16,
    /// The method of its attempts.
    pub method: &'a Method,
}

/// Spans can't be sent.
#[derive(Debug, thiserror::Error)]
#[error("spans can't be sent: {0}")]
pub struct SpansError(String);

/// Takes the spans of all workers.
pub struct Spans {
    sample: f64,
    targets: Vec<Made>,
    scope: InstrumentationScope,
    queued: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    processor: Processor,
}

/// What is made ready at start of an upstream's attempts.
struct Made {
    /// The span's name.
    name: String,
    attributes: Vec<KeyValue>,
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").finish_non_exhaustive()
    }
}

impl Spans {
    /// Starts the thread that sends them. `targets` are in the order of the upstreams' ids.
    ///
    /// # Errors
    /// When the exporter can't be made, for what `OTEL_EXPORTER_OTLP_…` say in the environment.
    pub fn start(
        settings: &Settings,
        targets: &[Target<'_>],
        metrics: Arc<Metrics>,
    ) -> Result<Self, SpansError> {
        let queued = Arc::new(AtomicUsize::new(0));
        let exporter = Exporter::new(settings, Arc::clone(&queued), Arc::clone(&metrics))?;
        Ok(Self {
            sample: settings.sample,
            targets: targets.iter().map(Made::of).collect(),
            scope: InstrumentationScope::builder("gather")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            queued,
            metrics,
            processor: export::processor(exporter, QUEUE),
        })
    }

    /// Sends what waits, within a bound. Blocks.
    pub fn stop(&self) {
        if self.processor.shutdown_with_timeout(FLUSH).is_err() {
            let waiting = self.queued.load(Ordering::Relaxed);
            tracing::warn!(waiting, "not all spans could be sent before the end");
        }
    }

    /// Whether a trace that begins here is recorded. Its id is random, so it decides.
    fn samples(&self, trace: u128) -> bool {
        // The low 53 bits as a number from 0 to 1: what an f64 holds.
        let place = (trace as u64 >> 11) as f64 / (1_u64 << 53) as f64;
        place < self.sample
    }

    fn take(&self, span: SpanData) {
        // The processor's own queue is as long, so it has room for what has a place here.
        let claimed = self.queued.fetch_add(1, Ordering::Relaxed);
        if claimed >= QUEUE {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.metrics.spans_dropped(1);
            return;
        }
        self.processor.on_end(span);
    }
}

impl Made {
    fn of(target: &Target<'_>) -> Self {
        let url = target.url;
        let host = url.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        Self {
            name: target.method.to_string(),
            attributes: vec![
                KeyValue::new("http.request.method", shared(target.method.as_str())),
                KeyValue::new("server.address", shared(bare)),
                KeyValue::new("server.port", i64::from(target.port)),
                KeyValue::new("url.full", shared(&shown(url))),
                KeyValue::new("network.protocol.version", "1.1"),
                KeyValue::new("gather.upstream", shared(target.name)),
            ],
        }
    }
}

/// A URL without what may be secret in it: no query. Users and passwords are in no checked one.
fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", url.path())
}

/// A text that spans share.
fn shared(text: &str) -> opentelemetry::StringValue {
    Arc::<str>::from(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Names;

    fn metrics() -> Arc<Metrics> {
        let names = Names {
            aggregates: &[],
            upstreams: &[],
            problems: &[],
        };
        Arc::new(Metrics::new(&names).unwrap())
    }

    fn spans(sample: f64) -> Spans {
        let settings = Settings {
            // Nobody listens; nothing is sent either.
            endpoint: Uri::from_static("http://127.0.0.1:9/v1/traces"),
            sample,
            roots: Vec::new(),
        };
        Spans::start(&settings, &[], metrics()).unwrap()
    }

    #[test]
    fn the_share_of_traces_that_is_sampled_is_the_configured_one() {
        let sampled = |sample| {
            let spans = spans(sample);
            (0..100_000)
                .filter(|_| spans.samples(fastrand::u128(1..)))
                .count()
        };
        assert_eq!(sampled(0.0), 0);
        assert_eq!(sampled(1.0), 100_000);
        // Within ten standard deviations.
        let tenth = sampled(0.1);
        assert!((9_050..10_950).contains(&tenth), "{tenth}");
    }

    #[test]
    fn a_full_queue_drops_and_never_waits() {
        // It connects, and then nothing more happens.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/", silent.local_addr().unwrap());
        let metrics = metrics();
        let settings = Settings {
            endpoint: endpoint.parse().unwrap(),
            sample: 1.0,
            roots: Vec::new(),
        };
        let spans = Spans::start(&settings, &[], Arc::clone(&metrics)).unwrap();
        let spans = Arc::new(spans);
        let answered = Answered {
            route: "/aggregate",
            status: None,
            cancelled: false,
            run: None,
            outcome: None,
        };
        let since = std::time::Instant::now();
        let made = 3 * QUEUE;
        for _ in 0..made {
            RequestTrace::begin(&spans, &Incoming::default()).end(&answered);
        }
        // Far less than the first batch takes to fail.
        assert!(
            since.elapsed() < Duration::from_secs(4),
            "{:?}",
            since.elapsed()
        );
        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
        let dropped = text
            .lines()
            .find_map(|line| line.strip_prefix("gather_spans_dropped_total "))
            .unwrap();
        let dropped: usize = dropped.parse().unwrap();
        // One batch is under way, or none yet.
        assert!(
            (made - QUEUE - 512..=made - QUEUE).contains(&dropped),
            "{dropped}"
        );
    }

    #[test]
    fn a_shown_url_has_no_secret() {
        let shown = |url: &str| shown(&url.parse().unwrap());
        assert_eq!(
            shown("https://me:hunter2@a:8443/b?key=hunter2"),
            "https://a:8443/b"
        );
        assert_eq!(shown("http://a?x=1"), "http://a/");
    }
}
