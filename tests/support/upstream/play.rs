//! Carries out a behaviour on the wire. It must not know what is asked for, except for `HEAD`, whose answer has no
//! body.

use std::{io, time::Duration};

use tokio::{io::AsyncWriteExt, net::tcp::WriteHalf};

use super::behaviour::{Behaviour, Framing, Response};

/// The half of a head, broken off within a header's name.
const HALF_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-le";

/// The declared length of an endless body, in bytes: 1 TiB, more than any test reads.
const ENDLESS: usize = 1 << 40;

/// The time for bytes to arrive before a reset. On loopback they arrive at once.
const BEFORE_RESET: Duration = Duration::from_millis(10);

/// The fate of the connection.
pub(super) enum Next {
    Serve,
    ServeNoMore,
    Close,
    Reset,
}

/// Plays `behaviour` for a request of `method`. An error means that the client has left.
pub(super) async fn play(
    behaviour: Behaviour,
    method: &str,
    write: &mut WriteHalf<'_>,
) -> io::Result<Next> {
    let behaviour = awaited(behaviour, write).await?;
    match behaviour {
        Behaviour::DelayThen(..)
        | Behaviour::WaitThen(..)
        | Behaviour::SendThen(..)
        | Behaviour::HangBeforeHead => std::future::pending().await,
        Behaviour::Respond(response) => respond(&response, method, write).await,
        Behaviour::CloseAfterAnswer(response) => {
            respond(&response, method, write).await.map(|_| Next::Close)
        }
        Behaviour::CloseOnNextRequest(response) => respond(&response, method, write)
            .await
            .map(|_| Next::ServeNoMore),
        Behaviour::HangInHead => {
            write.write_all(HALF_HEAD).await?;
            std::future::pending().await
        }
        Behaviour::HangInBody { declared, sent } => {
            write.write_all(&started(declared, sent)).await?;
            std::future::pending().await
        }
        Behaviour::CloseBeforeHead => Ok(Next::Close),
        Behaviour::CloseInHead => close_after(HALF_HEAD, write).await,
        Behaviour::ResetBeforeHead => Ok(Next::Reset),
        Behaviour::ResetInBody => reset_after(&started(10, 3), write).await,
        Behaviour::CutLength { declared, sent } => {
            close_after(&started(declared, sent), write).await
        }
        Behaviour::CutChunked { sent } => {
            close_after(&in_chunks(&[chunk(&ones(sent))]), write).await
        }
        Behaviour::CutChunkMidSize => {
            close_after(&in_chunks(&[chunk(&ones(3)), b"1".to_vec()]), write).await
        }
        Behaviour::CutInChunk { declared, sent } => {
            let cut = [format!("{declared:x}\r\n").into_bytes(), ones(sent)].concat();
            close_after(&in_chunks(&[cut]), write).await
        }
        Behaviour::Endless(framing) => endless(framing, write).await,
        Behaviour::Drip {
            every,
            bytes_per,
            body,
        } => drip(every, bytes_per, &body, write).await,
        Behaviour::Raw(bytes) => {
            write.write_all(&bytes).await?;
            Ok(Next::Serve)
        }
        Behaviour::RawThenClose(bytes) => close_after(&bytes, write).await,
        Behaviour::RawThenReset(bytes) => reset_after(&bytes, write).await,
        Behaviour::Parts { every, parts } => {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    tokio::time::sleep(every).await;
                }
                write.write_all(part).await?;
            }
            Ok(Next::Serve)
        }
    }
}

/// Plays the parts that come before the behaviour proper, and returns that behaviour.
async fn awaited(mut behaviour: Behaviour, write: &mut WriteHalf<'_>) -> io::Result<Behaviour> {
    loop {
        behaviour = match behaviour {
            Behaviour::DelayThen(delay, then) => {
                tokio::time::sleep(delay).await;
                *then
            }
            Behaviour::WaitThen(mut told, then) => {
                // A test that has ended sends nothing more.
                let _ = told.wait_for(|told| *told).await;
                *then
            }
            Behaviour::SendThen(bytes, then) => {
                write.write_all(&bytes).await?;
                *then
            }
            proper => return Ok(proper),
        };
    }
}

async fn respond(response: &Response, method: &str, write: &mut WriteHalf<'_>) -> io::Result<Next> {
    if !response.delay.is_zero() {
        tokio::time::sleep(response.delay).await;
    }
    let bodiless = method == "HEAD" || matches!(response.status, 100..200 | 204 | 304);
    let mut bytes = head(response);
    if !bodiless {
        match response.framing {
            Framing::Chunked(size) => {
                for part in response.body.chunks(size.max(1)) {
                    bytes.extend(chunk(part));
                }
                bytes.extend(b"0\r\n\r\n");
            }
            Framing::ContentLength | Framing::CloseDelimited | Framing::Http10 => {
                bytes.extend(&response.body)
            }
        }
    }
    write.write_all(&bytes).await?;
    let by_close = matches!(response.framing, Framing::CloseDelimited | Framing::Http10);
    Ok(if response.close || by_close {
        Next::Close
    } else {
        Next::Serve
    })
}

fn head(response: &Response) -> Vec<u8> {
    let version = if response.framing == Framing::Http10 {
        "1.0"
    } else {
        "1.1"
    };
    let mut head = format!("HTTP/{version} {} {}\r\n", response.status, response.reason);
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    match response.framing {
        // By RFC 9110, section 8.6, these answers have no length.
        Framing::ContentLength if matches!(response.status, 100..200 | 204) => {}
        Framing::ContentLength => head += &format!("content-length: {}\r\n", response.body.len()),
        Framing::Chunked(_) => head += "transfer-encoding: chunked\r\n",
        Framing::CloseDelimited | Framing::Http10 => {}
    }
    if response.close {
        head += "connection: close\r\n";
    }
    head += "\r\n";
    head.into_bytes()
}

async fn close_after(bytes: &[u8], write: &mut WriteHalf<'_>) -> io::Result<Next> {
    write.write_all(bytes).await?;
    Ok(Next::Close)
}

async fn reset_after(bytes: &[u8], write: &mut WriteHalf<'_>) -> io::Result<Next> {
    write.write_all(bytes).await?;
    tokio::time::sleep(BEFORE_RESET).await;
    Ok(Next::Reset)
}

async fn endless(framing: Framing, write: &mut WriteHalf<'_>) -> io::Result<Next> {
    let block = match framing {
        Framing::ContentLength => {
            write.write_all(&started(ENDLESS, 0)).await?;
            ones(64 * 1024)
        }
        Framing::Chunked(size) => {
            write.write_all(&in_chunks(&[])).await?;
            chunk(&ones(size.max(1)))
        }
        Framing::CloseDelimited | Framing::Http10 => {
            write
                .write_all(&head(&Response::json("").framing(framing)))
                .await?;
            ones(64 * 1024)
        }
    };
    loop {
        write.write_all(&block).await?;
    }
}

async fn drip(
    every: Duration,
    bytes_per: usize,
    body: &[u8],
    write: &mut WriteHalf<'_>,
) -> io::Result<Next> {
    write.write_all(&head(&Response::json(body))).await?;
    for drop in body.chunks(bytes_per.max(1)) {
        tokio::time::sleep(every).await;
        write.write_all(drop).await?;
    }
    Ok(Next::Serve)
}

/// Makes a head that declares this many bytes, and this many of them.
fn started(declared: usize, sent: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {declared}\r\n\r\n"
    );
    [head.into_bytes(), ones(sent)].concat()
}

/// Makes a head that declares chunks, and the parts that follow it.
fn in_chunks(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = head(&Response::json("").framing(Framing::Chunked(1)));
    bytes.extend(parts.concat());
    bytes
}

fn chunk(part: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()
}

fn ones(length: usize) -> Vec<u8> {
    vec![b'1'; length]
}
