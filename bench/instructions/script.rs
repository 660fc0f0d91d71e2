//! The world of the gateway, played in one thread: the client and all upstreams, in a fixed order, so that each aggregate
//! goes as the one before. It must not know what is counted.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::scenario::Scenario;

/// How long one aggregate may take.
pub const LONG: Duration = Duration::from_secs(60);

/// What the script is played to.
pub trait Gateway {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Waits until it has nothing left to do.
    fn wait_idle(&self) -> io::Result<()>;

    /// Does this so that for the gateway all of it happens at once.
    fn at_once(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()>;
}

/// A client's connection and the upstream's end of each of the gateway's.
pub struct Script {
    request: Vec<u8>,
    answer: Vec<u8>,
    client: TcpStream,
    upstream: Vec<TcpStream>,
    held: Vec<u8>,
}

impl Script {
    /// A script for a scenario whose calls all go to `listener`. Its first request opens all connections.
    pub fn begin(
        gateway: &impl Gateway,
        listener: &TcpListener,
        scenario: &Scenario,
    ) -> io::Result<Self> {
        let body = scenario.body();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n{body}",
            body.len()
        );
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: gather.example\r\nUser-Agent: script\r\nAccept: */*\r\n\r\n",
            scenario.target()
        );
        let mut script = Self {
            request: request.into_bytes(),
            answer: answer.into_bytes(),
            client: patient(TcpStream::connect(gateway.address())?)?,
            upstream: Vec::new(),
            held: Vec::new(),
        };
        script.ask()?;
        for _ in 0..scenario.calls {
            let (connection, _) = listener.accept()?;
            script.upstream.push(patient(connection)?);
        }
        script.answer(gateway)?;
        Ok(script)
    }

    /// So many aggregates, one after another.
    pub fn play(&mut self, gateway: &impl Gateway, aggregates: u32) -> io::Result<()> {
        for _ in 0..aggregates {
            // What it does after an answer must not meet the next request, or only at times.
            gateway.wait_idle()?;
            self.ask()?;
            self.answer(gateway)?;
        }
        Ok(())
    }

    fn ask(&mut self) -> io::Result<()> {
        self.client.write_all(&self.request)
    }

    /// Waits for the calls, answers all of them at once, and reads what the client gets.
    fn answer(&mut self, gateway: &impl Gateway) -> io::Result<()> {
        for connection in &mut self.upstream {
            self.held.clear();
            while !self.held.ends_with(b"\r\n\r\n") {
                some(connection, &mut self.held)?;
            }
        }
        gateway.at_once(|| {
            self.upstream
                .iter_mut()
                .try_for_each(|connection| connection.write_all(&self.answer))
        })?;
        self.held.clear();
        while whole(&self.held)?.is_none() {
            some(&mut self.client, &mut self.held)?;
        }
        Ok(())
    }
}

/// A connection that gives up after a while instead of never.
fn patient(connection: TcpStream) -> io::Result<TcpStream> {
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(LONG))?;
    connection.set_write_timeout(Some(LONG))?;
    Ok(connection)
}

fn some(connection: &mut TcpStream, held: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    match connection.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        size => {
            held.extend_from_slice(&buffer[..size]);
            Ok(())
        }
    }
}

/// Whether this is a whole answer; an answer that is not a complete aggregate is an error.
fn whole(held: &[u8]) -> io::Result<Option<()>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(size) = head.parse(held).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let length: usize = head
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("an answer without a length"))?;
    let body = &held[size..];
    if body.len() < length {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(body);
    match head.code == Some(200) && text.contains("\"outcome\":\"complete\"") {
        true => Ok(Some(())),
        false => Err(io::Error::other(format!("not complete: {text}"))),
    }
}
