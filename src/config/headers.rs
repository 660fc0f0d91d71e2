//! The headers that a configuration may set or forward. It must not know how they are sent. A value is never quoted.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use super::{mistake::KeyPath, review::Review, values::Texts};
use crate::{
    exchange::{REQUEST_ID, TRACE_PARENT, TRACE_STATE},
    upstream::Request,
};

/// Headers that belong to one connection or frame a message (RFC 9110, section 7.6.1). The gateway writes them itself.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    // Attempts don't wait for an interim answer before the body is sent.
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that mean something else to the gateway or to proxies on the way (RFC 9110, RFC 7240, RFC 7239, RFC 8586).
const WITH_A_MEANING: [&str; 19] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cdn-loop",
    "content-type",
    "cookie",
    "date",
    "forwarded",
    "host",
    "if-none-match",
    "last-event-id",
    "max-forwards",
    "origin",
    "prefer",
    "range",
    "referer",
    "user-agent",
    "via",
];

/// Headers of an answer that describe it as a whole, which is the gateway's own and not an upstream's.
const OF_OWN_ANSWERS: [&str; 20] = [
    "accept-query",
    "accept-ranges",
    "allow",
    "cache-control",
    "cdn-loop",
    "content-encoding",
    "content-range",
    "content-type",
    "date",
    "incremental",
    "preference-applied",
    "proxy-authenticate",
    "proxy-status",
    "retry-after",
    "server-timing",
    "traceparent",
    "tracestate",
    "vary",
    "www-authenticate",
    "x-accel-buffering",
];

/// Headers whose values are not secret.
const SHOWN: [&str; 6] = [
    "accept",
    "accept-language",
    "cache-control",
    "content-type",
    "host",
    "user-agent",
];

/// Fixed headers by their names in lower case.
pub(super) type Headers = BTreeMap<String, (HeaderName, HeaderValue)>;

/// Returns true if a header's value may be shown.
pub(super) fn is_shown(name: &HeaderName) -> bool {
    SHOWN.contains(&name.as_str())
}

/// Returns the fixed headers of `raw`, without those that are refused.
pub(super) fn fixed(
    path: &KeyPath,
    raw: Option<BTreeMap<String, String>>,
    review: &mut Review<'_>,
) -> Headers {
    let mut headers = Headers::new();
    for (written, value) in raw.unwrap_or_default() {
        let path = path.key(&written);
        let Some(name) = name(&path, &written, review) else {
            continue;
        };
        if let Some(message) = missing(&name, &value) {
            review.warning(&path, message);
        }
        let value = value
            .is_ascii()
            .then(|| HeaderValue::from_str(&value).ok())
            .flatten();
        let Some(mut value) = value else {
            let message = "the value has a character that no header may carry, such as a line break or one outside ASCII";
            review.mistake(&path, message);
            continue;
        };
        value.set_sensitive(!is_shown(&name));
        let key = name.as_str().to_owned();
        if headers.insert(key.clone(), (name, value)).is_some() {
            review.mistake(&path, format!("the header `{key}` is written twice"));
        }
    }
    headers
}

/// Returns the hint for a value that is missing, as if a shell had put an unset variable there.
pub(super) fn missing(name: &HeaderName, value: &str) -> Option<&'static str> {
    let value = value.trim();
    let takes_credentials = ["authorization", "proxy-authorization"].contains(&name.as_str());
    if value.is_empty() {
        return Some("its value is empty and is sent empty; set one, or leave the header out");
    }
    let is_scheme = ["basic", "bearer", "digest", "token"]
        .iter()
        .any(|scheme| value.eq_ignore_ascii_case(scheme));
    (takes_credentials && is_scheme).then_some(
        "there are no credentials after the scheme (is a shell's variable empty?); add them",
    )
}

/// Returns the headers to forward, without those that are refused.
pub(super) fn forwarded(path: &KeyPath, raw: Texts, review: &mut Review<'_>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for (index, written) in raw.into_iter().enumerate() {
        let path = path.index(index);
        let name = written.and_then(|written| name(&path, &written, review));
        match name {
            Some(name) if name == http::header::HOST => {
                let message =
                    "`host` is never forwarded: it names the upstream; `headers` may set it";
                review.mistake(&path, message);
            }
            Some(name) if names.contains(&name) => {
                review.mistake(&path, format!("the header `{name}` is listed twice"));
            }
            name => names.extend(name),
        }
    }
    names
}

/// Returns the headers by which callers set their time for the gateway itself, without those that are refused.
pub(super) fn of_callers(path: &KeyPath, raw: Texts, review: &mut Review<'_>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for (index, written) in raw.into_iter().enumerate() {
        let path = path.index(index);
        let has_a_meaning = |name: &HeaderName| {
            let trace = [TRACE_PARENT, TRACE_STATE];
            trace.contains(name) || WITH_A_MEANING.contains(&name.as_str())
        };
        match written.and_then(|written| name(&path, &written, review)) {
            Some(name) if has_a_meaning(&name) => {
                let message = format!("the header `{name}` never says how long its caller waits");
                review.mistake(&path, message);
            }
            Some(name) if names.contains(&name) => {
                review.mistake(&path, format!("the header `{name}` is listed twice"));
            }
            name => names.extend(name),
        }
    }
    names
}

/// Returns the fields of upstreams' answers that go to the client, without those that are refused.
pub(super) fn of_answers(path: &KeyPath, raw: Texts, review: &mut Review<'_>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for (index, written) in raw.into_iter().enumerate() {
        let path = path.index(index);
        let name = written.and_then(|written| name(&path, &written, review));
        let is_own = |name: &HeaderName| {
            OF_OWN_ANSWERS.contains(&name.as_str()) || name.as_str().starts_with("gather-")
        };
        match name {
            Some(name) if is_own(&name) => {
                let message = format!(
                    "the header `{name}` describes the gateway's own answer, and Gather sets it itself"
                );
                review.mistake(&path, message);
            }
            Some(name) if names.contains(&name) => {
                review.mistake(&path, format!("the header `{name}` is listed twice"));
            }
            name => names.extend(name),
        }
    }
    names
}

/// Decides the trace context of a request. A gateway that traces sends its own context with every attempt, whatever is
/// configured. One that doesn't trace passes the client's on, as a gateway must not cut a trace. A state belongs to its
/// parent, so a fixed parent takes none of the client's state.
pub(super) fn keep_trace_context(is_traced: bool, request: &mut Request) {
    let Request {
        headers,
        forward_headers,
        ..
    } = request;
    if is_traced {
        let is_ours = |name: &HeaderName| [TRACE_PARENT, TRACE_STATE].contains(name);
        forward_headers.retain(|name| !is_ours(name));
        headers.retain(|(name, _)| !is_ours(name));
        return;
    }
    let is_fixed = |name: &HeaderName| headers.iter().any(|(fixed, _)| fixed == name);
    if is_fixed(&TRACE_PARENT) {
        return;
    }
    for name in [TRACE_PARENT, TRACE_STATE] {
        if !is_fixed(&name) && !forward_headers.contains(&name) {
            forward_headers.push(name);
        }
    }
}

/// Returns the name of a header that may be sent, or notes why it may not.
pub(super) fn name(path: &KeyPath, written: &str, review: &mut Review<'_>) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(written.as_bytes()) else {
        review.mistake(
            path,
            format!("found {written:?}, expected the name of a header"),
        );
        return None;
    };
    let refusal = match name.as_str() {
        framing if FRAMING.contains(&framing) => {
            "belongs to the connection, and Gather sets it itself"
        }
        name if REQUEST_ID == name => "is sent with every attempt by Gather itself",
        _ => return Some(name),
    };
    review.mistake(path, format!("the header `{name}` {refusal}"));
    None
}

#[cfg(test)]
mod tests {
    use crate::config::load_text;

    #[test]
    fn a_header_without_a_value_is_odd_and_never_quoted() {
        let warned = |header: &str| {
            let text = format!(
                "[upstreams.a]\nurl = 'http://a'\nheaders = {{ {header} }}\n[aggregates.home]\ncalls = ['a']"
            );
            let warnings = load_text("x.toml", &text).unwrap().warnings;
            warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for (header, place) in [
            ("x-api-key = ''", "x-api-key"),
            ("cookie = ' '", "cookie"),
            ("authorization = 'Bearer '", "authorization"),
            ("Authorization = 'basic'", "Authorization"),
        ] {
            let told = warned(header);
            let start = format!("x.toml: upstreams.a.headers.{place}: ");
            assert!(told.len() == 1 && told[0].starts_with(&start), "{told:#?}");
        }
        for header in [
            "authorization = 'Bearer hunter2'",
            "x-kind = 'basic'",
            "authorization = 'hunter2'",
        ] {
            assert_eq!(warned(header), [""; 0], "{header}");
        }
    }
}
