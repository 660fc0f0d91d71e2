//! The values in force where a configuration is silent, each with its reason. It must not know files.
//!
//! The values of an upstream are in [`Service`](crate::upstream::Service) and [`Request`](crate::upstream::Request),
//! and those of a plan in [`Rules`].

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    thread,
    time::Duration,
};

use http::Method;

use super::memory_limit::memory_limit;
use crate::fanout::Rules;

/// Loopback only: a gateway is open to a network only if its configuration says so.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The most open connections from clients, over all workers. It is below the usual limits on open files, and enough
/// that keep-alive clients are not turned away.
pub(super) const MAX_CONNECTIONS: usize = 25_000;

/// The time for a client's request head. A slow mobile client takes well under a second. A hostile one must not hold a
/// connection for longer than this.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for each 64 KiB of an answer. The slowest useful line takes half of it for them. A client that does not
/// read must not hold its answer for longer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The most header fields of a request: as many as nginx, Apache and most frameworks take.
pub(super) const MAX_HEADERS: usize = 100;

/// The most header fields that may be allowed. A head of 64 KiB holds few more.
pub(super) const MOST_HEADERS: usize = 1000;

/// The time for a client's idle connection. Common load balancers close theirs after 60 s. It is longer, so that they
/// never send into a connection that is about to be closed.
pub(super) const CLIENT_KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The time that requests in flight get at a stop beyond the longest deadline: enough to write the answer out.
pub(super) const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// The time for which `/readyz` says 503 before the listener closes: a load balancer that asks every second has seen
/// it.
pub(super) const GRACE: Duration = Duration::from_secs(3);

/// On: the listener is on loopback by default, and the page can do no more than its reader's own requests to the same
/// listener.
pub(super) const CONSOLE: bool = true;

/// The longest time that a connection may wait. A longer one is more likely a mistake.
pub(super) const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(60 * 60);

/// The deepest JSON that may be allowed. Few clients read more.
pub(super) const MOST_DEPTH: usize = 1000;

/// The most aggregates at a time, over all workers: as many as the attempts that one upstream gets by default. Requests
/// of one call are then refused here, before anything is planned. A pile of this size means that upstreams hang.
pub(super) const MAX_REQUESTS: usize = 4096;

/// The most bytes of all bodies of one aggregate together: 16 of the largest that are accepted by default. No page
/// needs more, and one request must not take the memory of a thousand.
pub(super) const MAX_BODIES: usize = 16 * 1024 * 1024;

/// The most bytes of a client's body: 64 KiB, far above the form or the query of a page.
pub(super) const MAX_REQUEST_BODY: usize = 64 * 1024;

/// The methods of a route: reading, as pages are read.
pub(super) const METHODS: [Method; 1] = [Method::GET];

/// The most requests of `each` at a time. One request of a client must not take all of a service.
pub(super) const EACH_CONCURRENCY: usize = 10;

/// The most elements of `each`: more than a page shows.
pub(super) const EACH_MAX: usize = 100;

/// The most elements that may be allowed. More requests for one are more likely wrong than large.
pub(super) const MOST_ELEMENTS: usize = 10_000;

/// A breaker's failures in a row: one or two happen to any upstream, five don't.
pub(super) const FAILURES: u32 = 5;

/// The time within which a breaker that opens by share counts attempts.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// The time for which a breaker refuses: enough for a restart, short enough that a recovered service is found soon.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(5);

/// The share of the traces that begin here: all, so that the first request shows if tracing works. A gateway with many
/// requests needs fewer.
pub(super) const SAMPLE: f64 = 1.0;

/// An aggregate's deadline, as the core has it.
pub(super) const DEADLINE: Duration = Rules::DEADLINE;

/// The most calls of one aggregate, and the most of them at a time. A file with more is more likely wrong than large.
/// One request must not be able to open more connections than this.
pub(super) const MOST_CALLS: usize = 1000;

/// The most workers. Each is a thread with its own pools; more than this helps no machine.
pub(super) const MOST_WORKERS: usize = 512;

/// The most connections, and the most attempts in flight: as many as the ports and files of a machine allow.
pub(super) const MOST_CONNECTIONS: usize = 1_000_000;

/// Returns half of the memory that this process may have, in whole MiB. The other half is for the rest: its other
/// memory, the kernel's memory for its connections, and memory that was freed and not yet given back.
pub(super) fn memory() -> u64 {
    const MIB: u64 = 1024 * 1024;
    (memory_limit() / 2 / MIB * MIB).max(MIB)
}

/// Returns one worker for each core that this process may use.
pub(super) fn workers() -> NonZeroUsize {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    cores.min(NonZeroUsize::new(MOST_WORKERS).unwrap_or(NonZeroUsize::MIN))
}
