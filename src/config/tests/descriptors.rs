//! The file descriptors of a process, divided among its clients and their calls.

use std::num::NonZeroUsize;

use crate::config::{
    Config, Descriptors,
    descriptors::{MARGIN, Needs, OWN, OWN_A_WORKER},
    load_text,
};

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

/// Returns the most that all together have open.
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
    let hedged =
        config("[aggregates.home]\ncalls = ['a', 'b', 'c']\n[defaults.hedge]\nafter = '50ms'\n");
    assert_eq!(Needs::of(&hedged).calls, 6);
    let narrow = config(
        "[aggregates.home]\ncalls = ['a', 'b', 'c']\nconcurrency = 2\n[aggregates.one]\ncalls = ['a']\n",
    );
    assert_eq!(Needs::of(&narrow).calls, 2);
}

#[test]
fn the_elements_of_a_call_count_as_calls_as_far_as_they_are_made_at_a_time() {
    for (keys, calls) in [
        ("", 12),
        ("concurrency = 20", 22),
        ("concurrency = 20, max = 5", 7),
    ] {
        let each = format!("{{ upstream = 'b', each = '{{a.body}}', {keys} }}");
        let each = each.replace(", }", " }");
        let text = format!("[aggregates.home]\ncalls = ['a', {each}, 'c']\n");
        assert_eq!(Needs::of(&config(&text)).calls, calls, "{keys}");
    }
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
