//! The decision of a call whose turn has come: the request that it sends, one request for each element of a list, or
//! none. It must not know how a request is sent.

use std::{borrow::Cow, sync::Arc};

use http::HeaderValue;

use super::{
    Address,
    composed::{Composed, EachSettings},
    expectation::Expectation,
    recipe::{Recipe, Rendered},
    settings::Request,
};
use crate::{
    exchange::ClientContext,
    expression::Unevaluated,
    fanout::{Earlier, Elements, Failure, FailureKind, Turn},
    pick::{Kind, elements, kind},
    values::{Item, Reference, Root, Scope, Value},
};

/// One request of a call; `None` if it is the same for all clients.
pub(super) type Sending = Option<Box<Rendered>>;

/// The parts of a call that are made from values.
pub(super) struct Composition {
    composed: Arc<Composed>,
    /// The way to make a request, if some part of it varies.
    recipe: Option<Recipe>,
}

impl Composition {
    /// Makes everything ready that does not vary; `None` if nothing varies.
    pub(super) fn new(
        address: &Address,
        request: &Request,
        hop: Option<HeaderValue>,
    ) -> Option<Self> {
        Some(Self {
            composed: Arc::clone(request.composed.as_ref()?),
            recipe: Recipe::new(address, request, hop),
        })
    }

    /// Decides what the call does.
    pub(super) fn turn<'a>(
        &'a self,
        client: &'a ClientContext,
        earlier: Earlier<'a>,
    ) -> Turn<'a, Sending> {
        let scope = Scope {
            client,
            earlier,
            own: None,
            item: None,
        };
        if let Some(when) = &self.composed.when {
            match when.is_true(&scope) {
                Ok(true) => {}
                Ok(false) => return Turn::Omit,
                Err(Unevaluated(why)) => {
                    let detail = format!("`when` can't be evaluated: {why}");
                    return Turn::Fail(Failure::skipped(detail));
                }
            }
        }
        let made = match &self.composed.each {
            Some(each) => self.each(each, scope).map(Box::new).map(Turn::Each),
            None => self.request(&scope).map(Turn::Send),
        };
        made.unwrap_or_else(Turn::Fail)
    }

    fn request(&self, scope: &Scope<'_>) -> Result<Sending, Failure> {
        let recipe = self.recipe.as_ref();
        let rendered = recipe.map(|recipe| recipe.render(scope)).transpose()?;
        Ok(rendered.map(Box::new))
    }

    fn each<'a>(
        &'a self,
        settings: &'a EachSettings,
        scope: Scope<'a>,
    ) -> Result<Elements<'a, Sending>, Failure> {
        let (total, items) = items(&settings.list, &scope).map_err(Failure::skipped)?;
        let max = settings.max;
        if total > max {
            let detail = format!("the list has {total} elements, more than `max` = {max}");
            return Err(Failure::new(FailureKind::TooLarge, detail));
        }
        let requests = items.enumerate().map(move |(index, json)| {
            self.request(&Scope {
                item: Some(Item { index, json: &json }),
                ..scope
            })
        });
        Ok(Elements {
            total,
            requests: Box::new(requests),
            concurrency: settings.concurrency,
            tolerate: settings.tolerate.most(total),
        })
    }

    /// Returns the condition on the reply to a request, if there is one. It is on the heap: otherwise every attempt would
    /// have to keep room for it.
    pub(super) fn expectation<'a>(
        &'a self,
        client: &'a ClientContext,
        earlier: Earlier<'a>,
        request: &'a Sending,
    ) -> Option<Box<Expectation<'a>>> {
        Some(Box::new(Expectation {
            condition: self.composed.expect.as_ref()?,
            call: self.composed.call,
            scope: Scope {
                client,
                earlier,
                own: None,
                item: request.as_ref().and_then(|request| request.item()),
            },
        }))
    }
}

/// The elements of a list, each the bytes of one JSON value.
type Items<'a> = Box<dyn Iterator<Item = Cow<'a, [u8]>> + 'a>;

/// Returns the number of elements of the list that the reference finds, and the elements. A query parameter is a list
/// of texts, also if it is given once.
///
/// # Errors
/// Fails if there is no list, and says why.
fn items<'a>(list: &Reference, scope: &Scope<'a>) -> Result<(usize, Items<'a>), String> {
    let found = list.find(scope).map_err(|absent| list.why(absent))?;
    let is = match found {
        Value::Json(json) => match kind(json) {
            Kind::List => {
                let items = elements(json);
                return Ok((items.clone().count(), Box::new(items.map(Cow::Borrowed))));
            }
            Kind::Null => "null",
            Kind::Bool => "true or false",
            Kind::Number => "a number",
            Kind::Text => "text",
            Kind::Object => "an object",
        },
        Value::List(items) => {
            return Ok((items.len(), Box::new(items.into_iter().map(Cow::Borrowed))));
        }
        Value::Texts(texts) => return Ok(quoted(texts)),
        Value::Text(text) if matches!(list.root, Root::Query(_)) => return Ok(quoted(vec![text])),
        Value::Text(_) => "text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
    };
    Err(format!(
        "`{{{}}}` is {is}, where a list is needed",
        list.text
    ))
}

/// Returns texts as JSON.
fn quoted(texts: Vec<Cow<'_, str>>) -> (usize, Items<'_>) {
    let json = |text| {
        let mut json = Vec::new();
        Value::Text(text).json(&mut json);
        Cow::Owned(json)
    };
    (texts.len(), Box::new(texts.into_iter().map(json)))
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
