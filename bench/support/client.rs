//! A client's connections: one GET after another, with answers read by their length. It must not know what is in them.
#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

use std::{io, net::SocketAddr, sync::Mutex, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// A connection that is kept for the next request.
pub struct Connection {
    tcp: TcpStream,
    held: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            held: Vec::new(),
        })
    }

    /// Sends a request.
    pub async fn say(&mut self, target: &str) -> io::Result<()> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: gather\r\n\r\n");
        self.tcp.write_all(head.as_bytes()).await
    }

    /// Reads the answer; it must have a length.
    pub async fn hear(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(answer) = self.whole()? {
                return Ok(answer);
            }
            self.read(usize::MAX).await?;
        }
    }

    /// Reads a part of an answer, at most this many bytes.
    pub async fn read(&mut self, most: usize) -> io::Result<()> {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        match (&mut self.tcp).take(most).read_buf(&mut self.held).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Returns the answer, once it has been read to its end.
    pub fn whole(&mut self) -> io::Result<Option<Answer>> {
        let Some((status, head, length)) = head(&self.held)? else {
            return Ok(None);
        };
        if self.held.len() < head + length {
            return Ok(None);
        }
        let rest = self.held.split_off(head + length);
        let mut body = std::mem::replace(&mut self.held, rest);
        body.drain(..head);
        Ok(Some(Answer { status, body }))
    }

    /// Sends one request and reads its answer.
    pub async fn ask(&mut self, target: &str) -> io::Result<Answer> {
        self.say(target).await?;
        self.hear().await
    }
}

/// The longest idle time for using a connection again. After that the gateway may close it at any moment, in order.
const FRESH: Duration = Duration::from_secs(2);

/// Connections to one gateway, kept between requests.
pub struct Pool {
    address: SocketAddr,
    /// The idle connections, each with the moment since when it has been idle.
    idle: Mutex<Vec<(Instant, Connection)>>,
}

impl Pool {
    /// Makes a pool without connections.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Mutex::default(),
        }
    }

    /// Sends one request on the connection used last, or on a new one. Returns the answer.
    pub async fn ask(&self, target: &str) -> io::Result<Answer> {
        let kept = self.idle.lock().expect("the pool").pop();
        let mut connection = match kept {
            Some((since, connection)) if since.elapsed() < FRESH => connection,
            _ => Connection::open(self.address).await?,
        };
        let answer = connection.ask(target).await?;
        let mut idle = self.idle.lock().expect("the pool");
        idle.push((Instant::now(), connection));
        Ok(answer)
    }

    /// Closes all connections.
    pub fn close(&self) {
        self.idle.lock().expect("the pool").clear();
    }
}

/// Returns the status, the head's size and the body's length, once the head is complete.
fn head(bytes: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(size) = head.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let status = head.code.unwrap_or_default();
    let length = head
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("an answer without a length"))?;
    Ok(Some((status, size, length)))
}
