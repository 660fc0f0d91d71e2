//! The part of an answer's body that is still to come, with each way in which it can end (RFC 9112, section 6.3). Pure:
//! it is fed.

use super::{broken::protocol, chunks::Chunks, head::Framing};
use crate::fanout::Failure;

/// The part of a body that is still to come.
pub(super) enum Rest {
    Bytes(u64),
    Chunks(Chunks),
    ToTheClose,
}

impl Rest {
    pub(super) const fn of(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Bytes(0),
            Framing::Length(length) => Self::Bytes(length),
            Framing::Chunked => Self::Chunks(Chunks::new()),
            Framing::Close => Self::ToTheClose,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Bytes(left) => *left == 0,
            Self::Chunks(chunks) => chunks.is_over(),
            Self::ToTheClose => false,
        }
    }

    /// Appends the body's part of `bytes`, which come next on the wire, to `data`.
    pub(super) fn take(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<(), Failure> {
        let followed = self.follow(bytes, |bytes| {
            data.extend_from_slice(bytes);
            Ok(())
        });
        followed.map(drop).map_err(|Stop(failure)| failure)
    }

    /// Passes the body's part of `bytes` to `data`, and returns how many of `bytes` it took.
    pub(super) fn follow(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<usize, Stop> {
        match self {
            Self::Bytes(left) => {
                let size = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= size as u64;
                data(&bytes[..size])?;
                Ok(size)
            }
            Self::Chunks(chunks) => chunks.follow(bytes, data),
            Self::ToTheClose => {
                data(bytes)?;
                Ok(bytes.len())
            }
        }
    }
}

/// The reason why a body is not read on.
pub(super) struct Stop(pub(super) Failure);

impl From<&'static str> for Stop {
    fn from(fault: &'static str) -> Self {
        Self(protocol(fault))
    }
}
