//! The size of an answer's head. Proxies refuse a large head, and nginx answers 502 in its place. So all lines are
//! added up here at their longest, and the fields that grow with the calls get the rest. A test over real sockets
//! (`tests/api/heads.rs`) holds real heads against it. It must not know the answers.

use super::request_id;

/// The size of head that every common proxy takes, in bytes: nginx has one page of memory for it (`proxy_buffer_size`).
const TAKEN: usize = 4096;

/// Room for the fields that a second proxy on the way may add, in bytes.
const ADDED: usize = 300;

/// The lines of any answer to an aggregate, each at its longest. Lines that only some answers have are here all the
/// same.
const LINES: [&str; 19] = [
    // The longest reason phrase of the statuses that an upstream may have.
    "HTTP/1.1 431 Request Header Fields Too Large",
    "connection: keep-alive",
    // A day, the longest time that can be set.
    "keep-alive: timeout=86400",
    "date: Sun, 06 Nov 1994 08:49:37 GMT",
    "content-length: 18446744073709551615",
    "transfer-encoding: chunked",
    "content-type: application/problem+json",
    "content-encoding: gzip",
    "cache-control: no-store, no-transform",
    "vary: accept",
    "vary: accept-encoding",
    "incremental: ?1",
    "x-accel-buffering: no",
    "retry-after: 1",
    // A year, the longest time that is accepted.
    "preference-applied: wait=31536000",
    "gather-mode: sequential",
    "gather-outcome: complete",
    "gather-elapsed: 18446744073709551.615",
    "gather-sequential: 18446744073709551.615",
];

/// The names of the fields whose values are counted apart. A stream has `gather-calls` in place of the second.
const NAMES: [&str; 2] = ["x-request-id: ", "server-timing: "];

const LINE_END: usize = "\r\n".len();

const fn total(texts: &[&str]) -> usize {
    let mut sum = 0;
    let mut at = 0;
    while at < texts.len() {
        sum += texts[at].len() + LINE_END;
        at += 1;
    }
    sum
}

/// The longest value of `Server-Timing` in an answer, and of `Gather-Calls` in a stream, in bytes.
pub(crate) const LONGEST_LIST: usize =
    TAKEN - ADDED - total(&LINES) - total(&NAMES) - request_id::LONGEST - LINE_END;

/// The shortest value of `Server-Timing`, in bytes, where an upstream's own fields take the room.
pub(super) const LEAST_LIST: usize = 512;

// A change that leaves no room for a few dozen calls needs a second thought.
const _: () = assert!(LONGEST_LIST > 2500);
