//! Properties of every answer of the gateway, whatever upstreams sent and declared. The answer is valid JSON. It has
//! each member once, no other member, and each body as it came. No upstream can forge a field or a result.

use std::{collections::BTreeSet, fmt, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::StatusCode;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    api::{Problem, ProblemKind},
    compose::{self, Comparison},
    fanout::{Body, CallResult, Failure, FailureKind, Mode, Outcome, Reply, Verdict},
    upstream::properties::{DEPTH, classify},
};

/// The byte that ends one upstream's part of the input.
const SEPARATOR: u8 = 0x1e;

/// Reads `bytes` as the answers of upstreams. Each part, up to a record separator, is a line and a body. The line is
/// the `Content-Type`; an empty line means that there is none. A `~` before it says that the body is in zstd. A `!`
/// says that the body is the detail of a failure.
///
/// # Panics
/// Panics if a property does not hold.
pub fn embedding(bytes: &[u8]) {
    let sent: Vec<_> = bytes
        .split(|byte| *byte == SEPARATOR)
        .take(8)
        .map(Sent::read)
        .collect();
    let elapsed = Duration::from_micros(bytes.len() as u64);
    let results = sent.iter().enumerate().map(|(index, sent)| {
        let start = Duration::from_micros(index as u64);
        CallResult::new(format!("call_{index}"), start, elapsed, sent.result())
    });
    let outcome = Outcome {
        mode: Mode::Sequential,
        verdict: Verdict::Partial,
        elapsed: Duration::from_millis(1),
        results: results.collect(),
        positions: None,
    };
    for (sent, call) in sent.iter().zip(&outcome.results) {
        sent.check_kind(&call.result);
    }

    let mut members = Vec::new();
    compose::members(&mut members, "default", &outcome, None);
    let whole = [b"{", &*members, b"}"].concat();
    check_report(&object(&whole), &outcome);

    // The same members stand in a problem as its extension, and twice in a comparison.
    let problem = Problem::new(ProblemKind::UpstreamFailed, "detail").with_members(members);
    let problem = problem.json();
    let problem = object(&problem);
    let (own, extension) = problem.0.split_at(4);
    assert_eq!(keys(own), ["type", "title", "status", "detail"]);
    check_report(&Object(extension.to_vec()), &outcome);

    let mut both = vec![b'{'];
    let runs = Comparison {
        sequential: &outcome,
        concurrent: &Outcome {
            mode: Mode::Concurrent,
            ..outcome.clone()
        },
    };
    compose::comparison(&mut both, "default", runs, None);
    both.push(b'}');
    let both = object(&both);
    let expected = ["aggregate", "mode", "sequential", "concurrent", "speedup"];
    assert_eq!(keys(&both.0), expected);
    check_report(&object(both.0[2].1.get().as_bytes()), &outcome);
}

/// The answer of one upstream.
struct Sent<'a> {
    content_type: Option<String>,
    encoded: bool,
    failed: bool,
    body: &'a [u8],
}

impl<'a> Sent<'a> {
    fn read(part: &'a [u8]) -> Self {
        let end = part.iter().position(|byte| *byte == b'\n');
        let (line, body) = part.split_at(end.unwrap_or(part.len()));
        let line = String::from_utf8_lossy(line);
        let content_type = line.trim_start_matches(['~', '!']);
        Self {
            content_type: (!content_type.is_empty()).then(|| content_type.to_owned()),
            encoded: line.starts_with('~'),
            failed: line.starts_with('!'),
            body: body.get(1..).unwrap_or_default(),
        }
    }

    fn result(&self) -> Result<Reply, Failure> {
        if self.failed {
            let detail = String::from_utf8_lossy(self.body).into_owned();
            let kind = FailureKind::ALL[self.body.len() % FailureKind::ALL.len()];
            let failure = Failure::new(kind, detail);
            return Err(match self.body.len() % 2 {
                0 => failure,
                _ => failure.with_status(StatusCode::BAD_GATEWAY),
            });
        }
        let body = Bytes::copy_from_slice(self.body);
        let coding = self.encoded.then_some("zstd");
        classify(self.content_type.as_deref(), coding, body)
            .map(|body| Reply::new(StatusCode::OK, body))
    }

    /// Checks that the result has the body that was sent.
    fn check_kind(&self, result: &Result<Reply, Failure>) {
        let says_json = self.content_type.as_deref().is_some_and(says_json);
        let own = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.body);
        let value = serde_json::from_slice::<&RawValue>(own);
        match result {
            Err(_) if self.failed => {}
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::InvalidBody);
                let is_deep = |value: &&RawValue| depth(value.get()) > usize::from(DEPTH);
                let is_encoded = self.encoded && !self.body.is_empty();
                assert!(says_json && (is_encoded || value.as_ref().map_or(true, is_deep)));
            }
            Ok(Reply { body, .. }) => match body {
                Body::Empty => assert!(self.body.is_empty() && !says_json),
                Body::Json(bytes) => {
                    assert!(says_json && !self.encoded);
                    let value = value.expect("JSON").get();
                    assert_eq!(bytes, value);
                    assert!(depth(value) <= usize::from(DEPTH));
                    let is_space = |byte: &u8| b" \t\r\n".contains(byte);
                    let start = own.iter().take_while(|byte| is_space(byte)).count();
                    assert!(own[start..].starts_with(bytes));
                    assert!(own[start + bytes.len()..].iter().all(is_space));
                }
                Body::Text { content_type, text } => {
                    assert!(!says_json && !self.encoded);
                    assert_eq!(content_type.as_deref(), self.content_type.as_deref());
                    assert_eq!(text, own);
                    assert!(std::str::from_utf8(text).is_ok());
                }
                Body::Binary { labels, bytes } => {
                    let content_type = &labels.content_type;
                    assert!(!says_json);
                    assert_eq!(labels.content_encoding.is_some(), self.encoded);
                    assert_eq!(content_type.as_deref(), self.content_type.as_deref());
                    assert_eq!(bytes, self.body);
                }
            },
        }
    }
}

/// Returns true if a plain reading takes the type for JSON. It takes the last valid part between commas, up to the
/// part's semicolon.
fn says_json(text: &str) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    let mut parts = vec![String::new()];
    for next in text.chars() {
        let is_end = next == ',' && !quoted;
        (quoted, escaped) = match next {
            _ if escaped => (quoted, false),
            '\\' if quoted => (true, true),
            '"' => (!quoted, false),
            _ => (quoted, false),
        };
        if is_end {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(next.to_ascii_lowercase());
        }
    }
    let is_part = |next: char| next.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(next);
    let is_token = |text: &str| !text.is_empty() && text.chars().all(is_part);
    let mut essences = parts.iter().rev().filter_map(|part| {
        let essence = part.split(';').next()?.trim_matches([' ', '\t']);
        let (top, sub) = essence.split_once('/')?;
        (is_token(top) && is_token(sub) && essence != "*/*").then_some(sub)
    });
    essences.next().is_some_and(|sub| {
        let amazon = sub.strip_prefix("x-amz-json-");
        matches!(sub, "json" | "x-json")
            || sub.ends_with("+json")
            || amazon.is_some_and(|version| !version.is_empty())
    })
}

/// Counts the levels of nesting of a JSON value.
fn depth(value: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in value.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' if !quoted => open -= 1,
            _ => {}
        }
    }
    most
}

/// The members of an object in order. Each name occurs once.
#[derive(Debug)]
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                let mut names = BTreeSet::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

fn object(json: &[u8]) -> Object<'_> {
    serde_json::from_slice(json)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

fn keys<'a>(members: &'a [(String, &RawValue)]) -> Vec<&'a str> {
    members.iter().map(|(name, _)| name.as_str()).collect()
}

fn text(value: &RawValue) -> String {
    serde_json::from_str(value.get()).expect("a JSON string")
}

fn check_report(report: &Object<'_>, outcome: &Outcome) {
    let expected = [
        "aggregate",
        "mode",
        "outcome",
        "elapsed_ms",
        "sequential_ms",
        "results",
    ];
    assert_eq!(keys(&report.0), expected);
    assert_eq!(text(report.0[0].1), "default");
    assert_eq!(text(report.0[2].1), "partial");
    let results: Vec<Object<'_>> =
        serde_json::from_str(report.0[5].1.get()).expect("a list of objects");
    assert_eq!(results.len(), outcome.results.len(), "a result a call");
    for (shown, call) in results.iter().zip(&outcome.results) {
        check_result(shown, call);
    }
}

fn check_result(shown: &Object<'_>, call: &CallResult) {
    let mut members = shown.0.iter();
    let mut next = |name: &str| {
        let (found, value) = members.next().expect("one more member");
        assert_eq!(found, name);
        *value
    };
    assert_eq!(text(next("name")), *call.name);
    assert_eq!(next("ok").get(), call.result.is_ok().to_string());
    let status = match &call.result {
        Ok(reply) => Some(reply.status),
        Err(failure) => failure.status,
    };
    if let Some(status) = status {
        assert_eq!(next("status").get(), status.as_str());
    }
    for name in ["start_ms", "elapsed_ms", "attempts"] {
        assert!(next(name).get().parse::<f64>().is_ok());
    }
    match &call.result {
        Err(failure) => {
            assert_eq!(text(next("failure")), failure.kind.as_str());
            assert_eq!(text(next("detail")), failure.detail);
        }
        Ok(Reply { body, .. }) => {
            let content_type = match body {
                Body::Text { content_type, .. } => content_type,
                Body::Binary { labels, .. } => &labels.content_type,
                Body::Empty | Body::Json(_) => &None,
            };
            if let Some(content_type) = content_type {
                assert_eq!(text(next("content_type")), **content_type);
            }
            match body {
                Body::Binary { labels, bytes } => {
                    if let Some(content_encoding) = &labels.content_encoding {
                        assert_eq!(text(next("content_encoding")), **content_encoding);
                    }
                    assert_eq!(text(next("encoding")), "base64");
                    let decoded = BASE64_STANDARD.decode(text(next("body")));
                    assert_eq!(decoded.as_deref(), Ok(&**bytes));
                }
                Body::Text { text: sent, .. } => {
                    let shown = next("body");
                    assert_eq!(text(shown).as_bytes(), &**sent);
                    assert!(!shown.get().contains(['\u{2028}', '\u{2029}']));
                }
                Body::Json(bytes) => assert_eq!(next("body").get(), bytes),
                Body::Empty => assert_eq!(next("body").get(), "null"),
            }
        }
    }
    assert!(members.next().is_none(), "no member but its own");
}
