//! Tracing by the built program: its log lines, and the settings that only the environment has.

use std::{net::SocketAddr, path::Path};

use serde_json::Value;

use crate::{
    before,
    collector::Collector,
    file,
    program::{Finished, Running, eventually, gather, get, try_get},
    tls::{Authority, End, TlsUpstream},
    upstream::{Response, Upstream},
};

/// A gateway before one upstream with a log in JSON, and these variables.
fn serve(tracing: &str, upstream: &Upstream, variables: &[(&str, &str)]) -> (Running, SocketAddr) {
    let (_folder, file) = file(&format!(
        "server = {{ listen = \"127.0.0.1:0\", workers = 1, grace = \"0s\" }}\n\
         log.format = \"json\"\n{tracing}\n{}",
        before(&[upstream.url("/ping")])
    ));
    let mut command = gather();
    command.args(["serve", "-c", &file]);
    command.envs(variables.iter().copied());
    let running = Running::start(command);
    let address = running.address("address");
    (running, address)
}

fn lines_of(finished: &Finished) -> Vec<Value> {
    let lines = finished.stderr.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the level of each log line about spans, and its reason if it has one.
fn of_spans(finished: &Finished) -> Vec<(String, String)> {
    let lines = lines_of(finished);
    let about = |line: &&Value| line["message"].as_str().unwrap().contains("spans");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines
        .iter()
        .filter(about)
        .map(|line| (text(&line["level"]), text(&line["reason"])))
        .collect()
}

#[test]
fn with_tracing_a_line_names_its_trace_and_without_it_none_does() {
    let upstream = Upstream::always(Response::pong());
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let context = format!("00-{trace}-00f067aa0ba902b7-00");
    let headers = [("traceparent", context.as_str())];
    let tracing = format!("tracing.otlp_endpoint = \"{}\"", upstream.url("/v1/traces"));
    for (tracing, expected) in [(tracing.as_str(), Some(trace)), ("", None)] {
        let (gateway, address) = serve(tracing, &upstream, &[]);
        assert_eq!(
            try_get(address, "/aggregate", &headers).unwrap().status,
            200
        );
        assert_eq!(try_get(address, "/nowhere", &headers).unwrap().status, 404);
        let finished = gateway.stop().expect(0);
        let lines = lines_of(&finished);
        let told: Vec<_> = lines
            .iter()
            .filter(|line| line["request_id"].is_string())
            .map(|line| line["trace_id"].as_str())
            .collect();
        assert_eq!(told, [expected, expected], "{}", finished.stderr);
    }
}

#[test]
fn spans_that_cant_be_sent_are_told_once_and_so_is_their_return() {
    let upstream = Upstream::always(Response::pong());
    let collector = Upstream::queue([400, 400, 200].map(|status| Response::new(status).into()));
    let tracing = format!("tracing.otlp_endpoint = \"{}\"", collector.url(""));
    let (gateway, address) = serve(&tracing, &upstream, &[]);
    for batches in 1..=3 {
        get(address, "/aggregate");
        eventually("the batch at the collector", || {
            (collector.requests().len() >= batches).then_some(())
        });
    }
    gateway.line(|line| line.contains("sent again").then_some(()));
    let finished = gateway.stop().expect(0);
    let told = of_spans(&finished);
    let told: Vec<_> = told.iter().map(|(level, why)| (&**level, &**why)).collect();
    assert_eq!(told, [("WARN", "400 Bad Request"), ("INFO", "")]);
}

#[test]
fn who_sends_and_with_which_key_is_the_environments_to_say() {
    let upstream = Upstream::always(Response::pong());
    let collector = Collector::start();
    let tracing = format!("tracing.otlp_endpoint = \"{}\"", collector.endpoint());
    let variables = [
        ("OTEL_SERVICE_NAME", "shop-gateway"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test,team=shop%2C%20Z%C3%BCrich",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k1"),
        // It would send to a proxy that isn't there.
        ("HTTP_PROXY", "http://127.0.0.1:9"),
    ];
    let (gateway, address) = serve(&tracing, &upstream, &variables);
    get(address, "/aggregate");
    let finished = gateway.stop().expect(0);
    assert_eq!(of_spans(&finished), []);
    assert_eq!(collector.spans().len(), 3);
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "shop-gateway");
    assert_eq!(resource["deployment.environment.name"], "test");
    assert_eq!(resource["team"], "shop, Zürich");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(collector.requests()[0].header("x-api-key"), Some("k1"));
}

#[test]
fn resource_attributes_that_cant_be_read_are_left_out_and_told() {
    let upstream = Upstream::always(Response::pong());
    let collector = Collector::start();
    let tracing = format!("tracing.otlp_endpoint = \"{}\"", collector.endpoint());
    let variables = [("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,share=100%")];
    let (gateway, address) = serve(&tracing, &upstream, &variables);
    get(address, "/aggregate");
    let finished = gateway.stop().expect(0);
    assert_eq!(collector.resource()["service.name"], "gather");
    let lines = lines_of(&finished);
    let told = lines.iter().filter(|line| {
        let message = line["message"].as_str().unwrap();
        message.contains("OTEL_RESOURCE_ATTRIBUTES") && line["level"] == "WARN"
    });
    assert_eq!(told.count(), 1, "{}", finished.stderr);
}

#[test]
fn a_client_by_ipv4_of_a_listener_for_both_families_is_shown_by_its_ipv4_address() {
    let upstream = Upstream::always(Response::pong());
    let collector = Collector::start();
    let tracing = format!("tracing.otlp_endpoint = \"{}\"", collector.endpoint());
    let variables = [("GATHER__SERVER__LISTEN", "[::]:0")];
    let (gateway, address) = serve(&tracing, &upstream, &variables);
    get(
        SocketAddr::from(([127, 0, 0, 1], address.port())),
        "/aggregate",
    );
    gateway.stop().expect(0);
    let clients: Vec<_> = collector
        .spans()
        .iter()
        .filter_map(|span| span.attributes.get("client.address").cloned())
        .collect();
    assert_eq!(clients, ["127.0.0.1"]);
}

#[test]
fn a_collector_behind_tls_is_trusted_by_the_systems_roots_and_only_then() {
    let upstream = Upstream::always(Response::pong());
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let collector = TlsUpstream::start(&known.issue(&["localhost"]), None, answer, End::Close);
    let tracing = format!("tracing.otlp_endpoint = \"{}\"", collector.url("localhost"));
    let roots = tempfile::tempdir().unwrap();
    for (authority, answered) in [(&unknown, 0), (&known, 1)] {
        let file = roots.path().join("roots.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        let variables = [("SSL_CERT_FILE", Path::to_str(&file).unwrap())];
        let (gateway, address) = serve(&tracing, &upstream, &variables);
        get(address, "/aggregate");
        let finished = gateway.stop().expect(0);
        assert_eq!(collector.seen().answered, answered, "{}", finished.stderr);
        match &of_spans(&finished)[..] {
            [] => assert_eq!(answered, 1),
            [(level, reason)] => {
                assert_eq!((level.as_str(), answered), ("WARN", 0));
                assert!(reason.contains("UnknownIssuer"), "{reason}");
            }
            told => panic!("{told:?}"),
        }
    }
}
