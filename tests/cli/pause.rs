//! A gateway whose process is stopped while its answers come (`docker pause`, a frozen machine). It has the answers
//! when it goes on, and blames no upstream.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    gateway::Answer,
    program::{Running, SOON, get, read, send, within},
    upstream::{Behaviour, Response, Upstream},
};

/// A pause longer than the time of any call here, counted from the call's start.
const PAUSE: Duration = Duration::from_secs(3);

const CALLS: usize = 8;

/// Asks for an aggregate of eight calls, and stops the gateway once the last call has been sent. Returns the answer,
/// and true if the circuit is closed afterwards.
fn through_a_pause(
    pause: Duration,
    behaviour: Behaviour,
    settings: &str,
    deadline: &str,
) -> (Answer, bool) {
    let upstream = Upstream::always(behaviour);
    let calls: Vec<_> = (0..CALLS)
        .map(|index| format!("{{ upstream = \"well\", name = \"call_{index}\" }}"))
        .collect();
    let toml = format!(
        "[upstreams.well]\nurl = \"{}\"\ntimeout = \"2s\"\nbreaker = {{ failures = 1 }}\n{settings}\n\
         [aggregates.default]\ncalls = [{}]\ndeadline = \"{deadline}\"\n",
        upstream.url("/"),
        calls.join(", ")
    );
    let (gateway, address) = Running::serve(&toml);
    let client = send(address, "/aggregate", &[]).unwrap();
    within(SOON, "all requests", || {
        (upstream.requests().len() == CALLS).then_some(())
    });
    paused(&gateway, pause, || {});
    let answer = read(client).unwrap();
    let metrics = get(address, "/metrics");
    let closed = metrics
        .text()
        .contains("gather_circuit_state{upstream=\"well\"} 0\n");
    assert_eq!(upstream.requests().len(), CALLS);
    (answer, closed)
}

/// Stops the process for this long, and runs `meanwhile`.
fn paused(gateway: &Running, pause: Duration, meanwhile: impl FnOnce()) {
    gateway.signal("STOP");
    let stopped = Instant::now();
    meanwhile();
    within(SOON, "the end of the pause", || {
        (stopped.elapsed() > pause).then_some(())
    });
    gateway.signal("CONT");
}

fn late(response: Response) -> Behaviour {
    Behaviour::from(response).after(Duration::from_millis(600))
}

#[test]
fn answers_that_come_while_the_process_is_stopped_are_taken_though_their_time_is_over() {
    let large = Response::json(format!("\"{}\"", "x".repeat(900_000)));
    for (response, settings, deadline) in [
        (Response::pong(), "", "10s"),
        (Response::pong(), "", "1s"),
        (Response::pong(), "hedge = { after = \"1s\" }", "2s"),
        (large, "", "10s"),
    ] {
        let (answer, closed) = through_a_pause(PAUSE, late(response), settings, deadline);
        assert_eq!(answer.status, 200, "{settings} {deadline}");
        for index in 0..CALLS {
            let result = answer.result(&format!("call_{index}"));
            assert_eq!(result, "ok", "{settings} {deadline}");
        }
        assert!(closed, "{settings} {deadline}");
    }
}

#[test]
fn a_pause_that_ends_about_when_a_hedged_calls_time_does_costs_it_nothing_either() {
    let settings = "hedge = { after = \"1s\" }";
    for pause in [1_970, 2_000, 2_030, 2_060] {
        let pause = Duration::from_millis(pause);
        let (answer, closed) = through_a_pause(pause, late(Response::pong()), settings, "10s");
        for index in 0..CALLS {
            let result = answer.result(&format!("call_{index}"));
            assert_eq!(result, "ok", "{pause:?}");
        }
        assert!(closed, "{pause:?}");
    }
}

#[test]
fn calls_that_a_pause_left_without_an_answer_fail_and_their_upstream_is_not_blamed() {
    for (deadline, failure) in [("10s", "timeout"), ("1s", "deadline")] {
        let (answer, closed) = through_a_pause(PAUSE, Behaviour::HangBeforeHead, "", deadline);
        answer.problem(504, "upstream-timeout");
        for index in 0..CALLS {
            assert_eq!(answer.result(&format!("call_{index}")), failure);
        }
        assert!(closed, "{deadline}");
    }
}

#[test]
fn a_request_that_comes_while_the_process_is_stopped_is_answered_though_its_time_is_over() {
    let toml = "server.header_timeout = \"1s\"\nupstreams.a.url = \"http://127.0.0.1:9/\"\n\
                aggregates.default.calls = [\"a\"]\n";
    let (gateway, address) = Running::serve(toml);
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
    // The one worker has seen the first line by now.
    assert_eq!(get(address, "/livez").status, 200);
    paused(&gateway, PAUSE, || {
        client
            .write_all(b"Host: a\r\nConnection: close\r\n\r\n")
            .unwrap();
    });
    assert_eq!(read(client).unwrap().status, 200);
}
