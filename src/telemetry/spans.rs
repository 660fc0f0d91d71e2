//! Spans by OpenTelemetry's HTTP semantic conventions: one for each request, call and attempt. A thread of its own
//! sends them by OTLP. If tracing is off, none of this exists.
//!
//! One decision at the beginning of a request says if its trace is recorded. If it is not, only the ids are made: they
//! go upstream and into the log. A worker hands over a finished span and never waits. If there is no room, the span is
//! dropped and counted. It must not know what a request's handler is.

mod export;
mod request;
mod resource;
mod targets;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Uri;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::trace::{SpanData, SpanProcessor as _};
use tokio_rustls::rustls::pki_types::CertificateDer;

use self::export::{Exporter, Processor};
pub use self::{
    request::{Answered, Incoming, PlanShape, RequestTrace, SpanObserver},
    targets::{OwnTarget, SpanTargets, Target},
};
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

/// The reason why spans can't be sent.
#[derive(Debug, thiserror::Error)]
#[error("spans can't be sent: {0}")]
pub struct SpansError(String);

/// The receiver of the spans of all workers and of all generations of the configuration.
pub struct Spans {
    sample: f64,
    scope: InstrumentationScope,
    queued: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    processor: Processor,
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").finish_non_exhaustive()
    }
}

impl Spans {
    /// Starts the thread that sends spans.
    ///
    /// # Errors
    /// Fails if the exporter can't be made, because of the variables `OTEL_EXPORTER_OTLP_…` in the environment.
    pub fn start(settings: &Settings, metrics: Arc<Metrics>) -> Result<Self, SpansError> {
        let queued = Arc::new(AtomicUsize::new(0));
        let exporter = Exporter::new(settings, Arc::clone(&queued), Arc::clone(&metrics))?;
        Ok(Self {
            sample: settings.sample,
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
        Spans::start(&settings, metrics()).unwrap()
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
        let spans = Spans::start(&settings, Arc::clone(&metrics)).unwrap();
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
}
