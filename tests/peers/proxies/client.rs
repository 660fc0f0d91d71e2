//! A client that keeps its connection and reads each piece of an answer as it comes. It tries nothing twice. It must
//! not know of proxies.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::gateway::{Answer, parse};

/// A time longer than anything takes here, and shorter than a test should hang.
const PATIENCE: Duration = Duration::from_secs(25);

/// A connection to a proxy or a gateway.
pub(super) struct Client {
    tcp: TcpStream,
    address: SocketAddr,
    /// Bytes that have come and were not used yet.
    raw: Vec<u8>,
    /// A stream's text out of its chunks, up to the next message's end.
    text: String,
}

impl Client {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            address,
            raw: Vec::new(),
            text: String::new(),
        })
    }

    /// Sends a request without a body.
    pub(super) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<()> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            head.push_str("Content-Length: 0\r\n");
        }
        self.tcp.write_all(format!("{head}\r\n").as_bytes())
    }

    /// Reads an answer's head.
    pub(super) fn head(&mut self) -> io::Result<Answer> {
        let end = self.find(b"\r\n\r\n")? + 4;
        let head: Vec<u8> = self.raw.drain(..end).collect();
        Ok(parse(&head))
    }

    /// Sends a request and reads its whole answer.
    pub(super) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Answer> {
        self.send(method, target, headers)?;
        let mut answer = self.head()?;
        let length = answer.header("content-length").map(str::to_owned);
        if method == "HEAD" || answer.status == 204 {
            return Ok(answer);
        }
        if let Some(length) = length {
            let length: usize = length.parse().map_err(io::Error::other)?;
            while self.raw.len() < length {
                self.more()?;
            }
            answer.body = self.raw.drain(..length).collect();
        } else if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                answer.body.extend(chunk);
            }
        } else {
            while self.more().is_ok() {}
            answer.body = std::mem::take(&mut self.raw);
        }
        Ok(answer)
    }

    /// Begins a stream and reads its head, which must be a 200 in chunks.
    pub(super) fn stream(
        address: SocketAddr,
        target: &str,
        accept: &str,
    ) -> io::Result<(Answer, Self)> {
        let mut client = Self::open(address)?;
        client.send("GET", target, &[("Accept", accept)])?;
        let head = client.head()?;
        if head.status == 200 && head.header("transfer-encoding") == Some("chunked") {
            Ok((head, client))
        } else {
            Err(io::Error::other(format!("no stream but {head:?}")))
        }
    }

    /// Returns the next of a stream's messages, up to `end`, or `None` at the stream's end.
    pub(super) fn message(&mut self, end: &str) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return Ok(Some(std::mem::replace(&mut self.text, rest)));
            }
            match self.chunk()? {
                Some(chunk) => self.text.push_str(&String::from_utf8_lossy(&chunk)),
                None if self.text.is_empty() => return Ok(None),
                None => return Err(io::Error::other(format!("a cut message: {}", self.text))),
            }
        }
    }

    /// Returns the next chunk, or `None` for the last.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let end = self.find(b"\r\n")?;
        let size = String::from_utf8_lossy(&self.raw[..end]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
        while self.raw.len() < end + 2 + size + 2 {
            self.more()?;
        }
        let chunk = self.raw[end + 2..end + 2 + size].to_vec();
        self.raw.drain(..end + 2 + size + 2);
        Ok((size > 0).then_some(chunk))
    }

    fn find(&mut self, mark: &[u8]) -> io::Result<usize> {
        loop {
            let found = self.raw.windows(mark.len()).position(|part| part == mark);
            if let Some(at) = found {
                return Ok(at);
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut part = [0; 16 * 1024];
        match self.tcp.read(&mut part)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("closed after {:?}", String::from_utf8_lossy(&self.raw)),
            )),
            read => {
                self.raw.extend_from_slice(&part[..read]);
                Ok(())
            }
        }
    }
}

/// Returns true if the connection is over after this answer.
pub(super) fn closes(answer: &Answer) -> bool {
    answer.header("connection") == Some("close")
}

/// Sends one request on a connection of its own.
pub(super) fn once(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> io::Result<Answer> {
    Client::open(address)?.ask(method, target, headers)
}
