//! `gather ping`: the dummy upstream as a program.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::program::{Running, gather, get, run};

fn ping(arguments: &[&str]) -> (Running, SocketAddr) {
    let mut command = gather();
    command
        .args(["ping", "--listen", "127.0.0.1:0"])
        .args(arguments);
    let running = Running::start(command);
    let address = running.address("address");
    (running, address)
}

#[test]
fn pong_comes_after_the_delay_and_not_before() {
    let (ping, address) = ping(&["--delay", "200ms"]);
    let began = Instant::now();
    let answer = get(address, "/ping");
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!((answer.status, answer.text()), (200, "\"pong\""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let finished = ping.stop().expect(0);
    assert_eq!(finished.stdout, "");
}

#[test]
fn the_delay_is_two_seconds_if_nothing_is_said() {
    let help = run(&["ping", "--help"]).expect(0).stdout;
    let delay = help.split("--delay").nth(1).unwrap();
    assert!(
        delay.split("--").next().unwrap().contains("[default: 2s]"),
        "{help}"
    );
    let (_ping, address) = ping(&[]);
    let began = Instant::now();
    assert_eq!(get(address, "/ping").status, 200);
    assert!(began.elapsed() >= Duration::from_secs(2));
}

#[test]
fn flags_set_what_a_query_can_change() {
    let (_ping, address) = ping(&["--delay", "0s", "--fail-rate", "1", "--body-bytes", "64KiB"]);
    assert_eq!(get(address, "/ping").status, 500);
    let answer = get(address, "/ping?fail_rate=0");
    assert_eq!((answer.status, answer.body.len()), (200, 64 * 1024));
    assert_eq!(
        get(address, "/ping?fail_rate=0&body_bytes=10").body.len(),
        10
    );
    let began = Instant::now();
    get(address, "/ping?fail_rate=0&delay=150ms");
    assert!(began.elapsed() >= Duration::from_millis(150));
}

#[test]
fn jitter_moves_the_delay() {
    let (_ping, address) = ping(&["--delay", "0s", "--jitter", "40ms"]);
    let times: Vec<_> = (0..12)
        .map(|_| {
            let began = Instant::now();
            get(address, "/ping");
            began.elapsed()
        })
        .collect();
    // The lower half is cut off at zero, so all of twelve are below 5 ms once in some million runs.
    assert!(
        times.iter().any(|time| *time >= Duration::from_millis(5)),
        "{times:?}"
    );
}

#[test]
fn every_flag_is_in_the_help() {
    let help = run(&["ping", "--help"]).expect(0).stdout;
    for flag in [
        "--listen",
        "--delay",
        "--jitter",
        "--fail-rate",
        "--body-bytes",
        "--workers",
    ] {
        assert!(help.contains(flag), "{help}");
    }
}

#[test]
fn a_flag_that_means_nothing_is_a_bad_command_line_that_names_it() {
    for bad in [
        ["--delay", "abc"],
        ["--delay", "2h"],
        ["--jitter", "1"],
        ["--fail-rate", "1.5"],
        ["--fail-rate", "NaN"],
        ["--body-bytes", "1"],
        ["--body-bytes", "1TiB"],
        ["--workers", "0"],
        ["--listen", "localhost"],
    ] {
        let finished = run(&["ping", bad[0], bad[1]]).expect(2);
        assert!(finished.stderr.contains(bad[0]), "{}", finished.stderr);
        assert!(finished.stderr.contains(bad[1]), "{}", finished.stderr);
    }
}

#[test]
fn a_port_in_use_is_named() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let sentence = run(&["ping", "--listen", &address]).last_line();
    assert!(
        sentence.contains(&address) && sentence.contains("--listen"),
        "{sentence}"
    );
}

#[test]
fn both_signals_end_it_and_let_a_request_finish() {
    for signal in ["TERM", "INT"] {
        let (ping, address) = ping(&["--delay", "300ms"]);
        let mut waiting = crate::program::send(address, "/ping", &[]).unwrap();
        // The request must have been read before the signal. A second request on its way would not show that, so the
        // loopback gets some time.
        let began = Instant::now();
        crate::program::within(Duration::from_secs(5), "some time", || {
            (began.elapsed() > Duration::from_millis(100)).then_some(())
        });
        ping.signal(signal);
        ping.wait().expect(0);
        let mut answer = Vec::new();
        std::io::Read::read_to_end(&mut waiting, &mut answer).unwrap();
        assert_eq!(crate::gateway::parse(&answer).text(), "\"pong\"");
    }
}

#[test]
fn a_burst_of_connections_is_not_lost_while_it_is_busy() {
    let (ping, address) = ping(&["--delay", "0s"]);
    let process = rustix::process::Pid::from_raw(ping.id().try_into().unwrap()).unwrap();
    // A connection that is not accepted waits in the listen queue. If the queue is full, the client is answered only
    // when it tries again.
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    let patience = Duration::from_millis(900);
    let burst: Result<Vec<_>, _> = (0..500)
        .map(|_| TcpStream::connect_timeout(&address, patience))
        .collect();
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    assert_eq!(burst.unwrap().len(), 500);
}
