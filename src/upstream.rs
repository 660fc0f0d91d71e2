//! The adapter that speaks HTTP/1.1 to upstreams, by awc's client and pool on a wire of our own.
//!
//! awc gives requests, pooling and the codec. What it leaves open is closed here: the wire (`wire`) sees what the codec
//! swallows, so that an answer cut short is never a reply; the dialer (`dial`) connects with TCP_NODELAY, each address
//! bounded, and does TLS itself; an attempt (`attempt`) takes head and body under the caller's clock. It must not know
//! plans, configuration files or metrics.

mod answer;
mod attempt;
mod body;
mod chunks;
mod dial;
mod head;
mod names;
mod prepare;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod settings;
mod tls;
mod trace;
mod wire;

pub use attempt::{Adapter, Watch};
pub use prepare::Prepared;
pub use settings::{Settings, TlsSettings};
pub use tls::TlsError;
