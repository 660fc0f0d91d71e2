//! A reference to a value: `users.body.team.id`. It must not know the place that the value is for.

use std::sync::Arc;

use http::HeaderName;

use super::Absent;
use crate::pick::Path;

/// The root of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// `path.NAME`: the parameter of the route with this index.
    Path(usize),
    /// `query.NAME`: a query parameter of the client.
    Query(Arc<str>),
    /// `headers.NAME`: a header field of the client.
    Header(HeaderName),
    /// `body`: the client's JSON body.
    Body,
    /// `CALL.…`: a part of the result of the call with this index in the aggregate.
    Call(usize, Part),
    /// `item`: the element of a call with `each`.
    Item,
    /// `index`: its index in the list, from 0.
    Index,
}

/// The part of a call's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `.body`: as the upstream sent it, or the fallback.
    Body,
    /// `.headers.NAME`: a field of the upstream's answer.
    Header(HeaderName),
    /// `.status`: a number; missing if no answer came.
    Status,
    /// `.ok`: true or false.
    Ok,
    /// `.failure`: the class of the failure, as text; null if there is none.
    Failure,
}

/// A reference to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// As it is written, for messages.
    pub text: Arc<str>,
    /// The root.
    pub root: Root,
    /// The steps from the root's value.
    pub path: Path,
}

/// A text that is no reference here. The message says what is wrong, and has a suggestion for a misspelt name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReferenceError(pub String);

impl Reference {
    /// Returns the index of the call that it refers to.
    #[must_use]
    pub const fn call(&self) -> Option<usize> {
        match self.root {
            Root::Call(call, _) => Some(call),
            _ => None,
        }
    }

    /// Returns the first name in it: of the root, or of the call.
    #[must_use]
    pub fn name(&self) -> &str {
        let end = self.text.find(['.', '[']);
        end.map_or(&*self.text, |end| &self.text[..end])
    }

    /// Returns the reason why there is no value, as a sentence without a full stop.
    #[must_use]
    pub fn why(&self, absent: Absent) -> String {
        let (text, name) = (&self.text, self.name());
        match absent {
            Absent::Missing => format!("`{{{text}}}` is missing"),
            Absent::NoText => format!("`{{{text}}}` is no text in UTF-8"),
            Absent::Failed(_) => {
                format!("`{{{text}}}` is missing because the call `{name}` failed")
            }
            Absent::Omitted(_) => {
                format!("`{{{text}}}` is missing because the call `{name}` was omitted")
            }
        }
    }
}
