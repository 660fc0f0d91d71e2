//! A request as it came, put together from bytes. It must not know what is done with it.

use tokio::sync::mpsc;

/// The most headers of a head. A head with more is refused.
const MOST_HEADERS: usize = 256;

/// A whole request, with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`, as it was written.
    pub method: String,
    /// The path and the query, as they were written.
    pub target: String,
    /// The headers in the order in which they came, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The number of the connection on which it came. The first one is 1.
    pub connection: usize,
}

impl Request {
    /// Returns the target up to its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns the target's query, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Returns the first value of the header `name`, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Counts the headers `name`, which is given in lower case.
    pub fn header_count(&self, name: &str) -> usize {
        self.headers
            .iter()
            .filter(|(known, _)| known == name)
            .count()
    }
}

/// The error for bytes that are no request.
#[derive(Debug)]
pub(super) struct Malformed;

/// The bytes that have come on a connection and are not used yet.
pub(super) struct Incoming {
    received: mpsc::UnboundedReceiver<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(received: mpsc::UnboundedReceiver<Vec<u8>>) -> Self {
        Self {
            received,
            buffer: Vec::new(),
        }
    }

    /// Returns the next request. If the client closes first, this never ends, but the reader of the socket notices it.
    pub(super) async fn request(&mut self, connection: usize) -> Result<Request, Malformed> {
        let mut request = self.head(connection).await?;
        if request
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            while let Some(length) = self.chunk_size().await? {
                request.body.extend(self.take(length).await);
                self.take(2).await;
            }
            // The trailers are skipped, up to the empty line.
            while !self.line().await.is_empty() {}
        } else if let Some(length) = request.header("content-length") {
            let length = length.parse().map_err(|_| Malformed)?;
            request.body = self.take(length).await;
        }
        Ok(request)
    }

    async fn head(&mut self, connection: usize) -> Result<Request, Malformed> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut parsed = httparse::Request::new(&mut headers);
            if let httparse::Status::Complete(length) =
                parsed.parse(&self.buffer).map_err(|_| Malformed)?
            {
                let named = |header: &httparse::Header<'_>| {
                    (
                        header.name.to_ascii_lowercase(),
                        String::from_utf8_lossy(header.value).into_owned(),
                    )
                };
                let request = Request {
                    method: parsed.method.unwrap_or_default().to_owned(),
                    target: parsed.path.unwrap_or_default().to_owned(),
                    headers: parsed.headers.iter().map(named).collect(),
                    body: Vec::new(),
                    connection,
                };
                self.buffer.drain(..length);
                return Ok(request);
            }
            self.more().await;
        }
    }

    /// Returns the size of the next chunk, or `None` for the last one.
    async fn chunk_size(&mut self) -> Result<Option<usize>, Malformed> {
        let line = String::from_utf8(self.line().await).map_err(|_| Malformed)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| Malformed)?;
        Ok((length > 0).then_some(length))
    }

    /// Returns the next line, without its end.
    async fn line(&mut self) -> Vec<u8> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let mut line = self.take(end + 2).await;
                line.truncate(end);
                return line;
            }
            self.more().await;
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            self.more().await;
        }
        self.buffer.drain(..length).collect()
    }

    async fn more(&mut self) {
        match self.received.recv().await {
            Some(bytes) => self.buffer.extend(bytes),
            None => std::future::pending().await,
        }
    }
}
