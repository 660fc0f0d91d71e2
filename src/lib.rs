//! Gather: an HTTP aggregation gateway.

pub mod fanout;
