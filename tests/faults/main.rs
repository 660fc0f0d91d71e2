//! What goes wrong upstream, through a real gateway over real sockets: each fault stands beside a healthy call, which must
//! not notice. One file a theme; `pair` has what every test asserts.
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
