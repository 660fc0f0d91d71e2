//! The file descriptors that this process may have, and how many of them clients may take. A request needs one for its client and
//! one for each of its calls at a time, so clients get no more than leaves every request its calls. Knows nothing of a configuration.

use std::num::NonZeroUsize;

/// The descriptors of the process itself. An idle gateway was counted at 12 beside those of its workers, with 1 to 32 of them:
/// standard streams, the log, signals, the listener. A listener that is shared is held by one more.
pub(super) const OWN: usize = 13;

/// The margin beyond what was counted: spans on their way, files of `/proc` that a scrape reads, the leaving of a shared listener.
/// Three at a time were seen.
pub(super) const MARGIN: usize = 8;

/// The descriptors of a worker that has no client, as counted: two event queues and their alarms.
pub(super) const OWN_A_WORKER: usize = 4;

/// The descriptors of the admin listener and its worker, as counted.
pub(super) const OWN_OF_ADMIN: usize = 7;

/// The descriptors of one look-up of a name: a file, and a socket to each of at most three name servers. One was seen.
pub(super) const OWN_A_NAME: usize = 4;

/// The most connections to the admin listener. Probes and scrapers are few.
const ADMIN_CONNECTIONS: usize = 64;

/// The part of all descriptors that the admin listener may have where there are few, as a divisor.
const ADMIN_PART: usize = 16;

/// The part of what is left that clients have at least, as a divisor. Where a request has so many calls that this leaves too few
/// for them, fewer requests are let in at a time.
const CLIENTS_PART: usize = 64;

/// The least of that part. Where it is less, clients wait for a connection, and no request is refused.
const LEAST_IDLE: usize = 8;

/// The limit from which on nobody counts descriptors.
pub(super) const UNLIMITED: u64 = 1 << 32;

/// The ways in which the limit is raised.
pub const RAISE: &str = "`ulimit -n`, systemd's `LimitNOFILE=`, `docker run --ulimit nofile=`";

/// A limit with which a process can't serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of {limit} file descriptors is too low for {what}, at least {needed} are needed: raise it ({RAISE}){instead}"
)]
pub struct TooFew {
    limit: usize,
    pub(super) needed: usize,
    what: String,
    /// Another way out, if there is one.
    instead: &'static str,
}

impl TooFew {
    /// Checks that this process may have as many as servers of other kinds need: `listeners`, their `workers` over all, and `more`.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(
        (listeners, workers): (usize, usize),
        more: usize,
        what: String,
        instead: &'static str,
    ) -> Result<(), Self> {
        let limit = rlimit::Resource::NOFILE.get_soft().unwrap_or(UNLIMITED);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let further = OWN_OF_ADMIN - OWN_A_WORKER;
        let needed = [
            OWN + MARGIN + more,
            workers.saturating_mul(OWN_A_WORKER),
            listeners.saturating_sub(1).saturating_mul(further),
        ]
        .into_iter()
        .fold(0, usize::saturating_add);
        match limit < needed {
            true => Err(Self {
                limit,
                needed,
                what,
                instead,
            }),
            false => Ok(()),
        }
    }
}

/// The shares that clients, the admin listener and requests have of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// All that the process may have.
    pub(super) limit: usize,
    /// Worker threads: fewer than are configured where each could not have a client with all calls of a request.
    pub workers: NonZeroUsize,
    /// Calls of one request at a time that there are descriptors for, where these are too few for the widest aggregate.
    pub(super) fitting: Option<usize>,
    /// Connections of clients, over all workers.
    pub clients: NonZeroUsize,
    /// Connections to the admin listener.
    pub admin_connections: NonZeroUsize,
    /// Requests for aggregates at a time.
    pub requests: NonZeroUsize,
}

/// The needs of a configuration, in descriptors unless another unit is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// The process and its look-ups, without workers.
    pub(super) own: usize,
    pub(super) workers: usize,
    /// Set where there is an admin listener.
    pub(super) operated: bool,
    /// One client.
    pub(super) client: usize,
    /// The calls of one request that are made at a time.
    pub(super) calls: usize,
    /// All attempts that upstreams let be in flight.
    pub(super) attempts: usize,
    /// The clients that are configured.
    pub(super) max_connections: usize,
    /// The requests that are configured.
    pub(super) max_in_flight: usize,
}

impl Descriptors {
    /// Divides so many among these needs.
    pub(super) fn divide(limit: usize, needs: Needs) -> Result<Self, TooFew> {
        let least = needs.least();
        let Some(spare) = limit.checked_sub(least) else {
            let (what, instead) = match needs.workers {
                1 => ("1 worker".to_owned(), ""),
                workers => (format!("{workers} workers"), ", or use fewer workers"),
            };
            return Err(TooFew {
                limit,
                needed: least,
                what,
                instead,
            });
        };
        let admin_connections = match needs.operated {
            true => (limit / ADMIN_PART).clamp(1, ADMIN_CONNECTIONS.min(spare + 1)),
            false => 0,
        };
        let rest = |workers| limit - needs.own - workers * OWN_A_WORKER - admin_connections;
        // What all requests together ever need, however many clients there are.
        let most = (needs.max_in_flight.saturating_mul(needs.calls)).min(needs.attempts);
        // A worker has one client at least. Where all of them can't have their calls, fewer workers let clients wait instead.
        let fits = |&workers: &usize| {
            let calls = most.min(workers.saturating_mul(needs.calls));
            rest(workers) >= calls.saturating_add(workers * needs.client)
        };
        let workers = (1..=needs.workers).rev().find(fits).unwrap_or(1);
        let rest = rest(workers);
        let idle = match rest / CLIENTS_PART {
            LEAST_IDLE.. => rest / CLIENTS_PART,
            _ => 0,
        };
        let clients = (rest / (needs.client + needs.calls))
            .max(rest.saturating_sub(most) / needs.client)
            .max(idle / needs.client)
            // One request at least has all its calls.
            .min(rest.saturating_sub(most.min(needs.calls)) / needs.client);
        let clients = clients - clients % workers;
        let clients = clients.clamp(workers, needs.max_connections.max(workers));
        let left = rest.saturating_sub(clients * needs.client);
        let requests = match left >= most.min(clients.saturating_mul(needs.calls)) {
            true => needs.max_in_flight,
            false => (left / needs.calls).min(needs.max_in_flight),
        };
        let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            limit,
            workers: at_least_one(workers),
            fitting: (left < needs.calls.min(most)).then_some(left),
            clients: at_least_one(clients.min(needs.max_connections)),
            admin_connections: at_least_one(admin_connections),
            requests: at_least_one(requests),
        })
    }
}

impl Needs {
    /// The fewest with which anything is answered: a client a worker, one call, and one connection to the admin listener.
    pub(super) fn least(&self) -> usize {
        let each = OWN_A_WORKER + self.client;
        self.own + usize::from(self.operated) + self.workers.saturating_mul(each) + 1
    }
}
