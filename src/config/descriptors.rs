//! Divides the file descriptors of this process between clients and their calls. A request needs one for its client and
//! one for each of its calls at a time. So clients get only as many as leave every request its calls. It must not know
//! a configuration.

use std::num::NonZeroUsize;

/// The descriptors of the process itself: standard streams, the log, signals, the listener. An idle gateway was counted
/// at 12 besides those of its workers, with 1 to 32 workers. A shared listener holds one more.
pub(super) const OWN: usize = 13;

/// The margin beyond the counted ones: spans on their way, files of `/proc` that a scrape reads, the leaving of a
/// shared listener. Three at a time were seen.
pub(super) const MARGIN: usize = 8;

/// The descriptors of a worker that has no client, as counted: two event queues and their alarms.
pub(super) const OWN_A_WORKER: usize = 4;

/// The descriptors of the admin listener and its worker, as counted.
pub(super) const OWN_OF_ADMIN: usize = 7;

/// The descriptors of one look-up of a name: a file, and a socket to each of at most three name servers. One was seen.
pub(super) const OWN_A_NAME: usize = 4;

/// The most connections to the admin listener. Probes and scrapers are few.
const ADMIN_CONNECTIONS: usize = 64;

/// The divisor of all descriptors that gives the share of the admin listener, if there are few.
const ADMIN_PART: usize = 16;

/// The divisor of the remaining descriptors that gives the least share of clients. If a request has so many calls that
/// the rest is too little for them, fewer requests are let in at a time.
const CLIENTS_PART: usize = 64;

/// The least of that share. If it is less, clients wait for a connection, and no request is refused.
const LEAST_IDLE: usize = 8;

/// The limit from which descriptors are not counted.
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
    /// Checks that this process may have as many as other servers need: `listeners`, their `workers` over all, and
    /// `more`.
    ///
    /// # Errors
    /// Fails if it may not.
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

/// The shares of the descriptors that clients, the admin listener and requests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// All descriptors that the process may have.
    pub(super) limit: usize,
    /// Worker threads. They are fewer than configured if each could not have a client with all calls of a request.
    pub workers: NonZeroUsize,
    /// The calls of one request at a time for which there are descriptors. Set if they are too few for the widest
    /// aggregate.
    pub(super) fitting: Option<usize>,
    /// The most connections of clients, over all workers.
    pub clients: NonZeroUsize,
    /// The most connections to the admin listener.
    pub admin_connections: NonZeroUsize,
    /// The most requests for aggregates at a time.
    pub requests: NonZeroUsize,
}

/// The needs of a configuration, in descriptors unless another unit is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// The process and its look-ups, without workers.
    pub(super) own: usize,
    pub(super) workers: usize,
    /// True if there is an admin listener.
    pub(super) operated: bool,
    /// The descriptors of one client.
    pub(super) client: usize,
    /// The calls of one request that are made at a time.
    pub(super) calls: usize,
    /// The most attempts that upstreams let be in flight.
    pub(super) attempts: usize,
    /// The configured number of clients.
    pub(super) max_connections: usize,
    /// The configured number of requests.
    pub(super) max_in_flight: usize,
}

impl Descriptors {
    /// Divides this many descriptors among these needs.
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
        // The most that all requests together ever need, however many clients there are.
        let most = (needs.max_in_flight.saturating_mul(needs.calls)).min(needs.attempts);
        // A worker has at least one client. If all of them can't have their calls, there are fewer workers, and clients
        // wait instead.
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
            // At least one request has all its calls.
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
    /// Returns the fewest with which anything is answered: a client for each worker, one call, and one connection to
    /// the admin listener.
    pub(super) fn least(&self) -> usize {
        let each = OWN_A_WORKER + self.client;
        self.own + usize::from(self.operated) + self.workers.saturating_mul(each) + 1
    }
}
