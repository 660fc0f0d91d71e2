//! Counts the connections of clients as they come and go. Each costs two atomic operations, and a request costs none.
//! It must not know a connection's requests.

use std::num::NonZeroUsize;

use prometheus::{Error, IntGauge, Registry};

/// Counts connections, for all workers.
#[derive(Debug, Clone)]
pub struct Clients(IntGauge);

/// One connection, which counts until this is dropped.
#[derive(Debug)]
pub struct Connected(IntGauge);

impl Clients {
    /// Registers the count of connections, of which there may be `most`.
    pub(super) fn register(registry: &Registry, most: NonZeroUsize) -> Result<Self, Error> {
        let open = IntGauge::new(
            "gather_client_connections",
            "Open connections from clients, without those to the admin listener.",
        )?;
        let limit = IntGauge::new(
            "gather_client_connections_limit",
            "The most open connections: `server.max_connections`, or fewer if there are few file descriptors. Further clients wait.",
        )?;
        limit.set(i64::try_from(most.get()).unwrap_or(i64::MAX));
        registry.register(Box::new(open.clone()))?;
        registry.register(Box::new(limit))?;
        Ok(Self(open))
    }

    /// Counts another connection.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.0.inc();
        Connected(self.0.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}
