//! One process after another on the same port by `server.reuse_port`, without a load balancer. Clients know one
//! address, and nothing of readiness.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    client::{Connection, Failure},
    program::{Running, eventually, get, read, run, send},
    slow,
    upstream::{Behaviour, Response, Upstream},
};

/// The number of times that another process takes over. The environment can set a larger one, to measure.
const HAND_OVERS: usize = 20;

/// The number of clients that keep their connection.
const KEEPING: usize = 8;

/// The number of clients that open a connection for each request.
const OPENING: usize = 32;

/// The time between a client's requests. It is far below the grace, so that no kept connection is idle for all of it.
const PAUSE: Duration = Duration::from_millis(5);

const SERVER: &str = "server.grace = \"500ms\"\nadmin.listen = \"127.0.0.1:0\"\n";

fn configuration(url: &str, reuse_port: bool) -> String {
    format!(
        "server.reuse_port = {reuse_port}\n{SERVER}upstreams.one.url = \"{url}\"\naggregates.default.calls = [\"one\"]"
    )
}

/// The observations of a client.
#[derive(Debug, Default)]
struct Seen {
    requests: usize,
    connects: usize,
    slowest_connect: Duration,
    failures: Vec<Failure>,
}

impl Seen {
    async fn connect(&mut self, address: SocketAddr) -> Option<Connection> {
        let began = Instant::now();
        let connection = Connection::open(address).await;
        self.connects += 1;
        self.slowest_connect = self.slowest_connect.max(began.elapsed());
        self.note(connection)
    }

    fn note<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.failures.push(failure)).ok()
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.connects += other.connects;
        self.slowest_connect = self.slowest_connect.max(other.slowest_connect);
        self.failures.extend(other.failures);
    }
}

/// Asks until it is over. If `keeps`, one connection is used as long as it may be kept. Otherwise each request has a
/// new one.
async fn ask(address: SocketAddr, keeps: bool, over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    let mut kept: Option<Connection> = None;
    while !over.load(Ordering::Relaxed) {
        let connection = match kept.take().filter(Connection::is_open) {
            Some(connection) => Some(connection),
            None => seen.connect(address).await,
        };
        if let Some(connection) = connection {
            seen.requests += 1;
            let answered = connection.aggregate().await;
            kept = seen.note(answered).flatten().filter(|_| keeps);
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
}

/// Starts a gateway and waits until it reports, on a port of its own, that it is ready.
fn start(listen: SocketAddr, toml: &str) -> (Running, SocketAddr) {
    let (running, address) = Running::serve_at(listen, toml);
    let operations = running.address("admin");
    eventually("a ready gateway", || {
        (get(operations, "/readyz").status == 200).then_some(())
    });
    (running, address)
}

#[test]
fn the_next_process_takes_the_port_over_and_no_request_fails() {
    let hand_overs = std::env::var("GATHER_TEST_HAND_OVERS")
        .map_or(HAND_OVERS, |number| number.parse().unwrap());
    let upstream = slow();
    let toml = configuration(&upstream.url("/"), true);
    let (mut gateway, address) = start(([127, 0, 0, 1], 0).into(), &toml);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..KEEPING + OPENING {
        let asks = ask(address, number < KEEPING, Arc::clone(&over));
        clients.spawn_on(asks, runtime.handle());
    }
    let began = Instant::now();
    for _ in 0..hand_overs {
        let (next, _) = start(address, &toml);
        gateway.stop().expect(0);
        gateway = next;
    }
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    for seen in runtime.block_on(clients.join_all()) {
        all.add(seen);
    }
    println!(
        "{hand_overs} hand-overs in {took:?}: {} requests, {} connects, the slowest in {:?}, {} failures",
        all.requests,
        all.connects,
        all.slowest_connect,
        all.failures.len()
    );
    assert!(all.failures.is_empty(), "{:#?}", all.failures);
    assert!(all.requests > all.connects && all.connects > hand_overs);
    gateway.stop().expect(0);
}

#[test]
fn connections_that_wait_for_a_place_are_served_before_the_listener_closes() {
    let slow = Behaviour::from(Response::pong()).after(Duration::from_millis(400));
    let upstream = Upstream::always(slow);
    let toml = format!(
        "server.max_connections = 1\nserver.grace = \"0s\"\nserver.reuse_port = true\n\
         upstreams.one.url = \"{}\"\naggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    let (gateway, address) = Running::serve(&toml);
    let waiting: Vec<_> = (0..4)
        .map(|_| send(address, "/aggregate", &[]).unwrap())
        .collect();
    eventually("a request at the upstream", || upstream.requests().pop());
    gateway.signal("TERM");
    for tcp in waiting {
        let answer = read(tcp).expect("an answer and no reset");
        assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
    }
    gateway.wait().expect(0);
}

#[test]
fn a_second_process_fails_unless_both_share_the_port() {
    for (first, second) in [(false, false), (false, true), (true, false)] {
        let url = "http://127.0.0.1:9/";
        let (running, address) = Running::serve(&configuration(url, first));
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("gather.toml");
        let toml = configuration(url, second);
        std::fs::write(&file, format!("server.listen = \"{address}\"\n{toml}")).unwrap();
        let last = run(&["serve", "-c", file.to_str().unwrap()]).last_line();
        let sentence = format!("can't listen on {address}");
        assert!(last.contains(&sentence), "{first}, {second}: {last}");
        assert!(last.contains("something else listens there"), "{last}");
        running.stop().expect(0);
    }
}
