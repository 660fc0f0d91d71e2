//! An outcome as bytes, whole or as a stream. It must not know requests, headers or metrics. It looks into an
//! upstream's JSON, which the outcome holds validated, only for a part that the configuration names.

#[cfg(test)]
mod fixture;
mod json;
mod merge;
mod shape;
mod shaping;
mod spread;
mod stream;
pub mod types;
mod written;

pub use json::{Comparison, comparison, comparison_summary, members, summary};
pub use merge::{ERRORS, merged};
pub use shape::{CallShape, Place, Select, Shape};
pub use shaping::Shaping;
pub use stream::{END, Framing};
pub use written::string;
