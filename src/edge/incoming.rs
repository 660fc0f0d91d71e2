//! The content of a request's body as its bytes come. It must not know sockets, nor what the content is for.

use std::rc::Rc;

use bytes::Bytes;
use tokio::time::Instant;

use super::chunked::Chunked;
use crate::api::{IncomingBody, Unread};

/// A body that the request's head has announced, until it is read or the answer begins.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) body: Rc<IncomingBody>,
    /// True if the client waits for `100 Continue`.
    pub(super) is_awaiting: bool,
    /// The body's content, and the time by which it must be complete. Set once the handler has asked for it.
    pub(super) begun: Option<(Incoming, Instant)>,
}

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Incoming {
    framing: Framing,
    content: Vec<u8>,
    /// The most bytes of content.
    most: usize,
}

#[derive(Debug)]
enum Framing {
    /// The number of bytes is the rest of the declared length.
    Length(usize),
    Chunks(Chunked),
}

impl Incoming {
    /// Starts to read a body of this length, or a chunked one, of at most `most` bytes.
    pub(super) fn new(length: Option<u64>, most: usize) -> Result<Self, Unread> {
        let (framing, most) = match length.map(usize::try_from) {
            None => (Framing::Chunks(Chunked::default()), most),
            Some(Ok(length)) if length <= most => (Framing::Length(length), length),
            Some(_) => return Err(Unread::TooLarge),
        };
        Ok(Self {
            framing,
            content: Vec::new(),
            most,
        })
    }

    /// Reads on. Returns the number of bytes that belong to the body: all of them, unless it ends among them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<usize, Unread> {
        let (content, most) = (&mut self.content, self.most);
        match &mut self.framing {
            Framing::Length(left) => {
                let piece = &bytes[..bytes.len().min(*left)];
                *left -= piece.len();
                keep(piece, content, most);
                Ok(piece.len())
            }
            Framing::Chunks(chunked) => {
                chunked.follow(bytes, most, |piece| keep(piece, content, most))
            }
        }
    }

    /// Returns true if the end of the body has come.
    pub(super) fn is_over(&self) -> bool {
        match &self.framing {
            Framing::Length(left) => *left == 0,
            Framing::Chunks(chunked) => chunked.is_over(),
        }
    }

    /// Returns the content so far.
    pub(super) fn into_content(self) -> Bytes {
        self.content.into()
    }
}

/// Adds a piece to the content. The buffer grows as the bytes come, since a client may declare more than it sends. It
/// never becomes larger than the content may be.
fn keep(piece: &[u8], content: &mut Vec<u8>, most: usize) {
    let size = content.len() + piece.len();
    if size > content.capacity() {
        let capacity = size.max((2 * content.capacity()).min(most));
        content.reserve_exact(capacity - content.len());
    }
    content.extend_from_slice(piece);
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
