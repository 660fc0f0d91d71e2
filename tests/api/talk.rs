//! A client's connection, for what one request on a connection of its own can't show: several requests, halves of
//! requests, ends. It reads answers by their length, so that what follows them is seen.

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

/// Longer than anything here takes on the slowest machine.
const LONG: Duration = Duration::from_secs(30);

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order, with nothing left to read.
    Closed,
    /// By a reset.
    Reset,
    /// In order, after these bytes.
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

    /// Sends a GET without a wish as to the connection.
    pub(crate) async fn get(&mut self, target: &str) {
        self.say(format!("GET {target} HTTP/1.1\r\nHost: gather\r\n\r\n"))
            .await;
    }

    /// Reads one answer, that must have a length; what comes after it is kept for the next.
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

    /// Reads one answer that has no body, whatever length it tells: one to HEAD.
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

/// How many bytes the first answer takes, once it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let (_, length) = text.split_once("content-length: ").expect("a length");
    let size = head + length.lines().next().unwrap().parse::<usize>().unwrap();
    (bytes.len() >= size).then_some(size)
}

/// A gateway with these settings of `[server]`, before an upstream that answers at once.
pub(crate) async fn gateway(server: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "upstreams.one.url = \"{}\"\naggregates.default.calls = [\"one\"]",
        upstream.url("/")
    );
    let server = format!("server.workers = 1\nserver.grace = \"0s\"\n{server}");
    (Gateway::start_with(&server, &toml).await, upstream)
}
