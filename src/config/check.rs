//! Turns the raw structs into a checked `Config`: defaults, ranges, and settings that must fit together. It notes every
//! mistake and goes on. It must not know formats and layers.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use http::uri::Scheme;

use super::{
    aggregates::{self, Upstreams},
    checked::{Admin, Config, Log, Process, Server, Services, TlsFiles, Tracing},
    defaults, headers, loops,
    mistake::KeyPath,
    quantities::{LONGEST, MemorySize},
    raw::{RawAdmin, RawConfig, RawServer},
    repeats,
    review::{Review, Slot},
    tracing, trust,
    upstreams::{self, Checked},
    values::{Listen, Table, count},
};
use crate::upstream::{Roots, Settings};

/// Returns the checked configuration. It is `None`, or the review has a mistake, if there is none.
pub(super) fn check(raw: RawConfig, review: &mut Review<'_>) -> Option<Config> {
    let repeated = repeats::of_calls(raw.aggregates.as_ref());
    let upstreams = upstreams::check(raw.upstreams, raw.defaults, &repeated, review);
    let names = review.names(&KeyPath::of(["upstreams"]));
    let requests = upstreams.iter().map(|upstream| {
        let Settings { service, request } = &upstream.settings;
        (&*service.name, request)
    });
    let known = Upstreams {
        names: &names,
        requests: requests.collect(),
    };
    let mut aggregates = aggregates::check(raw.aggregates, &known, review);
    let public = raw.server.as_ref().and_then(|server| server.0.listen);
    let server = server(
        raw.server.unwrap_or_default().0,
        &aggregates.deadlines,
        review,
    );
    let admin = raw
        .admin
        .map(|Table(admin)| self::admin(admin, public, review));
    let log = raw.log.unwrap_or_default().0;
    let tracing = tracing::check(raw.tracing, review);
    let is_known = !review.refused.contains(&KeyPath::of(["server", "listen"]));
    if let Some(server) = server.as_ref().filter(|_| is_known) {
        refuse_loops(server.listen, &upstreams, review);
    }
    let roots = self::roots(&upstreams, tracing.as_ref(), review);

    let mut settings = Vec::new();
    let mut tls_files = BTreeMap::<Arc<str>, TlsFiles>::new();
    for Checked {
        settings: upstream,
        files,
        ..
    } in upstreams
    {
        if files != TlsFiles::default() {
            tls_files.insert(upstream.service.name.clone(), files);
        }
        settings.push(upstream);
    }
    let is_traced = tracing
        .as_ref()
        .is_some_and(|tracing| tracing.otlp_endpoint.is_some());
    let calls = (aggregates.checked.iter_mut()).flat_map(|aggregate| &mut aggregate.calls);
    let own = calls.filter_map(|call| call.request.as_mut());
    let requests = settings.iter_mut().map(|upstream| &mut upstream.request);
    for request in requests.chain(own) {
        headers::keep_trace_context(is_traced, request);
    }
    let process = Process {
        server: server?,
        admin: match admin {
            Some(admin) => Some(admin?),
            None => None,
        },
        log: Log {
            format: log.format.unwrap_or_default(),
            level: log.level.unwrap_or_default(),
        },
        tracing: tracing?,
    };
    let services = Services {
        upstreams: settings,
        aggregates: aggregates.checked,
        tls_files,
        roots,
    };
    Some(Config {
        process,
        services,
        files: review.layers.files(),
        warnings: Vec::new(),
        descriptors: None,
    })
}

/// Refuses an upstream that is the gateway itself, as it would make requests of requests without end.
fn refuse_loops(listen: SocketAddr, upstreams: &[Checked], review: &mut Review<'_>) {
    for Checked { settings, .. } in upstreams {
        if loops::leads_to(&settings.url(), listen) {
            let path = KeyPath::of(["upstreams", &settings.service.name, "url"]);
            let message = format!(
                "this is the gateway itself, which listens on \"{listen}\" (server.listen); expected another service"
            );
            review.mistake(&path, message);
        }
    }
}

/// Returns the roots that the environment names, if any upstream relies on them. Notes oddities in them.
fn roots(
    upstreams: &[Checked],
    tracing: Option<&Tracing>,
    review: &mut Review<'_>,
) -> Option<Roots> {
    let endpoint = tracing.and_then(|tracing| tracing.otlp_endpoint.as_ref());
    let is_needed = endpoint.is_some_and(|url| url.scheme() == Some(&Scheme::HTTPS))
        || upstreams.iter().any(|upstream| upstream.shares_roots);
    if !is_needed {
        return None;
    }
    match trust::Variables::of_the_process().roots() {
        Ok(None) => None,
        Ok(Some(named)) => {
            for trust::Remark { variable, message } in named.odd {
                review.warnings.add(variable, &KeyPath::default(), message);
            }
            Some(named.roots)
        }
        Err(remarks) => {
            for remark in remarks {
                review
                    .report
                    .add(remark.variable, &KeyPath::default(), remark.message);
            }
            None
        }
    }
}

fn server(
    raw: RawServer,
    deadlines: &BTreeMap<String, Duration>,
    review: &mut Review<'_>,
) -> Option<Server> {
    let at = |key| KeyPath::of(["server", key]);
    let longest = deadlines.iter().max_by_key(|&(_, deadline)| deadline);
    let drain = review.duration(&at("drain"), raw.drain).and_then(|drain| match longest {
        Some((name, &deadline)) if drain < deadline => {
            review.mistake(
                &at("drain"),
                format!(
                    "found \"{}\", expected at least \"{}\", the deadline of the aggregate `{name}`",
                    humantime::format_duration(drain),
                    humantime::format_duration(deadline)
                ),
            );
            None
        }
        _ => Some(drain),
    });
    let drain = match drain {
        Slot::Given(drain) => Some(drain),
        Slot::Refused => None,
        Slot::Absent => {
            let longest = longest.map_or(defaults::DEADLINE, |(_, &deadline)| deadline);
            Some((longest + defaults::DRAIN_MARGIN).min(LONGEST))
        }
    };
    let header_timeout = review.duration(&at("header_timeout"), raw.header_timeout);
    let write_timeout = review.duration(&at("write_timeout"), raw.write_timeout);
    let keep_alive = review.duration(&at("keep_alive"), raw.keep_alive);
    let deadline_headers = raw
        .deadline_headers
        .map(|names| headers::of_callers(&at("deadline_headers"), names, review));
    Some(Server {
        listen: raw.listen.map_or(defaults::LISTEN, |Listen(listen)| listen),
        workers: count(raw.workers, defaults::workers().get()),
        max_connections: count(raw.max_connections, defaults::MAX_CONNECTIONS),
        max_in_flight: count(raw.max_in_flight, defaults::MAX_REQUESTS),
        memory: raw
            .memory
            .map_or_else(defaults::memory, |MemorySize(bytes)| bytes),
        max_headers: count(raw.max_headers, defaults::MAX_HEADERS),
        header_timeout: header_timeout
            .or(Slot::Given(defaults::HEADER_TIMEOUT))
            .given()?,
        write_timeout: write_timeout
            .or(Slot::Given(defaults::WRITE_TIMEOUT))
            .given()?,
        keep_alive: keep_alive
            .or(Slot::Given(defaults::CLIENT_KEEP_ALIVE))
            .given()?,
        half_close: raw.half_close.unwrap_or(false),
        deadline_headers: deadline_headers.unwrap_or_default(),
        drain: drain?,
        grace: raw.grace.map_or(defaults::GRACE, |grace| grace.0),
        reuse_port: raw.reuse_port.unwrap_or(false),
        compression: raw.compression.unwrap_or(false),
        console: raw.console.unwrap_or(defaults::CONSOLE),
    })
}

fn admin(raw: RawAdmin, public: Option<Listen>, review: &mut Review<'_>) -> Option<Admin> {
    let path = KeyPath::of(["admin", "listen"]);
    let listen = match review.slot(&path, raw.listen) {
        Slot::Given(Listen(listen)) => listen,
        Slot::Refused => return None,
        Slot::Absent => {
            review.mistake(
                &path,
                r#"missing; expected an address such as "127.0.0.1:9090""#,
            );
            return None;
        }
    };
    let public = match review.slot(&KeyPath::of(["server", "listen"]), public) {
        Slot::Given(Listen(public)) => public,
        Slot::Absent => defaults::LISTEN,
        Slot::Refused => return None,
    };
    if collide(listen, public) {
        let message = format!(
            "found \"{listen}\", which server.listen takes (\"{public}\"); expected another port"
        );
        review.mistake(&path, message);
        return None;
    }
    Some(Admin { listen })
}

/// Returns true if two listeners can't both be opened. One on all addresses leaves its port to no other.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (everywhere || one.ip() == other.ip())
}
