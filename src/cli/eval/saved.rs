//! A saved answer: the results of the calls of an aggregate, as a report or a stream has them. It must not know what is
//! asked of them.

use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::StatusCode;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::RawValue;

use super::whole;

use crate::{
    compose::Shape,
    config::{Aggregate, Call},
    fanout::{Body, CallResult, Failure, FailureKind, Labels, Reply},
};

/// The results of a saved answer.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// In the order of the answer.
    pub(super) results: Vec<CallResult>,
    /// Their indices, by those of the calls in the aggregate.
    pub(super) positions: Vec<Option<usize>>,
    /// The indices of those whose bodies are not in the answer.
    pub(super) hidden: Vec<usize>,
}

/// The members by which the kinds of answers differ.
#[derive(Deserialize)]
struct Marks {
    aggregate: Option<String>,
    index: Option<IgnoredAny>,
    mode: Option<String>,
    results: Option<Box<RawValue>>,
    concurrent: Option<Box<RawValue>>,
}

/// A run of a comparison.
#[derive(Deserialize)]
struct Run {
    results: Option<Vec<CallMembers>>,
}

/// The result of one call.
#[derive(Deserialize)]
struct CallMembers {
    name: String,
    ok: bool,
    status: Option<u16>,
    body: Option<Box<RawValue>>,
    content_type: Option<Box<str>>,
    content_encoding: Option<Box<str>>,
    encoding: Option<String>,
    failure: Option<String>,
    detail: Option<String>,
}

impl Saved {
    /// Reads an answer of this aggregate.
    ///
    /// # Errors
    /// Fails if it is none, or has no results.
    pub(super) fn read(text: &[u8], aggregate: &Aggregate) -> anyhow::Result<Self> {
        let mut saved = Self {
            positions: vec![None; aggregate.calls.len()],
            ..Self::default()
        };
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Box<RawValue>>();
        let Some(first) = values.next() else {
            bail!("it is empty");
        };
        let first = first.context("it is not JSON")?;
        for value in std::iter::once(Ok(first)).chain(values) {
            let value: Box<RawValue> = value.context("it is not JSON")?;
            let marks: Marks =
                parsed(value.get()).context("it is no answer of Gather: not an object")?;
            if let Some(own) = marks.aggregate
                && own != *aggregate.name
            {
                bail!("it is an answer of the aggregate `{own}`");
            }
            let is_compared = marks.mode.as_deref() == Some("compare");
            let results = if marks.index.is_some() {
                // A comparison names the run. In other streams the last line alone has a mode.
                if marks.mode.as_deref() == Some("sequential") {
                    continue;
                }
                vec![parsed(value.get()).context(STRANGE)?]
            } else if let Some(run) = marks.concurrent.filter(|_| is_compared) {
                let run: Run = parsed(run.get()).context(STRANGE)?;
                run.results.unwrap_or_default()
            } else if let Some(results) = marks.results {
                parsed(results.get()).context(STRANGE)?
            } else {
                continue;
            };
            for result in results {
                saved.add(result, aggregate)?;
            }
        }
        if saved.results.is_empty() {
            bail!("{}", none(aggregate));
        }
        Ok(saved)
    }

    fn add(&mut self, result: CallMembers, aggregate: &Aggregate) -> anyhow::Result<()> {
        let mut calls = aggregate.calls.iter();
        let Some(index) = calls.position(|call| *call.name == *result.name) else {
            bail!(
                "it has a result of `{}`, and the aggregate `{}` has no such call",
                result.name,
                aggregate.name
            );
        };
        let position = self.results.len();
        if self.positions[index].replace(position).is_some() {
            bail!("it has two results of `{}`", result.name);
        }
        let call = &aggregate.calls[index];
        if result.body.is_none() && (result.ok || call.fallback.is_some()) {
            self.hidden.push(position);
        }
        self.results.push(result.into_result(call)?);
        Ok(())
    }
}

const STRANGE: &str = "it is no answer of Gather";

/// Returns the sentence on an answer without results.
fn none(aggregate: &Aggregate) -> String {
    let name = &aggregate.name;
    match aggregate.shape {
        Shape::Report => {
            "it has no `results`; save the answer of the aggregate as it came".to_owned()
        }
        Shape::Merge | Shape::Value(_) => format!(
            "it has no `results`, as `{name}` has a shape; save a stream, which has them: curl -H 'accept: application/x-ndjson'"
        ),
    }
}

impl CallMembers {
    fn into_result(self, call: &Call) -> anyhow::Result<CallResult> {
        let name = &self.name;
        let status = self.status.map(StatusCode::from_u16).transpose();
        let status = status.with_context(|| format!("the status of `{name}` is none"))?;
        let result = if self.ok {
            let status = status.with_context(|| format!("`{name}` has no status"))?;
            Ok(Reply::new(status, self.content(call)?))
        } else {
            let failure = self.failure.as_deref();
            let kind = FailureKind::ALL
                .into_iter()
                .find(|kind| Some(kind.as_str()) == failure);
            let kind = kind.with_context(|| format!("`{name}` has an unknown failure"))?;
            let mut failure = Failure::new(kind, self.detail.clone().unwrap_or_default());
            failure.status = status;
            Err(failure)
        };
        let fallback = match (&result, &self.body) {
            (Ok(_), _) => None,
            (Err(failure), None) if failure.kind == FailureKind::Omitted => None,
            (Err(_), body) => {
                let saved = || {
                    body.as_ref()
                        .map(|body| Bytes::copy_from_slice(body.get().as_bytes()))
                };
                call.fallback.clone().or_else(saved)
            }
        };
        let result = CallResult::new(self.name, Duration::ZERO, Duration::ZERO, result);
        Ok(result.with(fallback, None))
    }

    fn content(&self, call: &Call) -> anyhow::Result<Body> {
        let Some(body) = &self.body else {
            return Ok(Body::Empty);
        };
        let name = &self.name;
        if self.encoding.is_some() {
            let text: String = parsed(body.get()).context(STRANGE)?;
            let bytes = BASE64_STANDARD.decode(text);
            let bytes = bytes.with_context(|| format!("the body of `{name}` is no base64"))?;
            let labels = Labels {
                content_type: self.content_type.clone(),
                content_encoding: self.content_encoding.clone(),
            };
            return Ok(Body::Binary {
                labels: Box::new(labels),
                bytes: bytes.into(),
            });
        }
        if let Some(content_type) = &self.content_type {
            let text: String = parsed(body.get()).context(STRANGE)?;
            return Ok(Body::Text {
                content_type: Some(content_type.clone()),
                text: text.into(),
            });
        }
        let part = Bytes::copy_from_slice(body.get().as_bytes());
        Ok(Body::Json(whole::put_back(&call.shape, part)))
    }
}

fn parsed<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(json)
}

/// Checks that a text is one JSON value.
///
/// # Errors
/// Fails if it is none.
pub(super) fn valid(json: &[u8]) -> serde_json::Result<()> {
    serde_json::from_slice::<&RawValue>(json).map(drop)
}
