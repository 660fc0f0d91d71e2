//! An upstream on raw sockets that misbehaves as a test tells it to. It delays, hangs, resets, closes, cuts and drips,
//! and keeps a log of all requests. It must not know Gather, nor any HTTP library that might correct the faults that a
//! test wants.
//!
//! It lives on a thread and a runtime of its own. So it works under any test runtime or without one, and its time goes
//! on while a test's time stands still. It listens on a free port of 127.0.0.1 and stops when dropped.

// Every test crate includes this file and uses its own part of it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, unused_imports)]

#[path = "upstream/behaviour.rs"]
mod behaviour;
#[path = "upstream/play.rs"]
mod play;
#[path = "upstream/request.rs"]
mod request;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, mpsc as blocking},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt,
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    runtime::{self, Handle},
    sync::{mpsc, oneshot, watch},
    task,
};

pub use behaviour::{Behaviour, Framing, Response};
pub use request::Request;

use play::{Next, play};
use request::Incoming;

type Script = dyn Fn(&Request) -> Behaviour + Send + Sync;

/// The running upstream. Dropping it closes its port and all its connections.
pub struct Upstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    seen: watch::Sender<Seen>,
}

#[derive(Default)]
struct Seen {
    accepted: usize,
    open: BTreeSet<usize>,
    /// The time at which each of the other connections was closed.
    closed: BTreeMap<usize, Instant>,
    requests: Vec<Request>,
}

impl Upstream {
    /// Starts an upstream that asks `script` what to do with each request. The script must not block.
    pub fn start(script: impl Fn(&Request) -> Behaviour + Send + Sync + 'static) -> Self {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = {
            let _inside = runtime.enter();
            listen_on_a_free_port().expect("a free port")
        };
        let addr = listener.local_addr().expect("the port");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: watch::Sender::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let handle = runtime.handle().clone();
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, shared) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self {
            addr,
            shared,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Starts an upstream that does the same with every request.
    pub fn always(behaviour: impl Into<Behaviour>) -> Self {
        let behaviour = behaviour.into();
        Self::start(move |_| behaviour.clone())
    }

    /// Starts an upstream that goes through `behaviours` request by request. The last one stays.
    pub fn queue(behaviours: impl IntoIterator<Item = Behaviour>) -> Self {
        let queue = Mutex::new(behaviours.into_iter().collect::<VecDeque<_>>());
        Self::start(move |_| {
            let mut queue = queue.lock().expect("the queue");
            let last = queue.len() == 1;
            let next = if last {
                queue.front().cloned()
            } else {
                queue.pop_front()
            };
            next.expect("a queue with at least one behaviour")
        })
    }

    /// Returns the upstream's address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the `http` URL of `path`, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Returns all requests read so far, in the order of their last bytes.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.seen.borrow().requests.clone()
    }

    /// Returns the requests read so far. They are then forgotten, together with the connections that were closed. That
    /// serves a load that goes on for long, and a new beginning.
    pub fn take_requests(&self) -> Vec<Request> {
        let mut requests = Vec::new();
        self.shared.seen.send_modify(|seen| {
            requests = std::mem::take(&mut seen.requests);
            seen.closed.clear();
        });
        requests
    }

    /// Returns the time at which the client was found to have closed the connection of this number. Waits for it up to
    /// `timeout`. The upstream closes no connection by itself while it hangs.
    pub async fn closed_at(&self, connection: usize, timeout: Duration) -> Option<Instant> {
        let closed = move |seen: &Seen| seen.closed.contains_key(&connection);
        self.until(timeout, closed).await.ok()??;
        self.shared.seen.borrow().closed.get(&connection).copied()
    }

    /// Returns the number of connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.seen.borrow().accepted
    }

    /// Returns the number of connections open now. A client that has shut down its sending half counts as gone.
    pub fn open(&self) -> usize {
        self.shared.seen.borrow().open.len()
    }

    /// Returns the time, from this call, until all connections accepted before it were closed. `None` if one is still
    /// open after `timeout`, which is real time, whatever the caller's runtime does with its clock.
    pub async fn wait_closed(&self, timeout: Duration) -> Option<Duration> {
        self.until(timeout, self.all_closed()).await.ok()?
    }

    /// Does the same as [`wait_closed`](Self::wait_closed), for a test without a runtime.
    pub fn wait_closed_blocking(&self, timeout: Duration) -> Option<Duration> {
        let (sender, receiver) = blocking::channel();
        let waiting = self.until(timeout, self.all_closed());
        self.runtime.spawn(async move {
            // A test that has ended meanwhile does not need the result.
            let _ = sender.send(waiting.await.ok().flatten());
        });
        receiver.recv().ok()?
    }

    /// Returns true if at least `count` requests have been read within `timeout`.
    pub async fn wait_requests(&self, count: usize, timeout: Duration) -> bool {
        let enough = move |seen: &Seen| seen.requests.len() >= count;
        matches!(self.until(timeout, enough).await, Ok(Some(_)))
    }

    fn all_closed(&self) -> impl FnMut(&Seen) -> bool + Send + 'static {
        let before = self.connections();
        move |seen| seen.open.range(..=before).next().is_none()
    }

    fn until(
        &self,
        timeout: Duration,
        condition: impl FnMut(&Seen) -> bool + Send + 'static,
    ) -> task::JoinHandle<Option<Duration>> {
        let mut seen = self.shared.seen.subscribe();
        let since = Instant::now();
        self.runtime.spawn(async move {
            tokio::time::timeout(timeout, seen.wait_for(condition))
                .await
                .ok()?
                .ok()?;
            Some(since.elapsed())
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic's message of the thread is already on stderr.
            let _ = thread.join();
        }
    }
}

/// The length of the queue of new connections. It is enough for a burst while this process waits for its turn. A
/// connection that finds the queue full comes a second late.
const BACKLOG: u32 = 4096;

fn listen_on_a_free_port() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process is most likely out of file descriptors. Another try at once would burn the CPU.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        tokio::spawn(converse(stream, Opened::new(Arc::clone(&shared))));
    }
}

/// The record of a connection, as long as it is open.
struct Opened {
    shared: Arc<Shared>,
    number: usize,
}

impl Opened {
    fn new(shared: Arc<Shared>) -> Self {
        let mut number = 0;
        shared.seen.send_modify(|seen| {
            seen.accepted += 1;
            number = seen.accepted;
            seen.open.insert(number);
        });
        Self { shared, number }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.shared.seen.send_modify(|seen| {
            seen.open.remove(&self.number);
            seen.closed.insert(self.number, Instant::now());
        });
    }
}

/// Serves one connection from its first byte to its end.
async fn converse(mut stream: TcpStream, opened: Opened) {
    // Drips and cut heads are to arrive as they are written. If this fails, they only arrive later.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.split();
    let (sender, received) = mpsc::unbounded_channel();
    // The reading side is the one that notices that the client has left, whatever the other side is doing.
    let end = tokio::select! {
        biased;
        end = answer(Incoming::new(received), write, &opened) => end,
        () = listen(read, sender) => End::Closed,
    };
    if matches!(end, End::Reset) {
        stream
            .set_zero_linger()
            .expect("a socket that can be reset");
    }
    // The connection is closed before it leaves the record.
    drop(stream);
    drop(opened);
}

enum End {
    Closed,
    Reset,
}

/// Passes on what the client sends, until it closes.
async fn listen(mut read: ReadHalf<'_>, sender: mpsc::UnboundedSender<Vec<u8>>) {
    let mut block = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = read.read(&mut block).await {
        if sender.send(block[..length].to_vec()).is_err() {
            return;
        }
    }
    // A request that came together with the end is still logged.
    for _ in 0..3 {
        task::yield_now().await;
    }
}

async fn answer(mut incoming: Incoming, mut write: WriteHalf<'_>, opened: &Opened) -> End {
    let mut stale = false;
    loop {
        let Ok(request) = incoming.request(opened.number).await else {
            let refusal = Response::new(400).body("no request by HTTP/1.1").close();
            let _ = play(refusal.into(), "GET", &mut write).await;
            return End::Closed;
        };
        let method = request.method.clone();
        // The script is not asked if the answer is known: a queue is not to lose an entry to a request that gets none.
        let behaviour = (!stale).then(|| (opened.shared.script)(&request));
        opened
            .shared
            .seen
            .send_modify(|seen| seen.requests.push(request));
        let Some(behaviour) = behaviour else {
            return End::Closed;
        };
        match play(behaviour, &method, &mut write).await {
            Ok(Next::Serve) => {}
            Ok(Next::ServeNoMore) => stale = true,
            Ok(Next::Reset) => return End::Reset,
            Ok(Next::Close) | Err(_) => return End::Closed,
        }
    }
}
