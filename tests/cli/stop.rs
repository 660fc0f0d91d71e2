//! The stop of `gather serve`: not ready but still serving, then not listening, then gone. A second signal ends it at
//! once.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    before,
    gateway::parse,
    program::{Running, eventually, get, send},
    upstream::{Behaviour, Response, Upstream},
};

/// The time for which the gateway reports that it isn't ready. It is long enough for a few requests on a slow machine.
const GRACE: Duration = Duration::from_secs(2);

/// An upstream whose `/slow` takes longer than [`GRACE`], and a gateway that calls either path.
fn slow_and_fast() -> (Upstream, String) {
    let upstream = Upstream::start(|request| {
        let answer = Behaviour::from(Response::pong());
        if request.target.starts_with("/slow") {
            answer.after(GRACE * 2)
        } else {
            answer
        }
    });
    let toml = format!(
        "server.grace = \"2s\"
         {}
         [upstreams.slow]
         url = \"{}\"
         [aggregates.slow]
         calls = [\"slow\"]",
        before(&[upstream.url("/fast")]),
        upstream.url("/slow"),
    );
    (upstream, toml)
}

/// Sends a request, and returns once the upstream has seen it and has not answered.
fn in_flight(address: SocketAddr, target: &str, upstream: &Upstream) -> TcpStream {
    let before = upstream.requests().len();
    let tcp = send(address, target, &[]).unwrap();
    eventually("the request at the upstream", || {
        (upstream.requests().len() > before).then_some(())
    });
    tcp
}

fn rest(mut tcp: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    answer
}

fn goes_through_all_stages(signal: &str) {
    let (upstream, toml) = slow_and_fast();
    let (mut gateway, address) = Running::serve(&toml);
    assert_eq!(get(address, "/readyz").status, 200);
    let waiting = in_flight(address, "/aggregate/slow", &upstream);

    let told = Instant::now();
    gateway.signal(signal);
    let not_ready = eventually("a 503 of /readyz", || {
        Some(get(address, "/readyz")).filter(|answer| answer.status == 503)
    });
    assert_eq!(not_ready.json()["reason"], "stopping");
    not_ready.problem(503, "not-ready");
    let served = get(address, "/aggregate");
    assert_eq!(served.json()["outcome"], "complete", "{}", served.text());
    assert_eq!(served.header("connection"), Some("close"));
    assert_eq!(get(address, "/livez").status, 200);

    eventually("a closed listener", || TcpStream::connect(address).err());
    assert!(told.elapsed() >= GRACE, "closed after {:?}", told.elapsed());
    assert!(gateway.is_running(), "a request is still in flight");

    let answer = parse(&rest(waiting));
    assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
    let finished = gateway.wait().expect(0);
    assert_eq!(finished.stdout, "");
    let at = |told: &str| {
        let line = finished.stderr.lines().position(|line| line.contains(told));
        line.unwrap_or_else(|| panic!("no {told} in\n{}", finished.stderr))
    };
    assert!(at(&format!("SIG{signal}")) < at("the listener closes"));
}

#[test]
fn sigterm_goes_through_all_stages_and_ends_with_0() {
    goes_through_all_stages("TERM");
}

#[test]
fn sigint_goes_through_all_stages_and_ends_with_0() {
    goes_through_all_stages("INT");
}

#[test]
fn sigquit_goes_through_all_stages_and_ends_with_0() {
    goes_through_all_stages("QUIT");
}

#[test]
fn signals_that_mean_something_to_others_neither_stop_it_nor_cut_a_request() {
    let (upstream, toml) = slow_and_fast();
    let (mut gateway, address) = Running::serve(&toml);
    let waiting = in_flight(address, "/aggregate/slow", &upstream);
    for name in ["HUP", "USR1", "USR2"] {
        gateway.signal(name);
        let told = format!("SIG{name}");
        gateway.line(|line| line.contains(&told).then_some(()));
    }
    assert!(gateway.is_running());
    assert_eq!(get(address, "/readyz").status, 200);
    let answer = parse(&rest(waiting));
    assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
    gateway.stop().expect(0);
}

#[test]
fn a_second_signal_ends_it_at_once_with_1() {
    for (first, second) in [
        ("TERM", "TERM"),
        ("TERM", "INT"),
        ("INT", "TERM"),
        ("INT", "INT"),
    ] {
        let upstream = Upstream::always(Behaviour::HangBeforeHead);
        let toml = format!(
            "server.grace = \"1h\"\nserver.drain = \"1h\"\n{}",
            before(&[upstream.url("/")])
        );
        let (gateway, address) = Running::serve(&toml);
        let waiting = in_flight(address, "/aggregate", &upstream);
        gateway.signal(first);
        gateway.line(|line| line.contains("stopping").then_some(()));
        gateway.signal(second);
        gateway.wait().expect(1);
        assert_eq!(rest(waiting), b"", "{first}, {second}");
    }
}

#[test]
fn a_gateway_that_does_nothing_stops_as_soon_as_its_grace_is_over() {
    let toml = format!(
        "server.grace = \"0s\"\nserver.drain = \"1h\"\n{}",
        before(&["http://127.0.0.1:9/".to_owned()])
    );
    let (gateway, _) = Running::serve(&toml);
    gateway.stop().expect(0);
}

#[test]
fn an_idle_kept_connection_does_not_hold_up_the_stop() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "server.grace = \"0s\"\nserver.drain = \"1h\"\n{}",
        before(&[upstream.url("/")])
    );
    let (gateway, address) = Running::serve(&toml);
    let mut tcp = TcpStream::connect(address).unwrap();
    let request = format!("GET /aggregate HTTP/1.1\r\nHost: {address}\r\n\r\n");
    std::io::Write::write_all(&mut tcp, request.as_bytes()).unwrap();
    let mut byte = [0];
    tcp.read_exact(&mut byte).unwrap();
    gateway.stop().expect(0);
}

#[test]
fn a_client_that_does_not_read_its_answer_is_cut_off_when_the_drain_is_over() {
    // This is more than the sockets on both sides hold.
    let upstream = Upstream::always(Response::text(vec![b'x'; 32 << 20]));
    let toml = format!(
        "server.grace = \"0s\"\nserver.drain = \"5s\"\ndefaults.max_body = \"64MiB\"\n{}deadline = \"5s\"\nmax_body = \"64MiB\"\n",
        before(&[upstream.url("/")])
    );
    let (gateway, address) = Running::serve(&toml);
    let mut lazy = in_flight(address, "/aggregate", &upstream);
    lazy.read_exact(&mut [0]).unwrap();
    let began = Instant::now();
    let finished = gateway.stop().expect(0);
    assert!(
        began.elapsed() >= Duration::from_secs(5),
        "it got the drain"
    );
    assert!(began.elapsed() < Duration::from_secs(20), "and no more");
    assert!(
        finished.stderr.contains("`drain` was over"),
        "{}",
        finished.stderr
    );
}

#[test]
fn the_admin_listener_tells_the_stop_until_the_end() {
    let (upstream, toml) = slow_and_fast();
    let toml = format!("admin.listen = \"127.0.0.1:0\"\n{toml}");
    let (gateway, address) = Running::serve(&toml);
    let operations = gateway.address("admin");
    let waiting = in_flight(address, "/aggregate/slow", &upstream);
    gateway.signal("TERM");
    eventually("a closed public listener", || {
        TcpStream::connect(address).err()
    });
    // The public listener is closed, and a request is in flight. A client of the admin listener still learns the
    // reason.
    assert_eq!(get(operations, "/readyz").json()["reason"], "stopping");
    let metrics = get(operations, "/metrics");
    assert!(
        metrics.text().contains("gather_requests_in_flight 1\n"),
        "{}",
        metrics.text()
    );
    assert!(metrics.text().contains("gather_ready 0\n"));
    assert_eq!(parse(&rest(waiting)).status, 200);
    gateway.wait().expect(0);
}
