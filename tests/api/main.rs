//! The HTTP surface through real sockets, one file a theme.

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/upstream.rs"]
mod upstream;

mod aggregate;
