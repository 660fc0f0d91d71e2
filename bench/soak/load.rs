//! The clients of the soak: a steady rate of requests, most of them answered, some left early, some read slowly. It must
//! not know what is checked.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    client::{Answer, Connection},
    ledger::Ledger,
    scene::{LARGE, MIXED, PATIENT, TRICKLE},
};

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowd {
    /// One in twenty leaves early, one in a hundred reads slowly; plans that cancel calls are among what they ask for.
    Mixed,
    /// All wait for their answers, and every call comes to its own end.
    Patient,
}

/// A slow reader takes so much at a time…
const SIP: usize = 64 * 1024;
/// …and pauses for so long between.
const PAUSE: Duration = Duration::from_millis(50);

/// Longer than any deadline.
const LONG: Duration = Duration::from_secs(60);

/// A connection that has idled for longer may just be closed by the gateway, in good order.
const FRESH: Duration = Duration::from_secs(2);

/// Connections without a request, and since when.
type Idle = Mutex<VecDeque<(Instant, Connection)>>;

/// What came of one client.
enum Came {
    Answer(&'static str, Answer),
    Left,
    Broken(&'static str, io::Error),
}

/// The load, by the clock whatever became of the requests before.
pub struct Load {
    address: SocketAddr,
    every: Duration,
    next: Instant,
    number: usize,
    random: fastrand::Rng,
    idle: Arc<Idle>,
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
            idle: Arc::default(),
            asked: JoinSet::new(),
        }
    }

    /// Sends requests until then and enters what comes back.
    pub async fn until(&mut self, end: Instant, crowd: Crowd, ledger: &mut Ledger) {
        // What a stall of the machine let pass is not made up for in one burst.
        self.next = self.next.max(Instant::now());
        while self.next < end {
            sleep_until(self.next).await;
            self.next += self.every;
            self.send(crowd, ledger);
            while let Some(came) = self.asked.try_join_next() {
                enter(came.unwrap(), ledger);
            }
        }
    }

    /// Waits for all that are still asking.
    pub async fn drain(&mut self, ledger: &mut Ledger) {
        while let Some(came) = self.asked.join_next().await {
            enter(came.unwrap(), ledger);
        }
    }

    /// Asks for each aggregate a few times, one by one.
    pub async fn trickle(&mut self, ledger: &mut Ledger) {
        for target in TRICKLE.repeat(4) {
            // Each on a connection of its own, so that every worker gets its share.
            let answer = ask(self.address, &Idle::default(), target).await;
            enter(came(target, answer), ledger);
        }
    }

    /// Closes all connections.
    pub fn close(&self) {
        self.idle.lock().unwrap().clear();
    }

    fn send(&mut self, crowd: Crowd, ledger: &mut Ledger) {
        self.number += 1;
        ledger.sent += 1;
        let luck = self.random.f64();
        let (address, idle) = (self.address, Arc::clone(&self.idle));
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
                    let answer = timeout(LONG, ask(address, &idle, target)).await;
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

/// Asks on a connection of those that are idle, or a new one.
async fn ask(address: SocketAddr, idle: &Idle, target: &str) -> io::Result<Answer> {
    let kept = idle.lock().unwrap().pop_back();
    let mut connection = match kept {
        Some((since, connection)) if since.elapsed() < FRESH => connection,
        _ => Connection::open(address).await?,
    };
    let answer = connection.ask(target).await?;
    idle.lock().unwrap().push_back((Instant::now(), connection));
    Ok(answer)
}

/// Asks and goes away before the answer, most likely.
async fn leave(address: SocketAddr, target: &str, stay: Duration) -> io::Result<()> {
    let mut connection = Connection::open(address).await?;
    connection.say(target).await?;
    sleep(stay).await;
    Ok(())
}

/// Asks and reads the answer sip by sip.
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
