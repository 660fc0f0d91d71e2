//! An outcome as bytes. It must not know requests, headers or metrics; it never looks into an upstream's JSON, which the
//! outcome holds validated.

mod json;

pub use json::{Comparison, comparison, members, string};
