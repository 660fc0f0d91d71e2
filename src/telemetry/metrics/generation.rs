//! The metrics of one generation of the configuration: those of its aggregates and upstreams, looked up once. It must
//! not know what else a generation has.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{AggregateMetrics, Metrics, PlanObserver, RequestGuard, UpstreamMetrics};
use crate::fanout::{AggregateId, Mode, UpstreamId};

/// The metrics that one generation counts in. Two generations that have a name in common count in the same series.
#[derive(Debug)]
pub struct GenerationMetrics {
    /// The metrics that all generations share.
    all: Arc<Metrics>,
    /// The metrics of the aggregates, in the order of their ids.
    aggregates: Vec<Arc<AggregateMetrics>>,
    /// The metrics of the upstreams, in the order of their ids.
    upstreams: Vec<Arc<UpstreamMetrics>>,
}

impl Metrics {
    /// Looks up the metrics of these aggregates and upstreams, each in the order of their ids. An upstream comes with
    /// the time that an attempt may take. The metrics of a name that is gone keep their last values.
    #[must_use]
    pub fn resolve<'n>(
        self: &Arc<Self>,
        aggregates: impl IntoIterator<Item = &'n str>,
        upstreams: impl IntoIterator<Item = (&'n str, Duration)>,
    ) -> GenerationMetrics {
        let aggregates = aggregates.into_iter();
        let upstreams = upstreams.into_iter().map(|(name, timeout)| {
            let upstream = self.upstreams.resolve(name);
            upstream.set_attempt_timeout(timeout);
            upstream
        });
        GenerationMetrics {
            all: Arc::clone(self),
            aggregates: aggregates
                .map(|name| self.aggregates.resolve(name))
                .collect(),
            upstreams: upstreams.collect(),
        }
    }
}

impl GenerationMetrics {
    /// Returns the metrics that all generations share.
    #[must_use]
    pub fn process(&self) -> &Metrics {
        &self.all
    }

    /// Counts a request of an aggregate, or one run of a comparison, as in flight until the guard is finished or
    /// dropped. Its time counts from `began`.
    #[must_use]
    pub fn request(&self, aggregate: AggregateId, mode: Mode, began: Instant) -> RequestGuard<'_> {
        let in_flight = &self.all.process.requests_in_flight;
        RequestGuard::new(in_flight, self.aggregate(aggregate), mode, began)
    }

    /// Returns an observer that counts the attempts of plans.
    #[must_use]
    pub fn observer(&self) -> PlanObserver<'_> {
        PlanObserver {
            upstreams: &self.upstreams,
        }
    }

    /// Returns the metrics of an aggregate.
    #[must_use]
    pub fn aggregate(&self, id: AggregateId) -> &AggregateMetrics {
        &self.aggregates[id.0]
    }

    /// Returns the metrics of an upstream.
    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> &Arc<UpstreamMetrics> {
        &self.upstreams[id.0]
    }
}
