//! A process whose file descriptors run out. Clients leave enough for their own calls, and operators are let in. If
//! none is left all the same, only the gateway is blamed for it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    descriptors,
    gateway::{Answer, parse},
    program::{Running, SOON, eventually, finish, gather, get, limited, send, try_within, within},
    upstream::{Response, Upstream},
};

/// A client that keeps its connection.
struct Client {
    tcp: TcpStream,
    read: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect_timeout(&address, SOON).unwrap();
        tcp.set_nonblocking(true).unwrap();
        Self {
            tcp,
            read: Vec::new(),
        }
    }

    fn ask(&mut self, target: &str) {
        let head = format!("GET {target} HTTP/1.1\r\nHost: gather\r\n\r\n");
        self.tcp.write_all(head.as_bytes()).unwrap();
    }

    /// Returns the answer once it is complete. Every answer here has a length.
    fn answer(&mut self) -> Option<Answer> {
        let mut piece = [0; 4096];
        while let Ok(size @ 1..) = self.tcp.read(&mut piece) {
            self.read.extend_from_slice(&piece[..size]);
        }
        let head = self.read.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.read[..head]).to_lowercase();
        let length = text.split_once("content-length: ")?.1;
        let length: usize = length.split_once("\r\n")?.0.parse().unwrap();
        if self.read.len() < head + length {
            return None;
        }
        let rest = self.read.split_off(head + length);
        Some(parse(&std::mem::replace(&mut self.read, rest)))
    }

    /// Sends a request and waits for its answer.
    fn get(&mut self, target: &str) -> Answer {
        self.ask(target);
        eventually("an answer", || self.answer())
    }
}

/// Sets the soft limit of a running process, and leaves the hard limit as it is.
fn limit_now(gateway: &Running, limit: usize) {
    let hard = rlimit::Resource::NOFILE.get_hard().unwrap();
    let pid = i32::try_from(gateway.id()).unwrap();
    let limits = Some((limit as u64, hard));
    rlimit::prlimit(pid, rlimit::Resource::NOFILE, limits, None).unwrap();
}

/// Leaves the process no free descriptor.
fn leave_none(gateway: &Running) {
    // Waits until descriptors that are about to be closed are closed, such as that of the last answer's connection.
    let mut last = descriptors(gateway);
    within(SOON, "a number of descriptors that stays", || {
        let now = descriptors(gateway);
        let is_same = std::mem::replace(&mut last, now) == now;
        is_same.then_some(())
    });
    // A new descriptor gets the lowest free number, and the limit is on numbers.
    let folder = fs::read_dir(format!("/proc/{}/fd", gateway.id())).unwrap();
    let mut taken: Vec<usize> = folder
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    taken.sort_unstable();
    let free = (0..).zip(&taken).find(|(number, taken)| number != *taken);
    limit_now(gateway, free.map_or(taken.len(), |(number, _)| number));
}

const MANY: usize = 20_000;

/// Returns the log's lines that are warnings or worse, without those that say that this is a container.
fn warnings(gateway: &Running) -> Vec<String> {
    let lines = gateway.lines().into_iter();
    lines
        .filter(|line| line.contains("WARN") || line.contains("ERROR"))
        .filter(|line| !line.contains("this container"))
        .collect()
}

/// Three upstreams that take a while, and an admin listener.
fn three(upstream: &Upstream) -> String {
    let url = upstream.url("/");
    format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\n[upstreams.a]\nurl = \"{url}\"\n[upstreams.b]\nurl = \"{url}\"\n\
         [upstreams.c]\nurl = \"{url}\"\n[aggregates.default]\ncalls = [\"a\", \"b\", \"c\"]\n"
    )
}

/// Makes a command for a gateway of two workers on a free port. Its configuration is in this folder and goes on with
/// `text`.
fn with_two_workers(folder: &TempDir, text: &str) -> Command {
    let file = folder.path().join("gather.toml");
    let server = "server.listen = \"127.0.0.1:0\"\nserver.workers = 2";
    fs::write(&file, format!("{server}\n{text}")).unwrap();
    let mut command = gather();
    command.arg("serve").arg("-c").arg(file);
    command
}

#[test]
fn clients_leave_their_own_calls_a_descriptor_each_and_operators_are_let_in_meanwhile() {
    const CLIENTS: usize = 300;
    let slow = Upstream::always(Response::pong().delay(Duration::from_millis(200)));
    let files = tempfile::tempdir().unwrap();
    let command = with_two_workers(&files, &three(&slow));
    let gateway = Running::start(limited(256, &command));
    let (address, admin) = (gateway.address("address"), gateway.address("admin"));
    let share = gateway.line(|line| {
        assert!(!line.contains("listening"), "it is told before");
        let (_, rest) = line.split_once("256 file descriptors are enough for ")?;
        rest.split_once(' ')?.0.parse::<usize>().ok()
    });
    assert!((20..CLIENTS / 2).contains(&share), "{share}");

    let mut waiting: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    for client in &mut waiting {
        client.ask("/aggregate");
    }
    let mut answered = Vec::new();
    let take = |waiting: &mut Vec<Client>| {
        let mut served = Vec::new();
        for mut client in std::mem::take(waiting) {
            match client.answer() {
                Some(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
                    served.push(client);
                }
                None => waiting.push(client),
            }
        }
        served
    };
    eventually("an answer for each that is let in", || {
        answered.append(&mut take(&mut waiting));
        (answered.len() >= share).then_some(())
    });
    // The answered clients keep their connections, and the others wait.
    assert_eq!(get(admin, "/readyz").status, 200);
    let metrics = get(admin, "/metrics");
    assert!(
        metrics.text().contains("process_max_fds 256"),
        "{}",
        metrics.text()
    );
    assert!(descriptors(&gateway) < 256);
    answered.append(&mut take(&mut waiting));
    assert_eq!(answered.len(), share);
    // Clients that are in are served again and again.
    for client in &mut answered {
        client.ask("/aggregate");
    }
    for client in &mut answered {
        let answer = eventually("the next answer", || client.answer());
        assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
    }
    // Each client that leaves makes room for another.
    drop(answered);
    eventually("an answer for everybody", || {
        drop(take(&mut waiting));
        waiting.is_empty().then_some(())
    });
    let told = warnings(&gateway);
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn a_connection_that_no_descriptor_is_left_for_is_the_gateways_own_failure() {
    let good = Upstream::always(Response::pong().close());
    let port = good.addr().port();
    let (gateway, address) = Running::serve(&format!(
        "[defaults]\nbreaker = {{ failures = 1, open_for = \"60s\" }}\n\
         [upstreams.address]\nurl = \"http://127.0.0.1:{port}/\"\n\
         [upstreams.name]\nurl = \"http://localhost:{port}/\"\n\
         [aggregates.default]\ncalls = [\"address\", \"name\"]\n"
    ));
    let mut client = Client::connect(address);
    assert_eq!(client.get("/aggregate").json()["outcome"], "complete");
    leave_none(&gateway);
    for _ in 0..3 {
        let answer = client.get("/aggregate");
        assert_eq!(answer.status, 502);
        for call in answer.json()["results"].as_array().unwrap() {
            assert_eq!(call["failure"], "connect", "{call}");
            let detail = "the gateway has no file descriptor left";
            assert_eq!(call["detail"], detail, "{call}");
        }
    }
    let told = warnings(&gateway);
    assert!(
        matches!(&told[..], [one] if one.contains("no connection can be opened to any upstream")
            && one.contains("no file descriptor left")),
        "{told:#?}"
    );
    limit_now(&gateway, MANY);
    // No breaker is open.
    let answer = client.get("/aggregate");
    assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
    let told = gateway.line(|line| {
        line.contains("WARN")
            .then(|| line.to_owned())
            .filter(|line| line.contains("again"))
    });
    assert!(
        told.contains("connections to upstreams can be opened again"),
        "{told}"
    );
    assert_eq!(warnings(&gateway).len(), 2);
}

#[test]
fn idle_connections_to_one_upstream_give_way_to_calls_of_another() {
    let [one, other] = [(); 2].map(|()| Upstream::always(Response::pong()));
    let (gateway, address) = Running::serve(&format!(
        "[defaults]\nkeep_alive = \"60s\"\n[upstreams.one]\nurl = \"{}\"\n[upstreams.other]\nurl = \"{}\"\n\
         [aggregates.one]\ncalls = [\"one\"]\n[aggregates.other]\ncalls = [\"other\"]\n",
        one.url("/"),
        other.url("/")
    ));
    let mut client = Client::connect(address);
    assert_eq!(client.get("/aggregate/one").status, 200);
    assert_eq!(one.open(), 1);
    leave_none(&gateway);
    assert_eq!(client.get("/aggregate/other").status, 200);
    assert!(one.wait_closed_blocking(SOON).is_some());
    assert_eq!(client.get("/aggregate/one").status, 200);
    assert_eq!(warnings(&gateway), [""; 0]);
}

/// Returns the CPU time of a process, in hundredths of a second.
fn cpu(gateway: &Running) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", gateway.id())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let times: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse().unwrap())
        .collect();
    times.iter().sum()
}

#[test]
fn a_limit_with_which_nothing_can_be_served_ends_the_start_with_one_sentence() {
    let files = tempfile::tempdir().unwrap();
    let text =
        "[upstreams.a]\nurl = \"http://127.0.0.1:9/\"\n[aggregates.default]\ncalls = [\"a\"]\n";
    let command = with_two_workers(&files, text);
    for limit in [10, 20] {
        let told = finish(limited(limit, &command)).expect(1).stderr;
        let begin = format!(
            "error: the limit of {limit} file descriptors is too low for 2 workers, at least 32 are needed: raise it (`ulimit -n`"
        );
        assert!(told.starts_with(&begin), "{told}");
        assert!(told.ends_with("or use fewer workers\n"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let mut ping = gather();
    ping.args(["ping", "--listen", "127.0.0.1:0"]);
    let mut demo = gather();
    demo.args(["demo", "--once", "--listen", "127.0.0.1:0"]);
    for command in [ping, demo] {
        let told = finish(limited(20, &command)).expect(1).stderr;
        assert!(told.starts_with("error: the limit of 20 file"), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn at_a_low_limit_clients_wait_for_a_connection_and_none_is_refused() {
    let slow = Upstream::always(Response::pong().delay(Duration::from_millis(20)));
    let files = tempfile::tempdir().unwrap();
    let command = with_two_workers(&files, &three(&slow));
    let gateway = Running::start(limited(64, &command));
    let address = gateway.address("address");
    let mut waiting: Vec<Client> = (0..40).map(|_| Client::connect(address)).collect();
    for client in &mut waiting {
        client.ask("/aggregate");
    }
    // Each answered client leaves, and lets another one in.
    eventually("an answer for everybody", || {
        for mut client in std::mem::take(&mut waiting) {
            let Some(answer) = client.answer() else {
                waiting.push(client);
                continue;
            };
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
        }
        waiting.is_empty().then_some(())
    });
}

#[test]
fn who_comes_while_there_is_no_descriptor_costs_nothing_and_is_served_once_there_is_one() {
    let good = Upstream::always(Response::pong());
    let (gateway, address) = Running::serve(&format!(
        "[upstreams.a]\nurl = \"{}\"\n[aggregates.default]\ncalls = [\"a\"]\n",
        good.url("/")
    ));
    assert_eq!(get(address, "/aggregate").status, 200);
    leave_none(&gateway);
    let early = send(address, "/aggregate", &[]).unwrap();
    let before = cpu(&gateway);
    // An acceptor that spins would use CPU time meanwhile.
    try_within(Duration::from_millis(1_500), || None::<()>);
    let used = cpu(&gateway) - before;
    assert!(used <= 30, "{used} hundredths of a second");
    let told = warnings(&gateway);
    assert_eq!(told.len(), 1, "once a minute: {told:#?}");
    limit_now(&gateway, MANY);
    assert_eq!(crate::program::read(early).unwrap().status, 200);
}
