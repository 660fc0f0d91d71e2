//! The faults that a request's head can have, and the problem that the client is told for each. It must not know how a
//! head is read.

use std::borrow::Cow;

use crate::api::{Problem, ProblemKind};

/// A rule that a head breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BareLineFeed,
    BareCarriageReturn,
    EmptyLines,
    RequestLine,
    Method,
    UnknownMethod,
    Target,
    TargetTooLong,
    Version,
    OtherVersion,
    Folded,
    SpaceBeforeColon,
    FieldName,
    FieldValue,
    /// The number is the most fields that are accepted.
    TooManyFields(usize),
    TooLarge,
    NoHost,
    TwoHosts,
    Host,
    Length,
    TwoLengths,
    LengthAndCoding,
    Coding,
    CodingInHttp10,
    NoLengthInHttp10,
    Chunk,
    Trailer,
    Late,
    LateBody,
}

impl Fault {
    /// Returns the problem that the client is told.
    pub(crate) fn problem(self) -> Problem {
        let kind = match self {
            Self::TargetTooLong => ProblemKind::UriTooLong,
            Self::TooLarge | Self::TooManyFields(_) => ProblemKind::HeadTooLarge,
            Self::Late | Self::LateBody => ProblemKind::RequestTimeout,
            Self::UnknownMethod => ProblemKind::MethodNotImplemented,
            Self::OtherVersion => ProblemKind::VersionNotSupported,
            _ => ProblemKind::MalformedRequest,
        };
        Problem::new(kind, self.detail())
    }

    /// Returns the sentence for the client and the log.
    pub(super) fn detail(self) -> Cow<'static, str> {
        match self {
            Self::TooManyFields(most) => {
                format!("the request's head has too many fields: at most {most} are taken").into()
            }
            fault => fault.sentence().into(),
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line of the head ends without a carriage return",
            Self::BareCarriageReturn => "a field has a carriage return in it",
            Self::EmptyLines => "there are too many empty lines before the request line",
            Self::RequestLine => "the request line is not `method target version`",
            Self::Method => "the method has a character that is not allowed",
            Self::UnknownMethod => {
                "the method is not implemented: GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE and QUERY are"
            }
            Self::Target => {
                "the request target is not valid: a path as RFC 3986 has it is expected, its other characters \
                 percent-encoded"
            }
            Self::TargetTooLong => "the request target is too long: at most 8 KiB are taken",
            Self::Version => "the version is not `HTTP/` and two digits with a point between them",
            Self::OtherVersion => "this version of HTTP is not supported: 1.1 and 1.0 are",
            Self::Folded => "a field is folded over several lines",
            Self::SpaceBeforeColon => "there is space before a field's colon",
            Self::FieldName => "a field has no valid name",
            Self::FieldValue => "a field has a control character in it",
            Self::TooManyFields(_) => "the request's head has too many fields",
            Self::TooLarge => "the request's head is too large: at most 64 KiB are taken",
            Self::NoHost => "the request has no Host",
            Self::TwoHosts => "the request has more than one Host",
            Self::Host => "Host is not a host with or without a port",
            Self::Length => "Content-Length is not a number",
            Self::TwoLengths => "the request has more than one Content-Length",
            Self::LengthAndCoding => "the request has both Content-Length and Transfer-Encoding",
            Self::Coding => "Transfer-Encoding is not `chunked` alone",
            Self::CodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding",
            Self::NoLengthInHttp10 => "a POST by HTTP/1.0 needs a Content-Length",
            Self::Chunk => "the chunked body does not begin with a valid chunk",
            Self::Trailer => "a trailer field has a name that only the head may have",
            Self::Late => "the request's head did not come in time",
            Self::LateBody => "the end of the request's body did not come in time",
        }
    }
}
