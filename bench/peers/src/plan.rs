//! The parts that both programs share: their calls, read from a file, and the bytes of the answer.

use std::{fs, io, net::SocketAddr, time::Duration};

use bytes::Bytes;

/// The time for all calls of one request.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The most connections that may wait in the kernel to be accepted.
pub const BACKLOG: u32 = 4096;

/// One call of the plan.
#[derive(serde::Deserialize)]
pub struct Call {
    pub name: String,
    pub url: String,
}

/// An upstream's answer.
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Reads `LISTEN PLAN` from the command line.
pub fn from_arguments() -> io::Result<(SocketAddr, Vec<Call>)> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(plan)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("expected LISTEN PLAN"));
    };
    let listen = listen.parse().map_err(io::Error::other)?;
    let calls = serde_json::from_slice(&fs::read(plan)?)?;
    Ok((listen, calls))
}

/// Writes every call with its name, status and body. The body is embedded as it came.
pub fn compose(calls: &[Call], answers: &[Answer]) -> Bytes {
    let bodies: usize = answers.iter().map(|answer| answer.body.len() + 64).sum();
    let mut text = Vec::with_capacity(bodies + 16);
    text.extend_from_slice(b"{\"results\":[");
    for (number, (call, answer)) in calls.iter().zip(answers).enumerate() {
        if number > 0 {
            text.push(b',');
        }
        text.extend_from_slice(b"{\"name\":\"");
        text.extend_from_slice(call.name.as_bytes());
        text.extend_from_slice(b"\",\"status\":");
        // A status always has three digits.
        let digit = |place: u16| b'0' + (answer.status / place % 10) as u8;
        text.extend_from_slice(&[digit(100), digit(10), digit(1)]);
        text.extend_from_slice(b",\"body\":");
        text.extend_from_slice(&answer.body);
        text.push(b'}');
    }
    text.extend_from_slice(b"]}");
    Bytes::from(text)
}
