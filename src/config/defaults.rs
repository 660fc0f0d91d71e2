//! The values in force where a configuration is silent, each with its reason. Knows nothing of files.
//!
//! The values of an upstream are in [`Service`](crate::upstream::Service) and [`Request`](crate::upstream::Request), and
//! those of a plan in [`Rules`].

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    thread,
    time::Duration,
};

use super::memory_limit::memory_limit;
use crate::fanout::Rules;

/// Loopback only: whoever opens the gateway to a network says so.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Open connections from clients, over all workers. Below the usual limits on open files, and enough that
/// keep-alive clients are not turned away.
pub(super) const MAX_CONNECTIONS: usize = 25_000;

/// A client's request head. A slow mobile client takes well under a second; a hostile one must not hold a
/// connection for longer than this.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Each 64 KiB of an answer. The slowest line that is still of use brings them in half of that, and a client that does
/// not read must not hold its answer for longer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The most header fields of a request: as many as nginx, Apache and most frameworks take.
pub(super) const MAX_HEADERS: usize = 100;

/// The most header fields that may be allowed. A head of 64 KiB holds few more.
pub(super) const MOST_HEADERS: usize = 1000;

/// A client's idle connection. Above the 60 s after which common load balancers close theirs, so that they never send into
/// a connection that is about to go.
pub(super) const CLIENT_KEEP_ALIVE: Duration = Duration::from_secs(75);

/// The time that requests in flight get at a stop beyond the longest deadline: enough to write the answer out.
pub(super) const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// The time for which `/readyz` says 503 before the listener closes: a load balancer that asks every second has seen it.
pub(super) const GRACE: Duration = Duration::from_secs(3);

/// On: the listener is on loopback unless somebody says otherwise, and the page can do no more than its reader's own
/// requests to the same listener.
pub(super) const CONSOLE: bool = true;

/// The longest that a connection may be told to wait. Beyond it a value is more likely wrong than meant.
pub(super) const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(60 * 60);

/// The deepest JSON that may be allowed. Few clients read more.
pub(super) const MOST_DEPTH: usize = 1000;

/// Aggregates at a time, over all workers: as many as the attempts that one upstream gets by default, so that where there
/// is one call a request, it is refused here, before anything is planned. A pile of this size means that upstreams hang.
pub(super) const MAX_REQUESTS: usize = 4096;

/// All bodies of one aggregate together, in bytes: 16 of the largest ones that are taken by default. No page needs
/// more, and one request must not take the memory of a thousand.
pub(super) const MAX_BODIES: usize = 16 * 1024 * 1024;

/// A breaker's failures in a row: one or two happen to everybody, five don't.
pub(super) const FAILURES: u32 = 5;

/// The time within which a breaker that opens by share counts attempts.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// The time for which a breaker refuses: enough for a restart, short enough that a recovered service is found soon.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(5);

/// Traces that begin here: all, so that the first request shows whether it works. Who has many requests chooses fewer.
pub(super) const SAMPLE: f64 = 1.0;

/// An aggregate's deadline.
pub(super) const DEADLINE: Duration = Rules::DEADLINE;

/// The most calls of one aggregate, and the most of them at a time. Beyond it a file is more likely wrong than
/// large, and one request must not be able to open more connections than this.
pub(super) const MOST_CALLS: usize = 1000;

/// The most workers. Each is a thread with its own pools; more than this helps no machine.
pub(super) const MOST_WORKERS: usize = 512;

/// The most connections, and the most attempts in flight: what the ports and files of a machine can carry at all.
pub(super) const MOST_CONNECTIONS: usize = 1_000_000;

/// Half of the memory that this process may have, in whole MiB. The other half is for what it holds beside bodies and answers,
/// for what the kernel holds for its connections, and for what was freed and not yet given back.
pub(super) fn memory() -> u64 {
    const MIB: u64 = 1024 * 1024;
    (memory_limit() / 2 / MIB * MIB).max(MIB)
}

/// One worker a core, as far as this process may use them.
pub(super) fn workers() -> NonZeroUsize {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    cores.min(NonZeroUsize::new(MOST_WORKERS).unwrap_or(NonZeroUsize::MIN))
}
