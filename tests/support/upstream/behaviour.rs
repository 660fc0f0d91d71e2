//! The behaviours that the upstream can be told. They are plain data. It must not know how they are carried out.
//!
//! A made-up body is `1` over and over, and is declared as JSON. Cut anywhere, it is still a valid number, so that only
//! the framing can tell that it was cut.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// The treatment of one request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers it, then keeps or closes the connection as the response says.
    Respond(Response),
    /// Waits, then does the other thing.
    DelayThen(Duration, Box<Behaviour>),
    /// Waits until the test says `true`, then does the other thing.
    WaitThen(watch::Receiver<bool>, Box<Behaviour>),
    /// Sends these bytes, then does the other thing.
    SendThen(Bytes, Box<Behaviour>),
    /// Never sends a byte.
    HangBeforeHead,
    /// Sends half of a head and no more.
    HangInHead,
    /// Declares a length, sends less, and no more.
    HangInBody { declared: usize, sent: usize },
    /// Closes without an answer.
    CloseBeforeHead,
    /// Closes after half of a head.
    CloseInHead,
    /// Resets the connection without an answer.
    ResetBeforeHead,
    /// Resets the connection after the head and a part of the body.
    ResetInBody,
    /// Declares a length, sends less, and closes.
    CutLength { declared: usize, sent: usize },
    /// Sends one whole chunk and closes before the last one.
    CutChunked { sent: usize },
    /// Sends one whole chunk of three bytes and closes within the next one's size line.
    CutChunkMidSize,
    /// Declares a chunk's size, sends less of it, and closes.
    CutInChunk { declared: usize, sent: usize },
    /// Sends a body that has no end until the client closes. By length, it declares 1 TiB.
    Endless(Framing),
    /// Sends the head at once and then, after each pause, that many bytes of the body.
    Drip {
        every: Duration,
        bytes_per: usize,
        body: Vec<u8>,
    },
    /// Answers as if the connection were kept, and closes it right after: a stale connection in the client's pool.
    CloseAfterAnswer(Response),
    /// Answers and keeps the connection, but closes it without an answer when the next request has come on it. The
    /// connection is then stale for certain, and not only most likely.
    CloseOnNextRequest(Response),
    /// Sends these bytes and goes on with the connection.
    Raw(Vec<u8>),
    /// Sends these bytes and closes.
    RawThenClose(Vec<u8>),
    /// Sends these bytes and resets the connection.
    RawThenReset(Vec<u8>),
    /// Sends the parts one by one, with a pause before each but the first, and goes on with the connection.
    Parts {
        every: Duration,
        parts: Vec<Vec<u8>>,
    },
}

impl Behaviour {
    /// Does this once the test says `true`.
    pub fn when(self, told: &watch::Sender<bool>) -> Self {
        Self::WaitThen(told.subscribe(), Box::new(self))
    }

    /// Does this after these bytes.
    pub fn following(self, bytes: Bytes) -> Self {
        Self::SendThen(bytes, Box::new(self))
    }

    /// Does this after a delay.
    pub fn after(self, delay: Duration) -> Self {
        Self::DelayThen(delay, Box::new(self))
    }
}

impl From<Response> for Behaviour {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}

/// The ways to tell the end of a body (RFC 9112, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The body's length.
    ContentLength,
    /// Chunks of at most this many bytes.
    Chunked(usize),
    /// HTTP/1.1 without a length: the close of the connection, which isn't announced.
    CloseDelimited,
    /// HTTP/1.0 without a length: the close of the connection.
    Http10,
}

/// An answer as it is to be on the wire. Nothing is added but the lines for the framing and for `close`.
#[derive(Debug, Clone)]
pub struct Response {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) framing: Framing,
    pub(super) delay: Duration,
    pub(super) close: bool,
}

impl Response {
    /// Makes an empty answer with a length, with the usual reason phrase of its status.
    pub fn new(status: u16) -> Self {
        let reason = http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason());
        Self {
            status,
            reason: reason.unwrap_or_default().to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::ContentLength,
            delay: Duration::ZERO,
            close: false,
        }
    }

    /// Makes a 200 with a body that is declared as JSON, whether it is or not.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200)
            .header("content-type", "application/json")
            .body(body)
    }

    /// Makes a 200 with a plain text.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200)
            .header("content-type", "text/plain; charset=utf-8")
            .body(body)
    }

    /// Makes the dummy service's answer, without its delay.
    pub fn pong() -> Self {
        Self::json("\"pong\"")
    }

    /// Sets another status. The reason phrase stays.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets another reason phrase.
    pub fn reason(mut self, reason: &str) -> Self {
        reason.clone_into(&mut self.reason);
        self
    }

    /// Adds a header, written as it is given.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets another body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets another way to tell the body's end.
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sets a pause before the head.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Announces the end of the connection by `connection: close`, and closes it.
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }
}
