//! The end of a connection in order: the last bytes are written, nothing more is said, and what comes is read for a
//! moment. Without that, the kernel would answer what was not read, or comes a moment later, with a reset. That can
//! overtake the last answer (RFC 9112, section 9.6), and costs a proxy's own client its connection.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

/// The longest parting, the writing of its last bytes included: the time for a client that is still sending.
const LINGER: Duration = Duration::from_secs(5);

/// The longest silence of a client meanwhile. What it sent before it knew has come by then, from the other side of the
/// world too. Below the second after which the server first looks whether all connections have ended at a stop.
const SILENCE: Duration = Duration::from_millis(750);

/// Ends a connection with these bytes: ready once the client has them and has closed too, or its time is over. What
/// comes goes through `space`.
pub(super) async fn part(
    tcp: &mut TcpStream,
    space: &RefCell<Box<[u8]>>,
    last: &[u8],
) -> io::Result<()> {
    let parting = async {
        tcp.write_all(last).await?;
        tcp.shutdown().await?;
        while timeout(SILENCE, poll_fn(|cx| poll_more(tcp, space, cx))).await == Ok(true) {}
        Ok(())
    };
    timeout(LINGER, parting).await.unwrap_or(Ok(()))
}

/// Reads once and keeps nothing: false once the client has closed too.
fn poll_more(tcp: &mut TcpStream, space: &RefCell<Box<[u8]>>, cx: &mut Context<'_>) -> Poll<bool> {
    let mut space = space.borrow_mut();
    let mut unread = ReadBuf::new(&mut space);
    let read = ready!(Pin::new(tcp).poll_read(cx, &mut unread));
    Poll::Ready(read.is_ok() && !unread.filled().is_empty())
}
