//! Connects to the first of a name's addresses that takes a connection ("Happy Eyeballs", RFC 8305, section 5). An
//! address that never answers costs a fraction of a second, and one that refuses costs nothing. It must not know TLS or
//! HTTP.

use std::{collections::VecDeque, future::Future, io, net::SocketAddr, pin::Pin, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};

use super::{addresses::Addresses, shortage::Shortage};

/// The time that an address has before the next is tried beside it, as RFC 8305 recommends.
const DELAY: Duration = Duration::from_millis(250);

/// The least that RFC 8305 allows. An address that had less time has not proved to be slow.
const LEAST: Duration = Duration::from_millis(10);

/// The reason why there is no connection.
#[derive(Debug)]
pub(super) enum Lost {
    /// No address took a connection. The error is that of a shortage of this process if there was one, otherwise the
    /// last. It is `None` if there was no address.
    Failed(Option<io::Error>),
    /// The time was over first.
    Late,
}

/// Connects to the first of the addresses `found` that answers. The next is tried as soon as one has failed, or has
/// taken 250 ms or half of the time that is left until `end`. The earlier ones go on beside it. Gives up when
/// `over` is ready.
///
/// The first shortage ends those that are under way, as each holds a descriptor. The address that hit the shortage is
/// tried again at once. Those that were ended are tried again after all others.
pub(super) async fn race<T, F: Future<Output = io::Result<T>>>(
    addresses: &Addresses,
    found: &[SocketAddr],
    end: Instant,
    mut over: Pin<&mut impl Future<Output = ()>>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), Lost> {
    let mut waiting = VecDeque::from(addresses.order(found));
    let mut begun: Vec<(SocketAddr, Instant)> = Vec::new();
    let mut connecting = FuturesUnordered::new();
    let mut last = None;
    // A shortage has nothing to do with the upstream. So it is the reported error, whatever happens to the other
    // addresses.
    let mut short = None;
    let mut is_eased = false;
    loop {
        let now = Instant::now();
        if let Some(address) = waiting.pop_front() {
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
                    let Some(shortage) = Shortage::of(&error) else {
                        addresses.avoid(address);
                        last = Some(error);
                        continue;
                    };
                    if shortage.is_everywhere() {
                        match (is_eased, connecting.is_empty()) {
                            (false, false) => {
                                is_eased = true;
                                connecting.clear();
                                waiting.push_front(address);
                                waiting.extend(begun.iter().map(|(one, _)| *one));
                            }
                            // No connection is under way that could free a descriptor.
                            (true, true) => return Err(Lost::Failed(Some(error))),
                            (false, true) | (true, false) => {}
                        }
                    }
                    short = Some(error);
                }
                None => return Err(Lost::Failed(short.or(last))),
            },
            () = over.as_mut() => {
                avoid_slow(addresses, begun.into_iter());
                return Err(short.map_or(Lost::Late, |error| Lost::Failed(Some(error))));
            }
            () = sleep(delay), if !waiting.is_empty() => {}
        }
    }
}

/// Puts the addresses last that lost to another address, or to the end of the time.
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
