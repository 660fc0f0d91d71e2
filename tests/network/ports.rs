//! A machine that has no local port left for connections to an upstream, or no address of the upstream's family.

use std::process::Command;

use crate::{
    namespace::Namespace,
    program::{finish, get},
    service::{PONG, SILENT, Service, start},
};

/// Sets a setting of the network's kernel.
fn set(namespace: &Namespace, setting: &str, value: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "echo \"$0\" > \"/proc/sys/net/$1\"", value, setting]);
    finish(namespace.command(&command)).expect(0);
}

#[test]
fn a_call_that_no_local_port_is_left_for_says_so_and_other_upstreams_are_connected_to() {
    let Some(namespace) = Namespace::new(&["198.51.100.1/24"], &[], "") else {
        return;
    };
    set(&namespace, "ipv4/ip_local_port_range", "40000 40003");
    namespace.inside(|| {
        // This port is outside of that range.
        let hangs = Service::at("198.51.100.1", 9001, SILENT);
        let good = Service::at("198.51.100.1", 9002, PONG);
        let calls: Vec<_> = (1..=6)
            .map(|number| format!("{{ upstream = \"hangs\", name = \"hangs_{number}\" }}"))
            .collect();
        let configuration = format!(
            "[upstreams.hangs]\nurl = \"http://198.51.100.1:{}/\"\ntimeout = \"2s\"\n\
             [upstreams.good]\nurl = \"http://198.51.100.1:{}/\"\n\
             [aggregates.default]\ncalls = [{}, \"good\"]\n",
            hangs.port,
            good.port,
            calls.join(", ")
        );
        let started = start(&configuration, |command| namespace.command(&command));
        let answer = get(started.address, "/aggregate").json();
        let count = |class: &str, detail: &str| {
            let results = answer["results"].as_array().unwrap().iter();
            results
                .filter(|call| call["failure"] == class)
                .filter(|call| call["detail"].as_str().unwrap().contains(detail))
                .count()
        };
        let short = "the gateway has no local port left for this upstream";
        // The gateway listens on one of the ports, so there is one less.
        let (without, hanging) = (count("connect", short), count("timeout", ""));
        assert!(without >= 2, "{answer:#}");
        assert_eq!(without + hanging, 6, "{answer:#}");
        assert_eq!(answer["results"][6]["ok"], true, "{answer:#}");
        started.gateway.line(|line| {
            let told = line.contains("no connection to an upstream") && line.contains(short);
            told.then_some(())
        });
    });
}

#[test]
fn an_address_of_a_family_that_this_machine_does_not_have_is_not_taken_for_a_lack_of_ports() {
    let Some(namespace) = Namespace::new(&[], &[], "") else {
        return;
    };
    set(&namespace, "ipv6/conf/all/disable_ipv6", "1");
    namespace.inside(|| {
        let configuration = "[upstreams.six]\nurl = \"http://[::1]:9/\"\n\
                             [aggregates.default]\ncalls = [\"six\"]\n";
        let started = start(configuration, |command| namespace.command(&command));
        let answer = get(started.address, "/aggregate").json();
        let call = &answer["results"][0];
        assert_eq!(call["failure"], "connect", "{call}");
        assert_eq!(call["detail"], "the upstream can't be reached", "{call}");
    });
}
