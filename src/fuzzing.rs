//! The functions that the fuzz targets run: one a target, which takes any bytes and panics where a promise is broken.
//! It is compiled by cargo-fuzz, which sets `--cfg fuzzing`, and for the tests, which run every committed input through
//! it.
//!
//! The properties of one part alone stand beside that part, in its `properties.rs`. Those of several parts are here.
//! A new target is a function here, an entry in `fuzz/Cargo.toml`, three lines in `fuzz/fuzz_targets` and a first
//! input in `fuzz/seeds`.

mod embedding;
mod engine;
mod outcomes;
mod server_timing;
mod shaped;
mod shaping;

pub use self::{
    embedding::embedding, engine::engine, server_timing::server_timing, shaped::shaped,
    shaping::shaping,
};
pub use crate::{
    api::properties::query,
    config::properties::config,
    edge::properties::{bodies, heads},
    expression::properties::expressions,
    upstream::properties::wire,
    values::properties::{references, templates},
};

#[cfg(test)]
#[path = "fuzzing/seeds_tests.rs"]
mod tests;
