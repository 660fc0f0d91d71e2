//! `gather call` on a terminal: the drawing grows while the answer comes, and says when it broke off.

use std::{process::Command, time::Duration};

use tokio::sync::watch;

use crate::{
    before,
    program::{Finished, Running, finish, which},
    upstream::{Behaviour, Response, Upstream},
};

/// Starts `gather` with these arguments on a terminal, if one is available.
#[allow(clippy::print_stdout, reason = "a test that can't be run says why")]
pub(crate) fn on_a_terminal(arguments: &str) -> Option<Command> {
    if which("script").is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no `script`");
        println!("skipped: there is no `script`, which comes with util-linux (Debian: bsdutils)");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_gather");
    let mut command = Command::new("script");
    command
        .args([
            "-qec",
            &format!("stty cols 90 rows 30; '{program}' {arguments}"),
            "/dev/null",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm-256color")
        .current_dir("/");
    Some(command)
}

/// Returns the terminal's final text, without lines that were drawn over.
pub(crate) fn shown(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let mut line = line.replace('\r', "");
        while let Some(at) = line.find("\u{1b}[") {
            let end = at
                + 2
                + line[at + 2..]
                    .find(|c: char| c.is_ascii_alphabetic())
                    .unwrap();
            let (number, kind) = (line[at + 2..end].to_owned(), line.as_bytes()[end]);
            if kind == b'A' {
                let up: usize = number.parse().unwrap();
                lines.truncate(lines.len() - up);
            }
            line.replace_range(at..=end, "");
        }
        lines.push(line);
    }
    lines.concat()
}

/// Starts an upstream that streams these lines and closes. Unless `is_whole`, it closes without the last chunk.
fn streaming(lines: &[&str], is_whole: bool) -> Upstream {
    let mut text =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nGather-Mode: concurrent\r\n\
                    Gather-Calls: users,orders\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_owned();
    for line in lines {
        text.push_str(&format!("{:x}\r\n{line}\n\r\n", line.len() + 1));
    }
    if is_whole {
        text.push_str("0\r\n\r\n");
    }
    Upstream::always(Behaviour::RawThenClose(text.into_bytes()))
}

const FIRST: &str = r#"{"index":1,"name":"orders","ok":true,"status":200,"start_ms":0.0,"elapsed_ms":20.0,"attempts":2,"hedges":1,"body":1}"#;
const SECOND: &str = r#"{"index":0,"name":"users","ok":false,"start_ms":0.0,"elapsed_ms":0.0,"attempts":0,"failure":"circuit_open","detail":"left alone\u001b[31m"}"#;
const LAST: &str = r#"{"aggregate":"home","mode":"concurrent","outcome":"partial","elapsed_ms":20.1,"sequential_ms":20.0,"server_timing":"total;dur=20.1"}"#;

fn call(upstream: &Upstream) -> Option<Finished> {
    on_a_terminal(&format!("call {}", upstream.url("/aggregate/home"))).map(finish)
}

#[test]
fn a_call_is_settled_on_the_screen_while_another_is_under_way() {
    let (go, _) = watch::channel(false);
    let quick = Upstream::always(Response::pong());
    let slow = Upstream::always(Behaviour::from(Response::pong()).when(&go));
    let urls = [slow.url("/"), quick.url("/")];
    let (_gateway, address) = Running::serve(&before(&urls));
    let Some(command) = on_a_terminal(&format!("call {address}")) else {
        return;
    };
    let running = Running::start(command);
    // A frame has a line for each call, one after the other.
    running.output_line(|line| (line.contains("  a  ") && line.contains("running")).then_some(()));
    running.output_line(|line| (line.contains("  b  ") && line.contains("200")).then_some(()));
    go.send_replace(true);
    let finished = running.wait().expect(0);
    let shown = shown(&finished.stdout);
    assert!(!shown.contains("running"), "{shown}");
    for name in ["  a  ", "  b  "] {
        let line = shown.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.trim_end().ends_with("200"), "{shown}");
    }
    assert!(
        shown.contains("default concurrent: complete in "),
        "{shown}"
    );
}

#[test]
fn what_stays_is_the_whole_answer_with_attempts_and_hedges() {
    let Some(finished) = call(&streaming(&[FIRST, SECOND, LAST], true)) else {
        return;
    };
    let shown = shown(&finished.expect(1).stdout);
    insta::assert_snapshot!(shown, @r"
    concurrent                                        20.10 ms
      users                                                  –  circuit_open: left alone\u{1b…
      orders  █████████████████████████████████████▊  20.00 ms  200 hedged ×2
              0 s                10 ms         20 ms

    home concurrent: partial in 20.10 ms; one after another 20.00 ms
    ");
}

#[test]
fn a_stream_that_ends_with_an_upstreams_status_says_so_below_its_drawing() {
    let problem = r#""server_timing":"total;dur=20.1","type":"urn:gather:problem:upstream-status","title":"Upstream status","status":401,"detail":"the call `users` was\u001b[31m answered with 401 Unauthorized""#;
    let last = LAST.replace(r#""server_timing":"total;dur=20.1""#, problem);
    let Some(finished) = call(&streaming(&[FIRST, SECOND, &last], true)) else {
        return;
    };
    let shown = shown(&finished.expect(1).stdout);
    let said = "401: Upstream status (the call `users` was[31m answered with 401 Unauthorized)";
    assert_eq!(
        shown.trim_end().lines().last().map(str::trim_end),
        Some(said),
        "{shown}"
    );
}

#[test]
fn an_answer_that_is_cut_is_drawn_as_far_as_it_came() {
    for (lines, said) in [
        (&[FIRST][..], "the answer broke off after 1 of 2 results"),
        (
            &[FIRST, SECOND],
            "the answer broke off after 2 of 2 results",
        ),
        (&[FIRST, FIRST], "the gateway sent result 1 twice"),
        (
            &[FIRST, "nonsense"],
            "the gateway sent a line that is none of an answer",
        ),
    ] {
        let Some(finished) = call(&streaming(lines, false)) else {
            return;
        };
        let shown = shown(&finished.expect(1).stdout);
        assert!(shown.contains(&format!("error: {said}")), "{shown}");
        let orders = shown.lines().find(|line| line.contains("orders")).unwrap();
        assert!(orders.contains("20.00 ms"), "{shown}");
    }
}

#[test]
fn a_gateway_that_does_not_stream_is_drawn_when_its_answer_is_there() {
    let answer = format!("{},\"results\":[{}]}}", &LAST[..LAST.len() - 1], FIRST);
    let answering = Upstream::always(Response::json(answer));
    let Some(finished) = call(&answering) else {
        return;
    };
    let shown = shown(&finished.expect(1).stdout);
    assert!(
        shown.contains("home concurrent: partial in 20.10 ms"),
        "{shown}"
    );
    let refusing =
        Upstream::always(Response::json(r#"{"title":"Overloaded","detail":"later"}"#).status(503));
    let shown = call(&refusing).unwrap().expect(1).stdout;
    assert!(shown.contains("503: Overloaded (later)"), "{shown}");
}

#[test]
fn a_gateway_that_says_nothing_is_not_waited_for_longer_than_allowed() {
    let hanging = Upstream::always(Behaviour::HangBeforeHead);
    let arguments = format!("call {} --max-time 200ms", hanging.url("/"));
    if let Some(command) = on_a_terminal(&arguments) {
        let shown = finish(command).expect(1).stdout;
        assert!(
            shown.contains("no whole answer from ") && shown.contains("within 200ms"),
            "{shown}"
        );
    }
}

#[test]
fn who_stops_it_ends_the_calls_too() {
    let quick = Upstream::always(Response::pong());
    let hanging = Upstream::always(Behaviour::HangBeforeHead);
    let (_gateway, address) = Running::serve(&before(&[quick.url("/"), hanging.url("/")]));
    let Some(command) = on_a_terminal(&format!("call {address}")) else {
        return;
    };
    let running = Running::start(command);
    running.output_line(|line| (line.contains("  a  ") && line.contains("200")).then_some(()));
    // The signal goes to the program, as ^C on a terminal does, and not to `script` around it.
    let found = Command::new("pkill")
        .args(["-INT", "-f", &format!("^[^ ]*gather call {address}$")])
        .status();
    assert!(found.unwrap().success());
    let shown = shown(&running.wait().stdout);
    assert!(shown.contains("error: stopped"), "{shown}");
    let drawn = |line: &str| line.contains("  a  ") && line.contains("200");
    assert!(shown.lines().any(drawn), "{shown}");
    let connection = hanging.requests()[0].connection;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let closed = runtime.block_on(hanging.closed_at(connection, Duration::from_secs(10)));
    assert!(closed.is_some(), "the call was cancelled");
}

#[test]
fn a_large_result_does_not_make_it_draw_on_and_on() {
    let body = "x".repeat(1024 * 1024);
    let large = FIRST.replace("\"body\":1", &format!("\"body\":\"{body}\""));
    let Some(finished) = call(&streaming(&[&large, SECOND, LAST], true)) else {
        return;
    };
    let drawn = finished.expect(1).stdout;
    assert!(
        shown(&drawn).contains("home concurrent: partial"),
        "{drawn}"
    );
    // A frame is less than 1 KiB, and there are ten a second.
    assert!(drawn.len() < 64 * 1024, "{} bytes", drawn.len());
}

#[test]
fn both_runs_of_a_comparison_grow_on_one_axis() {
    let (go, _) = watch::channel(false);
    let quick = Upstream::always(Response::pong());
    let slow = Upstream::always(Behaviour::from(Response::pong()).when(&go));
    let (_gateway, address) = Running::serve(&before(&[quick.url("/"), slow.url("/")]));
    let Some(command) = on_a_terminal(&format!("call {address} --mode compare")) else {
        return;
    };
    let running = Running::start(command);
    // The sequential run has begun, and the other one waits for it.
    running.output_line(|line| (line.contains("  b  ") && line.contains("running")).then_some(()));
    running.output_line(|line| (line.contains("  b  ") && line.contains("waiting")).then_some(()));
    go.send_replace(true);
    let finished = running.wait().expect(0);
    let shown = shown(&finished.stdout);
    let axes: Vec<_> = shown
        .lines()
        .filter(|line| line.trim_start().starts_with("0 s"))
        .collect();
    assert_eq!(axes.len(), 2, "{shown}");
    assert_eq!(axes[0], axes[1], "{shown}");
    assert!(shown.contains(" times as fast"), "{shown}");
}

#[test]
fn a_gateway_that_has_no_room_for_the_names_of_its_calls_is_followed_all_the_same() {
    let upstream = Upstream::always(Response::pong());
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let name = format!("{}_{number:03}", "n".repeat(60));
            format!("{{ upstream = \"one\", name = \"{name}\" }}")
        })
        .collect();
    let (_gateway, address) = Running::serve(&format!(
        "upstreams.one.url = \"{}\"\n[aggregates.default]\ncalls = [{}]\ncompare = true\nconcurrency = 8",
        upstream.url("/"),
        calls.join(", ")
    ));
    for (mode, runs) in [("sync", 1), ("async", 1), ("compare", 2)] {
        let Some(command) = on_a_terminal(&format!("call {address} --mode {mode}")) else {
            return;
        };
        let shown = shown(&finish(command).expect(0).stdout);
        let drawn = shown
            .lines()
            .filter(|line| line.trim_end().ends_with("200"));
        assert_eq!(drawn.count(), 100 * runs, "{shown}");
    }
}
