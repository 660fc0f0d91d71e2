//! Looks names up on a few threads that run from the start, as a process at its limit of threads can't start another
//! one later. At most one look-up of a name is under way at a time, however many wait for it. A name service that hangs
//! for one name holds one thread, and the other threads serve the other names. It must not know what the addresses are
//! for.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use tokio::sync::watch;

use super::shortage::Shortage;

/// The most threads that look names up. A gateway rarely has more names, and each name gets a thread of its own up to
/// this number. With more names, another name waits only if eight look-ups hang at a time, and only until one of them
/// ends.
pub const LOOK_UPS: usize = 8;

/// Asks for a host's addresses; it may block.
type Ask = dyn Fn(&str) -> Found + Send + Sync;

/// The addresses of a host. Their ports mean nothing.
type Addresses = Arc<[SocketAddr]>;

/// The addresses; none if the name has none or can't be looked up. An error if the gateway is the cause.
type Found = Result<Addresses, Shortage>;

/// The names of all upstreams, each once, and the threads that look them up. The threads end when the last name is
/// dropped.
pub struct Names {
    known: HashMap<Arc<str>, Name>,
    threads: usize,
    ask: Arc<Ask>,
    queue: mpsc::Sender<LookUp>,
    look_ups: Arc<Mutex<mpsc::Receiver<LookUp>>>,
}

impl Default for Names {
    /// Makes names that the system looks up.
    fn default() -> Self {
        Self::asking(from_system)
    }
}

impl Names {
    fn asking(ask: impl Fn(&str) -> Found + Send + Sync + 'static) -> Self {
        let (queue, look_ups) = mpsc::channel();
        Self {
            known: HashMap::new(),
            threads: 0,
            ask: Arc::new(ask),
            queue,
            look_ups: Arc::new(Mutex::new(look_ups)),
        }
    }

    /// Returns the name `host`, which is the same for all upstreams that have it. A new name adds a thread.
    ///
    /// # Errors
    /// Fails if not even one thread can be started.
    pub(super) fn name(&mut self, host: &str) -> io::Result<Name> {
        if let Some(known) = self.known.get(host) {
            return Ok(known.clone());
        }
        if self.threads < LOOK_UPS {
            match self.start_thread() {
                Ok(()) => self.threads += 1,
                Err(error) if self.threads == 0 => return Err(error),
                Err(error) => {
                    let threads = self.threads;
                    tracing::warn!(%error, threads, "names are looked up by fewer threads than intended");
                }
            }
        }
        let host: Arc<str> = host.into();
        let name = Name {
            host: Arc::clone(&host),
            queue: self.queue.clone(),
            under_way: Arc::default(),
        };
        self.known.insert(host, name.clone());
        Ok(name)
    }

    fn start_thread(&self) -> io::Result<()> {
        let look_ups = Arc::clone(&self.look_ups);
        let ask = Arc::clone(&self.ask);
        let work = move || {
            loop {
                // The lock is held while this thread waits for work. Other free threads wait for the lock.
                let next = locked(&look_ups).recv();
                let Ok(look_up) = next else { return };
                // A look-up that panics is dropped, and its waiters learn of that. The thread goes on with the next
                // look-up.
                let _ = catch_unwind(AssertUnwindSafe(|| look_up.run(&*ask)));
            }
        };
        thread::Builder::new()
            .name("names".to_owned())
            .spawn(work)
            .map(drop)
    }
}

/// One name, for all workers.
#[derive(Clone)]
pub(super) struct Name {
    host: Arc<str>,
    /// The queue of look-ups. Each name is in it at most once, so the number of names bounds it.
    queue: mpsc::Sender<LookUp>,
    under_way: Arc<Mutex<Option<Pending>>>,
}

/// The result of a look-up, once it is there.
type Pending = watch::Receiver<Option<Found>>;

impl Name {
    /// Joins a look-up that is under way, or begins one.
    pub(super) async fn find(&self) -> Found {
        let mut pending = self.look_up();
        let found = pending.wait_for(Option::is_some).await;
        let found = found.ok().and_then(|found| found.clone());
        found.unwrap_or_else(|| Ok(Addresses::default()))
    }

    fn look_up(&self) -> Pending {
        // The lock is held for a moment only, never during a look-up.
        let mut under_way = locked(&self.under_way);
        // A look-up whose sender is gone is over, in whatever way it ended.
        if let Some(pending) = &*under_way
            && pending.has_changed().is_ok()
        {
            return pending.clone();
        }
        let (tell, pending) = watch::channel(None);
        let look_up = LookUp {
            host: Arc::clone(&self.host),
            tell,
        };
        // Without threads, the look-up is returned and dropped, and its sender with it.
        let _ = self.queue.send(look_up);
        *under_way = Some(pending.clone());
        pending
    }
}

/// A look-up that is asked for.
struct LookUp {
    host: Arc<str>,
    tell: watch::Sender<Option<Found>>,
}

impl LookUp {
    fn run(self, ask: &Ask) {
        let found = ask(&self.host);
        self.tell.send_replace(Some(found));
    }
}

fn from_system(host: &str) -> Found {
    match (host, 0).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => {
            tracing::debug!(host, %error, "an upstream's name was not resolved");
            match Shortage::of(&error).or_else(Shortage::now) {
                Some(shortage) => Err(shortage),
                None => Ok(Addresses::default()),
            }
        }
    }
}

/// Locks a mutex. No code that panics under these locks leaves data half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
