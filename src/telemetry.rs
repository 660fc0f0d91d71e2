//! What operators see: metrics and log lines, as observers of the core's events. It must not know HTTP requests, the
//! configuration's files or the adapter.

pub mod log;
mod metrics;

pub use metrics::{Metrics, Names, PlanObserver, RequestGuard, TEXT_FORMAT};
