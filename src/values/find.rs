//! The value of a reference in one request. It must not know the place that the value is for.

use std::{borrow::Cow, str};

use http::{HeaderName, HeaderValue};

use super::{Absent, Part, Reference, Root, Scope, Value};
use crate::{
    exchange::ClientContext,
    fanout::{Body, CallResult, Failure, FailureKind, Reply},
    pick::{self, Picked, Step},
};

impl Reference {
    /// Returns the value in this request.
    ///
    /// # Errors
    /// Fails if there is none, and says why.
    pub fn find<'s>(&self, scope: &Scope<'s>) -> Result<Value<'s>, Absent> {
        if let Some(json) = self.json(scope) {
            return found(self.path.find(json));
        }
        let client = scope.client;
        match &self.root {
            Root::Path(index) => {
                let value = client.path.get(*index).ok_or(Absent::Missing)?;
                Ok(Value::Text(Cow::Borrowed(value)))
            }
            Root::Query(name) => self.query(name, client),
            Root::Header(name) => field(name, &client.headers),
            Root::Body | Root::Item => Err(Absent::Missing),
            Root::Call(call, part) => self.call_part(*call, part, scope),
            Root::Index => {
                let index = scope.item.ok_or(Absent::Missing)?.index;
                Ok(Value::Number(index as u64))
            }
        }
    }

    /// Returns the values of references to parts of one JSON value, which have the same root. `None` if there is no such
    /// value, and so each is to be looked for by itself. An object is walked over once for all of them.
    pub fn find_all<'s>(
        references: &[&Self],
        scope: &Scope<'s>,
    ) -> Option<Vec<Result<Value<'s>, Absent>>> {
        let json = references.first()?.json(scope)?;
        let paths: Vec<_> = references.iter().map(|one| &one.path).collect();
        Some(
            pick::find_all(&paths, json)
                .into_iter()
                .map(found)
                .collect(),
        )
    }

    /// Returns the JSON value that it is a part of, if its root is one: the client's body, a reply's, or an element.
    fn json<'s>(&self, scope: &Scope<'s>) -> Option<&'s [u8]> {
        match self.root {
            Root::Body => {
                let body = scope.client.body.as_ref();
                body.filter(|body| body.is_json).map(|body| &*body.bytes)
            }
            Root::Call(call, Part::Body) => {
                let reply = match scope.own {
                    Some((own, reply)) if own == call => reply,
                    _ => scope.earlier.get(call)?.result.as_ref().ok()?,
                };
                match &reply.body {
                    Body::Json(json) => Some(json),
                    Body::Empty | Body::Text { .. } | Body::Binary { .. } => None,
                }
            }
            Root::Item => scope.item.map(|item| item.json),
            Root::Path(_) | Root::Query(_) | Root::Header(_) | Root::Call(..) | Root::Index => None,
        }
    }

    fn query<'s>(&self, name: &str, client: &'s ClientContext) -> Result<Value<'s>, Absent> {
        let own = client.query.iter().filter(|(own, _)| own == name);
        let values: Option<Vec<_>> = own.map(|(_, pair)| pair_value(pair)).collect();
        let mut values = values.ok_or(Absent::NoText)?;
        match self.path.steps() {
            _ if values.is_empty() => Err(Absent::Missing),
            [Step::Index(index)] => {
                let index = match usize::try_from(*index) {
                    Ok(index) => Some(index),
                    Err(_) => usize::try_from(index.unsigned_abs())
                        .ok()
                        .and_then(|back| values.len().checked_sub(back)),
                };
                let index = index.filter(|index| *index < values.len());
                Ok(Value::Text(
                    values.swap_remove(index.ok_or(Absent::Missing)?),
                ))
            }
            [] if values.len() == 1 => Ok(Value::Text(values.remove(0))),
            _ => Ok(Value::Texts(values)),
        }
    }

    fn call_part<'s>(
        &self,
        call: usize,
        part: &Part,
        scope: &Scope<'s>,
    ) -> Result<Value<'s>, Absent> {
        if let Some((own, reply)) = scope.own
            && own == call
        {
            return self.reply_part(part, reply);
        }
        let result = scope.earlier.get(call).ok_or(Absent::Missing)?;
        match &result.result {
            Ok(reply) => self.reply_part(part, reply),
            Err(failure) => self.failure_part(call, part, result, failure),
        }
    }

    fn reply_part<'s>(&self, part: &Part, reply: &'s Reply) -> Result<Value<'s>, Absent> {
        match part {
            Part::Ok => Ok(Value::Bool(true)),
            Part::Failure => Ok(Value::Json(b"null")),
            Part::Status => Ok(Value::Number(reply.status.as_u16().into())),
            Part::Header(name) => field(name, reply.fields()),
            Part::Body => match &reply.body {
                Body::Text { text, .. } if self.path.steps().is_empty() => utf8(text),
                Body::Binary { .. } if self.path.steps().is_empty() => Err(Absent::NoText),
                Body::Empty | Body::Json(_) | Body::Text { .. } | Body::Binary { .. } => {
                    Err(Absent::Missing)
                }
            },
        }
    }

    fn failure_part<'s>(
        &self,
        call: usize,
        part: &Part,
        result: &'s CallResult,
        failure: &'s Failure,
    ) -> Result<Value<'s>, Absent> {
        let is_omitted = failure.kind == FailureKind::Omitted;
        match (part, result.fallback()) {
            (Part::Ok, _) => Ok(Value::Bool(false)),
            (Part::Failure, _) => Ok(Value::Text(Cow::Borrowed(failure.kind.as_str()))),
            (Part::Status, _) => {
                let status = failure.status.ok_or(Absent::Missing)?;
                Ok(Value::Number(status.as_u16().into()))
            }
            (Part::Body | Part::Header(_), _) if is_omitted => Err(Absent::Omitted(call)),
            (Part::Body, Some(json)) => found(self.path.find(json)),
            (Part::Body | Part::Header(_), _) => Err(Absent::Failed(call)),
        }
    }
}

fn found(picked: Picked<'_>) -> Result<Value<'_>, Absent> {
    match picked {
        Picked::Missing => Err(Absent::Missing),
        Picked::One(value) => Ok(Value::Json(value)),
        Picked::Many(values) => Ok(Value::List(values)),
    }
}

/// Returns the value of a query parameter's pair as it came, decoded. `None` if that is not UTF-8.
fn pair_value(pair: &str) -> Option<Cow<'_, str>> {
    let (_, value) = pair.split_once('=').unwrap_or((pair, ""));
    if !value.contains(['+', '%']) {
        return Some(Cow::Borrowed(value));
    }
    let spaced = value.replace('+', " ");
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(&spaced).collect();
    Some(Cow::Owned(String::from_utf8(decoded).ok()?))
}

/// Returns the lines of a header field, joined as RFC 9110, section 5.3, allows.
fn field<'s>(
    name: &HeaderName,
    fields: &'s [(HeaderName, HeaderValue)],
) -> Result<Value<'s>, Absent> {
    let mut lines = fields.iter().filter(|(own, _)| own == name);
    let (_, first) = lines.next().ok_or(Absent::Missing)?;
    let Some((_, second)) = lines.next() else {
        return utf8(first.as_bytes());
    };
    let mut joined = first.as_bytes().to_vec();
    for line in [second].into_iter().chain(lines.map(|(_, line)| line)) {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(line.as_bytes());
    }
    let joined = String::from_utf8(joined).map_err(|_| Absent::NoText)?;
    Ok(Value::Text(Cow::Owned(joined)))
}

fn utf8(bytes: &[u8]) -> Result<Value<'_>, Absent> {
    let text = str::from_utf8(bytes).map_err(|_| Absent::NoText)?;
    Ok(Value::Text(Cow::Borrowed(text)))
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
