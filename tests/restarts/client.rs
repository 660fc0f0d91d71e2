//! One connection to a gateway, as an HTTP client keeps it: it is used until an answer says `Connection: close`.
//! Nothing is ever sent twice. It knows nothing of who chooses the gateway.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::gateway::parse;

/// A time far above that of any request here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection on which no answer is outstanding.
pub(crate) struct Connection {
    pub(crate) address: SocketAddr,
    tcp: TcpStream,
    answered: usize,
}

/// The reason why a request failed.
#[derive(Debug)]
#[allow(dead_code, reason = "read by whoever sees the test fail")]
pub(crate) enum Failure {
    /// There was no connection, so nothing was sent.
    Connect(io::Error),
    /// The connection ended before the answer was complete. This many bytes of it had come, after this many whole
    /// answers.
    Cut {
        cause: io::Error,
        received: usize,
        answered: usize,
    },
    /// There was an answer, but not the right one.
    Wrong(String),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`Failure::Connect`].
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let tcp = timed(TcpStream::connect(address))
            .await
            .map_err(Failure::Connect)?;
        // A request is one segment; it should not wait for an acknowledgement.
        let _ = tcp.set_nodelay(true);
        Ok(Self {
            address,
            tcp,
            answered: 0,
        })
    }

    /// Returns true if the gateway has neither closed the connection nor sent anything. A pool checks the same before
    /// it lends a connection.
    pub(crate) fn is_open(&self) -> bool {
        let mut byte = [0];
        let read = self.tcp.try_read(&mut byte);
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Asks for the aggregate. Returns the connection if it may be used again.
    ///
    /// # Errors
    /// [`Failure::Cut`] and [`Failure::Wrong`], for anything but a whole and complete 200.
    pub(crate) async fn aggregate(mut self) -> Result<Option<Self>, Failure> {
        let request = format!("GET /aggregate HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        let mut bytes = Vec::new();
        let exchange = async {
            self.tcp.write_all(request.as_bytes()).await?;
            while !is_whole(&bytes) {
                if self.tcp.read_buf(&mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok(())
        };
        if let Err(cause) = timed(exchange).await {
            return Err(Failure::Cut {
                cause,
                received: bytes.len(),
                answered: self.answered,
            });
        }
        self.answered += 1;
        let answer = parse(&bytes);
        let json = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
        if answer.status != 200
            || json["outcome"] != "complete"
            || json["results"][0]["body"] != "pong"
        {
            return Err(Failure::Wrong(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let closes = answer.header("connection") == Some("close");
        Ok((!closes).then_some(self))
    }
}

/// Returns true if these bytes are a whole answer, by its declared length.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap();
    bytes.len() >= end + 4 + length
}

async fn timed<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, what)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
