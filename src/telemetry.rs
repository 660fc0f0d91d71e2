//! The telemetry for operators: metrics, spans and log lines, as observers of the core's events. It must not know HTTP
//! requests, the configuration's files or the adapter.

mod clients;
mod exemplars;
pub mod log;
mod memory;
mod metrics;
mod open_metrics;
pub mod spans;

pub use clients::{Clients, Connected};
pub use metrics::{
    AggregateMetrics, GenerationMetrics, Metrics, PlanObserver, ProblemId, RequestGuard,
    TEXT_FORMAT, UpstreamMetrics,
};
pub use open_metrics::OPEN_METRICS;
