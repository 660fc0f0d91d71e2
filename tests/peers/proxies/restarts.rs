//! Stops one of two gateways behind a proxy, starts it again, and kills the other. It must not know which proxy it is.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    client::{Client, closes, once},
    program::Proxy,
    scene::{STEPS, Scene},
};
use crate::program::eventually;

/// The number of clients that keep their connection.
const KEEPING: usize = 3;

/// The number of clients that open a connection for each request.
const OPENING: usize = 2;

/// The time between a client's requests.
const PAUSE: Duration = Duration::from_millis(5);

/// The number of streams that last over all of a stop.
const STREAMS: usize = 4;

/// The number of requests after a gateway was killed.
const AFTER: usize = 40;

/// Clients at work.
struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(usize, Vec<String>)>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let clients = (0..KEEPING + OPENING).map(|number| {
            let over = Arc::clone(&over);
            thread::spawn(move || ask(address, number < KEEPING, &over))
        });
        Self {
            clients: clients.collect(),
            over,
        }
    }

    /// Ends it. Returns the number of requests, and their failures.
    fn stop(self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        let mut all = (0, Vec::new());
        for client in self.clients {
            let (requests, failures) = client.join().unwrap();
            all.0 += requests;
            all.1.extend(failures);
        }
        all
    }
}

/// Asks until it is over. No request is sent twice.
fn ask(address: SocketAddr, keeps: bool, over: &AtomicBool) -> (usize, Vec<String>) {
    let (mut requests, mut failures) = (0, Vec::new());
    let mut kept = None;
    while !over.load(Ordering::Relaxed) {
        requests += 1;
        match aggregate(address, kept.take()) {
            Ok(client) => kept = client.filter(|_| keeps),
            Err(error) => failures.push(error.to_string()),
        }
        thread::park_timeout(PAUSE);
    }
    (requests, failures)
}

/// Asks for one aggregate, which must be complete. Returns the connection if it may be used again.
fn aggregate(address: SocketAddr, kept: Option<Client>) -> io::Result<Option<Client>> {
    let mut client = match kept {
        Some(client) => client,
        None => Client::open(address)?,
    };
    let answer = client.ask("GET", "/aggregate", &[])?;
    if answer.status != 200 || answer.json()["outcome"] != "complete" {
        let text = String::from_utf8_lossy(&answer.body);
        return Err(io::Error::other(format!("{}: {text}", answer.status)));
    }
    Ok((!closes(&answer)).then_some(client))
}

/// Returns the complaints about a stop and a start behind this proxy.
pub(super) fn stop(scene: &mut Scene, proxy: &Proxy) -> io::Result<Vec<String>> {
    let load = Load::start(proxy.address);
    for place in [0, 1] {
        scene.wait_answered(place, 1.0);
    }
    scene.wait_with_steps();
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let accept = "application/x-ndjson";
        streams.push(Client::stream(proxy.address, "/aggregate/steps", accept)?.1);
    }
    let stopping = scene.gateways[0].take().unwrap();
    stopping.signal("TERM");
    eventually("the end of the grace", || {
        TcpStream::connect(scene.addresses[0])
            .is_err()
            .then_some(())
    });
    for number in 0..STEPS {
        scene.take_step(number);
    }
    let mut wrong = Vec::new();
    for mut stream in streams {
        let mut last = String::new();
        while let Some(line) = stream.message("\n")? {
            last = line;
        }
        if !last.contains("\"outcome\":\"complete\"") {
            wrong.push(format!("a stream ends with {last}"));
        }
    }
    stopping.wait().expect(0);
    scene.start_again(0);
    scene.wait_answered(0, 1.0);
    let (requests, failures) = load.stop();
    if !failures.is_empty() {
        let (count, first) = (failures.len(), &failures[0]);
        wrong.push(format!(
            "{count} of {requests} requests failed, first: {first}"
        ));
    }
    if requests < 300 {
        wrong.push(format!("there was no load: {requests}"));
    }
    Ok(wrong)
}

/// Returns the failures after a gateway was killed. Requests that were not sent to it must go to the other one.
pub(super) fn kill(scene: &mut Scene, proxy: &Proxy) -> Vec<String> {
    scene.gateways[1] = None;
    let failed =
        (0..AFTER).filter_map(
            |number| match once(proxy.address, "GET", "/aggregate", &[]) {
                Ok(answer) if answer.status == 200 => None,
                Ok(answer) => Some(format!("request {number}: {}", answer.status)),
                Err(error) => Some(format!("request {number}: {error}")),
            },
        );
    failed.collect()
}
