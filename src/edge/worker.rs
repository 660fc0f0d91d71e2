//! The state that the connections of one worker share. It must not know how a connection is served.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use actix_http::{KeepAlive, ServiceConfig};
use actix_server::GracefulShutdownSignal;
use bytes::BytesMut;
use tokio::task::yield_now;

use super::{
    bounds::{HalfClose, Patience, SPACE},
    keep_alive,
};
use crate::telemetry::Metrics;

/// State that the connections of one worker share.
pub struct Edge<S> {
    pub(super) service: S,
    pub(super) config: ServiceConfig,
    pub(super) patience: Patience,
    pub(super) half_close: HalfClose,
    /// The last lines of the head of each answer that keeps its connection, if the answer gives the idle time.
    pub(super) told: Option<String>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stopping: GracefulShutdownSignal,
    /// A buffer for reading. A poll that reads into it also uses the bytes.
    pub(super) space: RefCell<Box<[u8]>>,
    /// A buffer for writing. The first answer that needs it takes it, and keeps it if its client reads slowly.
    pub(super) gathered: Cell<BytesMut>,
}

impl<S> Edge<S> {
    /// Puts `service` behind connections. It must be called on the worker's own thread.
    #[must_use]
    pub fn new(
        service: S,
        patience: Patience,
        half_close: HalfClose,
        metrics: Arc<Metrics>,
        stopping: GracefulShutdownSignal,
    ) -> Self {
        let none = Duration::ZERO;
        Self {
            service,
            // The codec uses this only for the date. Times, and the ends of connections, are decided here.
            config: ServiceConfig::new(KeepAlive::Timeout(patience.idle), none, none, false, None),
            patience,
            half_close,
            told: patience
                .tells_idle
                .then(|| keep_alive::lines(patience.idle)),
            metrics,
            stopping,
            space: RefCell::new(vec![0; SPACE].into()),
            gathered: Cell::default(),
        }
    }

    /// Waits until the server has begun to stop, and a connection has looked for bytes two more times. A request that
    /// was sent before the stop is then answered, even if the reactor had not seen it by then.
    pub(super) async fn stopping(&self) {
        self.stopping.notified().await;
        yield_now().await;
        yield_now().await;
    }
}
