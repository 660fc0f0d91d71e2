//! The result of one attempt: a reply, or a failure with its class. It must not know how the attempt was made.

use std::{borrow::Cow, cell::Cell, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

/// A complete answer of an upstream that counts as success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The upstream's status.
    pub status: StatusCode,
    /// The upstream's body, whole.
    pub body: Body,
    /// Its header fields that something asks for, in the order they came; `None` if nothing does.
    pub fields: Option<Box<Fields>>,
}

impl Reply {
    /// Makes a reply of which no header field is kept.
    #[must_use]
    pub const fn new(status: StatusCode, body: Body) -> Self {
        Self {
            status,
            body,
            fields: None,
        }
    }

    /// Returns the header fields that are kept.
    #[must_use]
    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        self.fields.as_ref().map_or(&[], |fields| &fields.0)
    }
}

/// Header fields of an answer, a line each, in the order they came. They are a type of their own, so that a reply
/// without any has room for one pointer alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(HeaderName, HeaderValue)>);

impl FromIterator<(HeaderName, HeaderValue)> for Box<Fields> {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(fields: I) -> Self {
        Box::new(Fields(fields.into_iter().collect()))
    }
}

/// The status of an attempt's answer. It is set as soon as the head has come, so it is known even if the attempt is
/// given up later.
#[derive(Debug, Default)]
pub struct HeadStatus(Cell<Option<StatusCode>>);

impl HeadStatus {
    /// Notes that the final head has come, with this status.
    pub fn set(&self, status: StatusCode) {
        self.0.set(Some(status));
    }

    /// Returns the status that has come, if one has.
    #[must_use]
    pub fn get(&self) -> Option<StatusCode> {
        self.0.get()
    }
}

/// A body, by how it can be shown inside JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// There was none (204, 304, or a length of 0 without a JSON type).
    Empty,
    /// Exactly one valid JSON value in UTF-8, as it came. The code that builds this has checked it, as it is embedded
    /// unread.
    Json(Bytes),
    /// Text in UTF-8. The code that builds this has checked it.
    Text {
        /// The upstream's `Content-Type`, if it sent one.
        content_type: Option<Box<str>>,
        /// Valid UTF-8.
        text: Bytes,
    },
    /// Anything else.
    Binary {
        /// The upstream's own labels of them.
        labels: Box<Labels>,
        /// The bytes as they came.
        bytes: Bytes,
    },
}

impl Body {
    /// Returns the bytes that the body gains in an answer's JSON: escapes in text, and base64 in bytes.
    #[must_use]
    pub fn grows(&self) -> usize {
        match self {
            Self::Empty | Self::Json(_) => 0,
            Self::Text { text, .. } => escapes(text),
            Self::Binary { bytes, .. } => bytes.len().div_ceil(3) * 4 - bytes.len(),
        }
    }
}

/// Returns the bytes that escapes add to a text in JSON. U+2028 and U+2029 are escaped too.
fn escapes(text: &[u8]) -> usize {
    const SEPARATORS: &[u8] = b"\xe2\x80";
    let more = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    };
    let more: usize = text.iter().map(more).sum();
    if text.contains(&SEPARATORS[0]) {
        let is_separator = |at: &&[u8]| at.starts_with(SEPARATORS) && matches!(at[2], 0xa8 | 0xa9);
        return more + text.windows(3).filter(is_separator).count() * 3;
    }
    more
}

/// The labels that an upstream gave to a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Its `Content-Type`, if it sent one.
    pub content_type: Option<Box<str>>,
    /// Its `Content-Encoding`, if it is anything but `identity`.
    pub content_encoding: Option<Box<str>>,
}

/// The reason why a call has no reply. The texts are labels of metrics and members of answers: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection: the name, the address, the port, or the time for it.
    Connect,
    /// No TLS session: the certificate, the name in it, or the handshake.
    Tls,
    /// The call's own time was over.
    Timeout,
    /// The plan's time was over.
    Deadline,
    /// The upstream answered with a status that does not count as success.
    Status,
    /// The upstream broke HTTP or cut its answer short.
    Protocol,
    /// The upstream's body was larger than allowed.
    TooLarge,
    /// The upstream said JSON and sent something else.
    InvalidBody,
    /// The circuit breaker refused the attempt.
    CircuitOpen,
    /// The call was no longer needed.
    Cancelled,
    /// The call was never started: its sequential plan had stopped, or what it depends on failed.
    Skipped,
    /// Too many attempts were in flight to this upstream. Or it has answered, and there is no memory for its body.
    Overload,
    /// The upstream answered, and its answer is not what the call expects.
    Unexpected,
    /// The call's own condition was false. It is neither a success nor a failure.
    Omitted,
}

impl FailureKind {
    /// Every kind, in the order of the contract.
    pub const ALL: [Self; 14] = [
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Deadline,
        Self::Status,
        Self::Protocol,
        Self::TooLarge,
        Self::InvalidBody,
        Self::CircuitOpen,
        Self::Cancelled,
        Self::Skipped,
        Self::Overload,
        Self::Unexpected,
        Self::Omitted,
    ];

    /// Returns the kind's one name in answers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::Status => "status",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
            Self::InvalidBody => "invalid_body",
            Self::CircuitOpen => "circuit_open",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Overload => "overload",
            Self::Unexpected => "unexpected",
            Self::Omitted => "omitted",
        }
    }

    /// Returns true if the failure speaks against the upstream's health. A rejected request (a status below 500, except
    /// 429), our own limits and the plan's end do not.
    #[must_use]
    pub fn is_sick(self, status: Option<StatusCode>) -> bool {
        match self {
            Self::Connect | Self::Tls | Self::Timeout | Self::Protocol => true,
            // RFC 9110, section 15: a status beyond 599 is taken for a failure of the server.
            Self::Status => status.is_some_and(|status| {
                status.as_u16() >= 500 || status == StatusCode::TOO_MANY_REQUESTS
            }),
            Self::Deadline
            | Self::TooLarge
            | Self::InvalidBody
            | Self::CircuitOpen
            | Self::Cancelled
            | Self::Skipped
            | Self::Overload
            | Self::Unexpected
            | Self::Omitted => false,
        }
    }

    /// Returns true if the call failed only because its time was over.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Timeout | Self::Deadline)
    }

    /// Returns true if the plan itself gave the call up, or nothing was sent for it. Such an end says nothing of the
    /// upstream.
    #[must_use]
    pub const fn is_given_up(self) -> bool {
        matches!(self, Self::Cancelled | Self::Skipped | Self::Omitted)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The side that has to mend a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Party {
    /// The upstream, or the way to it. Its breaker judges by the failure's class.
    #[default]
    Upstream,
    /// The gateway: it lacked a resource that an attempt needs. This says nothing of the upstream.
    Gateway,
    /// The values that a call is made from: one of them is missing, or can't be sent.
    Values,
}

/// A failure, as a client of the gateway may see it. It never has an address, a credential or a part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub kind: FailureKind,
    /// The upstream's status, if it sent one.
    pub status: Option<StatusCode>,
    /// One sentence for a person.
    pub detail: Cow<'static, str>,
    /// The time after which the upstream asks for a retry, by its `Retry-After` (RFC 9110, section 10.2.3).
    pub retry_after: Option<Duration>,
    /// Other fields of the answer that its client may need, if the adapter was told to keep them.
    pub advice: Option<Box<Advice>>,
    /// The side that has to mend it.
    pub fault: Party,
}

/// Fields of a failed answer that go on with its status, if that becomes the status of the whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    /// Its challenges, a line of `WWW-Authenticate` each (RFC 9110, section 11.6.1).
    pub challenges: Vec<HeaderValue>,
    /// Its `Retry-After` (RFC 9110, section 10.2.3).
    pub retry_after: Option<HeaderValue>,
}

impl Failure {
    /// Makes a failure without a status.
    #[must_use]
    pub fn new(kind: FailureKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            status: None,
            detail: detail.into(),
            retry_after: None,
            advice: None,
            fault: Party::Upstream,
        }
    }

    /// Marks the failure as one of the gateway, which lacked a resource.
    #[must_use]
    pub fn of_the_gateway(mut self) -> Self {
        self.fault = Party::Gateway;
        self
    }

    /// Makes the failure of a call that is never sent, because of the values that it is made from.
    #[must_use]
    pub fn skipped(detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            fault: Party::Values,
            ..Self::new(FailureKind::Skipped, detail)
        }
    }

    /// Returns true if it speaks against the upstream's health.
    #[must_use]
    pub fn is_sick(&self) -> bool {
        self.fault == Party::Upstream && self.kind.is_sick(self.status)
    }

    /// Returns true if the plan itself gave the call up. A call that is skipped for a value has failed by itself.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.kind.is_given_up() && self.fault != Party::Values
    }

    /// Adds the status of the answer that failed.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}
