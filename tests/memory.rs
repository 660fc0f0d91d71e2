//! The memory of the built program: while a thousand requests meet bodies without end, after they are over, and for one
//! large answer. The program is a process of its own, so that only its memory is measured.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what it expects by failing, and what it measured by printing"
)]

#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/program.rs"]
mod program;
#[path = "support/upstream.rs"]
mod upstream;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use gateway::request;
use program::Running;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    sync::watch,
};
use upstream::{Behaviour, Framing, Response, Upstream};

const MIB: usize = 1 << 20;
const AT_ONCE: usize = 1000;

/// The longest time for any part of this on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Returns a line of the process's status in bytes. `VmRSS` is the memory that it holds, `VmHWM` the most that it ever
/// held.
fn held(gateway: &Running, line: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let line = status
        .lines()
        .find_map(|known| known.strip_prefix(line)?.strip_prefix(':'))
        .unwrap();
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

async fn in_flight(address: SocketAddr) -> usize {
    let metrics = request(address, "GET", "/metrics", &[], b"").await;
    let line = |line: &str| {
        line.strip_prefix("gather_requests_in_flight ")?
            .parse()
            .ok()
    };
    metrics.text().lines().find_map(line).unwrap()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, waiting).await;
    assert!(in_time.is_ok(), "not within {LONG:?}: {what}");
}

/// Returns the configuration of so many calls of one upstream, `call_1` and so on.
fn calls(upstream: &str, count: usize) -> String {
    let calls: Vec<String> = (1..=count)
        .map(|at| format!("{{ upstream = \"{upstream}\", name = \"call_{at}\" }}"))
        .collect();
    calls.join(", ")
}

/// Sends a request whose answer nobody reads. The kernel shall take as little of the answer as possible.
async fn ask_and_read_nothing(address: SocketAddr, target: &str, fields: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut tcp = socket.connect(address).await.unwrap();
    let asked = format!("GET {target} HTTP/1.1\r\nHost: g\r\n{fields}\r\n");
    tcp.write_all(asked.as_bytes()).await.unwrap();
    tcp
}

/// Sends a thousand requests, which stand still until the gateway holds this much. Then they go on, and all fail.
async fn a_thousand(
    gateway: &Running,
    address: SocketAddr,
    go: &watch::Sender<bool>,
    holding: usize,
) {
    go.send_replace(false);
    let clients: FuturesUnordered<_> = (0..AT_ONCE)
        .map(|_| request(address, "GET", "/aggregate", &[], b""))
        .collect();
    let start = async {
        until("all of them in flight, with what was sent", async || {
            in_flight(address).await == AT_ONCE && held(gateway, "VmRSS") > holding
        })
        .await;
        go.send_replace(true);
    };
    let (answers, ()) = tokio::join!(clients.collect::<Vec<_>>(), start);
    for answer in answers {
        answer.problem(502, "upstream-failed");
        assert_eq!(answer.result("sick"), "too_large");
    }
    until("none in flight", async || in_flight(address).await == 0).await;
}

#[actix_web::test]
async fn a_thousand_requests_before_endless_bodies_hold_what_they_may_and_leave_nothing_behind() {
    const MAX_BODY: usize = 256 * 1024;
    /// The bytes that each upstream has sent when all of them stand still.
    const SENT: usize = 200 * 1024;
    /// The memory that may stay.
    const LEFT: usize = 64 * MIB;
    rlimit::increase_nofile_limit(8 * AT_ONCE as u64).unwrap();
    let (go, _) = watch::channel(false);
    let upstream = Upstream::start({
        let go = go.clone();
        // The endless body has its own head, which counts as a part of the body here.
        let mut start = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        start.resize(start.len() + SENT, b'1');
        let start = Bytes::from(start);
        move |_| {
            Behaviour::Endless(Framing::CloseDelimited)
                .when(&go)
                .following(start.clone())
        }
    });
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\n\
         [upstreams.sick]\nurl = \"{}\"\ntimeout = \"60s\"\nconnect_timeout = \"60s\"\n\
         [aggregates.default]\ncalls = [\"sick\"]\ndeadline = \"60s\"\nmax_body = \"256KiB\"\n",
        upstream.url("/")
    ));
    request(address, "GET", "/metrics", &[], b"").await;
    let before = held(&gateway, "VmRSS");

    // It runs twice, so that memory left in holes by the first run would show.
    for _ in 0..2 {
        a_thousand(&gateway, address, &go, AT_ONCE * SENT).await;
    }
    let (peak, after) = (held(&gateway, "VmHWM"), held(&gateway, "VmRSS"));
    // The allocator returns memory over ten seconds.
    let ended = Instant::now();
    until("no more than 64 MiB left behind", async || {
        held(&gateway, "VmRSS") <= before + LEFT
    })
    .await;
    println!(
        "{} MiB before, {} MiB at most, {} MiB at the end, {} MiB after {:?}",
        before / MIB,
        peak / MIB,
        after / MIB,
        held(&gateway, "VmRSS") / MIB,
        ended.elapsed()
    );
    // A body's memory doubles as it grows, up to its bound. Two connections take some too.
    let allowed = AT_ONCE * (2 * MAX_BODY + 128 * 1024);
    assert!(peak - before < allowed, "{} MiB at most", peak / MIB);
}

#[actix_web::test]
async fn bodies_without_end_are_not_held_whatever_ends_a_body() {
    const CALLS: usize = 32;
    // All bodies together are 2 MiB at most. One that is read on for a moment would be hundreds of MiB.
    const ALLOWED: usize = 64 * MIB;
    for framing in [
        Framing::ContentLength,
        Framing::Chunked(1000),
        Framing::Chunked(100_000),
        Framing::CloseDelimited,
        Framing::Http10,
    ] {
        let upstream = Upstream::always(Behaviour::Endless(framing));
        let (gateway, address) = Running::serve(&format!(
            "server.grace = \"0s\"\n\
             [upstreams.sick]\nurl = \"{}\"\nmax_body = \"64KiB\"\ntimeout = \"20s\"\n\
             [aggregates.default]\ndeadline = \"30s\"\ncalls = [{}]",
            upstream.url("/"),
            calls("sick", CALLS)
        ));
        request(address, "GET", "/metrics", &[], b"").await;
        let before = held(&gateway, "VmHWM");
        let answer = request(address, "GET", "/aggregate", &[], b"").await;
        answer.problem(502, "upstream-failed");
        for at in 1..=CALLS {
            assert_eq!(answer.result(&format!("call_{at}")), "too_large");
        }
        let grown = held(&gateway, "VmHWM") - before;
        println!("{framing:?}: {} KiB more at most", grown / 1024);
        assert!(grown < ALLOWED, "{framing:?}: {} MiB", grown / MIB);
    }
}

#[actix_web::test]
async fn a_request_for_each_of_ten_thousand_elements_holds_no_more_than_the_sum_of_bodies() {
    const ELEMENTS: usize = 10_000;
    /// The size of one element's body, in bytes. All of them are 160 MiB.
    const BODY: usize = 16 * 1024;
    // Bodies and the list of them, the buffers of those under way, and what is kept of each element.
    const ALLOWED: usize = 24 * MIB;
    let list: Vec<_> = (0..ELEMENTS).map(|number| number.to_string()).collect();
    let list = Upstream::always(Response::json(format!("[{}]", list.join(","))));
    let one = Upstream::always(Response::json(format!("\"{}\"", "x".repeat(BODY))));
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\n[upstreams.list]\nurl = \"{}\"\n[upstreams.one]\nurl = \"{}\"\n\
         [aggregates.default]\nmax_body = \"8MiB\"\ndeadline = \"60s\"\n\
         calls = [\"list\", {{ upstream = \"one\", each = \"{{list.body}}\", max = {ELEMENTS}, concurrency = 16 }}]",
        list.url("/"),
        one.url("/"),
    ));
    request(address, "GET", "/metrics", &[], b"").await;
    let before = held(&gateway, "VmHWM");
    let answer = request(address, "GET", "/aggregate", &[], b"").await;
    assert_eq!(answer.result("one"), "too_large");
    let asked = one.requests().len();
    assert!((8 * MIB / BODY - 1..1000).contains(&asked), "{asked}");
    let grown = held(&gateway, "VmHWM") - before;
    println!(
        "{} KiB more at most, {asked} elements asked for",
        grown / 1024
    );
    assert!(grown < ALLOWED, "{} MiB", grown / MIB);
}

#[actix_web::test]
async fn a_thousand_streams_that_nobody_reads_stay_within_38_mib() {
    const CALLS: usize = 50;
    /// The size of one call's body, in bytes. A whole answer is 200 KiB. Of that, the kernel takes about 140 KiB for a
    /// client that doesn't read.
    const BODY: usize = 4 * 1024;
    rlimit::increase_nofile_limit(8 * AT_ONCE as u64).unwrap();
    let body = format!("\"{}\"", "x".repeat(BODY));
    let upstream = Upstream::always(Response::json(body));
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\n[upstreams.one]\nurl = \"{}\"\n\
         [aggregates.default]\ndeadline = \"60s\"\nconcurrency = 1\ncalls = [{}]",
        upstream.url("/"),
        calls("one", CALLS)
    ));
    request(address, "GET", "/metrics", &[], b"").await;
    let before = held(&gateway, "VmRSS");
    let mut clients = Vec::new();
    for _ in 0..AT_ONCE {
        let accept = "Accept: application/x-ndjson\r\n";
        clients.push(ask_and_read_nothing(address, "/aggregate", accept).await);
    }
    let (mut asked, mut since) = (0, Instant::now());
    until("all of them stand still", async || {
        let so_far = std::mem::replace(&mut asked, upstream.requests().len());
        if so_far != asked || in_flight(address).await < AT_ONCE {
            since = Instant::now();
        }
        asked >= AT_ONCE && since.elapsed() > Duration::from_millis(500)
    })
    .await;
    let more = held(&gateway, "VmHWM") - before;
    println!(
        "{} KiB more at most, {asked} of {} calls made",
        more / 1024,
        CALLS * AT_ONCE
    );
    assert!(
        asked < CALLS * AT_ONCE * 9 / 10,
        "{asked} calls for clients that read nothing"
    );
    assert!(more < 38 * MIB, "{} MiB", more / MIB);
    drop(clients);
    until("none in flight", async || in_flight(address).await == 0).await;
}

#[actix_web::test]
async fn hundreds_of_clients_that_read_nothing_hold_the_memory_that_there_is_and_no_more() {
    const MEMORY: usize = 48 * MIB;
    const BODY: usize = 900_000;
    const CLIENTS: usize = 400;
    /// The memory that may come on top: freed memory that is not returned yet, buffers and connections.
    const BESIDE: usize = 48 * MIB;
    const LEFT: usize = 64 * MIB;
    rlimit::increase_nofile_limit(8 * AT_ONCE as u64).unwrap();
    let upstream = Upstream::start(|request| match request.path() {
        "/small" => Response::pong().into(),
        "/endless" => Behaviour::Endless(Framing::Chunked(10_000)),
        _ => Response::json(format!("\"{}\"", "x".repeat(BODY))).into(),
    });
    let urls = ["small", "large", "endless"].map(|name| {
        let url = upstream.url(&format!("/{name}"));
        format!("[upstreams.{name}]\nurl = \"{url}\"\ntimeout = \"60s\"\n")
    });
    let three = |name: &str| {
        format!(
            "[aggregates.{name}]\ndeadline = \"60s\"\ncalls = [{}]\n",
            calls(name, 3)
        )
    };
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\nserver.write_timeout = \"5m\"\nserver.memory = \"48MiB\"\n{}{}{}{}",
        urls.concat(),
        three("small"),
        three("large"),
        three("endless")
    ));
    let is_healthy = async || {
        let answer = request(address, "GET", "/aggregate/small", &[], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("gather-outcome"), Some("complete"));
    };
    is_healthy().await;
    let before = held(&gateway, "VmRSS");

    let mut slow = Vec::new();
    for _ in 0..CLIENTS {
        slow.push(ask_and_read_nothing(address, "/aggregate/large", "").await);
        is_healthy().await;
    }
    let endless: FuturesUnordered<_> = (0..AT_ONCE / 10)
        .map(|_| request(address, "GET", "/aggregate/endless", &[], b""))
        .collect();
    for answer in endless.collect::<Vec<_>>().await {
        answer.problem(502, "upstream-failed");
    }
    until("all are answered, if not read", async || {
        is_healthy().await;
        in_flight(address).await == 0
    })
    .await;
    let peak = held(&gateway, "VmHWM") - before;
    println!("{} MiB more at most", peak / MIB);
    assert!(peak > MEMORY / 2, "they hold something: {peak}");
    assert!(peak < MEMORY + BESIDE, "{} MiB", peak / MIB);
    drop(slow);
    until("back", async || {
        is_healthy().await;
        held(&gateway, "VmRSS") < before + LEFT
    })
    .await;
}

/// A control group with a limit on memory, of either version. It is removed with the test.
struct Container(PathBuf);

impl Container {
    /// Makes a control group. If that is impossible here, it says so and returns `None`. It takes root and the memory
    /// controller.
    fn of(limit: u64) -> Option<Self> {
        let name = format!("gather_test_{}", std::process::id());
        // The controller may have to be enabled for child groups first. If that fails, there is no file for the limit.
        let _ = std::fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
        for (hierarchy, file) in [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ] {
            let group = Path::new(hierarchy).join(&name);
            if std::fs::create_dir(&group).is_err() {
                continue;
            }
            let group = Self(group);
            let file = group.0.join(file);
            if file.exists() && std::fs::write(file, limit.to_string()).is_ok() {
                return Some(group);
            }
        }
        println!("no control group can be made here");
        None
    }

    /// Starts the built program in the group.
    fn serve(&self, toml: &str) -> (Running, SocketAddr, tempfile::TempDir) {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("gather.toml");
        std::fs::write(&file, toml).unwrap();
        let plain = program::gather();
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.0.join("cgroup.procs"))
            .arg(plain.get_program())
            .args(["serve", "-c"])
            .arg(file)
            .env_clear();
        let running = Running::start(command);
        let address = running.address("address");
        (running, address, files)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Returns the configuration in the Kubernetes manifest, and the memory of its container.
fn manifest() -> (String, u64) {
    let file = program::repository("deploy/kubernetes/base/gather.yaml");
    let manifest = std::fs::read_to_string(file).unwrap();
    let (_, text) = manifest.split_once("gather.toml: |\n").unwrap();
    let (text, rest) = text.split_once("\n---").unwrap();
    let lines = text.lines().map(|line| line.trim_start().to_owned() + "\n");
    let (_, limits) = rest.split_once("limits:").unwrap();
    let (_, memory) = limits.split_once("memory: ").unwrap();
    let (memory, _) = memory.split_once("Mi").unwrap();
    (lines.collect(), memory.parse::<u64>().unwrap() << 20)
}

#[actix_web::test]
async fn the_shipped_manifest_survives_two_thousand_clients_that_read_nothing_and_endless_bodies() {
    const LEFT: usize = 64 * MIB;
    let (shipped, limit) = manifest();
    let Some(container) = Container::of(limit) else {
        return;
    };
    rlimit::increase_nofile_limit(12_000).unwrap();
    let upstream = Upstream::start(|request| match request.path() {
        "/small" => Response::pong().into(),
        "/endless" => Behaviour::Endless(Framing::Chunked(10_000)),
        _ => Response::json(format!("\"{}\"", "x".repeat(900_000))).into(),
    });
    let mut toml = shipped
        .replace("0.0.0.0:8080", "127.0.0.1:0")
        .replace("0.0.0.0:9091", &program::free_address().to_string())
        .replace("grace = \"10s\"", "grace = \"0s\"");
    for name in ["users", "orders", "stock"] {
        toml = toml.replace(&format!("http://{name}/ping"), &upstream.url("/"));
    }
    for name in ["small", "endless"] {
        let url = upstream.url(&format!("/{name}"));
        toml += &format!(
            "[upstreams.{name}]\nurl = \"{url}\"\n[aggregates.{name}]\ncalls = [\"{name}\"]\n"
        );
    }
    let (mut gateway, address, _files) = container.serve(&toml);
    let healthy = AtomicUsize::new(0);
    let is_healthy = async || {
        let answer = request(address, "GET", "/aggregate/small", &[], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("gather-outcome"), Some("complete"));
        healthy.fetch_add(1, Ordering::Relaxed);
    };
    is_healthy().await;
    let before = held(&gateway, "VmRSS");
    let mut slow = Vec::new();
    for (clients, target) in [
        (96, "/aggregate"),
        (2000, "/aggregate"),
        (200, "/aggregate/endless"),
    ] {
        let asking = async {
            for at in 0..clients {
                slow.push(ask_and_read_nothing(address, target, "").await);
                if at % 100 == 99 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        let mut asking = std::pin::pin!(asking);
        loop {
            tokio::select! {
                () = &mut asking => break,
                () = is_healthy() => {}
            }
        }
        // After this time, the answers that they have asked for are there.
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(2) {
            is_healthy().await;
        }
    }
    let peak = held(&gateway, "VmHWM");
    drop(slow);
    until("back", async || {
        is_healthy().await;
        held(&gateway, "VmRSS") < before + LEFT
    })
    .await;
    let mib = [before, peak, held(&gateway, "VmRSS")].map(|held| held / MIB);
    println!("{mib:?} MiB before, at most and after; {healthy:?} healthy requests");
    assert!(peak < limit as usize * 3 / 4, "{} MiB", peak / MIB);
    assert!(gateway.is_running());
    drop(gateway);
}

#[actix_web::test]
async fn an_aggregate_of_16_mib_holds_its_bodies_and_its_answer_and_no_more() {
    // The bodies are full to the last byte: 16 bodies of 1 MiB.
    let text = vec![b'1'; MIB];
    for (framing, kind) in [
        (Framing::ContentLength, "application/json"),
        (Framing::Chunked(10_000), "application/json"),
        (Framing::Chunked(10_000), "image/png"),
    ] {
        let body = Response::new(200).header("content-type", kind);
        let upstream = Upstream::always(body.body(text.clone()).framing(framing));
        let (gateway, address) = Running::serve(&format!(
            "server.grace = \"0s\"\n[upstreams.one]\nurl = \"{}\"\n\
             [aggregates.default]\ncalls = [{}]",
            upstream.url("/"),
            calls("one", 16)
        ));
        request(address, "GET", "/metrics", &[], b"").await;
        let before = held(&gateway, "VmRSS");
        let answer = request(address, "GET", "/aggregate", &[], b"").await;
        assert_eq!(answer.header("gather-outcome"), Some("complete"));
        let composed = answer.body.len();
        let peak = held(&gateway, "VmHWM") - before;
        println!("{framing:?}, {kind}: {} MiB more at most", peak / MIB);
        // The smaller buffers that bodies grew out of are returned a little later.
        assert!(peak < 16 * MIB + composed + 16 * MIB, "{} MiB", peak / MIB);
    }
}
