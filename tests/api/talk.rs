//! A client's connection, for tests that need more than one request on its own connection: several requests, halves of
//! requests, ends. It reads answers by their length, so that the bytes after them are seen.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    gateway::{Answer, Gateway, parse},
    upstream::{Response, Upstream},
};

/// A time longer than anything here takes on the slowest machine.
const LONG: Duration = Duration::from_secs(30);

/// The way in which a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection ended in order, with nothing left to read.
    Closed,
    /// The connection ended by a reset.
    Reset,
    /// The connection ended in order, after these bytes.
    After(String),
}

pub(crate) struct Talk {
    pub(crate) tcp: TcpStream,
    held: Vec<u8>,
}

impl Talk {
    pub(crate) async fn with(gateway: &Gateway) -> Self {
        Self::to(gateway.address).await
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self {
            tcp: TcpStream::connect(address).await.unwrap(),
            held: Vec::new(),
        }
    }

    /// Sends these bytes as they are.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.tcp.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a GET that says nothing about the connection.
    pub(crate) async fn get(&mut self, target: &str) {
        self.say(format!("GET {target} HTTP/1.1\r\nHost: gather\r\n\r\n"))
            .await;
    }

    /// Reads one answer, which must have a length. The bytes after it are kept for the next one.
    pub(crate) async fn hear(&mut self) -> Answer {
        loop {
            if let Some(size) = whole(&self.held) {
                return parse(&self.held.drain(..size).collect::<Vec<_>>());
            }
            let so_far = String::from_utf8_lossy(&self.held).into_owned();
            let read = timeout(LONG, self.tcp.read_buf(&mut self.held)).await;
            let read = read
                .unwrap_or_else(|_| panic!("no whole answer but {so_far:?}"))
                .unwrap();
            assert!(read > 0, "the connection ended after {so_far:?}");
        }
    }

    /// Reads one answer without a body, whatever length it has: the answer to a HEAD.
    pub(crate) async fn hear_head(&mut self) -> Answer {
        loop {
            if let Some(end) = self.held.windows(4).position(|end| end == b"\r\n\r\n") {
                return parse(&self.held.drain(..end + 4).collect::<Vec<_>>());
            }
            let read = timeout(LONG, self.tcp.read_buf(&mut self.held)).await;
            assert!(read.expect("a head").unwrap() > 0, "the connection ended");
        }
    }

    /// Waits for the connection's end.
    pub(crate) async fn end(&mut self) -> End {
        let read = timeout(LONG, self.tcp.read_to_end(&mut self.held)).await;
        match read.expect("the connection stays open") {
            Err(_) => End::Reset,
            Ok(_) if self.held.is_empty() => End::Closed,
            Ok(_) => End::After(String::from_utf8_lossy(&self.held).into_owned()),
        }
    }
}

/// Returns the size of the first answer, once it is complete.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let (_, length) = text.split_once("content-length: ").expect("a length");
    let size = head + length.lines().next().unwrap().parse::<usize>().unwrap();
    (bytes.len() >= size).then_some(size)
}

/// Starts a gateway with these settings of `[server]`, before an upstream that answers at once.
pub(crate) async fn gateway(server: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "upstreams.one.url = \"{}\"\naggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    let server = format!("server.workers = 1\nserver.grace = \"0s\"\n{server}");
    (Gateway::start_with(&server, &toml).await, upstream)
}
