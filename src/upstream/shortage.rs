//! The resources that this process itself can lack for a connection. The upstream has no part in it. So such a failure
//! must not count against the upstream. It must not know upstreams.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::unix::net::UnixDatagram,
};

use tokio::net::TcpStream;

use crate::fanout::{Failure, FailureKind};

/// A resource that the gateway has run out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    /// File descriptors of this process (`EMFILE`).
    Descriptors,
    /// File descriptors of the whole machine (`ENFILE`).
    MachineDescriptors,
    /// Local ports for connections to one address and port (`EADDRNOTAVAIL`).
    Ports,
    /// The kernel's memory for sockets (`ENOBUFS`, `ENOMEM`), or its room to watch them (`ENOSPC`).
    Memory,
}

impl Shortage {
    /// Returns the shortage that an error of the system means, if it is one.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match error.raw_os_error()? {
            libc::EMFILE => Some(Self::Descriptors),
            libc::ENFILE => Some(Self::MachineDescriptors),
            libc::EADDRNOTAVAIL => Some(Self::Ports),
            libc::ENOBUFS | libc::ENOMEM | libc::ENOSPC => Some(Self::Memory),
            _ => None,
        }
    }

    /// Returns the shortage that there is at this moment. It serves callers whose own errors don't show it: a resolver
    /// that can't open a socket says that it knows no such name.
    pub(super) fn now() -> Option<Self> {
        Self::of(&UnixDatagram::unbound().err()?)
    }

    /// Returns true if no connection to any upstream can be opened. Each one that is closed then helps all of them.
    pub(super) const fn is_everywhere(self) -> bool {
        !matches!(self, Self::Ports)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "the gateway has no file descriptor left",
            Self::MachineDescriptors => "the gateway's machine has no file descriptor left",
            Self::Ports => "the gateway has no local port left for this upstream",
            Self::Memory => "the gateway's system has no memory left for a connection",
        }
    }
}

impl From<Shortage> for Failure {
    fn from(shortage: Shortage) -> Self {
        Self::new(FailureKind::Connect, shortage.as_str()).of_the_gateway()
    }
}

/// Connects. An address that can't be reached from here at all fails as unreachable. The system has one error for that
/// and for a lack of local ports.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connected = TcpStream::connect(address).await;
    connected.map_err(|error| match Shortage::of(&error) {
        Some(Shortage::Ports) if !has_source(address) => io::ErrorKind::NetworkUnreachable.into(),
        _ => error,
    })
}

/// Returns true if this machine has an address from which `to` can be reached, such as one of the same family. Nothing
/// is sent.
fn has_source(to: SocketAddr) -> bool {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let connected = UdpSocket::bind(any).and_then(|socket| socket.connect(to));
    !connected.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32) -> Option<Shortage> {
        Shortage::of(&io::Error::from_raw_os_error(code))
    }

    #[test]
    fn what_the_process_lacks_is_told_from_what_the_upstream_does() {
        for (code, shortage) in [
            (libc::EMFILE, Shortage::Descriptors),
            (libc::ENFILE, Shortage::MachineDescriptors),
            (libc::EADDRNOTAVAIL, Shortage::Ports),
            (libc::ENOBUFS, Shortage::Memory),
            (libc::ENOMEM, Shortage::Memory),
            (libc::ENOSPC, Shortage::Memory),
        ] {
            assert_eq!(of(code), Some(shortage));
            let failure = Failure::from(shortage);
            assert_eq!(failure.kind, FailureKind::Connect);
            assert!(!failure.is_sick(), "{failure:?}");
        }
        for code in [
            libc::ECONNREFUSED,
            libc::ECONNRESET,
            libc::ETIMEDOUT,
            libc::EHOSTUNREACH,
            libc::ENETUNREACH,
        ] {
            assert_eq!(of(code), None);
        }
    }

    #[test]
    fn nothing_is_short_here() {
        assert_eq!(Shortage::now(), None);
        assert!(has_source(([127, 0, 0, 1], 9).into()));
    }
}
