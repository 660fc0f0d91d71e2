//! `gather demo`: the story, with services that are quicker than the story's.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::Stdio,
};

use serde_json::Value;

use crate::program::{Running, gather, get, run};

/// Quick services on a port of their own.
const QUICK: [&str; 4] = ["--delay", "100ms", "--listen", "127.0.0.1:0"];

fn demo(more: &[&str]) -> Vec<String> {
    let all = ["demo"]
        .into_iter()
        .chain(QUICK)
        .chain(more.iter().copied());
    all.map(str::to_owned).collect()
}

fn run_demo(more: &[&str]) -> crate::program::Finished {
    let all = demo(more);
    run(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Returns the number before ` times as fast`.
fn ratio(table: &str) -> f64 {
    let line = table.lines().find(|line| line.ends_with("times as fast"));
    let line = line.unwrap_or_else(|| panic!("no ratio in\n{table}"));
    let number = line.split(": ").nth(1).unwrap().split(' ').next().unwrap();
    number.parse().unwrap()
}

#[test]
fn both_waterfalls_and_their_ratio_are_drawn() {
    let table = run_demo(&["--once"]).expect(0).stdout;
    let titles: Vec<_> = table
        .lines()
        .filter(|line| line.ends_with("ms") && !line.starts_with(' '))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(titles, ["sequential", "concurrent"], "{table}");
    for name in ["ping_1", "ping_2", "ping_3"] {
        let bars = table.lines().filter(|line| {
            line.trim_start().starts_with(name) && line.contains('█') && line.ends_with("200")
        });
        assert_eq!(bars.count(), 2, "{table}");
    }
    // Three equal calls can't be much more than three times as fast. How much less it is depends on the machine.
    assert!((1.5..=3.6).contains(&ratio(&table)), "{table}");
    let nothing_more = table.lines().last().unwrap();
    assert!(nothing_more.ends_with("times as fast"), "{table}");
}

#[test]
fn sequential_bars_follow_one_another_and_concurrent_ones_begin_together() {
    let table = run_demo(&["--once"]).expect(0).stdout;
    let starts: Vec<usize> = table
        .lines()
        .filter(|line| line.contains('█'))
        .map(|line| line.chars().position(|letter| letter == '█').unwrap())
        .collect();
    let [a, b, c, d, e, f] = starts[..] else {
        panic!("{table}")
    };
    assert!(a < b && b < c, "{table}");
    assert!(d.abs_diff(e) <= 2 && e.abs_diff(f) <= 2, "{table}");
}

#[test]
fn json_is_the_two_answers_one_a_line() {
    let finished = run_demo(&["--once", "--json"]).expect(0);
    let answers: Vec<Value> = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 2, "{}", finished.stdout);
    assert_eq!(answers[0]["mode"], "sequential");
    assert_eq!(answers[1]["mode"], "concurrent");
    for answer in &answers {
        assert_eq!(answer["outcome"], "complete");
        assert_eq!(answer["results"][2]["body"], "pong");
        assert!(
            answer["sequential_ms"].as_f64().unwrap() >= 300.0,
            "{answer}"
        );
    }
    assert!(answers[0]["elapsed_ms"].as_f64() >= answers[0]["sequential_ms"].as_f64());
}

#[test]
fn there_are_as_many_services_as_were_asked_for() {
    for (calls, rows, last) in [("1", 2, "ping_1"), ("5", 10, "ping_5")] {
        let table = run_demo(&["--once", "--calls", calls]).expect(0).stdout;
        assert_eq!(table.matches(" 200\n").count(), rows, "{table}");
        assert!(table.contains(last), "{table}");
    }
}

#[test]
fn what_no_service_can_be_is_a_bad_command_line() {
    for bad in [
        ["--calls", "0"],
        ["--calls", "101"],
        ["--delay", "2"],
        ["--delay", "61m"],
        ["--listen", "here"],
    ] {
        let finished = run(&["demo", "--once", bad[0], bad[1]]).expect(2);
        assert!(finished.stderr.contains(bad[0]), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}

#[test]
fn without_once_it_goes_on_serving_until_it_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let mut command = gather();
        command.args(demo(&[]));
        let mut demo = Running::start(command);
        let address = demo.output_line(|line| {
            let url = line.split_once("'http://")?.1;
            url.split_once("/metrics")?.0.parse().ok()
        });
        demo.output_line(|line| line.contains("Ctrl-C").then_some(()));
        let answer = get(address, "/aggregate?mode=compare").json();
        assert_eq!(answer["concurrent"]["outcome"], "complete", "{answer}");
        assert_eq!(get(address, "/console").status, 200);
        assert!(demo.is_running());
        demo.signal(signal);
        let finished = demo.wait().expect(0);
        let page = format!("\n  http://{address}/console\n");
        assert!(finished.stdout.contains(&page), "{}", finished.stdout);
        // The program is not on the search path here.
        let program = env!("CARGO_BIN_EXE_gather");
        let call = format!("  {program} call 'http://{address}' --mode compare\n");
        assert!(finished.stdout.contains(&call), "{}", finished.stdout);
        // Every suggested command goes to this gateway.
        let hints = finished
            .stdout
            .lines()
            .filter(|line| line.starts_with("  curl"));
        for hint in hints {
            assert!(hint.contains(&address.to_string()), "{hint}");
        }
        assert!(
            finished.stdout.contains("  curl -i "),
            "{}",
            finished.stdout
        );
        assert_eq!(finished.stderr, "");
    }
}

#[test]
fn an_interrupt_in_the_middle_of_a_run_ends_it_at_once() {
    let mut command = gather();
    command.args(["demo", "--delay", "50s", "--listen", "127.0.0.1:0"]);
    let demo = Running::start(command);
    // Before the first table, only the process's own sockets can be seen: three services and the gateway.
    crate::program::eventually("the services and the gateway", || {
        (listening(demo.id()) >= 4).then_some(())
    });
    demo.signal("INT");
    demo.wait().expect(0);
}

/// Counts the descriptors of a process that are listening sockets.
fn listening(pid: u32) -> usize {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let inodes: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.get(3) == Some(&"0A"))
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return 0;
    };
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| {
            inodes
                .iter()
                .any(|inode| target.as_os_str() == inode.as_str())
        })
        .count()
}

#[test]
fn the_gateway_listens_where_it_is_told_to() {
    let address = crate::program::free_address();
    let listen = address.to_string();
    let mut command = gather();
    command.args(["demo", "--delay", "10ms", "--listen", &listen]);
    let demo = Running::start(command);
    demo.output_line(|line| line.contains("Ctrl-C").then_some(()));
    assert_eq!(get(address, "/readyz").status, 200);
    demo.stop().expect(0);
}

#[test]
fn a_busy_port_8090_only_means_another_port() {
    // If the port can't be bound, it is already busy.
    let _busy = TcpListener::bind("127.0.0.1:8090");
    let mut command = gather();
    command.args(["demo", "--delay", "10ms"]);
    let demo = Running::start(command);
    let url = demo.output_line(|line| Some(line.split_once("'http://")?.1.to_owned()));
    let address = url.split('/').next().unwrap().parse().unwrap();
    assert!(!url.starts_with("127.0.0.1:8090/"), "{url}");
    assert_eq!(get(address, "/readyz").status, 200);
    demo.stop().expect(0);
}

#[test]
fn a_port_that_was_asked_for_and_is_busy_is_named_with_its_option() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let sentence = run(&["demo", "--once", "--listen", &address]).one_sentence();
    assert!(sentence.contains(&address), "{sentence}");
    assert!(sentence.contains("--listen"), "{sentence}");
    assert!(
        !sentence.contains("server.listen"),
        "there is no file: {sentence}"
    );
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    for more in [&["--once"][..], &["--once", "--json"]] {
        let mut command = gather();
        command
            .args(demo(more))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut first = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut first).unwrap();
        drop(output);
        assert!(first.contains("sequential"), "{first}");
        let finished = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(finished.stderr).unwrap();
        assert_eq!((finished.status.code(), stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn an_output_that_was_closed_before_the_first_line_is_no_failure_either() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = gather();
    command
        .args(demo(&["--once"]))
        .stdout(writer)
        .stderr(Stdio::piped());
    let finished = command.spawn().unwrap().wait_with_output().unwrap();
    let stderr = String::from_utf8(finished.stderr).unwrap();
    assert_eq!((finished.status.code(), stderr.as_str()), (Some(0), ""));
}
