//! The load of one row: aggregates at a constant rate, and the end of each.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, timeout};

use crate::{client::Pool, open_loop::by_the_clock};

/// The time after its deadline until an answer is given up.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Load {
    pub gateway: SocketAddr,
    /// The number of requests a second.
    pub rate: f64,
    pub warm_up: Duration,
    pub measured: Duration,
    /// The latest time for a good answer.
    pub deadline: Duration,
}

/// The results of the requests that were due within the measured time.
#[derive(Default)]
pub struct Seen {
    seconds: f64,
    /// Answers of 200 in time: from the moment when each was due to its last byte.
    good: Vec<Duration>,
    /// Answers of 503, as times.
    shed: Vec<Duration>,
    /// The number of other answers.
    other: usize,
    /// The number of requests without an answer.
    lost: usize,
    /// Times between the moment when a request was due and its start. They are this program's own fault.
    lag: Vec<Duration>,
}

impl Load {
    pub async fn run(&self) -> Seen {
        let pool = Pool::new(self.gateway);
        let all = (self.warm_up + self.measured).as_secs_f64() * self.rate;
        let every = Duration::from_secs_f64(1.0 / self.rate);
        let ended = by_the_clock(all as u32, every, |number, due| {
            let lag = due.elapsed();
            let one = one(&pool, due, self.deadline);
            async move { (every * number, lag, one.await) }
        })
        .await;
        let mut seen = Seen {
            seconds: self.measured.as_secs_f64(),
            ..Seen::default()
        };
        for (after, lag, ended) in ended {
            if after >= self.warm_up {
                seen.lag.push(lag);
                seen.count(ended);
            }
        }
        for times in [&mut seen.good, &mut seen.shed, &mut seen.lag] {
            times.sort_unstable();
        }
        seen
    }
}

enum Ended {
    Good(Duration),
    Shed(Duration),
    Other,
    Lost,
}

async fn one(pool: &Pool, due: Instant, deadline: Duration) -> Ended {
    let Ok(Ok(answer)) = timeout(deadline + PATIENCE, pool.ask("/aggregate")).await else {
        return Ended::Lost;
    };
    let time = due.elapsed();
    match answer.status {
        200 if time <= deadline => Ended::Good(time),
        503 => Ended::Shed(time),
        _ => Ended::Other,
    }
}

impl Seen {
    fn count(&mut self, ended: Ended) {
        match ended {
            Ended::Good(time) => self.good.push(time),
            Ended::Shed(time) => self.shed.push(time),
            Ended::Other => self.other += 1,
            Ended::Lost => self.lost += 1,
        }
    }

    /// Returns the share of requests that were answered at all.
    pub fn answered(&self) -> f64 {
        let answered = self.good.len() + self.shed.len() + self.other;
        answered as f64 / (answered + self.lost) as f64
    }

    /// Returns the number of 200s within the deadline, per second.
    pub fn goodput(&self) -> f64 {
        self.good.len() as f64 / self.seconds
    }

    /// Returns the number of refusals per second.
    pub fn shed(&self) -> f64 {
        self.shed.len() as f64 / self.seconds
    }

    /// Returns the number of requests that were neither good nor refused, per second.
    pub fn bad(&self) -> f64 {
        (self.other + self.lost) as f64 / self.seconds
    }

    pub fn good_at(&self, share: f64) -> Option<Duration> {
        at(&self.good, share)
    }

    pub fn shed_at(&self, share: f64) -> Option<Duration> {
        at(&self.shed, share)
    }

    pub fn lag_at(&self, share: f64) -> Option<Duration> {
        at(&self.lag, share)
    }
}

/// Returns the value that this share of the times does not exceed.
fn at(sorted: &[Duration], share: f64) -> Option<Duration> {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied()
}
