//! The end of a connection in order: the last bytes are written, the sending half is closed, and incoming bytes are
//! read for a moment. Otherwise the kernel would answer unread bytes, or bytes that come a moment later, with a reset.
//! The reset can overtake the last answer (RFC 9112, section 9.6), and costs a proxy's own client its connection. It
//! must not know answers.

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

/// The longest time for the end of a connection, including the writing of its last bytes. It serves clients that are
/// still sending.
const LINGER: Duration = Duration::from_secs(5);

/// The longest silence of a client meanwhile. Bytes that it sent before it knew of the end have arrived by then, even
/// from the other side of the world. It is below the second after which a stopping server first checks if all
/// connections have ended.
const SILENCE: Duration = Duration::from_millis(750);

/// Ends a connection with these bytes. It is ready once the client has them and has closed too, or once the time is
/// over. Incoming bytes go through `space`.
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

/// Reads once and keeps nothing. Returns false once the client has closed too.
fn poll_more(tcp: &mut TcpStream, space: &RefCell<Box<[u8]>>, cx: &mut Context<'_>) -> Poll<bool> {
    let mut space = space.borrow_mut();
    let mut unread = ReadBuf::new(&mut space);
    let read = ready!(Pin::new(tcp).poll_read(cx, &mut unread));
    Poll::Ready(read.is_ok() && !unread.filled().is_empty())
}
