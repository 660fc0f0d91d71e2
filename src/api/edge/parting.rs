//! The end of a connection on which the client may still be sending: the last bytes are written, nothing more is said,
//! and what comes is read for a moment. Without that, the kernel would answer unread bytes with a reset, which can
//! overtake the last answer (RFC 9112, section 9.6).

use std::{io, time::Duration};

use actix_web::rt::net::TcpStream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

/// How long a parting may take, the writing of its last bytes included.
const LINGER: Duration = Duration::from_secs(1);

/// Ends a connection with these bytes: ready once the client has them and has closed too, or its time is over.
pub(super) async fn part(tcp: &mut TcpStream, last: &[u8]) -> io::Result<()> {
    let parting = async {
        tcp.write_all(last).await?;
        tcp.shutdown().await?;
        let mut space = [0; 4096];
        while tcp.read(&mut space).await? > 0 {}
        Ok(())
    };
    timeout(LINGER, parting).await.unwrap_or(Ok(()))
}
