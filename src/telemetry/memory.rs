//! Two gauges of the memory of all requests: how much is charged, and the limit. They are set only when the metrics are
//! read, so they cost requests nothing. It must not know who is charged.

use prometheus::{
    Error, IntGauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::exchange::Memory;

/// The gauges of one memory.
pub(super) struct Charged {
    memory: Memory,
    charged: IntGauge,
    limit: IntGauge,
}

impl Charged {
    /// # Errors
    /// Fails if a metric's name is not valid, which would be a fault here.
    pub(super) fn new(memory: Memory) -> Result<Self, Error> {
        Ok(Self {
            charged: IntGauge::new(
                "gather_memory_bytes",
                "The bytes of `server.memory` charged to the requests in flight, their bodies and their answers.",
            )?,
            limit: IntGauge::new(
                "gather_memory_limit_bytes",
                "`server.memory`: the bytes that they may take together.",
            )?,
            memory,
        })
    }
}

impl Collector for Charged {
    fn desc(&self) -> Vec<&Desc> {
        [&self.charged, &self.limit]
            .into_iter()
            .flat_map(Collector::desc)
            .collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shown = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.charged.set(shown(self.memory.charged()));
        self.limit.set(shown(self.memory.limit()));
        [&self.charged, &self.limit]
            .into_iter()
            .flat_map(Collector::collect)
            .collect()
    }
}
