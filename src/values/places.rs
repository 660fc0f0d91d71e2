//! Templates: values in a place of a request, encoded for it. It must not know the rest of the request.

use http::HeaderValue;

use super::{Known, Reference, Scope};

/// The reason why a template can't be parsed: one message for each mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

/// The reason why a template has no text: one sentence that names the reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Skipped(pub String);

/// Defines a template with the functions that all have.
macro_rules! template {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            references: Vec<Reference>,
        }

        impl $name {
            /// Returns all references in it.
            pub fn references(&self) -> impl Iterator<Item = &Reference> {
                self.references.iter()
            }

            /// Returns true if it has no reference.
            #[must_use]
            pub fn is_constant(&self) -> bool {
                self.references.is_empty()
            }
        }
    };
}

template!(
    /// A path: `/users/{path.id}`. Each value is one segment or a part of one.
    PathTemplate
);
template!(
    /// The value of one query parameter, with its name.
    QueryTemplate
);
template!(
    /// The value of a header field.
    HeaderTemplate
);
template!(
    /// A JSON value with references in its strings.
    JsonTemplate
);
template!(
    /// Pairs of a form (`application/x-www-form-urlencoded`).
    FormTemplate
);

impl PathTemplate {
    /// Parses a path. `base` is the path of the upstream's URL, which comes before it as it is.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(base: &str, text: &str, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let _ = (base, text, known);
        unimplemented!()
    }

    /// Returns the whole path as it is configured.
    #[must_use]
    pub fn pattern(&self) -> &str {
        unimplemented!()
    }

    /// Appends the path, which begins with a slash.
    ///
    /// # Errors
    /// Fails if a value is missing, or can't be a part of a path. `out` may then have a part of it.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Skipped> {
        let _ = (scope, out);
        unimplemented!()
    }
}

impl QueryTemplate {
    /// Parses the value of the parameter `name`.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(name: &str, text: &str, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let _ = (name, text, known);
        unimplemented!()
    }

    /// Appends a pair for each value, each after `?` or `&`. `is_first` says if no pair came before; it is updated.
    ///
    /// # Errors
    /// Fails if a value is missing, or is no text.
    pub fn write(
        &self,
        scope: &Scope<'_>,
        is_first: &mut bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Skipped> {
        let _ = (scope, is_first, out);
        unimplemented!()
    }
}

impl HeaderTemplate {
    /// Parses the value of a field.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(text: &str, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let _ = (text, known);
        unimplemented!()
    }

    /// Returns the value; `None` if the field is left out.
    ///
    /// # Errors
    /// Fails if a value is missing, or if no field may hold it.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Option<HeaderValue>, Skipped> {
        let _ = scope;
        unimplemented!()
    }
}

impl JsonTemplate {
    /// Parses a JSON value. Its strings may have references.
    ///
    /// # Errors
    /// Fails with every mistake in it. Each message begins with the path to the string, if it is in a member.
    pub fn parse(json: &serde_json::Value, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let _ = (json, known);
        unimplemented!()
    }

    /// Appends the value.
    ///
    /// # Errors
    /// Fails if a value is missing, or is no text where one is needed.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Skipped> {
        let _ = (scope, out);
        unimplemented!()
    }
}

impl FormTemplate {
    /// Parses pairs of a name and a value.
    ///
    /// # Errors
    /// Fails with every mistake in it.
    pub fn parse(
        pairs: &[(String, String)],
        known: &Known<'_>,
    ) -> Result<Self, Vec<TemplateError>> {
        let _ = (pairs, known);
        unimplemented!()
    }

    /// Appends the pairs.
    ///
    /// # Errors
    /// Fails if a value is missing, or is no text.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Skipped> {
        let _ = (scope, out);
        unimplemented!()
    }
}
