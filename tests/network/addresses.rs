//! Names with several addresses, of which some are dead, refuse, or fail.

use serde_json::Value;

use crate::{
    namespace::Namespace,
    program::get,
    service::{PONG, SICK, SILENT, Service, Started, start},
};

/// The number of new connections in a row, so that each address is the first one several times.
const CALLS: usize = 12;

const DEAD: [&str; 2] = ["192.0.2.8", "192.0.2.9"];

const OWN: [&str; 3] = ["192.0.2.1/24", "192.0.2.2/24", "192.0.2.3/24"];

/// Starts a gateway inside. Its only call asks `host` over a new connection each time.
fn gateway(namespace: &Namespace, host: &str, port: u16, settings: &str) -> Started {
    let configuration = format!(
        "[upstreams.one]\nurl = \"http://{host}:{port}/\"\n{settings}\n[aggregates.default]\ncalls = [\"one\"]\n"
    );
    start(&configuration, |command| namespace.command(&command))
}

/// Returns the result of the only call.
fn ask(started: &Started) -> Value {
    let json = get(started.address, "/aggregate").json();
    json["results"][0].clone()
}

fn assert_all_ok(started: &Started) {
    for call in 0..CALLS {
        let result = ask(started);
        assert_eq!(result["ok"], true, "call {call}: {result}");
    }
}

#[test]
fn a_name_with_a_dead_and_a_refusing_address_serves_every_call_in_400_ms() {
    let hosts = "192.0.2.9 three\n192.0.2.2 three\n192.0.2.1 three\n";
    let Some(namespace) = Namespace::new(&OWN, &DEAD, hosts) else {
        return;
    };
    namespace.inside(|| {
        let good = Service::at("192.0.2.1", 0, PONG);
        for settings in [
            "timeout = \"400ms\"",
            "timeout = \"400ms\"\nconnect_timeout = \"3s\"",
        ] {
            assert_all_ok(&gateway(&namespace, "three", good.port, settings));
        }
        assert_eq!(good.accepted(), 2 * CALLS);
    });
}

#[test]
fn a_host_whose_ipv6_is_dead_serves_every_call_and_waits_for_it_once() {
    let hosts = "2001:db8::9 both\n2001:db8::8 both\n192.0.2.1 both\n";
    let Some(namespace) = Namespace::new(
        &["192.0.2.1/24", "2001:db8::1/64 nodad"],
        &["2001:db8::8", "2001:db8::9"],
        hosts,
    ) else {
        return;
    };
    namespace.inside(|| {
        let good = Service::at("192.0.2.1", 0, PONG);
        let started = gateway(&namespace, "both", good.port, "timeout = \"400ms\"");
        let mut slow = 0;
        for call in 0..CALLS {
            let result = ask(&started);
            assert_eq!(result["ok"], true, "call {call}: {result}");
            slow += usize::from(result["elapsed_ms"].as_f64().unwrap() >= 199.0);
        }
        // A busy machine may make other calls slow, but not most of them.
        assert!(slow <= CALLS / 2, "{slow} of {CALLS} were slow");
    });
}

#[test]
fn a_retry_goes_to_another_address() {
    let hosts = "192.0.2.2 two\n192.0.2.1 two\n";
    let Some(namespace) = Namespace::new(&OWN, &DEAD, hosts) else {
        return;
    };
    namespace.inside(|| {
        let good = Service::at("192.0.2.1", 0, PONG);
        let sick = Service::at("192.0.2.2", good.port, SICK);
        let settings = "retry = { attempts = 2, backoff = \"1ms\" }";
        assert_all_ok(&gateway(&namespace, "two", good.port, settings));
        assert!(sick.accepted() >= CALLS / 3, "it has its share");
    });
}

#[test]
fn a_hedge_goes_to_another_address() {
    let hosts = "192.0.2.2 two\n192.0.2.1 two\n";
    let Some(namespace) = Namespace::new(&OWN, &DEAD, hosts) else {
        return;
    };
    namespace.inside(|| {
        let good = Service::at("192.0.2.1", 0, PONG);
        let silent = Service::at("192.0.2.2", good.port, SILENT);
        let settings =
            "timeout = \"10s\"\nhedge = { after = \"100ms\" }\nbudget = { min_per_second = 1000 }";
        assert_all_ok(&gateway(&namespace, "two", good.port, settings));
        assert!(silent.accepted() >= CALLS / 3, "it has its share");
    });
}

#[test]
fn a_hedge_beside_an_attempt_that_waits_for_a_dead_address_asks_another() {
    let hosts = "192.0.2.9 two\n192.0.2.1 two\n";
    let Some(namespace) = Namespace::new(&OWN, &DEAD, hosts) else {
        return;
    };
    namespace.inside(|| {
        let good = Service::at("192.0.2.1", 0, PONG);
        let settings =
            "timeout = \"10s\"\nhedge = { after = \"20ms\" }\nbudget = { min_per_second = 1000 }";
        let started = gateway(&namespace, "two", good.port, settings);
        let mut slow = 0;
        for _ in 0..CALLS {
            let result = ask(&started);
            assert_eq!(result["ok"], true, "{result}");
            slow += usize::from(result["elapsed_ms"].as_f64().unwrap() >= 249.0);
        }
        assert!(
            slow <= CALLS / 3,
            "{slow} of {CALLS} waited for the dead one"
        );
    });
}

#[test]
fn localhost_with_two_addresses_is_served_by_either_alone_at_once() {
    let Some(namespace) = Namespace::new(&[], &[], "::1 localhost\n127.0.0.1 localhost\n") else {
        return;
    };
    namespace.inside(|| {
        for ip in ["127.0.0.1", "::1"] {
            let good = Service::at(ip, 0, PONG);
            let started = gateway(&namespace, "localhost", good.port, "");
            let mut slow = 0;
            for call in 0..CALLS {
                let result = ask(&started);
                assert_eq!(result["ok"], true, "{ip}, call {call}: {result}");
                slow += usize::from(result["elapsed_ms"].as_f64().unwrap() >= 100.0);
            }
            assert!(slow <= CALLS / 2, "{ip}: {slow} of {CALLS} were slow");
        }
    });
}

#[test]
fn a_name_of_dead_addresses_alone_is_a_connect_failure_by_the_calls_time() {
    let Some(namespace) = Namespace::new(&OWN, &DEAD, "192.0.2.9 two\n192.0.2.8 two\n") else {
        return;
    };
    namespace.inside(|| {
        let settings = "timeout = \"400ms\"\nconnect_timeout = \"3s\"";
        let started = gateway(&namespace, "two", 80, settings);
        for target in ["/aggregate", "/aggregate?timeout=300ms"] {
            let json = get(started.address, target).json();
            let result = &json["results"][0];
            assert_eq!(result["failure"], "connect", "{json}");
            let elapsed = result["elapsed_ms"].as_f64().unwrap();
            assert!(elapsed >= 299.0, "{json}");
        }
    });
}
