//! An open loop: requests at a constant rate, whatever becomes of those before, each timed from when it was due. So a slow
//! answer delays no other, and no wait is left out.

use std::{cell::RefCell, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

const REQUEST: &[u8] = b"GET /aggregate HTTP/1.1\r\nHost: gateway\r\n\r\n";

/// How long after its deadline an answer may come before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Load {
    pub gateway: SocketAddr,
    /// Requests a second.
    pub rate: f64,
    pub warm_up: Duration,
    pub measured: Duration,
    /// What comes later is not good any more.
    pub deadline: Duration,
}

/// What became of the requests that were due within the measured time.
#[derive(Default)]
pub struct Seen {
    seconds: f64,
    /// From when it was due to its last byte: 200 in time.
    good: Vec<Duration>,
    /// 503.
    shed: Vec<Duration>,
    /// Anything else that was answered.
    other: usize,
    /// Not answered at all.
    lost: usize,
    /// From when it was due to when it was begun: this program's own fault.
    lag: Vec<Duration>,
}

impl Load {
    pub async fn run(&self) -> Seen {
        let seen = RefCell::new(Seen::default());
        let idle = Idle::default();
        let began = Instant::now();
        let all = (self.warm_up + self.measured).as_secs_f64() * self.rate;
        let mut under_way = FuturesUnordered::new();
        for number in 0..all as u32 {
            let after = Duration::from_secs_f64(f64::from(number) / self.rate);
            let due = began + after;
            let waiting = sleep_until(due);
            tokio::pin!(waiting);
            loop {
                tokio::select! {
                    biased;
                    Some(()) = under_way.next() => {}
                    () = &mut waiting => break,
                }
            }
            let one = one(self.gateway, due, self.deadline, &idle);
            let seen = &seen;
            under_way.push(async move {
                let lag = due.elapsed();
                let ended = one.await;
                if after >= self.warm_up {
                    seen.borrow_mut().lag.push(lag);
                    seen.borrow_mut().count(ended);
                }
            });
        }
        while under_way.next().await.is_some() {}
        drop(under_way);
        let mut seen = seen.into_inner();
        seen.seconds = self.measured.as_secs_f64();
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

/// Connections that wait for a request.
type Idle = RefCell<Vec<TcpStream>>;

async fn one(gateway: SocketAddr, due: Instant, deadline: Duration, idle: &Idle) -> Ended {
    let exchange = async {
        let kept = idle.borrow_mut().pop();
        let mut tcp = match kept {
            Some(tcp) => tcp,
            None => {
                let tcp = TcpStream::connect(gateway).await?;
                tcp.set_nodelay(true)?;
                tcp
            }
        };
        tcp.write_all(REQUEST).await?;
        let status = status(&mut tcp).await?;
        Ok::<_, io::Error>((status, tcp))
    };
    let Ok(Ok((status, tcp))) = timeout(deadline + PATIENCE, exchange).await else {
        return Ended::Lost;
    };
    idle.borrow_mut().push(tcp);
    let time = due.elapsed();
    match status {
        200 if time <= deadline => Ended::Good(time),
        503 => Ended::Shed(time),
        _ => Ended::Other,
    }
}

/// Reads one answer to its end.
async fn status(tcp: &mut TcpStream) -> io::Result<u16> {
    let mut bytes = Vec::with_capacity(2048);
    loop {
        if tcp.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(size)) = head.parse(&bytes) else {
            continue;
        };
        let length = head
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("content-length"))
            .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
        let length: usize = length.ok_or(io::ErrorKind::InvalidData)?;
        if bytes.len() >= size + length {
            return head.code.ok_or(io::ErrorKind::InvalidData.into());
        }
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

    /// The share of the requests that were answered at all.
    pub fn answered(&self) -> f64 {
        let answered = self.good.len() + self.shed.len() + self.other;
        answered as f64 / (answered + self.lost) as f64
    }

    /// Answers of 200 within the deadline, a second.
    pub fn goodput(&self) -> f64 {
        self.good.len() as f64 / self.seconds
    }

    /// Refusals a second.
    pub fn shed(&self) -> f64 {
        self.shed.len() as f64 / self.seconds
    }

    /// What was neither good nor refused, a second.
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

/// The value that this share of them does not exceed.
fn at(sorted: &[Duration], share: f64) -> Option<Duration> {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied()
}
