//! Clients for what wrk can't do: a warm-up on all connections, many requests held at once, and a total beside its
//! slowest call. It must not know which program answers.

use std::{
    io,
    net::SocketAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    client::{Answer, Connection},
    load::by_the_clock,
    times::Times,
};

const TARGET: &str = "/aggregate";
/// The time between two looks at the memory while requests are held.
const EVERY: Duration = Duration::from_millis(50);
/// The least number of answers on each connection before a warm-up ends.
const LEAST: usize = 2;

/// Asks on this many connections for this time, at least twice on each. Fails if an answer is not good.
pub async fn warm_up(
    address: SocketAddr,
    connections: usize,
    calls: usize,
    time: Duration,
) -> io::Result<()> {
    let began = Instant::now();
    let one = |_| async move {
        let mut connection = Connection::open(address).await?;
        let mut answers = 0;
        while answers < LEAST || began.elapsed() < time {
            good(&connection.ask(TARGET).await?, calls)?;
            answers += 1;
        }
        Ok::<_, io::Error>(())
    };
    stream::iter(0..connections)
        .map(one)
        .buffer_unordered(connections)
        .try_collect()
        .await
}

/// Asks on this many new connections at once. Returns the largest value of `memory` until all have answered.
pub async fn hold(
    address: SocketAddr,
    connections: usize,
    calls: usize,
    memory: impl Fn() -> u64,
) -> io::Result<u64> {
    let mut waiting = Vec::with_capacity(connections);
    for _ in 0..connections {
        waiting.push(Connection::open(address).await?);
    }
    for connection in &mut waiting {
        connection.say(TARGET).await?;
    }
    let most = Mutex::new(0);
    let watch = async {
        loop {
            let now = memory();
            {
                let mut most = most.lock().expect("the memory");
                *most = now.max(*most);
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    let answers = stream::iter(waiting)
        .map(|mut connection| async move { good(&connection.hear().await?, calls) })
        .buffer_unordered(connections)
        .try_collect::<()>();
    tokio::select! {
        answered = answers => answered?,
        () = watch => {}
    }
    let most = *most.lock().expect("the memory");
    Ok(most)
}

/// Asks this many times by the clock. Returns each request's time less that of its slowest call, as the upstream
/// reports it.
pub async fn over_slowest(
    address: SocketAddr,
    calls: usize,
    requests: u32,
    every: Duration,
    connections: Vec<Connection>,
) -> io::Result<Times> {
    let idle = &Mutex::new(connections);
    let ended = by_the_clock(requests, every, |_, _| async move {
        let kept = idle.lock().expect("the connections").pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(address).await?,
        };
        let began = Instant::now();
        let answer = connection.ask(TARGET).await?;
        let total = began.elapsed();
        good(&answer, calls)?;
        idle.lock().expect("the connections").push(connection);
        let slowest = held(&answer.body).into_iter().max().unwrap_or_default();
        Ok::<_, io::Error>(total.saturating_sub(slowest))
    })
    .await;
    Ok(Times::new(ended.into_iter().collect::<io::Result<_>>()?))
}

/// Opens this many connections. Each has had an answer while all of them waited for theirs.
pub async fn opened(
    address: SocketAddr,
    calls: usize,
    connections: usize,
) -> io::Result<Vec<Connection>> {
    let one = |_| async move {
        let mut connection = Connection::open(address).await?;
        good(&connection.ask(TARGET).await?, calls)?;
        Ok::<_, io::Error>(connection)
    };
    stream::iter(0..connections)
        .map(one)
        .buffer_unordered(connections)
        .try_collect()
        .await
}

/// Checks that an answer has all calls, and that all of them succeeded.
fn good(answer: &Answer, calls: usize) -> io::Result<()> {
    let text = String::from_utf8_lossy(&answer.body);
    let succeeded = text.matches("\"status\":200").count();
    if answer.status == 200 && succeeded == calls {
        return Ok(());
    }
    let start: String = text.chars().take(300).collect();
    Err(io::Error::other(format!(
        "status {}, {succeeded} of {calls} calls: {start}",
        answer.status
    )))
}

/// Returns the time for which the upstream held each call.
fn held(body: &[u8]) -> Vec<Duration> {
    let text = String::from_utf8_lossy(body);
    let number = |rest: &str| {
        rest.split(|next: char| !next.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    let times = text.split("\"held_us\":").skip(1).filter_map(number);
    times.map(Duration::from_micros).collect()
}
