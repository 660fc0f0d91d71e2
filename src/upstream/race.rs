//! Connects to whichever of a name's addresses takes a connection first ("Happy Eyeballs", RFC 8305, section 5). An address that
//! swallows what is sent to it costs a fraction of a second, one that refuses costs nothing.

use std::{future::Future, io, net::SocketAddr, pin::Pin, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};

use super::{addresses::Addresses, shortage::Shortage};

/// The time that an address has before the next is tried beside it: what RFC 8305 recommends.
const DELAY: Duration = Duration::from_millis(250);

/// The least that RFC 8305 allows. An address that had less has not shown to be slow.
const LEAST: Duration = Duration::from_millis(10);

/// The reason why there is no connection.
#[derive(Debug)]
pub(super) enum Lost {
    /// Every address failed, this one last; `None` where there was none.
    Failed(Option<io::Error>),
    /// The time was over first.
    Late,
}

/// Connects to the first of the addresses `found` that answers. The next is tried as soon as one has failed, or when it has taken
/// 250 ms or half of the time that is left until `end`; the earlier ones go on beside it. Gives up when `over` is.
pub(super) async fn race<T, F: Future<Output = io::Result<T>>>(
    addresses: &Addresses,
    found: &[SocketAddr],
    end: Instant,
    mut over: Pin<&mut impl Future<Output = ()>>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), Lost> {
    let mut waiting = addresses.order(found).into_iter();
    let mut begun: Vec<(SocketAddr, Instant)> = Vec::new();
    let mut connecting = FuturesUnordered::new();
    let mut last = None;
    loop {
        let now = Instant::now();
        if let Some(address) = waiting.next() {
            begun.push((address, now));
            let connection = connect(address);
            connecting.push(async move { (address, connection.await) });
        }
        let delay = DELAY.min(end.saturating_duration_since(now) / 2).max(LEAST);
        tokio::select! {
            biased;
            ended = connecting.next() => match ended {
                Some((address, Ok(connection))) => {
                    avoid_slow(addresses, begun.into_iter().take_while(|(one, _)| *one != address));
                    addresses.trust(address);
                    return Ok((address, connection));
                }
                Some((address, Err(error))) => {
                    tracing::debug!(%address, %error, "a connection was not made");
                    begun.retain(|(one, _)| *one != address);
                    if Shortage::of(&error).is_none() {
                        addresses.avoid(address);
                    }
                    last = Some(error);
                }
                None => return Err(Lost::Failed(last)),
            },
            () = over.as_mut() => {
                avoid_slow(addresses, begun.into_iter());
                return Err(Lost::Late);
            }
            () = sleep(delay), if waiting.len() > 0 => {}
        }
    }
}

/// Remembers those that others have overtaken, or the time.
fn avoid_slow(addresses: &Addresses, begun: impl Iterator<Item = (SocketAddr, Instant)>) {
    for (address, since) in begun {
        if since.elapsed() >= LEAST {
            addresses.avoid(address);
        }
    }
}

#[cfg(test)]
#[path = "race_tests.rs"]
mod tests;
