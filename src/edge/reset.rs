//! The watch for a reset on a connection whose client has closed its half. A read shows nothing any more, as it always
//! ends at once. Writing belongs to the answer, and there may be nothing to write for a long time. It must not know
//! requests or answers.

use std::{
    future::{Future, pending},
    io,
    net::TcpStream as Socket,
    os::fd::AsFd as _,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::rt::net::TcpStream;
use tokio::io::Interest;

/// A future that is ready once the client has reset the connection.
pub(super) struct Reset(Pin<Box<dyn Future<Output = ()>>>);

impl Reset {
    /// Watches this connection through a descriptor of its own, because waiting for an error keeps hold of the socket.
    pub(super) fn of(tcp: &TcpStream) -> Self {
        let watched = watched(tcp);
        Self(Box::pin(async {
            match watched {
                // An error of the watch itself means that the worker ends.
                Ok(tcp) => _ = tcp.ready(Interest::ERROR).await,
                // There are no more descriptors. Only a failing write can show the reset now.
                Err(_) => pending().await,
            }
        }))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

fn watched(tcp: &TcpStream) -> io::Result<TcpStream> {
    let socket = Socket::from(tcp.as_fd().try_clone_to_owned()?);
    TcpStream::from_std(socket)
}
