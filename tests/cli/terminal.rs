//! Colours and progress: on a terminal and nowhere else, unless the user asks for something else.

use std::process::Command;

use crate::{
    before, file,
    program::{Finished, Running, finish, gather, run, which},
    upstream::{Behaviour, Response, Upstream},
};

/// An answer that takes long enough for progress to be drawn.
fn slow() -> Upstream {
    let answer = Behaviour::from(Response::pong());
    Upstream::always(answer.after(std::time::Duration::from_millis(400)))
}

/// Returns true if an escape sequence sets a colour or a weight (SGR): it ends in `m`.
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        let end = rest.find(|letter: char| letter.is_ascii_alphabetic());
        end.is_some_and(|end| rest[end..].starts_with('m'))
    })
}

/// Runs the program on a terminal, which joins its standard output and error. Returns `None` if no terminal is
/// available.
#[allow(clippy::print_stdout, reason = "a test that can't be run says why")]
fn on_a_terminal(arguments: &str, variables: &[(&str, &str)]) -> Option<Finished> {
    if which("script").is_none() {
        println!("skipped: there is no `script`, which comes with util-linux");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_gather");
    let mut command = Command::new("script");
    command
        .args(["-qec", &format!("'{program}' {arguments}"), "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied())
        .current_dir("/");
    Some(finish(command))
}

#[test]
fn colours_are_for_terminals() {
    let upstream = Upstream::always(Response::pong());
    let (_gateway, address) = Running::serve(&before(&[upstream.url("/")]));
    let call = ["call", &address.to_string()];
    let plain = run(&call).expect(0).stdout;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    if let Some(drawn) = on_a_terminal(&call.join(" "), &[]) {
        assert!(is_coloured(&drawn.expect(0).stdout));
    }
}

#[test]
fn who_wants_colours_elsewhere_gets_them() {
    let upstream = Upstream::always(Response::pong());
    let (_gateway, address) = Running::serve(&before(&[upstream.url("/")]));
    let mut command = gather();
    command
        .env("CLICOLOR_FORCE", "1")
        .args(["call", &address.to_string()]);
    let drawn = finish(command).expect(0).stdout;
    assert!(is_coloured(&drawn), "{drawn:?}");
    let mut command = gather();
    command
        .env("CLICOLOR_FORCE", "1")
        .args(["probe", "http://127.0.0.1:1"]);
    let told = finish(command).expect(1).stderr;
    assert!(is_coloured(&told), "{told:?}");
}

#[test]
fn who_wants_no_colours_gets_none_on_a_terminal_either() {
    let upstream = slow();
    let (_gateway, address) = Running::serve(&before(&[upstream.url("/")]));
    for arguments in [
        format!("call {address}"),
        "probe 127.0.0.1:1".to_owned(),
        "serve -c /nowhere.toml".to_owned(),
        "demo --once --delay 100ms --listen 127.0.0.1:0".to_owned(),
        "call --no-such-option".to_owned(),
    ] {
        let Some(drawn) = on_a_terminal(&arguments, &[("NO_COLOR", "1")]) else {
            return;
        };
        assert!(!is_coloured(&drawn.stdout), "{:?}", drawn.stdout);
        assert!(!drawn.stdout.is_empty());
    }
}

#[test]
fn the_log_is_coloured_as_everything_else_and_an_empty_no_color_counts_as_none() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = before(&["http://127.0.0.1:9/".to_owned()]);
    let (_folder, file) = file(&format!("log.level = \"debug\"\n{text}"));
    let listen = busy.local_addr().unwrap().to_string();
    for (value, coloured) in [("", true), ("1", false)] {
        let variables = [
            ("NO_COLOR", value),
            ("GATHER__SERVER__LISTEN", listen.as_str()),
        ];
        // It logs a line, finds its port busy and ends.
        let arguments = format!("serve -c '{file}'");
        let Some(drawn) = on_a_terminal(&arguments, &variables) else {
            return;
        };
        let line = drawn.stdout.lines().find(|line| line.contains("DEBUG"));
        let line = line.unwrap_or_else(|| panic!("{drawn:?}"));
        assert_eq!(is_coloured(line), coloured, "{line:?}");
    }
}

#[test]
fn progress_is_drawn_on_a_terminal_and_gone_when_the_answer_is_there() {
    let upstream = slow();
    let (_gateway, address) = Running::serve(&before(&[upstream.url("/")]));
    let Some(drawn) = on_a_terminal(&format!("call http://{address}"), &[]) else {
        return;
    };
    let drawn = drawn.expect(0).stdout;
    // Frames come first, each drawn over the one before. The final text follows.
    let (progress, result) = drawn.rsplit_once("\u{1b}[J").unwrap();
    assert!(progress.contains("running"), "{drawn:?}");
    assert!(progress.contains("\u{1b}[3A"), "it is wiped out: {drawn:?}");
    assert!(result.contains('█'), "{drawn:?}");
}

#[test]
fn the_demo_draws_a_bar_a_service() {
    let arguments = "demo --once --delay 300ms --listen 127.0.0.1:0";
    let Some(drawn) = on_a_terminal(arguments, &[]) else {
        return;
    };
    let drawn = drawn.expect(0).stdout;
    for name in ["ping_1", "ping_2", "ping_3"] {
        for mode in ["sequential", "concurrent"] {
            assert!(drawn.contains(&format!("{mode} {name}")), "{drawn:?}");
        }
    }
    assert!(drawn.contains("times as fast"), "{drawn:?}");
}

#[test]
fn json_on_a_terminal_is_json_and_nothing_else() {
    let arguments = "demo --once --json --delay 10ms --listen 127.0.0.1:0 2>/dev/null";
    let Some(drawn) = on_a_terminal(arguments, &[]) else {
        return;
    };
    for line in drawn.expect(0).stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|error| panic!("{error}: {line:?}"));
    }
}

#[test]
fn a_load_shows_how_far_it_has_come_on_a_terminal_and_nowhere_else() {
    let upstream = slow();
    let (_gateway, address) = Running::serve(&before(&[upstream.url("/")]));
    let load = format!("bench {address} --requests 3 --concurrency 1");
    if let Some(shown) = on_a_terminal(&load, &[]) {
        let shown = shown.expect(0).stdout;
        assert!(shown.contains("2/3 requests"), "{shown:?}");
    }
    let arguments: Vec<_> = load.split(' ').collect();
    assert_eq!(run(&arguments).expect(0).stderr, "");
}
