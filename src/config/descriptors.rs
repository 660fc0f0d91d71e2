//! The file descriptors that this process may have, and how many of them clients may take. A request needs one for its client and
//! one for each of its calls at a time, so clients get no more than leaves every request its calls. Knows nothing of files.

use std::num::NonZeroUsize;

use super::{
    checked::{Aggregate, Config},
    defaults,
};
use crate::upstream::{LOOK_UPS, Settings};

/// The descriptors of the process itself, and a reserve: standard streams, listeners, timers, spans on their way, files of `/proc`
/// that a scrape reads. An idle gateway with all of it was counted at 21, without its workers.
const OWN: usize = 40;

/// The descriptors of a worker that has no client: two event queues and their alarms.
const OWN_A_WORKER: usize = 4;

/// The descriptors of one look-up of a name: files, and sockets to name servers.
const OWN_A_NAME: usize = 4;

/// The most connections to the admin listener. Probes and scrapers are few.
const ADMIN_CONNECTIONS: usize = 64;

/// The part of all descriptors that the admin listener may have where there are few, as a divisor.
const ADMIN_PART: usize = 16;

/// The part of what is left that clients have at least, as a divisor. Where a request has so many calls that this leaves too few
/// for them, fewer requests are let in at a time.
const CLIENTS_PART: usize = 64;

/// The limit from which on nobody counts descriptors.
const UNLIMITED: u64 = 1 << 32;

/// The shares that clients, the admin listener and requests have of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// All that the process may have.
    limit: usize,
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
    #[must_use]
    pub fn now(config: &Config) -> Self {
        let limit = rlimit::Resource::NOFILE.get_soft();
        Self::within(limit.unwrap_or(UNLIMITED), config)
    }

    /// Divides so many.
    #[must_use]
    pub(super) fn within(limit: u64, config: &Config) -> Self {
        let limit = usize::try_from(limit.min(UNLIMITED)).unwrap_or(usize::MAX);
        Self::divide(limit, Needs::of(config))
    }

    fn divide(limit: usize, needs: Needs) -> Self {
        let admin_connections = match needs.operated {
            true => (limit / ADMIN_PART).clamp(1, ADMIN_CONNECTIONS),
            false => 0,
        };
        let rest = limit.saturating_sub(needs.own + admin_connections);
        // What all requests together ever need, however many clients there are.
        let most = (needs.max_in_flight.saturating_mul(needs.calls)).min(needs.attempts);
        let clients = (rest / (needs.client + needs.calls))
            .max(rest.saturating_sub(most) / needs.client)
            .max(rest / CLIENTS_PART / needs.client);
        let clients = clients - clients % needs.workers;
        let clients = clients.clamp(needs.workers, needs.max_connections.max(needs.workers));
        let left = rest.saturating_sub(clients * needs.client);
        let requests = match left >= most.min(clients.saturating_mul(needs.calls)) {
            true => needs.max_in_flight,
            false => (left / needs.calls).min(needs.max_in_flight),
        };
        let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            limit,
            clients: at_least_one(clients.min(needs.max_connections)),
            admin_connections: at_least_one(admin_connections),
            requests: at_least_one(requests),
        }
    }

    /// Warns, at `server.max_connections`, of a configuration that lets in more than the limit allows. The default of `max_connections` is no demand: it is
    /// told of only where fewer clients are served than requests may be in flight by default.
    #[must_use]
    pub fn warning(&self, config: &Config) -> Option<String> {
        let server = &config.server;
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
        let calls = match Needs::of(config).calls {
            1 => "1 call".to_owned(),
            calls => format!("{calls} calls"),
        };
        let (enough, lower) = match fewer_requests {
            true => (
                format!("{clients} of them and {requests} requests at a time, each with {calls}"),
                format!("set this to {clients} and server.max_in_flight to {requests}"),
            ),
            false => (
                format!("{clients} of them, each with {calls} at a time"),
                format!("set this to {clients}"),
            ),
        };
        Some(format!(
            "{configured} clients may be connected, but {} file descriptors are enough for {enough}; more have to wait; raise the \
             limit (`ulimit -n`, systemd's `LimitNOFILE=`, `docker run --ulimit nofile=`), or {lower}",
            self.limit,
        ))
    }
}

impl Needs {
    fn of(config: &Config) -> Self {
        let server = &config.server;
        let workers = server.workers.get();
        let names = config.upstreams.len().min(LOOK_UPS);
        let calls = (config.aggregates.iter()).map(|aggregate| width(aggregate, &config.upstreams));
        Self {
            own: OWN + workers * OWN_A_WORKER + names * OWN_A_NAME,
            workers,
            operated: config.admin.is_some(),
            // A connection whose client has closed its half is watched by a second descriptor.
            client: 1 + usize::from(server.half_close),
            calls: calls.max().unwrap_or(1),
            attempts: (config.upstreams.iter())
                .map(|upstream| upstream.lane.max_in_flight.get())
                .fold(0, usize::saturating_add),
            max_connections: server.max_connections.get(),
            max_in_flight: server.max_in_flight.get(),
        }
    }
}

/// The most attempts of one request at a time. Clients may ask for `mode=concurrent` of any aggregate.
fn width(aggregate: &Aggregate, upstreams: &[Settings]) -> usize {
    let at_a_time = aggregate.concurrency.get();
    let called = aggregate.calls.iter();
    let hedged = called
        .filter_map(|call| upstreams.get(call.upstream)?.lane.hedge)
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
                        let shares = Descriptors::within(limit, &config);
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
            let shares = Descriptors::within(limit, &config);
            assert_eq!((shares.clients.get(), shares.requests.get()), (100, 70));
            assert_eq!(shares.warning(&config), None);
        }
    }

    #[test]
    fn a_bound_on_requests_leaves_more_for_clients() {
        let clients = |server: &str| Descriptors::within(1024, &three(server)).clients.get();
        assert_eq!(clients(""), 240);
        assert_eq!(clients("max_in_flight = 100"), 660);
        assert_eq!(clients("half_close = true"), 192);
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
        let shares = Descriptors::divide(1024, needs);
        assert_eq!((shares.clients.get(), shares.requests.get()), (14, 4));
        let tiny = Descriptors::divide(8, needs);
        assert_eq!((tiny.clients.get(), tiny.requests.get()), (2, 1));
    }

    #[test]
    fn a_limit_below_what_is_asked_for_is_told_and_the_default_asks_for_little() {
        let warned = |limit, server: &str| {
            let config = three(server);
            Descriptors::within(limit, &config).warning(&config)
        };
        assert_eq!(warned(65_536, ""), None);
        assert_eq!(warned(65_536, "max_connections = 30000"), None);
        assert!(warned(20_000, "max_connections = 24999").is_some());
        assert_eq!(warned(1024, "max_connections = 200"), None);
        assert_eq!(
            warned(1024, "").unwrap(),
            "25000 clients may be connected, but 1024 file descriptors are enough for 240 of them, each with \
             3 calls at a time; more have to wait; raise the limit (`ulimit -n`, systemd's `LimitNOFILE=`, `docker run --ulimit \
             nofile=`), or set this to 240"
        );
    }
}
