//! A port and the processes that listen on it: one alone, or one after another without a pause between them. It knows
//! sockets, but not who is served.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use tokio::{
    net::TcpSocket,
    time::{sleep, timeout},
};

/// The number of connections that may wait to be accepted, over all workers. The kernel may have a lower bound of its
/// own.
const BACKLOG: u32 = 4096;

/// The time for handshakes that have begun to end, and for the first requests after them to come. It is enough for a
/// round trip to the other side of the world. It is well below the second after which a client repeats a SYN that got
/// no answer.
const HANDSHAKES: Duration = Duration::from_millis(250);

/// The time for waiting connections to be accepted. They wait longer only if `max_connections` are open and stay open.
const ACCEPTANCE: Duration = Duration::from_secs(5);

/// The time between two checks for connections that still wait to be accepted.
const LOOK: Duration = Duration::from_millis(20);

/// Permission for other processes to listen on the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// No other process can listen on the address.
    Alone,
    /// Another process of the same user may listen too (`SO_REUSEPORT`). The kernel distributes new connections.
    Shared,
}

/// Listens on `address`, with room for a burst. `std`'s own listener lets only 128 connections wait to be accepted.
///
/// # Errors
/// The kernel's error, such as that the address is in use.
pub fn open(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for the connections of the process before it.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(sharing == Sharing::Shared)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// A hold on a shared listener, used to leave it to the next process.
///
/// A closing listener makes the kernel reset the connections that wait to be accepted from it. That happens even if
/// another process listens on the same address (unless `net.ipv4.tcp_migrate_req` is set). So no connection may be
/// waiting at that moment.
#[derive(Debug)]
pub struct HandOver(TcpListener);

impl HandOver {
    /// Holds on to `listener`, which is shared.
    ///
    /// # Errors
    /// Fails if there are no more descriptors.
    pub fn of(listener: &TcpListener) -> io::Result<Self> {
        listener.try_clone().map(Self)
    }

    /// Stops taking new connections, and waits until those that have begun are accepted. A client that begins one
    /// meanwhile gets no answer, and tries again a second later. By then the listener is closed, and another process
    /// answers.
    pub async fn leave(self) {
        if let Err(error) = ignore_new_connections(&self.0) {
            tracing::warn!(%error, "connections that are about to be accepted may be lost");
        }
        sleep(HANDSHAKES).await;
        let accepted = async {
            // Without descriptors nothing can be checked, and nothing is accepted either.
            while self.has_waiting().unwrap_or(false) {
                sleep(LOOK).await;
            }
        };
        if timeout(ACCEPTANCE, accepted).await.is_err() {
            tracing::warn!("connections that nobody accepted are lost: as many as may be are open");
        }
    }

    /// Returns true if a connection waits to be accepted now.
    fn has_waiting(&self) -> io::Result<bool> {
        let mut listener = mio::net::TcpListener::from_std(self.0.try_clone()?);
        let mut poll = mio::Poll::new()?;
        poll.registry()
            .register(&mut listener, mio::Token(0), mio::Interest::READABLE)?;
        let mut events = mio::Events::with_capacity(1);
        // With this timeout `poll` looks and doesn't wait.
        poll.poll(&mut events, Some(Duration::ZERO))?;
        Ok(!events.is_empty())
    }
}

/// Makes the kernel drop segments that would begin a connection, and nothing else. Handshakes that have begun go on.
#[cfg(target_os = "linux")]
fn ignore_new_connections(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // A classic BPF program (opcodes as in linux/bpf_common.h). It sees a segment from its TCP header on. Byte 13 of
    // the header has the flags (RFC 9293, section 3.1): SYN is 0x02, ACK is 0x10.
    const DROP_SYN: [SockFilter; 5] = [
        // A = the flags
        SockFilter::new(0x30, 0, 0, 13),
        // A &= SYN | ACK
        SockFilter::new(0x54, 0, 0, 0x12),
        // if A == SYN, go on; else skip one
        SockFilter::new(0x15, 0, 1, 0x02),
        // drop it
        SockFilter::new(0x06, 0, 0, 0),
        // take all of it
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&DROP_SYN)
}

/// Fails, as other systems can't do this. Connections that wait when the listener closes are lost.
#[cfg(not(target_os = "linux"))]
fn ignore_new_connections(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn anywhere() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_is_shared_only_by_those_who_all_say_so() {
        for (first, second, both) in [
            (Sharing::Shared, Sharing::Shared, true),
            (Sharing::Shared, Sharing::Alone, false),
            (Sharing::Alone, Sharing::Shared, false),
            (Sharing::Alone, Sharing::Alone, false),
        ] {
            let listener = open(anywhere(), first).unwrap();
            let next = open(listener.local_addr().unwrap(), second);
            assert_eq!(next.is_ok(), both, "{first:?}, {second:?}");
        }
    }

    #[tokio::test]
    async fn it_is_left_when_nothing_waits_any_more() {
        let listener = open(anywhere(), Sharing::Shared).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = TcpStream::connect(address).unwrap();
        let leaving = tokio::spawn(HandOver::of(&listener).unwrap().leave());
        // Far more than the time for handshakes.
        sleep(4 * HANDSHAKES).await;
        assert!(!leaving.is_finished(), "one connection waits");
        let (_accepted, peer) = tokio::net::TcpListener::from_std(listener)
            .unwrap()
            .accept()
            .await
            .unwrap();
        assert_eq!(peer, waiting.local_addr().unwrap());
        timeout(SOON, leaving).await.unwrap().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn who_comes_while_it_is_left_is_answered_by_the_next_one() {
        let last = open(anywhere(), Sharing::Shared).unwrap();
        let address = last.local_addr().unwrap();
        ignore_new_connections(&last).unwrap();
        let mut connects: Vec<_> = (0..16)
            .map(|_| Box::pin(tokio::net::TcpStream::connect(address)))
            .collect();
        for connect in &mut connects {
            let early = timeout(Duration::from_millis(1), connect).await;
            assert!(early.is_err(), "nobody answers");
        }
        let next = open(address, Sharing::Shared).unwrap();
        drop(last);
        let next = tokio::net::TcpListener::from_std(next).unwrap();
        for connect in connects {
            timeout(SOON, connect).await.unwrap().unwrap();
            timeout(SOON, next.accept()).await.unwrap().unwrap();
        }
    }
}
