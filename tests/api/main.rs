//! The HTTP surface through real sockets, one file a theme.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/upstream.rs"]
mod upstream;

mod aggregate;
