//! The bounds on a client's time, and on the size of its requests. It must not know connections.

use std::time::Duration;

/// The longest request target, in bytes. It is long enough for every parameter, and short enough to log.
pub(super) const MAX_TARGET: usize = 8 * 1024;

/// The largest head, in bytes. It is more than browsers and proxies send, and less than the codec's parser can hold.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// A head above this size, in bytes, is charged to its request's memory. Browsers and proxies send less.
pub(super) const LARGE_HEAD: usize = 4 * 1024;

/// The bytes that are read at a time, and the bytes of an answer that are gathered before a write.
pub(super) const SPACE: usize = 16 * 1024;

/// The bounds on a client's time, and on the size of its heads.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The time for a head, from its first byte. For a connection's first head, from the connection's start. A body has
    /// the same time, from the moment that its handler asks for it.
    pub head: Duration,
    /// The time for each 64 KiB of an answer, or for the rest of it.
    pub write: Duration,
    /// The time until the next request.
    pub idle: Duration,
    /// True if each answer tells the client the value of `idle`.
    pub tells_idle: bool,
    /// The most fields of a head.
    pub fields: usize,
}

/// The meaning of a client's half-close: the client closes its half of the connection after its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfClose {
    /// The client has left. Most clients close both halves at once, and the two can't be told apart until something is
    /// sent.
    Leaves,
    /// The client waits for its answer. It has left once it resets the connection.
    Waits,
}
