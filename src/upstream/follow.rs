//! An answer that is taken piece by piece as it comes, for a command that shows it growing. The rules are those of a
//! whole answer: a cut answer is a failure. It must not know what the body says.

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    attempt::Adapter, broken::protocol, head, pool::Stream, reading::MAX_HEAD, rest::Rest,
};
use crate::exchange::ClientContext;
use crate::fanout::{AttemptId, Failure};

/// The bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// An answer whose head has come.
pub struct Following {
    stream: Box<dyn Stream>,
    status: StatusCode,
    fields: Vec<(String, String)>,
    rest: Rest,
    /// Bytes of the body that have come and were not taken yet.
    held: BytesMut,
}

impl Adapter {
    /// Sends the request on a connection of its own and waits for the answer's head, whatever its status.
    ///
    /// # Errors
    /// Fails if there is no connection, or if no valid answer comes.
    pub async fn follow(&self, client: &ClientContext) -> Result<Following, Failure> {
        let mut stream = self.wire().open_alone().await?;
        let (bytes, body) = self.template().bytes(client, AttemptId::ONLY);
        let sent = async {
            stream.write_all(&bytes).await?;
            stream.write_all(body).await?;
            stream.flush().await
        };
        sent.await.map_err(|_| protocol(CUT))?;
        let mut held = BytesMut::new();
        loop {
            held.reserve(PIECE);
            if let Some(head) = head::parse(&held, false).map_err(protocol)? {
                let bytes = held.split_to(head.size);
                if head.status.is_informational() {
                    continue;
                }
                return Ok(Following {
                    stream,
                    status: head.status,
                    fields: fields(&bytes),
                    rest: Rest::of(head.framing),
                    held,
                });
            }
            if held.len() > MAX_HEAD {
                return Err(protocol("the answer's head is too large"));
            }
            if !matches!(stream.read_buf(&mut held).await, Ok(1..)) {
                return Err(protocol(CUT));
            }
        }
    }
}

const CUT: &str = "the upstream cut its answer short";

impl Following {
    /// Returns the answer's status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the first field of this name, if it is text. The name must be in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the next piece of the body, or `None` at its end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Fails if the body is cut, or if its framing is broken.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if self.rest.is_over() {
                return Ok(None);
            }
            if !self.held.is_empty() {
                let bytes = self.held.split();
                let mut data = Vec::new();
                self.rest.take(&bytes, &mut data)?;
                if !data.is_empty() {
                    return Ok(Some(data));
                }
                continue;
            }
            self.held.reserve(PIECE);
            match self.stream.read_buf(&mut self.held).await {
                Ok(1..) => {}
                Ok(0) if matches!(self.rest, Rest::ToTheClose) => self.rest = Rest::Bytes(0),
                _ => return Err(protocol(CUT)),
            }
        }
    }
}

/// Returns the fields of a head. The head has been read once already.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let mut fields = [httparse::EMPTY_HEADER; head::MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    if answer.parse(head).is_err() {
        return Vec::new();
    }
    let text = |field: &httparse::Header<'_>| {
        let value = std::str::from_utf8(field.value).ok()?;
        Some((field.name.to_ascii_lowercase(), value.to_owned()))
    };
    answer.headers.iter().filter_map(text).collect()
}
