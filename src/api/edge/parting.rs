//! The end of a connection on which the client may still be sending: the last bytes are written, nothing more is said,
//! and what comes is read for a moment. Without that, the kernel would answer unread bytes with a reset, which can
//! overtake the last answer (RFC 9112, section 9.6).

use std::{
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

/// How long a parting may take, the writing of its last bytes included.
const LINGER: Duration = Duration::from_secs(1);

/// Ends a connection with these bytes: ready once the client has them and has closed too, or its time is over.
pub(super) async fn part(tcp: &mut TcpStream, last: &[u8]) -> io::Result<()> {
    let parting = async {
        tcp.write_all(last).await?;
        tcp.shutdown().await?;
        poll_fn(|cx| poll_rest(tcp, cx)).await;
        Ok(())
    };
    timeout(LINGER, parting).await.unwrap_or(Ok(()))
}

/// Ready once nothing more comes. What came is not kept.
fn poll_rest(tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<()> {
    let mut space = [0; 4096];
    loop {
        let mut unread = ReadBuf::new(&mut space);
        match ready!(Pin::new(&mut *tcp).poll_read(cx, &mut unread)) {
            Ok(()) if !unread.filled().is_empty() => {}
            _ => return Poll::Ready(()),
        }
    }
}
