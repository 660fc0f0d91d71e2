//! An outcome as bytes, whole or as a stream. It must not know requests, headers or metrics. It never looks into an
//! upstream's JSON, which the outcome holds validated.

mod json;
mod shape;
mod stream;
pub mod types;

pub use json::{Comparison, comparison, comparison_summary, members, string, summary};
pub use shape::{CallShape, Place, Select, Shape};
pub use stream::{END, Framing};
