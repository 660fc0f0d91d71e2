//! Log lines on standard error, as text or as JSON. Standard output belongs to the commands' own results.

use anstream::{AutoStream, ColorChoice};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer as _,
    filter::Targets,
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is written and how.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How lines are written.
    pub format: Format,
    /// The least severe level that is written.
    pub level: LevelFilter,
}

/// Starts logging for the whole process, panics included.
///
/// # Errors
/// When logging was started before.
pub fn start(settings: Settings) -> Result<(), TryInitError> {
    let colour = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    let lines = match settings.format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    // The libraries below us call a client's bad request an error; it is told once, at the edge.
    let libraries = settings.level.min(LevelFilter::WARN);
    let levels = Targets::new()
        .with_default(libraries)
        .with_target("actix_http", LevelFilter::OFF)
        .with_target("gather", settings.level);
    tracing_subscriber::registry()
        .with(lines.with_filter(levels))
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

fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
