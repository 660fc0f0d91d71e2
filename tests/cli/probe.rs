//! `gather probe`: the health check of an image that has no shell.

use std::net::SocketAddr;

use crate::{
    before,
    program::{Finished, Running, eventually, finish, free_address, gather, get, run},
    upstream::{Behaviour, Upstream},
};

fn probe(variables: &[(&str, &str)]) -> Finished {
    let mut command = gather();
    command.arg("probe").envs(variables.iter().copied());
    finish(command)
}

fn gateway(more: &str) -> (Running, SocketAddr) {
    Running::serve(&format!(
        "{more}\n{}",
        before(&["http://127.0.0.1:9/".to_owned()])
    ))
}

#[test]
fn a_ready_gateway_is_0_and_not_a_word() {
    let (_gateway, address) = gateway("");
    for url in [
        format!("http://{address}"),
        format!("http://{address}/readyz"),
        address.to_string(),
    ] {
        let finished = run(&["probe", &url]).expect(0);
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("", "")
        );
    }
}

#[test]
fn a_gateway_on_all_addresses_is_asked_by_ipv4_where_there_is_no_ipv6() {
    let (_gateway, address) = gateway("");
    let listen = format!("[::]:{}", address.port());
    probe(&[("GATHER__SERVER__LISTEN", &listen)]).expect(0);
}

#[test]
fn a_stopping_gateway_is_1_and_the_reason() {
    let (gateway, address) = gateway("server.grace = \"1h\"\nserver.drain = \"1h\"");
    gateway.signal("TERM");
    eventually("a 503 of /readyz", || {
        (get(address, "/readyz").status == 503).then_some(())
    });
    let sentence = run(&["probe", &address.to_string()]).one_sentence();
    assert!(sentence.contains("not ready"), "{sentence}");
    assert!(sentence.contains("the gateway is stopping"), "{sentence}");
    assert!(!sentence.contains('{'), "a sentence, no JSON: {sentence}");
}

#[test]
fn nobody_there_is_1_and_what_to_do() {
    let address = free_address().to_string();
    let sentence = run(&["probe", &address]).one_sentence();
    assert!(sentence.contains(&address), "{sentence}");
    assert!(sentence.contains("gather serve"), "{sentence}");
}

#[test]
fn something_else_that_answers_is_not_ready() {
    let (_gateway, address) = gateway("");
    // A gateway listens there, but this route does not report readiness.
    let sentence = run(&["probe", &format!("http://{address}/nowhere")]).one_sentence();
    assert!(sentence.contains("404"), "{sentence}");
}

#[test]
fn a_gateway_that_hangs_is_1_after_the_timeout() {
    let silent = Upstream::always(Behaviour::HangBeforeHead);
    let sentence = run(&["probe", "--timeout", "200ms", &silent.url("/readyz")]).one_sentence();
    assert!(sentence.contains("200ms"), "{sentence}");
}

#[test]
fn without_a_url_the_environment_says_where() {
    let (server, on_server) = gateway("");
    let nobody = free_address().to_string();
    let on_server = on_server.to_string();
    probe(&[("GATHER__SERVER__LISTEN", &on_server)]).expect(0);
    probe(&[("GATHER__SERVER__LISTEN", &nobody)]).expect(1);
    // If there is an admin listener, it is the one that answers.
    probe(&[
        ("GATHER__ADMIN__LISTEN", &on_server),
        ("GATHER__SERVER__LISTEN", &nobody),
    ])
    .expect(0);
    probe(&[
        ("GATHER__ADMIN__LISTEN", &nobody),
        ("GATHER__SERVER__LISTEN", &on_server),
    ])
    .expect(1);
    // A container's gateway listens at every address of the host. It is asked at loopback.
    let port = on_server.rsplit(':').next().unwrap();
    probe(&[("GATHER__SERVER__LISTEN", &format!("0.0.0.0:{port}"))]).expect(0);
    drop(server);
}

#[test]
fn without_a_url_the_configuration_says_where() {
    let (_gateway, address) = gateway("");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    let write = |listen: &str| {
        let text = before(&["http://127.0.0.1:9/".to_owned()]);
        std::fs::write(&file, format!("{listen}\n{text}")).unwrap();
    };
    let name = file.to_str().unwrap();
    write(&format!("server.listen = \"{address}\""));
    run(&["probe", "-c", name]).expect(0);
    write(&format!(
        "server.listen = \"{}\"\nadmin.listen = \"{address}\"",
        free_address()
    ));
    run(&["probe", "-c", name]).expect(0);
    write(&format!("server.listen = \"{}\"", free_address()));
    run(&["probe", "-c", name]).one_sentence();
}

#[test]
fn a_url_that_is_none_is_said_to_be_none() {
    for url in [
        "ftp://host",
        "http://",
        "http://me:hunter2@host",
        "http://ho st",
    ] {
        let sentence = run(&["probe", url]).one_sentence();
        assert!(sentence.contains("URL"), "{sentence}");
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}

#[test]
fn a_probe_and_a_call_are_clients_and_no_part_of_a_loop() {
    let upstream = Upstream::always(crate::upstream::Response::json("{\"ready\":true}"));
    run(&["probe", &upstream.url("/readyz")]).expect(0);
    let _ = run(&["call", &upstream.url("/aggregate")]);
    let requests = upstream.requests();
    assert!(requests.len() > 1, "{requests:?}");
    assert!(
        requests
            .iter()
            .all(|request| request.header("cdn-loop").is_none())
    );
}
