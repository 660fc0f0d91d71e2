//! Values of one request, as a configuration writes them: `{users.body.team.id}`. A reference says where a value is,
//! and a template puts values into a place of a request, encoded for that place. Both are parsed and checked at start.
//! It must not know how a request is sent.

mod find;
#[cfg(any(test, fuzzing))]
pub(crate) mod fixture;
mod known;
mod places;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod read;
mod reasons;
mod reference;
mod scope;
mod slot;
mod template;

pub use known::Known;
pub use places::{FormTemplate, HeaderTemplate, JsonTemplate, PathTemplate, QueryTemplate};
pub use reasons::{Skipped, TemplateError};
pub use reference::{Part, Reference, ReferenceError, Root};
pub use scope::{Absent, Item, Scope, Value};

#[cfg(test)]
#[path = "values/injection_tests.rs"]
mod injection_tests;
#[cfg(test)]
#[path = "values/missing_tests.rs"]
mod missing_tests;
