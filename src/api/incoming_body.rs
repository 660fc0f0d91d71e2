//! The body of a client's request, which its handler may ask for. It must not know how it comes in.

use bytes::Bytes;

/// The body that a request's head has announced. The connection puts it among the request's extensions, as an `Rc`.
/// Without it, the request has no body.
#[derive(Debug)]
pub struct IncomingBody {
    /// The length that the head declares; `None` for chunks.
    pub length: Option<u64>,
}

/// The reason why a body can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than the handler takes.
    TooLarge,
    /// It did not come in time.
    Late,
    /// It breaks the rules of its framing.
    Malformed,
    /// The client has gone.
    Gone,
}

impl IncomingBody {
    /// Reads the whole body, of at most this many bytes. A client that waits for `100 Continue` is told to go on. It can
    /// be read once.
    ///
    /// # Errors
    /// Fails if it is not there, or not usable, and says why. The connection then ends after the answer.
    pub async fn read(&self, most: usize) -> Result<Bytes, Unread> {
        let _ = most;
        Err(Unread::Gone)
    }
}
