//! The metrics of a process. Everything is registered once, at start. Aggregates and upstreams are resolved for each
//! generation of the configuration, so that counting on the request path is an atomic addition and never a look-up.
//!
//! Labels hold configured names and closed sets only. Names follow the Prometheus conventions. Each file here declares,
//! resolves and counts the metrics of one subject. It must not know which problems there are, nor what a generation is
//! made of.

mod aggregates;
mod buckets;
mod families;
mod generation;
mod process;
mod refusals;
mod request;
mod upstreams;

use std::num::NonZeroUsize;

use prometheus::{
    Encoder as _, Error, Registry, TextEncoder, process_collector::ProcessCollector, proto::Metric,
};

use self::{aggregates::AggregateFamilies, process::Process, upstreams::UpstreamFamilies};
pub use self::{
    aggregates::AggregateMetrics,
    generation::GenerationMetrics,
    process::ProblemId,
    request::RequestGuard,
    upstreams::{PlanObserver, UpstreamMetrics},
};
use super::{clients::Clients, log, memory::Charged, open_metrics};
use crate::exchange::Memory;

/// All metrics of a process, shared by its workers and by all generations of its configuration.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    process: Process,
    aggregates: AggregateFamilies,
    upstreams: UpstreamFamilies,
}

/// The media type of [`Metrics::encode`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

impl Metrics {
    /// Registers all metrics. `problems` has the types of problem answers, in the order of their [`ProblemId`]s.
    ///
    /// # Errors
    /// Fails if two metrics have one name, which would be a fault here.
    pub fn new(problems: &[&'static str]) -> Result<Self, Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        registry.register(Box::new(log::dropped()))?;
        Ok(Self {
            process: Process::register(&registry, problems)?,
            aggregates: AggregateFamilies::register(&registry)?,
            upstreams: UpstreamFamilies::register(&registry)?,
            registry,
        })
    }

    /// Registers how much of `memory` is charged.
    ///
    /// # Errors
    /// Fails if a memory is registered already.
    pub fn register_memory(&self, memory: Memory) -> Result<(), Error> {
        self.registry.register(Box::new(Charged::new(memory)?))
    }

    /// Registers how many clients are connected, and the most that there may be. Returns the counter to use for it.
    ///
    /// # Errors
    /// Fails if clients are registered already.
    pub fn register_clients(&self, most: NonZeroUsize) -> Result<Clients, Error> {
        Clients::register(&self.registry, most)
    }

    /// Writes all metrics in Prometheus' text format.
    ///
    /// # Errors
    /// Fails if a metric can't be written, which would be a fault of its registration.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Writes all metrics as OpenMetrics.
    ///
    /// # Errors
    /// Fails if a metric can't be written, which would be a fault of its registration.
    pub fn encode_open_metrics(&self) -> Result<String, Error> {
        let mut text = String::with_capacity(16 * 1024);
        let exemplar = |family: &str, metric: &Metric, bucket| {
            self.aggregates.exemplar(family, metric, bucket)
        };
        open_metrics::write(&self.registry.gather(), &exemplar, &mut text)
            .map_err(|error| Error::Msg(error.to_string()))?;
        Ok(text)
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
