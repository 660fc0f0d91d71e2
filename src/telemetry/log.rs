//! Log lines on standard error, as text or as JSON. Standard output is for the commands' own results. It must not know
//! what is logged.
//!
//! The log belongs to the process, as its standard error does. It is the only part of telemetry that is not made anew
//! for each gateway.

mod queue;

use std::{
    io,
    sync::{LazyLock, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use anstream::{AutoStream, ColorChoice};
use prometheus::IntCounter;
use tracing::{Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    Layer as _,
    filter::{FilterExt as _, Targets, dynamic_filter_fn},
    layer::{Filter, SubscriberExt as _},
    util::{SubscriberInitExt as _, TryInitError},
};

use queue::Queue;

/// Lines that found no room, because their reader is slower than their writers.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::new(
        "gather_log_lines_dropped_total",
        "Log lines that were lost, as they were read more slowly than written.",
    )
    .expect("the name is a metric's")
});

/// The queue for lines, once logging has started.
static LINES: OnceLock<Queue> = OnceLock::new();

/// The target that reports twice a second that a connection can't be accepted, while there are no file descriptors.
const ACCEPTOR: &str = "actix_server::accept";

/// The time in which the acceptor may write one line.
const ACCEPTORS_PAUSE: Duration = Duration::from_secs(60);

/// The format of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings of the log.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The format of lines.
    pub format: Format,
    /// The least severe level that is written.
    pub level: LevelFilter,
}

/// The reason why logging can't start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Logging was started before.
    #[error("logging was started before")]
    Twice(#[from] TryInitError),
    /// There is no thread to write lines.
    #[error("the thread that writes log lines could not be started")]
    Thread(#[from] io::Error),
}

/// Returns the count of lines that found no room, `gather_log_lines_dropped_total`.
pub(super) fn dropped() -> IntCounter {
    DROPPED.clone()
}

/// Waits until all lines so far are written, for `bound` at most, as their reader may have stopped.
pub fn flush(bound: Duration) {
    if let Some(lines) = LINES.get() {
        lines.flush(bound);
    }
}

/// Starts logging for the whole process, panics included. A caller that logs never waits for the reader of the log.
///
/// # Errors
/// Fails if logging was started before, or if the system starts no thread.
pub fn start(settings: Settings) -> Result<(), LogError> {
    let queue = Queue::start(io::stderr(), dropped(), |lines| {
        tracing::warn!(
            lines,
            "log lines were dropped: nobody reads them fast enough"
        );
    })?;
    let lines = LINES.get_or_init(|| queue).clone();
    let colour = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || lines.clone())
        .with_ansi(colour);
    let lines = match settings.format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter(settings.level)))
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            panic = message(panic.payload()),
            "a panic"
        );
    }));
    Ok(())
}

/// Selects the lines that are written at this level. It hints at that level for the whole process, so that a line that
/// is off costs one comparison.
fn filter<S: tracing::Subscriber>(level: LevelFilter) -> impl Filter<S> {
    // Libraries log a client's bad request as an error. It is logged once, at the edge.
    let libraries = level.min(LevelFilter::WARN);
    let levels = Targets::new()
        .with_default(libraries)
        .with_target("actix_http", LevelFilter::OFF)
        .with_target("gather", level);
    levels.and(patient_acceptor())
}

/// Lets everything through except most lines of the acceptor. Only the acceptor's lines are checked more than once.
fn patient_acceptor<S: tracing::Subscriber>() -> impl Filter<S> {
    let last: Mutex<Option<Instant>> = Mutex::default();
    let is_acceptor = |metadata: &Metadata<'_>| metadata.target() == ACCEPTOR;
    dynamic_filter_fn(move |metadata, _| {
        if !is_acceptor(metadata) {
            return true;
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= ACCEPTORS_PAUSE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    })
    .with_callsite_filter(move |metadata| match is_acceptor(metadata) {
        true => Interest::sometimes(),
        false => Interest::always(),
    })
    // Two filters have a hint together only if each has one. This one turns off no level.
    .with_max_level_hint(LevelFilter::TRACE)
}

fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use tracing::Subscriber as _;

    use super::*;

    #[test]
    fn a_level_that_is_off_is_off_for_the_whole_process() {
        for level in [
            LevelFilter::OFF,
            LevelFilter::ERROR,
            LevelFilter::WARN,
            LevelFilter::INFO,
            LevelFilter::DEBUG,
            LevelFilter::TRACE,
        ] {
            let lines = tracing_subscriber::fmt::layer().with_filter(filter(level));
            let subscriber = tracing_subscriber::registry().with(lines);
            assert_eq!(subscriber.max_level_hint(), Some(level));
        }
    }
}
