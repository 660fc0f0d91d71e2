//! Spans by OpenTelemetry's HTTP semantic conventions: one for each request, call and attempt. A thread of its own
//! sends them by OTLP. If tracing is off, none of this exists.
//!
//! One decision at the beginning of a request says if its trace is recorded. If it is not, only the ids are made: they
//! go upstream and into the log. A worker hands over a finished span and never waits. If there is no room, the span is
//! dropped and counted. It must not know what a request's handler is.

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

/// The most finished spans that wait to be sent: some 10 MB, and several seconds of a busy gateway.
const QUEUE: usize = 8192;

/// The longest time for sending the waiting spans at a stop.
const FLUSH: Duration = Duration::from_secs(3);

/// The settings for making and sending spans.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collector's URL for traces.
    pub endpoint: Uri,
    /// The share of traces to record among those that begin here, from 0 to 1.
    pub sample: f64,
    /// The roots to trust if the URL is `https`. If there are none, Mozilla's.
    pub roots: Vec<CertificateDer<'static>>,
}

/// The data of an upstream that its spans have.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The configured name of the upstream.
    pub name: &'a str,
    /// The URL of the upstream.
    pub url: &'a Uri,
    /// The port of the upstream.
    pub port: u16,
    /// The method of the attempts.
    pub method: &'a Method,
}

/// The reason why spans can't be sent.
#[derive(Debug, thiserror::Error)]
#[error("spans can't be sent: {0}")]
pub struct SpansError(String);

/// The receiver of all workers' spans.
pub struct Spans {
    sample: f64,
    targets: Vec<Made>,
    scope: InstrumentationScope,
    queued: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    processor: Processor,
}

/// The parts of an upstream's spans that are made ready at start.
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
    /// Starts the thread that sends spans. `targets` are in the order of the upstreams' ids.
    ///
    /// # Errors
    /// Fails if the exporter can't be made, because of the variables `OTEL_EXPORTER_OTLP_…` in the environment.
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

    /// Sends the waiting spans, within a bound. Blocks.
    pub fn stop(&self) {
        if self.processor.shutdown_with_timeout(FLUSH).is_err() {
            let waiting = self.queued.load(Ordering::Relaxed);
            tracing::warn!(waiting, "not all spans could be sent before the end");
        }
    }

    /// Returns true if a trace that begins here is recorded. Its id is random, so the id decides.
    fn samples(&self, trace: u128) -> bool {
        // The upper 53 of these 64 bits, as a number from 0 to 1. An f64 holds 53 bits.
        let place = (trace as u64 >> 11) as f64 / (1_u64 << 53) as f64;
        place < self.sample
    }

    fn take(&self, span: SpanData) {
        // The processor's own queue is just as long, so it has room for every span that is let in here.
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

/// Returns a URL without the part that may be secret, its query. A checked URL has no user or password.
fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", url.path())
}

/// Returns a text that spans share.
fn shared(text: &str) -> opentelemetry::StringValue {
    Arc::<str>::from(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new(&[]).unwrap())
    }

    fn spans(sample: f64) -> Spans {
        let settings = Settings {
            // No collector listens, and nothing is sent either.
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
        // The count is within ten standard deviations.
        let tenth = sampled(0.1);
        assert!((9_050..10_950).contains(&tenth), "{tenth}");
    }

    #[test]
    fn a_full_queue_drops_and_never_waits() {
        // This collector accepts a connection, and then does nothing.
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
        // This is far less than the time in which the first batch fails.
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
