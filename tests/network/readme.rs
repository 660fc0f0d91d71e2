//! The README's commands as a person types them, one after another, and their output beside the README's. They run in a
//! network of their own, where the ports that they name are free.

use std::{path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    has,
    markdown::{self, Block},
    namespace::Namespace,
    program::{Finished, Running, eventually, repository, which},
};

fn blocks() -> Vec<Block> {
    markdown::blocks(&std::fs::read_to_string(repository("README.md")).unwrap())
}

/// A person at several terminals.
struct Person {
    network: Namespace,
    folder: TempDir,
    /// Programs that run on in other terminals.
    others: Vec<Running>,
}

impl Person {
    fn new() -> Option<Self> {
        if !has("`curl`", which("curl").is_some()) {
            return None;
        }
        Some(Self {
            network: Namespace::new(&[], &[], "127.0.0.1 localhost\n")?,
            folder: tempfile::tempdir().unwrap(),
            others: Vec::new(),
        })
    }

    /// Types a command in a new terminal, in this person's folder.
    fn start(&self, text: &str) -> Running {
        let program = Path::new(env!("CARGO_BIN_EXE_gather")).parent().unwrap();
        let folder = self.folder.path().display();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!(
            "cd {folder} && export HOME={folder} PATH={}:$PATH && unset NO_COLOR\n{text}",
            program.display()
        ));
        Running::start_group(&self.network.command(&shell))
    }

    fn run(&self, text: &str) -> Finished {
        self.start(text).wait().expect(0)
    }

    /// Types a command that runs on in the background, and waits until this many listeners are open.
    fn leave(&mut self, text: &str, listeners: usize) {
        let terminal = self.start(text);
        eventually("what was left running", || {
            let lines = terminal.lines();
            let listening = lines.iter().filter(|line| line.contains("listening"));
            (listening.count() == listeners).then_some(())
        });
        self.others.push(terminal);
    }

    /// Asks the gateway at `port` with curl.
    fn ask(&self, port: u16, target: &str) -> Value {
        let text = format!("curl -s 'http://127.0.0.1:{port}{target}'");
        serde_json::from_str(&self.run(&text).stdout).unwrap()
    }
}

/// Returns a text without the parts that differ from run to run: times, numbers, ids, the lengths of bars and the marks
/// of the axis.
fn shape(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let words = line.split_whitespace().map(|word| {
            let bare = word.trim_end_matches([',', ';']);
            if bare.chars().all(|letter| "█▉▊▋▌▍▎▏".contains(letter)) {
                "bar".to_owned()
            } else if bare.chars().all(|letter| letter == '░') {
                "idle".to_owned()
            } else if bare.parse::<f64>().is_ok() {
                word.replace(bare, "N")
            } else if bare == "ms" || bare == "s" {
                word.replace(bare, "unit")
            } else {
                word.to_owned()
            }
        });
        words.collect::<Vec<_>>().join(" ")
    });
    let is_axis = |line: &String| !line.is_empty() && line.replace("N unit", "").trim().is_empty();
    lines
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty() && !is_axis(line))
        .collect()
}

/// Returns JSON in which every number is the same.
fn leveled(mut value: Value) -> Value {
    fn level(value: &mut Value) {
        match value {
            Value::Number(_) => *value = Value::from(0),
            Value::Array(items) => items.iter_mut().for_each(level),
            Value::Object(members) => members.values_mut().for_each(level),
            _ => {}
        }
    }
    level(&mut value);
    value
}

/// Returns the first block of this language below a heading with this beginning for which `is_it` holds.
fn block<'a>(
    blocks: &'a [Block],
    heading: &str,
    language: &str,
    is_it: impl Fn(&str) -> bool,
) -> &'a Block {
    let mut found = blocks.iter().filter(|block| {
        block.heading.starts_with(heading) && block.language == language && is_it(&block.text)
    });
    let block = found
        .next()
        .unwrap_or_else(|| panic!("no block under {heading}"));
    assert!(found.next().is_none(), "several blocks under {heading}");
    block
}

#[test]
fn the_demo_prints_what_the_readme_shows_and_answers_as_it_says() {
    let Some(mut person) = Person::new() else {
        return;
    };
    let blocks = blocks();
    let first = block(&blocks, "", "sh", |text| text.contains("-- demo"));
    let typed = first.text.lines().next().unwrap();
    let demo = person.start(&typed.replace("cargo run --release --", "gather"));
    demo.output_line(|line| line.contains("Ctrl-C").then_some(()));
    let shown = block(&blocks, "", "", |text| text.contains("times as fast"));
    let printed = demo.output();
    let table = printed.split("\nThe gateway goes on").next().unwrap();
    assert_eq!(shape(&shown.text), shape(table));
    let page = "http://127.0.0.1:8090/console";
    assert!(
        printed.contains(page) && printed.contains("press Run"),
        "{printed}"
    );
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    assert!(readme.contains(&format!("open `{page}` in a browser and press **Run**")));
    person.others.push(demo);

    let shown = block(&blocks, "A real answer", "", |text| {
        text.starts_with("$ curl")
    });
    let (command, answer) = shown.text.split_once('\n').unwrap();
    let (head, body) = answer.split_once("\n\n").unwrap();
    let printed = person.run(command.trim_start_matches("$ ")).stdout;
    let (real_head, real_body) = printed.split_once("\n\n").unwrap();
    assert_eq!(head.lines().next(), real_head.lines().next());
    for line in head.lines().skip(1) {
        let name = line.split(':').next().unwrap();
        let real = real_head
            .lines()
            .find(|line| line.split(':').next() == Some(name));
        let real = real.unwrap_or_else(|| panic!("no {name} in {real_head}"));
        let words = |line: &str| {
            line.split(';')
                .filter(|part| !part.contains("dur="))
                .count()
        };
        assert_eq!(words(line), words(real), "{line}, {real}");
    }
    let read = |text: &str| leveled(serde_json::from_str(text).unwrap());
    assert_eq!(read(body), read(real_body));
}

#[test]
fn every_request_of_the_readmes_table_is_one_that_the_demo_answers() {
    let Some(mut person) = Person::new() else {
        return;
    };
    let demo = person.start("gather demo --delay 30ms");
    demo.output_line(|line| line.contains("Ctrl-C").then_some(()));
    person.others.push(demo);
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    let table = readme.split("| ask for | with |").nth(1).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut asked = 0;
    for quoted in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
        if quoted.starts_with('?') {
            let answer = person.ask(8090, &format!("/aggregate{quoted}"));
            let outcome = answer
                .get("outcome")
                .or_else(|| answer.pointer("/concurrent/outcome"));
            assert_eq!(
                outcome,
                Some(&Value::from("complete")),
                "{quoted}: {answer}"
            );
            asked += 1;
        }
    }
    assert!(asked >= 7, "{asked}");
}

#[test]
fn the_way_from_the_demo_to_services_of_ones_own_is_as_the_readme_says() {
    const HEADING: &str = "Before your own services";
    let Some(mut person) = Person::new() else {
        return;
    };
    // It runs on in another terminal, as in the README, and takes no port of the commands that follow.
    let demo = person.start("gather demo --delay 10ms");
    demo.output_line(|line| line.contains("Ctrl-C").then_some(()));
    person.others.push(demo);

    let blocks = blocks();
    let mut steps = blocks.iter().filter(|block| block.heading == HEADING);
    let install = steps.next().unwrap();
    assert!(install.text.starts_with("cargo install --locked --path ."));
    let services = steps.next().unwrap();
    let jobs = services.text.matches(" &\n").count();
    assert_eq!(jobs, services.text.lines().count(), "{}", services.text);
    person.leave(&services.text, jobs);

    let file = steps.next().unwrap();
    let name = file.text.lines().next().unwrap().trim_start_matches("# ");
    assert_eq!((file.language.as_str(), name), ("toml", "gather.toml"));
    std::fs::write(person.folder.path().join(name), &file.text).unwrap();

    let gateway = steps.next().unwrap();
    let (check, serve) = gateway.text.split_once('\n').unwrap();
    let checked = person.run(check);
    assert!(
        checked
            .stdout
            .starts_with("good: gather.toml: 3 upstreams, 2 aggregates, "),
        "{checked:?}"
    );
    // In a container it warns of every service on loopback.
    let mut odd = checked.stderr.lines();
    assert!(
        odd.all(|line| line.contains("this container")),
        "{checked:?}"
    );
    person.leave(serve, 1);

    let call = steps.next().unwrap();
    let (command, output) = call.text.split_once('\n').unwrap();
    let printed = person.run(command.trim_start_matches("$ ")).stdout;
    assert_eq!(shape(output), shape(&printed), "{printed}");

    let more = steps.next().unwrap();
    let printed = person.run(&format!("set -e\n{}", more.text)).stdout;
    assert!(
        printed.contains("default sequential: complete"),
        "{printed}"
    );
    assert!(printed.contains("\"speedup\":"), "{printed}");
    assert!(printed.contains("times as fast at p50"), "{printed}");
    assert!(person.folder.path().join("report.html").is_file());
    let slow = person.ask(8080, "/aggregate/page?delay=600ms");
    let took = slow
        .pointer("/results/1/elapsed_ms")
        .and_then(Value::as_f64);
    assert!(took >= Some(600.0), "`delay` goes to `orders`: {slow}");

    let completions = steps.next().unwrap();
    person.run(&format!("set -e\n{}", completions.text));
    let script = ".local/share/bash-completion/completions/gather";
    let script = std::fs::read_to_string(person.folder.path().join(script)).unwrap();
    assert!(script.contains("complete -F _gather"), "{script}");
    assert!(steps.next().is_none(), "a step that no test knows");
}

#[test]
fn the_readmes_example_is_also_answered_by_services_as_gather_ping_is_by_itself() {
    let Some(mut person) = Person::new() else {
        return;
    };
    let blocks = blocks();
    let file = block(&blocks, "Before your own", "toml", |_| true);
    std::fs::write(person.folder.path().join("gather.toml"), &file.text).unwrap();
    let pings: String = [9001, 9002, 9003]
        .map(|port| format!("gather ping --listen 127.0.0.1:{port} &\n"))
        .concat();
    person.leave(&pings, 3);
    person.leave("gather serve", 1);
    for target in ["/aggregate", "/aggregate/page"] {
        let answer = person.ask(8080, target);
        assert_eq!(answer["outcome"], "complete", "{answer}");
    }
}

#[test]
fn the_shipped_configuration_runs_as_its_first_lines_say() {
    let Some(mut person) = Person::new() else {
        return;
    };
    let text = std::fs::read_to_string(repository("config/gather.toml")).unwrap();
    let commands: Vec<&str> = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("#   "))
        .collect();
    let [pings, serve, curl] = commands[..] else {
        panic!("{commands:?}")
    };
    std::fs::create_dir(person.folder.path().join("config")).unwrap();
    std::fs::write(person.folder.path().join("config/gather.toml"), &text).unwrap();
    person.leave(pings, 3);
    person.leave(serve, 1);
    let printed = person.run(curl).stdout;
    assert!(printed.starts_with("HTTP/1.1 200 OK"), "{printed}");
    assert!(printed.contains("\"speedup\":"), "{printed}");
}

#[test]
fn a_failed_call_is_reported_as_the_readme_shows() {
    let Some(mut person) = Person::new() else {
        return;
    };
    let blocks = blocks();
    let shown = block(&blocks, "A real answer", "json", |_| true);
    let shown: Value = serde_json::from_str(&shown.text).unwrap();
    let pings = "gather ping --delay 1ms --listen 127.0.0.1:9001 &\n\
                 gather ping --delay 1ms --listen 127.0.0.1:9002 &\n\
                 gather ping --delay 1ms --listen 127.0.0.1:9003 --fail-rate 1 &\n";
    person.leave(pings, 3);
    let configuration = repository("config/gather.toml");
    person.leave(&format!("gather serve -c {}", configuration.display()), 1);
    let answer = person.ask(8080, "/aggregate");
    assert_eq!(answer["outcome"], "partial", "{answer}");
    let real = answer.pointer("/results/2").unwrap();
    assert_eq!(real["status"], shown["status"]);
    assert_eq!(leveled(real.clone()), leveled(shown));
}
