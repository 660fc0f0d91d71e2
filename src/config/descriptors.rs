//! The file descriptors that this process may have, and how many of them clients may take. A request needs one for its client and
//! one for each of its calls at a time, so clients get no more than leaves every request its calls. Knows nothing of files.

use std::{net::IpAddr, num::NonZeroUsize};

use super::{
    checked::{Aggregate, Config},
    defaults,
    mistake::KeyPath,
};
use crate::upstream::{LOOK_UPS, Settings};

/// The descriptors of the process itself. An idle gateway was counted at 12 beside those of its workers, with 1 to 32 of them:
/// standard streams, the log, signals, the listener. A listener that is shared is held by one more.
const OWN: usize = 13;

/// The margin beyond what was counted: spans on their way, files of `/proc` that a scrape reads, the leaving of a shared listener.
/// Three at a time were seen.
const MARGIN: usize = 8;

/// The descriptors of a worker that has no client, as counted: two event queues and their alarms.
const OWN_A_WORKER: usize = 4;

/// The descriptors of the admin listener and its worker, as counted.
const OWN_OF_ADMIN: usize = 7;

/// The descriptors of one look-up of a name: a file, and a socket to each of at most three name servers. One was seen.
const OWN_A_NAME: usize = 4;

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
const UNLIMITED: u64 = 1 << 32;

/// The ways in which the limit is raised.
pub const RAISE: &str = "`ulimit -n`, systemd's `LimitNOFILE=`, `docker run --ulimit nofile=`";

/// A limit with which a process can't serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of {limit} file descriptors is too low for {what}, at least {needed} are needed: raise it ({RAISE}){instead}"
)]
pub struct TooFew {
    limit: usize,
    needed: usize,
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
    limit: usize,
    /// Worker threads: fewer than are configured where each could not have a client with all calls of a request.
    pub workers: NonZeroUsize,
    /// Calls of one request at a time that there are descriptors for, where these are too few for the widest aggregate.
    fitting: Option<usize>,
    /// Connections of clients, over all workers.
    pub clients: NonZeroUsize,
    /// Connections to the admin listener.
    pub admin_connections: NonZeroUsize,
    /// Requests for aggregates at a time.
    pub requests: NonZeroUsize,
}

/// The needs of a configuration, in descriptors unless another unit is given.
#[derive(Debug, Clone, Copy)]
struct Needs {
    /// The process and its look-ups, without workers.
    own: usize,
    workers: usize,
    /// Set where there is an admin listener.
    operated: bool,
    /// One client.
    client: usize,
    /// The calls of one request that are made at a time.
    calls: usize,
    /// All attempts that upstreams let be in flight.
    attempts: usize,
    /// The clients that are configured.
    max_connections: usize,
    /// The requests that are configured.
    max_in_flight: usize,
}

impl Descriptors {
    /// Divides what this process may have at the moment.
    ///
    /// # Errors
    /// When it is too little to serve at all.
    pub fn now(config: &Config) -> Result<Self, TooFew> {
        let limit = rlimit::Resource::NOFILE.get_soft();
        Self::within(limit.unwrap_or(UNLIMITED), config)
    }

    /// Divides so many.
    pub(super) fn within(limit: u64, config: &Config) -> Result<Self, TooFew> {
        let limit = usize::try_from(limit.min(UNLIMITED)).unwrap_or(usize::MAX);
        Self::divide(limit, Needs::of(config))
    }

    fn divide(limit: usize, needs: Needs) -> Result<Self, TooFew> {
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

    /// The warning as one line, for the log.
    #[must_use]
    pub fn warning_line(&self, config: &Config) -> Option<String> {
        let (path, message) = self.warning(config)?;
        Some(format!("{path}: {message}"))
    }

    /// Warns of a configuration that lets in more than the limit allows, with the place of the setting. The default of
    /// `max_connections` is no demand: it is told of only where fewer clients are served than requests may be in flight by
    /// default.
    pub(super) fn warning(&self, config: &Config) -> Option<(KeyPath, String)> {
        let server = &config.server;
        if let Some(fitting) = self.fitting {
            return self.too_wide(fitting, config);
        }
        if self.workers < server.workers {
            let message = format!(
                "{} workers are configured, but {} file descriptors are enough for {} of them and {}, each with {} at a time; more \
                 have to wait; raise the limit ({RAISE}), or set this to {}",
                server.workers,
                self.limit,
                self.workers,
                count(self.clients.get(), "client"),
                count(Needs::of(config).calls, "call"),
                self.workers,
            );
            return Some((KeyPath::of(["server", "workers"]), message));
        }
        let configured = server.max_connections.get();
        let asked = match configured {
            defaults::MAX_CONNECTIONS => configured.min(defaults::MAX_REQUESTS),
            configured => configured,
        };
        let (clients, requests) = (self.clients.get(), self.requests.get());
        let fewer_requests = requests < server.max_in_flight.get().min(clients);
        if clients >= asked && !fewer_requests {
            return None;
        }
        let calls = count(Needs::of(config).calls, "call");
        let (enough, lower) = match fewer_requests {
            true => (
                format!(
                    "{clients} of them and {} at a time, each with {calls}",
                    count(requests, "request")
                ),
                format!("set this to {clients} and server.max_in_flight to {requests}"),
            ),
            false => (
                format!("{clients} of them, each with {calls} at a time"),
                format!("set this to {clients}"),
            ),
        };
        let message = format!(
            "{configured} clients may be connected, but {} file descriptors are enough for {enough}; more have to wait; raise the \
             limit ({RAISE}), or {lower}",
            self.limit,
        );
        Some((KeyPath::of(["server", "max_connections"]), message))
    }

    /// Warns of the widest aggregate, of which not even one request gets all its calls.
    fn too_wide(&self, fitting: usize, config: &Config) -> Option<(KeyPath, String)> {
        let width = |aggregate: &&Aggregate| width(aggregate, &config.upstreams);
        let widest = config.aggregates.iter().max_by_key(width)?;
        let message = format!(
            "one request makes up to {} at a time, but {} file descriptors leave {fitting} for them; the others fail; raise the \
             limit ({RAISE}), or set this so low that no more are made at a time",
            count(width(&widest), "call"),
            self.limit,
        );
        Some((
            KeyPath::of(["aggregates", &*widest.name, "concurrency"]),
            message,
        ))
    }
}

/// A count of things, in words.
fn count(count: usize, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        _ => format!("{count} {thing}s"),
    }
}

impl Needs {
    fn of(config: &Config) -> Self {
        let server = &config.server;
        let workers = server.workers.get();
        let named =
            |upstream: &&Settings| upstream.service.address.host().parse::<IpAddr>().is_err();
        let names = config.upstreams.iter().filter(named).count();
        let admin = match config.admin {
            Some(_) => OWN_OF_ADMIN,
            None => 0,
        };
        let calls = (config.aggregates.iter()).map(|aggregate| width(aggregate, &config.upstreams));
        Self {
            own: OWN + MARGIN + admin + names.min(LOOK_UPS) * OWN_A_NAME,
            workers,
            operated: config.admin.is_some(),
            // A connection whose client has closed its half is watched by a second descriptor.
            client: 1 + usize::from(server.half_close),
            calls: calls.max().unwrap_or(1),
            attempts: (config.upstreams.iter())
                .map(|upstream| upstream.service.policy.max_in_flight.get())
                .fold(0, usize::saturating_add),
            max_connections: server.max_connections.get(),
            max_in_flight: server.max_in_flight.get(),
        }
    }

    /// The fewest with which anything is answered: a client a worker, one call, and one connection to the admin listener.
    fn least(&self) -> usize {
        let each = OWN_A_WORKER + self.client;
        self.own + usize::from(self.operated) + self.workers.saturating_mul(each) + 1
    }
}

/// The most attempts of one request at a time. Clients may ask for `mode=concurrent` of any aggregate.
fn width(aggregate: &Aggregate, upstreams: &[Settings]) -> usize {
    let at_a_time = aggregate.rules.concurrency.get();
    let called = aggregate.calls.iter();
    let hedged = called
        .filter_map(|call| upstreams.get(call.upstream)?.service.policy.hedge)
        .count();
    aggregate.calls.len().min(at_a_time) + hedged.min(at_a_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    fn config(text: &str) -> Config {
        let servers = ["a", "b", "c", "d"];
        let upstreams = servers.map(|name| format!("[upstreams.{name}]\nurl = 'http://{name}'\n"));
        let text = format!("{text}\n{}", upstreams.concat());
        load_text("x.toml", &text).unwrap()
    }

    fn three(server: &str) -> Config {
        config(&format!(
            "[server]\nworkers = 2\n{server}\n[aggregates.home]\ncalls = ['a', 'b', 'c']\n"
        ))
    }

    /// The most that all together have open.
    fn open(shares: &Descriptors, needs: Needs) -> usize {
        let in_flight = shares.requests.get().min(shares.clients.get());
        let admin_connections = if needs.operated {
            shares.admin_connections.get()
        } else {
            0
        };
        needs.own
            + shares.workers.get() * OWN_A_WORKER
            + admin_connections
            + shares.clients.get() * needs.client
            + (in_flight * needs.calls).min(needs.attempts)
    }

    #[test]
    fn every_request_that_is_let_in_has_a_descriptor_for_each_of_its_calls() {
        for server in [
            "",
            "half_close = true",
            "max_in_flight = 10",
            "max_connections = 9",
        ] {
            for calls in ["'a'", "'a', 'b'", "'a', 'b', 'c', 'd'"] {
                for more in [
                    "",
                    "[admin]\nlisten = '127.0.0.1:9'\n",
                    "[defaults]\nmax_in_flight = 20\n",
                ] {
                    let text = format!(
                        "[server]\nworkers = 2\n{server}\n[aggregates.home]\ncalls = [{calls}]\n{more}"
                    );
                    let config = config(&text);
                    for limit in [96, 128, 256, 1_000, 1_024, 4_096, 20_000, 65_536, 1 << 40] {
                        let shares = Descriptors::within(limit, &config).unwrap();
                        let open = open(&shares, Needs::of(&config));
                        assert!(open as u64 <= limit, "{limit}: {open}, {shares:?}, {text}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_more_than_is_configured_is_let_in_however_many_descriptors_there_are() {
        for limit in [1 << 20, u64::MAX] {
            let config = three("max_connections = 100\nmax_in_flight = 70");
            let shares = Descriptors::within(limit, &config).unwrap();
            assert_eq!((shares.clients.get(), shares.requests.get()), (100, 70));
            assert_eq!(shares.warning(&config), None);
        }
    }

    #[test]
    fn a_bound_on_requests_leaves_more_for_clients() {
        let clients = |server: &str| {
            Descriptors::within(1024, &three(server))
                .unwrap()
                .clients
                .get()
        };
        assert_eq!(clients(""), 244);
        assert_eq!(clients("max_in_flight = 100"), 678);
        assert_eq!(clients("half_close = true"), 194);
    }

    #[test]
    fn hedges_count_as_calls() {
        let hedged = config(
            "[aggregates.home]\ncalls = ['a', 'b', 'c']\n[defaults.hedge]\nafter = '50ms'\n",
        );
        assert_eq!(Needs::of(&hedged).calls, 6);
        let narrow = config(
            "[aggregates.home]\ncalls = ['a', 'b', 'c']\nconcurrency = 2\n[aggregates.one]\ncalls = ['a']\n",
        );
        assert_eq!(Needs::of(&narrow).calls, 2);
    }

    #[test]
    fn where_a_request_has_very_many_calls_fewer_of_them_are_let_in_and_some_clients_stay() {
        let needs = Needs {
            calls: 200,
            attempts: 1_000_000,
            ..Needs::of(&three(""))
        };
        let shares = Descriptors::divide(1024, needs).unwrap();
        assert_eq!((shares.clients.get(), shares.requests.get()), (14, 4));
    }

    #[test]
    fn a_limit_below_what_is_asked_for_is_told_and_the_default_asks_for_little() {
        let warned = |limit, server: &str| {
            let config = three(server);
            Descriptors::within(limit, &config)
                .unwrap()
                .warning(&config)
        };
        assert_eq!(warned(65_536, ""), None);
        assert_eq!(warned(65_536, "max_connections = 30000"), None);
        assert!(warned(20_000, "max_connections = 24999").is_some());
        assert_eq!(warned(1024, "max_connections = 200"), None);
        assert_eq!(
            warned(1024, "").unwrap().1,
            "25000 clients may be connected, but 1024 file descriptors are enough for 244 of them, each with \
             3 calls at a time; more have to wait; raise the limit (`ulimit -n`, systemd's `LimitNOFILE=`, `docker run --ulimit \
             nofile=`), or set this to 244"
        );
    }

    fn needs(workers: usize, calls: usize) -> Needs {
        Needs {
            workers,
            calls,
            attempts: 1_000_000,
            max_connections: 25_000,
            max_in_flight: 4_096,
            own: OWN + MARGIN,
            ..Needs::of(&three(""))
        }
    }

    #[test]
    fn every_low_limit_is_divided_within_itself_or_refused_and_clients_wait_for_a_connection() {
        for limit in 8..=256 {
            for workers in [1, 2, 8, 16, 32] {
                for calls in [1, 3, 64, 300] {
                    let needs = needs(workers, calls);
                    let told = format!("{limit}, {workers} workers, {calls} calls");
                    let shares = match Descriptors::divide(limit, needs) {
                        Ok(shares) => shares,
                        Err(few) => {
                            assert!(limit < needs.least(), "{told}: {few}");
                            let next = Descriptors::divide(few.needed, needs);
                            assert!(next.is_ok(), "{told}: {few}");
                            continue;
                        }
                    };
                    let (clients, requests) = (shares.clients.get(), shares.requests.get());
                    let idle = needs.own + shares.workers.get() * OWN_A_WORKER + clients;
                    assert_eq!(clients % shares.workers.get(), 0, "{told}");
                    if let Some(fitting) = shares.fitting {
                        assert!(fitting < calls && requests == 1, "{told}: {shares:?}");
                        assert_eq!(idle + fitting, limit, "{told}: {shares:?}");
                        continue;
                    }
                    assert!(requests >= clients, "{told}: {shares:?}");
                    assert!(idle + clients * calls <= limit, "{told}: {shares:?}");
                }
            }
        }
    }

    #[test]
    fn a_limit_that_is_too_low_is_refused_in_one_sentence() {
        let few = Descriptors::divide(64, needs(16, 3)).unwrap_err();
        assert_eq!(
            few.to_string(),
            "the limit of 64 file descriptors is too low for 16 workers, at least 102 are needed: raise it (`ulimit -n`, systemd's \
             `LimitNOFILE=`, `docker run --ulimit nofile=`), or use fewer workers"
        );
    }

    #[test]
    fn fewer_workers_start_where_not_each_can_have_a_client_with_its_calls() {
        let shares = Descriptors::divide(128, needs(16, 3)).unwrap();
        let counts = (shares.workers.get(), shares.clients.get());
        assert_eq!(counts, (13, 13));
        let config = three("");
        let (_, message) = Descriptors {
            workers: NonZeroUsize::MIN,
            ..shares
        }
        .warning(&config)
        .unwrap();
        assert!(
            message.starts_with("2 workers are configured, but 128"),
            "{message}"
        );
    }

    #[test]
    fn an_aggregate_that_can_t_have_all_its_calls_is_named() {
        let config = three("");
        let shares = Descriptors::divide(40, needs(2, 300)).unwrap();
        let (path, message) = shares.warning(&config).unwrap();
        assert_eq!(path.to_string(), "aggregates.home.concurrency");
        assert!(
            message.contains("40 file descriptors leave 14 for them"),
            "{message}"
        );
    }
}
