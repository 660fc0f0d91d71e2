//! One `{…}` of a template: a reference, a way to join a list, and an answer to a missing value. It must not know the
//! place that the value is for.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Absent, Known, Reference, Scope, Skipped, TemplateError, Value};
use crate::pick::{self, Kind, Step, quote, quoted};

/// One `{…}` of a template.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) reference: Reference,
    /// The text between the elements of a list (`join`). Without it a list is no text.
    join: Option<Box<str>>,
    missing: Missing,
}

/// The answer to a missing value.
#[derive(Debug, Clone)]
enum Missing {
    /// The call is skipped.
    Skips,
    /// `?`: the value's place is left out.
    LeavesOut,
    /// `??`: this JSON value stands in.
    Default(Box<[u8]>),
}

/// The values that a place can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// One text. Its place can't be left out.
    Text,
    /// One text. Its place can be left out.
    OptionalText,
    /// A text or a list of texts. Its place can be left out.
    Texts,
    /// Any JSON. Its place can be left out.
    OptionalJson,
    /// Any JSON. Its place can't be left out.
    Json,
}

impl Slot {
    /// Reads a slot without its first brace. Returns it and the text after its last brace.
    pub(super) fn read<'t>(
        text: &'t str,
        known: &Known<'_>,
    ) -> Result<(Self, &'t str), TemplateError> {
        let wrong = |message: &str| TemplateError(message.to_owned());
        let (reference, rest) =
            Reference::read(text.trim_start(), known).map_err(|wrong| TemplateError(wrong.0))?;
        let mut rest = rest.trim_start();
        let mut join = None;
        if let Some(after) = rest.strip_prefix("join") {
            let (between, after) = quoted(after.trim_start())
                .ok_or_else(|| wrong("`join` needs a text in quotes, such as `join ','`"))?;
            join = Some(between.into());
            rest = after.trim_start();
        }
        let mut missing = Missing::Skips;
        if let Some(after) = rest.strip_prefix("??") {
            let (default, after) = literal(after.trim_start()).ok_or_else(|| {
                wrong("`??` needs a JSON literal, such as `'x'`, `1`, `true`, `null` or `[]`")
            })?;
            missing = Missing::Default(default.into());
            rest = after.trim_start();
        } else if let Some(after) = rest.strip_prefix('?') {
            missing = Missing::LeavesOut;
            rest = after.trim_start();
        }
        let Some(after) = rest.strip_prefix('}') else {
            return Err(match rest.chars().next() {
                None => wrong("a `{` has no `}`; a literal brace is written twice, `{{`"),
                Some('-') => TemplateError(format!(
                    "`-` after `{}`: a name with other characters than letters, digits and `_` is written `[\"x-y\"]`",
                    reference.text
                )),
                Some(stray) => TemplateError(format!(
                    "`{stray}` after `{}`: there may be `join ','`, then `?` or `?? 'default'`, then `}}`",
                    reference.text
                )),
            });
        };
        Ok((
            Self {
                reference,
                join,
                missing,
            },
            after,
        ))
    }

    /// Returns true if its value, if there is one, is always a list.
    pub(super) fn makes_list(&self) -> bool {
        self.join.is_none() && self.reference.path.steps().contains(&Step::Every)
    }

    /// Checks that its place can take what is known of it from the configuration alone.
    pub(super) fn check(&self, takes: Takes) -> Result<(), TemplateError> {
        let wrong = |message: &str| {
            Err(TemplateError(format!(
                "`{{{}}}`: {message}",
                self.reference.text
            )))
        };
        let takes = match takes {
            Takes::Texts | Takes::OptionalJson if self.join.is_some() => Takes::OptionalText,
            Takes::Json if self.join.is_some() => Takes::Text,
            takes => takes,
        };
        match &self.missing {
            Missing::LeavesOut if matches!(takes, Takes::Text | Takes::Json) => {
                wrong("`?` leaves out a whole value, which this is not: give a default with `??`")
            }
            Missing::Default(json) => {
                let is_text = |json: &[u8]| matches!(scalar(json), Ok(Some(_)));
                let is_list =
                    || pick::kind(json) == Kind::List && pick::elements(json).all(is_text);
                match takes {
                    Takes::Json | Takes::OptionalJson => Ok(()),
                    _ if is_text(json) => Ok(()),
                    Takes::Texts if is_list() => Ok(()),
                    Takes::Texts => wrong(
                        "its default has to be a text, a number, true or false, or a list of those",
                    ),
                    Takes::Text | Takes::OptionalText => {
                        wrong("its default has to be a text, a number, true or false")
                    }
                }
            }
            Missing::Skips | Missing::LeavesOut => Ok(()),
        }
    }

    /// Returns the default of `??`.
    pub(super) fn default(&self) -> Option<&[u8]> {
        match &self.missing {
            Missing::Default(json) => Some(json),
            Missing::Skips | Missing::LeavesOut => None,
        }
    }

    /// Returns the value with its type. `None` if its place is left out.
    pub(super) fn value<'a>(&'a self, scope: &Scope<'a>) -> Result<Option<Value<'a>>, Skipped> {
        if self.join.is_some() {
            return Ok(self.text(scope)?.map(Value::Text));
        }
        match self.reference.find(scope) {
            Ok(value) if self.default().is_some() && is_null(&value) => self.stand_in(String::new),
            Ok(value) => Ok(Some(value)),
            Err(absent) => self.absent(absent),
        }
    }

    /// Returns the value as one text. `None` if its place is left out.
    pub(super) fn text<'a>(&'a self, scope: &Scope<'a>) -> Result<Option<Cow<'a, str>>, Skipped> {
        let Some(value) = self.not_null(scope)? else {
            return Ok(None);
        };
        match (value, &self.join) {
            (Value::Text(text), _) => Ok(Some(text)),
            (Value::Number(number), _) => Ok(Some(Cow::Owned(number.to_string()))),
            (Value::Bool(is_true), _) => {
                Ok(Some(Cow::Borrowed(if is_true { "true" } else { "false" })))
            }
            (Value::Json(json), None) => scalar(json).map_err(|wrong| self.is(wrong)),
            (Value::Json(json), Some(_)) if pick::kind(json) != Kind::List => {
                scalar(json).map_err(|wrong| self.is(wrong))
            }
            (Value::List(_) | Value::Texts(_), None) => Err(self.is(LIST)),
            (list, Some(between)) => Ok(Some(Cow::Owned(self.elements(list)?.join(between)))),
        }
    }

    /// Returns the value as one text or as several, of which each has a place of its own. `None` if its place is left
    /// out.
    pub(super) fn texts<'a>(
        &'a self,
        scope: &Scope<'a>,
    ) -> Result<Option<Vec<Cow<'a, str>>>, Skipped> {
        if self.join.is_some() {
            return Ok(self.text(scope)?.map(|text| vec![text]));
        }
        let Some(value) = self.not_null(scope)? else {
            return Ok(None);
        };
        match value {
            Value::Json(json) if pick::kind(json) == Kind::List => {
                self.elements(Value::Json(json)).map(Some)
            }
            list @ (Value::List(_) | Value::Texts(_)) => self.elements(list).map(Some),
            Value::Json(json) => {
                let text = scalar(json).map_err(|wrong| self.is(wrong))?;
                Ok(text.map(|text| vec![text]))
            }
            Value::Text(text) => Ok(Some(vec![text])),
            Value::Number(number) => Ok(Some(vec![Cow::Owned(number.to_string())])),
            Value::Bool(is_true) => Ok(Some(vec![Cow::Owned(is_true.to_string())])),
        }
    }

    /// Returns the value, where `null` is missing.
    fn not_null<'a>(&'a self, scope: &Scope<'a>) -> Result<Option<Value<'a>>, Skipped> {
        match self.reference.find(scope) {
            Ok(value) if is_null(&value) => {
                self.stand_in(|| format!("`{{{}}}` is null", self.reference.text))
            }
            Ok(value) => Ok(Some(value)),
            Err(absent) => self.absent(absent),
        }
    }

    /// Returns the elements of a list as texts. Of those that are `null`, each is a missing value of its own.
    fn elements<'a>(&'a self, list: Value<'a>) -> Result<Vec<Cow<'a, str>>, Skipped> {
        let json: Vec<&[u8]> = match list {
            Value::Texts(texts) => return Ok(texts),
            Value::List(values) => values,
            Value::Json(json) => pick::elements(json).collect(),
            Value::Text(_) | Value::Number(_) | Value::Bool(_) => Vec::new(),
        };
        let mut texts = Vec::with_capacity(json.len());
        let has = |wrong: &str| {
            Skipped(format!(
                "`{{{}}}` has an element that is {wrong}",
                self.reference.text
            ))
        };
        for element in json {
            match (scalar(element).map_err(has)?, &self.missing) {
                (Some(text), _) => texts.push(text),
                (None, Missing::LeavesOut) => {}
                (None, Missing::Default(json)) => {
                    let text = scalar(json).ok().flatten();
                    texts.push(text.ok_or_else(|| has("null"))?);
                }
                (None, Missing::Skips) => return Err(has("null")),
            }
        }
        Ok(texts)
    }

    fn absent(&self, absent: Absent) -> Result<Option<Value<'_>>, Skipped> {
        match absent {
            // It is there, so nothing stands in for it.
            Absent::NoText => Err(Skipped(self.reference.why(absent))),
            Absent::Missing | Absent::Failed(_) | Absent::Omitted(_) => {
                self.stand_in(|| self.reference.why(absent))
            }
        }
    }

    /// Returns what stands in for a missing value.
    fn stand_in(&self, why: impl FnOnce() -> String) -> Result<Option<Value<'_>>, Skipped> {
        match &self.missing {
            Missing::Skips => Err(Skipped(why())),
            Missing::LeavesOut => Ok(None),
            Missing::Default(json) => Ok(Some(Value::Json(json))),
        }
    }

    /// Makes the reason for a value that its place can't take.
    pub(super) fn is(&self, wrong: &str) -> Skipped {
        Skipped(format!("`{{{}}}` is {wrong}", self.reference.text))
    }
}

const LIST: &str = "a list, where text is needed";

fn is_null(value: &Value<'_>) -> bool {
    matches!(value, Value::Json(json) if pick::kind(json) == Kind::Null)
}

/// Returns a JSON value as text: a text, a number as it is written, `true` or `false`. `None` for `null`.
fn scalar(json: &[u8]) -> Result<Option<Cow<'_, str>>, &'static str> {
    match pick::kind(json) {
        Kind::Null => Ok(None),
        Kind::List => Err(LIST),
        Kind::Object => Err("an object, where text is needed"),
        Kind::Text => match pick::text(json) {
            Some(text) => Ok(Some(text)),
            None => Err("no text, as it has half a surrogate pair"),
        },
        Kind::Number | Kind::Bool => match std::str::from_utf8(json.trim_ascii()) {
            Ok(text) => Ok(Some(Cow::Borrowed(text))),
            Err(_) => Err("no text in UTF-8"),
        },
    }
}

/// Reads the literal at the start of a text: JSON, or a text in single quotes. Returns it as JSON, and the rest.
fn literal(text: &str) -> Option<(Vec<u8>, &str)> {
    if text.starts_with('\'') {
        let (text, rest) = quoted(text)?;
        let mut json = Vec::new();
        quote(&text, &mut json);
        return Some((json, rest));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let json = values.next()?.ok()?.get().as_bytes().to_vec();
    Some((json, &text[values.byte_offset()..]))
}
