//! Gather, an HTTP aggregation gateway: one request in, several upstream calls out, sequentially or concurrently, one
//! answer back, with the time of every call.
//!
//! The parts, in reading order. A part depends only on parts below it in this list and on `fanout`:
//!
//! - [`cli`]: the commands. [`app`]: the one place where the parts meet. [`config`]: files and environment, checked.
//! - [`openapi`]: the document that describes the answers. [`edge`]: the connections of clients.
//! - [`api`]: routes, middleware, problems. [`console`]: the page's files. [`endpoint`]: an aggregate as its clients
//!   see it. [`compose`] and [`timing`]: an outcome as bytes and as `Server-Timing`.
//! - [`upstream`]: the adapter that speaks HTTP. [`telemetry`]: metrics, spans and log lines.
//!   [`exchange`]: the client's request as its calls see it.
//! - [`expression`], [`values`]: what a configuration says of the values of a request. [`pick`]: parts of JSON by their
//!   bytes.
//! - [`shutdown`], [`readiness`], [`port`]: the order of a stop, the stage of life, and the hand-over of a port.
//!   [`ping`]: the dummy upstream. [`duration`]: `150ms`. [`spelling`]: the name that was meant.
//! - `fuzzing`: what the fuzz targets check; only they and the tests have it.
//! - [`fanout`]: the core. It knows none of the others.

pub mod api;
pub mod app;
pub mod cli;
pub mod compose;
pub mod config;
pub mod console;
pub mod duration;
pub mod edge;
pub mod endpoint;
pub mod exchange;
pub mod expression;
pub mod fanout;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod openapi;
pub mod pick;
pub mod ping;
pub mod port;
pub mod readiness;
pub mod shutdown;
pub mod spelling;
pub mod telemetry;
pub mod timing;
pub mod upstream;
pub mod values;
