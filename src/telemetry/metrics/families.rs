//! Registers metrics, and keeps those that were resolved by name. It must not know which metrics there are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{
    CounterVec, Error, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, core::Collector,
};

/// Registers a metric and returns it.
pub(super) fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Registers a counter without labels.
pub(super) fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, Error> {
    add(registry, IntCounter::new(name, help)?)
}

/// Registers a gauge without labels.
pub(super) fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, Error> {
    add(registry, IntGauge::new(name, help)?)
}

/// Registers families, whose metrics differ in these labels.
pub(super) struct Labelled<'a> {
    pub(super) registry: &'a Registry,
    pub(super) labels: &'a [&'a str],
}

impl Labelled<'_> {
    /// Registers counters of whole numbers.
    pub(super) fn counters(&self, name: &str, help: &str) -> Result<IntCounterVec, Error> {
        let family = IntCounterVec::new(Opts::new(name, help), self.labels)?;
        add(self.registry, family)
    }

    /// Registers counters of seconds.
    pub(super) fn seconds(&self, name: &str, help: &str) -> Result<CounterVec, Error> {
        let family = CounterVec::new(Opts::new(name, help), self.labels)?;
        add(self.registry, family)
    }

    /// Registers gauges of whole numbers.
    pub(super) fn gauges(&self, name: &str, help: &str) -> Result<IntGaugeVec, Error> {
        let family = IntGaugeVec::new(Opts::new(name, help), self.labels)?;
        add(self.registry, family)
    }

    /// Registers gauges of any numbers.
    pub(super) fn fractional_gauges(&self, name: &str, help: &str) -> Result<GaugeVec, Error> {
        let family = GaugeVec::new(Opts::new(name, help), self.labels)?;
        add(self.registry, family)
    }

    /// Registers histograms with these upper bounds.
    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        add(self.registry, HistogramVec::new(options, self.labels)?)
    }
}

/// The metrics of every name that any generation has resolved. They are never removed, so a name that comes back counts
/// on. Locked only to resolve a name and to read all metrics.
#[derive(Debug)]
pub(super) struct Resolved<M>(Mutex<HashMap<Box<str>, Arc<M>>>);

impl<M> Default for Resolved<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M> Resolved<M> {
    /// Returns the metrics of a name, if it was resolved before.
    pub(super) fn get(&self, name: &str) -> Option<Arc<M>> {
        let resolved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.get(name).map(Arc::clone)
    }

    /// Returns the metrics of a name. Makes them if it is new.
    pub(super) fn get_or_make(&self, name: &str, make: impl FnOnce() -> M) -> Arc<M> {
        let mut resolved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = resolved.get(name) {
            return Arc::clone(metrics);
        }
        let metrics = Arc::new(make());
        resolved.insert(name.into(), Arc::clone(&metrics));
        metrics
    }
}
