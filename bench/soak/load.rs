//! The clients of the soak: a steady rate of requests. Most of them are answered, some are left early, and some are
//! read slowly. It must not know what is checked.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    client::{Answer, Connection, Pool},
    ledger::Ledger,
    scene::{LARGE, MIXED, PATIENT, TRICKLE},
};

/// The kind of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowd {
    /// One client in twenty leaves early, and one in a hundred reads slowly. Some of their plans cancel calls.
    Mixed,
    /// All clients wait for their answers, and every call comes to its own end.
    Patient,
}

/// The number of bytes that a slow reader takes at a time.
const SIP: usize = 64 * 1024;
/// The pause of a slow reader between them.
const PAUSE: Duration = Duration::from_millis(50);

/// A time longer than any deadline.
const LONG: Duration = Duration::from_secs(60);

/// The result of one client.
enum Came {
    Answer(&'static str, Answer),
    Left,
    Broken(&'static str, io::Error),
}

/// The load. It starts requests by the clock, whatever the state of earlier ones.
pub struct Load {
    address: SocketAddr,
    every: Duration,
    next: Instant,
    number: usize,
    random: fastrand::Rng,
    clients: Arc<Pool>,
    asked: JoinSet<Came>,
}

impl Load {
    pub fn new(address: SocketAddr, rate: u32) -> Self {
        Self {
            address,
            every: Duration::from_secs(1) / rate,
            next: Instant::now(),
            number: 0,
            random: fastrand::Rng::with_seed(20),
            clients: Arc::new(Pool::new(address)),
            asked: JoinSet::new(),
        }
    }

    /// Sends requests until `end`, and enters their results.
    pub async fn until(&mut self, end: Instant, crowd: Crowd, ledger: &mut Ledger) {
        self.next = self.next.max(Instant::now());
        while self.next < end {
            sleep_until(self.next).await;
            self.next += self.every;
            // Requests that a stall of the machine left out are not made up for: a burst would open as many
            // connections.
            self.next = self.next.max(Instant::now() - self.every * 4);
            self.send(crowd, ledger);
            while let Some(came) = self.asked.try_join_next() {
                enter(came.unwrap(), ledger);
            }
        }
    }

    /// Sends this many requests at once.
    pub fn burst(&mut self, requests: usize, crowd: Crowd, ledger: &mut Ledger) {
        for _ in 0..requests {
            self.send(crowd, ledger);
        }
    }

    /// Waits for all clients that are still asking.
    pub async fn drain(&mut self, ledger: &mut Ledger) {
        while let Some(came) = self.asked.join_next().await {
            enter(came.unwrap(), ledger);
        }
    }

    /// Asks for each aggregate a few times, one by one.
    pub async fn trickle(&mut self, ledger: &mut Ledger) {
        for target in TRICKLE.repeat(4) {
            ledger.sent += 1;
            // Each has a connection of its own, so that every worker gets its share.
            let answer = Pool::new(self.address).ask(target).await;
            enter(came(target, answer), ledger);
        }
    }

    /// Closes all connections.
    pub fn close(&self) {
        self.clients.close();
    }

    fn send(&mut self, crowd: Crowd, ledger: &mut Ledger) {
        self.number += 1;
        ledger.sent += 1;
        let luck = self.random.f64();
        let (address, clients) = (self.address, Arc::clone(&self.clients));
        let targets: &[&'static str] = match crowd {
            Crowd::Mixed => &MIXED,
            Crowd::Patient => &PATIENT,
        };
        let target = targets[self.number % targets.len()];
        match crowd {
            Crowd::Mixed if luck < 0.05 => {
                let stay = Duration::from_secs_f64(luck);
                self.asked.spawn(async move {
                    leave(address, target, stay)
                        .await
                        .map_or_else(|error| Came::Broken(target, error), |()| Came::Left)
                });
            }
            Crowd::Mixed if luck < 0.06 => {
                self.asked.spawn(async move {
                    let answer = timeout(LONG, sip(address, LARGE)).await;
                    came(LARGE, answer.unwrap_or_else(|_| Err(late())))
                });
            }
            _ => {
                self.asked.spawn(async move {
                    let answer = timeout(LONG, clients.ask(target)).await;
                    came(target, answer.unwrap_or_else(|_| Err(late())))
                });
            }
        }
    }
}

fn enter(came: Came, ledger: &mut Ledger) {
    match came {
        Came::Answer(target, answer) => ledger.answer(target, &answer),
        Came::Left => ledger.left += 1,
        Came::Broken(target, error) => ledger.broken.push(format!("{target}: {error}")),
    }
}

fn came(target: &'static str, answer: io::Result<Answer>) -> Came {
    match answer {
        Ok(answer) => Came::Answer(target, answer),
        Err(error) => Came::Broken(target, error),
    }
}

fn late() -> io::Error {
    io::Error::other(format!("no answer within {LONG:?}"))
}

/// Sends a request and most likely leaves before the answer.
async fn leave(address: SocketAddr, target: &str, stay: Duration) -> io::Result<()> {
    let mut connection = Connection::open(address).await?;
    connection.say(target).await?;
    sleep(stay).await;
    Ok(())
}

/// Sends a request and reads the answer sip by sip.
async fn sip(address: SocketAddr, target: &str) -> io::Result<Answer> {
    let mut connection = Connection::open(address).await?;
    connection.say(target).await?;
    loop {
        sleep(PAUSE).await;
        connection.read(SIP).await?;
        if let Some(answer) = connection.whole()? {
            return Ok(answer);
        }
    }
}
