//! The world around the gateway, played in one thread: the client and all upstreams, in a fixed order, so that all
//! aggregates run in the same way. It must not know what is counted.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use crate::scenario::Scenario;

/// The longest time for one aggregate.
pub const LONG: Duration = Duration::from_secs(60);

/// A gateway that the script is played to.
pub trait Gateway {
    /// Returns the gateway's address.
    fn address(&self) -> SocketAddr;

    /// Waits until the gateway has nothing left to do.
    fn wait_idle(&self) -> io::Result<()>;

    /// Runs `act` in a way that all of it happens at once for the gateway.
    fn at_once(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()>;
}

/// A client's connection, and the upstream's end of each connection of the gateway.
pub struct Script {
    request: Vec<u8>,
    answer: Vec<u8>,
    client: TcpStream,
    upstream: Vec<TcpStream>,
    held: Vec<u8>,
}

impl Script {
    /// Makes a script for a scenario whose calls all go to `listener`. Its first request opens all connections.
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

    /// Plays this many aggregates, one after another.
    pub fn play(&mut self, gateway: &impl Gateway, aggregates: u32) -> io::Result<()> {
        for _ in 0..aggregates {
            // The gateway's work after an answer must never run into the next request.
            gateway.wait_idle()?;
            self.ask()?;
            self.answer(gateway)?;
        }
        Ok(())
    }

    fn ask(&mut self) -> io::Result<()> {
        self.client.write_all(&self.request)
    }

    /// Waits for the calls, answers all of them at once, and reads the client's answer.
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

/// Returns the connection with time-outs, so that it gives up after a while.
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

/// Returns `Some` if the answer is complete. An answer that is not a complete aggregate is an error.
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
