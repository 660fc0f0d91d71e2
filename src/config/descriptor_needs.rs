//! The file descriptors that a configuration needs, and the warning if it lets in more than there are. It must not know
//! how they are divided.

use std::net::IpAddr;

use super::{
    checked::{Aggregate, Call, Config, Services},
    defaults,
    descriptors::{
        Descriptors, MARGIN, Needs, OWN, OWN_A_NAME, OWN_OF_ADMIN, RAISE, TooFew, UNLIMITED,
    },
    mistake::KeyPath,
};
use crate::upstream::{LOOK_UPS, Settings};

impl Descriptors {
    /// Divides the descriptors that this process may have at the moment.
    ///
    /// # Errors
    /// Fails if they are too few to serve at all.
    pub fn now(config: &Config) -> Result<Self, TooFew> {
        let limit = rlimit::Resource::NOFILE.get_soft();
        Self::within(limit.unwrap_or(UNLIMITED), config)
    }

    /// Divides this many descriptors.
    pub(super) fn within(limit: u64, config: &Config) -> Result<Self, TooFew> {
        let limit = usize::try_from(limit.min(UNLIMITED)).unwrap_or(usize::MAX);
        Self::divide(limit, Needs::of(config))
    }

    /// Returns the warning as one line, for the log.
    #[must_use]
    pub fn warning_line(&self, config: &Config) -> Option<String> {
        let (path, message) = self.warning(config)?;
        Some(format!("{path}: {message}"))
    }

    /// Warns of a configuration that lets in more than the limit allows, with the path of the setting. The default of
    /// `max_connections` is not a demand. It leads to a warning only if fewer clients are served than requests may be
    /// in flight by default.
    pub(super) fn warning(&self, config: &Config) -> Option<(KeyPath, String)> {
        let server = &config.process.server;
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

    /// Warns of the widest aggregate if not even one request gets all its calls.
    fn too_wide(&self, fitting: usize, config: &Config) -> Option<(KeyPath, String)> {
        let width = |aggregate: &&Aggregate| width(aggregate, &config.services);
        let widest = config.services.aggregates.iter().max_by_key(width)?;
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

/// Writes a count of things in words.
fn count(count: usize, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        _ => format!("{count} {thing}s"),
    }
}

impl Needs {
    pub(super) fn of(config: &Config) -> Self {
        let server = &config.process.server;
        let workers = server.workers.get();
        let named =
            |upstream: &&Settings| upstream.service.address.host().parse::<IpAddr>().is_err();
        let names = config.services.upstreams.iter().filter(named).count();
        let admin = match config.process.admin {
            Some(_) => OWN_OF_ADMIN,
            None => 0,
        };
        let calls =
            (config.services.aggregates.iter()).map(|aggregate| width(aggregate, &config.services));
        Self {
            own: OWN + MARGIN + admin + names.min(LOOK_UPS) * OWN_A_NAME,
            workers,
            operated: config.process.admin.is_some(),
            // A second descriptor watches a connection whose client has closed its half.
            client: 1 + usize::from(server.half_close),
            calls: calls.max().unwrap_or(1),
            attempts: (config.services.upstreams.iter())
                .map(|upstream| upstream.service.policy.max_in_flight.get())
                .fold(0, usize::saturating_add),
            max_connections: server.max_connections.get(),
            max_in_flight: server.max_in_flight.get(),
        }
    }
}

/// Returns the most attempts of one request at a time. Clients may ask for `mode=concurrent` of any aggregate. A call
/// with one request for each element makes several at a time.
fn width(aggregate: &Aggregate, services: &Services) -> usize {
    let at_a_time = aggregate.rules.concurrency.get();
    let requests = |call: &Call| {
        let each = services.elements(call);
        each.map_or(1, |each| each.concurrency.get().min(each.max))
    };
    let is_hedged = |call: &Call| {
        let upstream = services.called(call);
        upstream.is_some_and(|upstream| upstream.service.policy.hedge.is_some())
    };
    let widest = |mut widths: Vec<usize>| {
        widths.sort_unstable_by(|a, b| b.cmp(a));
        widths.into_iter().take(at_a_time).sum::<usize>()
    };
    let calls = aggregate.calls.iter();
    let hedged = calls.clone().filter(|call| is_hedged(call));
    widest(calls.map(requests).collect()) + widest(hedged.map(requests).collect())
}
