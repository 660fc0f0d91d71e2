//! Faults of upstreams, through a real gateway over real sockets. Each fault has a healthy call beside it, which must
//! not be affected. There is one file for each theme, and `pair` has the assertions of every test.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![allow(
    clippy::print_stdout,
    reason = "a test of many cases says in which one it failed"
)]

#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/tls.rs"]
mod tls;
#[path = "../support/upstream.rs"]
mod upstream;

mod pair;

mod body;
mod coding;
mod connect;
mod content;
mod given_up;
mod head;
mod hostile;
mod kept;
mod pool;
mod request;
mod session;
mod size;
mod stale;
mod status;
mod surplus;
mod time;
