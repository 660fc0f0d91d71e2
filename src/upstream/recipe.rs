//! The bytes of requests that are made from values (RFC 9112, section 3): a path, a query, fields or a body that vary.
//! All that does not vary is made ready at start. A request is made once, and all attempts of its call send it. Pure.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use super::{
    Address,
    body::exceeded,
    composed::{Composed, Content},
    fields::{self, CDN_LOOP, Fields},
    request::{split, write_pairs},
    settings::Request,
};
use crate::{
    exchange::{ClientContext, REQUEST_ID, TRACE_PARENT, TRACE_STATE},
    fanout::{AttemptId, Failure},
    values::{Item, Root, Scope, Skipped},
};

/// The longest head that is sent, in bytes: as much as an answer's head may have. Servers take less by default. One
/// that is a little too long is theirs to refuse. A longer one may be cut off without an answer, as if the server was
/// sick.
const LONGEST_HEAD: usize = 64 * 1024;

/// The key that tells a repeated request from another one (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The fields that no value may ever set: they frame a message, belong to its connection, or name who sends it to whom.
const NEVER: [HeaderName; 12] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    REQUEST_ID,
    TRACE_PARENT,
    TRACE_STATE,
    CDN_LOOP,
];

/// Fields as in [`NEVER`], which have no constant.
const NEVER_EITHER: [&str; 2] = ["keep-alive", "proxy-connection"];

/// The parts of a call's requests that do not vary, and the way to make the others.
pub(super) struct Recipe {
    composed: Arc<Composed>,
    /// The method, and the path if it does not vary.
    start: Vec<u8>,
    /// The own query, from its `?`.
    query: Vec<u8>,
    fields: Fields,
    /// The indices of the fields in `composed` that may be sent.
    headers: Vec<usize>,
    forward_query: Vec<String>,
    /// The body, if it does not vary.
    body: Bytes,
    /// The type of a body that is made from values, if no field says it.
    content_type: Option<&'static str>,
    /// True if the client's `Content-Type` goes with its body.
    passes_type: bool,
    /// True if a judge of the reply needs the element.
    keeps_item: bool,
}

/// One request, ready to be sent.
pub struct Rendered {
    /// The head, but for the fields that differ between attempts, and for the empty line.
    head: Vec<u8>,
    body: Bytes,
    /// The element that it was made for, and its index.
    item: Option<(usize, Box<[u8]>)>,
}

impl Recipe {
    /// Makes a recipe for requests of which some part varies; `None` if no part does.
    pub(super) fn new(
        address: &Address,
        request: &Request,
        hop: Option<HeaderValue>,
    ) -> Option<Self> {
        let composed = Arc::clone(request.composed.as_ref()?);
        let keeps_item = composed.each.is_some() && expects_item(&composed);
        if !composed.varies() && !keeps_item {
            return None;
        }
        let may_be_sent = |name: &HeaderName| {
            let is_generated = composed.idempotency_key && *name == IDEMPOTENCY_KEY;
            !is_generated && !NEVER.contains(name) && !NEVER_EITHER.contains(&name.as_str())
        };
        let headers = composed.headers.iter().enumerate();
        let headers: Vec<_> = headers
            .filter(|(_, (name, _))| may_be_sent(name))
            .map(|(index, _)| index)
            .collect();
        let composes = |name: &HeaderName| {
            let mut sent = headers.iter();
            sent.any(|&index| composed.headers[index].0 == *name)
        };
        // A client's type describes the client's body.
        let has_type = request
            .headers
            .iter()
            .any(|(name, _)| *name == header::CONTENT_TYPE)
            || composes(&header::CONTENT_TYPE);
        let mut request = request.clone();
        if composed.content.is_some() {
            request.body = None;
            request
                .forward_headers
                .retain(|name| *name != header::CONTENT_TYPE);
        }
        let fields = Fields::new(address, &request, hop, |name| {
            composes(name)
                || (composed.idempotency_key && *name == IDEMPOTENCY_KEY)
                || (composed.content.is_some() && *name == header::CONTENT_LENGTH)
        });
        let target = &request.target;
        let path = match composed.path {
            Some(_) => "",
            None => target.path(),
        };
        Some(Self {
            start: format!("{} {path}", request.method).into_bytes(),
            query: target
                .query()
                .map_or_else(Vec::new, |query| format!("?{query}").into_bytes()),
            fields,
            headers,
            forward_query: request.forward_query,
            body: request.body.unwrap_or_default(),
            content_type: match composed.content {
                Some(Content::Json(_)) if !has_type => Some("application/json"),
                Some(Content::Form(_)) if !has_type => Some("application/x-www-form-urlencoded"),
                _ => None,
            },
            passes_type: matches!(composed.content, Some(Content::Forward)) && !has_type,
            keeps_item,
            composed,
        })
    }

    /// Makes one request.
    ///
    /// # Errors
    /// Fails if a value is missing or can't be sent, or if there is no room for the body.
    pub(super) fn render(&self, scope: &Scope<'_>) -> Result<Rendered, Failure> {
        let mut head = self.target(scope).map_err(skipped)?;
        self.fields.write(&mut head, scope.client);
        for &index in &self.headers {
            let (name, template) = &self.composed.headers[index];
            if let Some(value) = template.value(scope).map_err(skipped)? {
                fields::write_field(&mut head, name, &value);
            }
        }
        if self.composed.idempotency_key {
            fields::write_line(&mut head, &IDEMPOTENCY_KEY, new_key().as_bytes());
        }
        let body = self.body(scope, &mut head)?;
        fields::write_id(&mut head, scope.client);
        if head.len() > LONGEST_HEAD {
            let size = head.len();
            let detail =
                format!("with these values, the request's head has {size} bytes, more than 65536");
            return Err(Failure::skipped(detail));
        }
        Ok(Rendered {
            head,
            body,
            item: scope
                .item
                .filter(|_| self.keeps_item)
                .map(|item| (item.index, item.json.into())),
        })
    }

    /// Returns the first line.
    fn target(&self, scope: &Scope<'_>) -> Result<Vec<u8>, Skipped> {
        let mut line =
            Vec::with_capacity(self.start.len() + self.query.len() + self.fields.len() + 256);
        line.extend_from_slice(&self.start);
        if let Some(path) = &self.composed.path {
            path.write(scope, &mut line)?;
        }
        line.extend_from_slice(&self.query);
        let mut is_first = self.query.is_empty();
        for pair in &self.composed.query {
            pair.write(scope, &mut is_first, &mut line)?;
        }
        write_pairs(&mut line, &self.forward_query, scope.client, &mut is_first);
        line.extend_from_slice(b" HTTP/1.1\r\n");
        Ok(line)
    }

    /// Returns the body, and writes the fields that describe it.
    fn body(&self, scope: &Scope<'_>, head: &mut Vec<u8>) -> Result<Bytes, Failure> {
        let Some(content) = &self.composed.content else {
            return Ok(self.body.clone());
        };
        let mut made = Vec::new();
        let body = match content {
            Content::Json(template) => {
                template.write(scope, &mut made).map_err(skipped)?;
                drawn(made, scope.client)?
            }
            Content::Form(template) => {
                template.write(scope, &mut made).map_err(skipped)?;
                drawn(made, scope.client)?
            }
            Content::Forward => {
                let body = scope.client.body.as_ref();
                let kind = body.and_then(|body| body.content_type.as_ref());
                if let Some(kind) = kind.filter(|_| self.passes_type) {
                    fields::write_field(head, &header::CONTENT_TYPE, kind);
                }
                body.map_or_else(Bytes::new, |body| body.bytes.clone())
            }
        };
        if let Some(kind) = self.content_type {
            fields::write_line(head, &header::CONTENT_TYPE, kind.as_bytes());
        }
        let length = HeaderValue::from(body.len());
        fields::write_field(head, &header::CONTENT_LENGTH, &length);
        Ok(body)
    }
}

impl Rendered {
    /// Returns the number of bytes in the body.
    pub(super) fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Returns the element that it was made for, if a judge of its reply needs it.
    pub(super) fn item(&self) -> Option<Item<'_>> {
        let (index, json) = self.item.as_ref()?;
        Some(Item {
            index: *index,
            json,
        })
    }

    /// Returns the head, together with a small body, and the bytes to send after it.
    pub(super) fn bytes(&self, client: &ClientContext, id: AttemptId) -> (Vec<u8>, &[u8]) {
        let (now, after) = split(&self.body);
        let mut bytes = Vec::with_capacity(self.head.len() + 128 + now.len());
        bytes.extend_from_slice(&self.head);
        fields::write_end(&mut bytes, client, id);
        bytes.extend_from_slice(now);
        (bytes, after)
    }
}

/// Returns true if the condition of a reply refers to the element.
fn expects_item(composed: &Composed) -> bool {
    let mut references = composed.expect.iter().flat_map(|it| it.references());
    references.any(|reference| matches!(reference.root, Root::Item | Root::Index))
}

/// Draws a body's bytes from its request, which holds them beside the bodies that come.
fn drawn(body: Vec<u8>, client: &ClientContext) -> Result<Bytes, Failure> {
    let allowance = &client.allowance;
    let mut share = allowance.share();
    let covered = share.cover(body.len()).and_then(|()| share.keep(0));
    let failed = |reason| exceeded(reason, allowance, "with the body that this call sends");
    covered.map(|()| body.into()).map_err(failed)
}

/// Returns a new key, quoted as a String of Structured Fields (RFC 9651). It has the form of a random UUID (RFC 9562).
fn new_key() -> String {
    // Two hashes with a key that the system has made at random. A small generator would be known by 64 bits alone, and
    // two requests of one key are one request.
    let random = RandomState::new();
    let bits = u128::from(random.hash_one(0_u8)) << 64 | u128::from(random.hash_one(1_u8));
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let digits = format!("{bits:032x}");
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    format!("\"{}\"", parts.join("-"))
}

fn skipped(Skipped(detail): Skipped) -> Failure {
    Failure::skipped(detail)
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
