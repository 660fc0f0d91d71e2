//! The end of a connection on which the client may still be sending: the last bytes are written, nothing more is said,
//! and what comes is read for a moment. Without that, the kernel would answer unread bytes with a reset, which can
//! overtake the last answer (RFC 9112, section 9.6).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a parting may take, the writing of its last bytes included.
const LINGER: Duration = Duration::from_secs(1);

/// A connection's end.
#[derive(Debug)]
pub(super) struct Parting {
    unwritten: Bytes,
    /// Nothing more is sent.
    shut: bool,
    linger: Pin<Box<Sleep>>,
}

impl Parting {
    /// Ends a connection with these bytes.
    pub(super) fn with(last: Bytes) -> Self {
        Self {
            unwritten: last,
            shut: false,
            linger: Box::pin(sleep(LINGER)),
        }
    }

    /// Ready once the client has everything and has closed too, or its time is over.
    pub(super) fn poll(
        &mut self,
        mut tcp: Pin<&mut TcpStream>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(if self.shut {
                Ok(())
            } else {
                Err(io::ErrorKind::TimedOut.into())
            });
        }
        while !self.unwritten.is_empty() {
            let written = ready!(tcp.as_mut().poll_write(cx, &self.unwritten))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unwritten.advance(written);
        }
        if !self.shut {
            ready!(tcp.as_mut().poll_shutdown(cx))?;
            self.shut = true;
        }
        let mut space = [0; 4096];
        loop {
            let mut unread = ReadBuf::new(&mut space);
            match ready!(tcp.as_mut().poll_read(cx, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}
