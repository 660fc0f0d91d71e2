//! What can be wrong with a request's head, and which problem the client is told.

use crate::api::error::{Problem, ProblemKind};

/// A rule that a head breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Fault {
    BareLineFeed,
    BareCarriageReturn,
    EmptyLines,
    RequestLine,
    Method,
    Target,
    TargetTooLong,
    Version,
    Folded,
    SpaceBeforeColon,
    FieldName,
    FieldValue,
    TooManyFields,
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
    Late,
}

impl Fault {
    /// The problem as the client is told it.
    pub(in crate::api) fn problem(self) -> Problem {
        let kind = match self {
            Self::TargetTooLong => ProblemKind::UriTooLong,
            Self::TooLarge | Self::TooManyFields => ProblemKind::HeadTooLarge,
            Self::Late => ProblemKind::RequestTimeout,
            _ => ProblemKind::MalformedRequest,
        };
        Problem::new(kind, self.detail())
    }

    /// The sentence for client and log.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line of the head ends without a carriage return",
            Self::BareCarriageReturn => "a field has a carriage return in it",
            Self::EmptyLines => "there are too many empty lines before the request line",
            Self::RequestLine => "the request line is not `method target version`",
            Self::Method => "the method is too long or has a character that none may have",
            Self::Target => {
                "the request target is not valid: a path as RFC 3986 has it is expected, its other characters \
                 percent-encoded"
            }
            Self::TargetTooLong => "the request target is too long: at most 8 KiB are taken",
            Self::Version => "the version of HTTP is not known: 1.1 and 1.0 are",
            Self::Folded => "a field is folded over several lines",
            Self::SpaceBeforeColon => "there is space before a field's colon",
            Self::FieldName => "a field has no valid name",
            Self::FieldValue => "a field has a control character in it",
            Self::TooManyFields => "the request's head has too many fields: at most 96 are taken",
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
            Self::Late => "the request's head did not come in time",
        }
    }
}
