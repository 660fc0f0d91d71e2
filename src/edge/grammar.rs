//! The grammar of a request's head, line by line (RFC 9110, RFC 9112, RFC 3986): the bytes that are allowed at each
//! position. It must not know the order of lines, nor their meaning together.

use super::{bounds::MAX_TARGET, fault::Fault};

/// The longest method, in bytes: longer than any that is registered.
pub(super) const MAX_METHOD: usize = 32;

/// The parts of a request line on which later lines depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) version: Version,
}

/// The methods that are treated in a special way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Connect,
    Get,
    Head,
    Options,
    Post,
    Other,
}

/// The versions of HTTP that are spoken. A later 1.x counts as 1.1, as its messages have the same form (RFC 9110,
/// section 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

/// Reads `method SP request-target SP HTTP-version` (RFC 9112, section 3).
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine, Fault> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::RequestLine);
    };
    // The codec's parser accepts a little less than a token (RFC 9110, section 9.1), and so does this check.
    if http::Method::from_bytes(method).is_err() || method.len() > MAX_METHOD {
        return Err(other_method(method));
    }
    let method = match method {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"CONNECT" => Method::Connect,
        b"OPTIONS" => Method::Options,
        b"POST" => Method::Post,
        _ => Method::Other,
    };
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => other_version(version)?,
    };
    if target.len() > MAX_TARGET {
        return Err(Fault::TargetTooLong);
    }
    check_target(method, target)?;
    Ok(RequestLine { method, version })
}

/// Returns the fault of a method that is not accepted.
#[cold]
pub(super) fn other_method(method: &[u8]) -> Fault {
    if is_token(method) {
        Fault::UnknownMethod
    } else {
        Fault::Method
    }
}

/// Reads another version: `HTTP/` and two digits. The first digit decides (RFC 9112, section 2.3).
#[cold]
fn other_version(version: &[u8]) -> Result<Version, Fault> {
    match version.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', b'2'..=b'9']) => Ok(Version::Http11),
        Some([b'0' | b'2'..=b'9', b'.', b'0'..=b'9']) => Err(Fault::OtherVersion),
        _ => Err(Fault::Version),
    }
}

/// Checks a target against its four forms (RFC 9112, section 3.2).
fn check_target(method: Method, target: &[u8]) -> Result<(), Fault> {
    let is_valid = match (method, target) {
        (Method::Connect, authority) => has_port(authority) && is_host(authority),
        (Method::Options, b"*") => true,
        (_, [b'/', ..]) => is_path_and_query(target),
        _ => after_scheme(target).is_some_and(|rest| {
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
            let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
            is_host(authority) && is_path_and_query(path)
        }),
    };
    // The codec's parser accepts less than RFC 3986 in a host: no escapes.
    let is_path = matches!(target, [b'/', ..]);
    if is_valid && (is_path || http::Uri::try_from(target).is_ok()) {
        Ok(())
    } else {
        Err(Fault::Target)
    }
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn has_port(authority: &[u8]) -> bool {
    authority.last().is_some_and(u8::is_ascii_digit) && authority.contains(&b':')
}

/// Returns true for a path and query by RFC 3986, with the additions that browsers don't escape: brackets and a bar,
/// and in the query also braces, `\`, `^` and a backquote. None of them ends a part.
fn is_path_and_query(target: &[u8]) -> bool {
    let question = target.iter().position(|byte| *byte == b'?');
    let (path, query) = target.split_at(question.unwrap_or(target.len()));
    let in_path = |byte: u8| is_path_byte(byte) || matches!(byte, b'[' | b']' | b'|');
    let in_query =
        |byte: u8| in_path(byte) || matches!(byte, b'?' | b'{' | b'}' | b'\\' | b'^' | b'`');
    is_encoded(path, in_path) && is_encoded(query, in_query)
}

/// Returns true if every byte is allowed, and every `%` has its two digits.
fn is_encoded(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> bool {
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        let is_good = match byte {
            b'%' => [rest.next(), rest.next()]
                .iter()
                .all(|digit| digit.is_some_and(u8::is_ascii_hexdigit)),
            _ => allowed(byte),
        };
        if !is_good {
            return false;
        }
    }
    true
}

const fn is_path_byte(byte: u8) -> bool {
    is_name_byte(byte) || matches!(byte, b':' | b'@' | b'/')
}

/// Returns true for the bytes `unreserved` and `sub-delims` of RFC 3986.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

/// Returns true for `uri-host [ ":" port ]` (RFC 9110, section 7.2). An `http` URI has no empty host (section 4.2.1),
/// so an empty host is refused here too.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (is_name, port) = if let [b'[', rest @ ..] = value {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else {
            return false;
        };
        let is_literal = |byte: &u8| is_name_byte(*byte) || *byte == b':';
        (
            end > 0 && rest[..end].iter().all(is_literal),
            &rest[end + 1..],
        )
    } else {
        let colon = value.iter().position(|byte| *byte == b':');
        let (name, port) = value.split_at(colon.unwrap_or(value.len()));
        (!name.is_empty() && is_encoded(name, is_name_byte), port)
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_name && is_port
}

/// Takes `field-name ":" OWS field-value OWS` apart (RFC 9112, section 5).
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(Fault::Folded);
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or(Fault::FieldName)?);
    if matches!(name, [.., b' ' | b'\t']) {
        return Err(Fault::SpaceBeforeColon);
    }
    if !is_token(name) {
        return Err(Fault::FieldName);
    }
    let value = trim(&value[1..]);
    match value.iter().find(|byte| !is_value_byte(**byte)) {
        None => Ok((name, value)),
        Some(b'\r') => Err(Fault::BareCarriageReturn),
        Some(_) => Err(Fault::FieldValue),
    }
}

/// Removes optional white space, which is spaces and tabs alone (RFC 9110, section 5.6.3).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(super) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Returns true for a `token` of RFC 9110, section 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
