//! The HTTP surface through real sockets, one file a theme.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "../support/collector.rs"]
mod collector;
#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/panicking.rs"]
mod panicking;
mod talk;
#[path = "../support/upstream.rs"]
mod upstream;

mod aggregate;
mod answers;
mod attempts;
mod bodies;
mod caller_time;
mod cancellation;
mod compression;
mod connections;
mod console;
mod deadlines;
mod departures;
mod empty_bodies;
mod endings;
mod forwarding;
mod half_close;
mod heads;
mod keep_alive;
mod loops;
mod malformed;
mod memory;
mod methods;
mod openapi;
mod operations;
mod overload;
mod panics;
mod parameters;
mod passing;
mod plans;
mod refusals;
mod request_bodies;
mod routes;
mod shaping;
mod slow_clients;
mod statuses;
mod stopping;
mod streaming;
mod together;
mod tracing;
mod upgrades;
