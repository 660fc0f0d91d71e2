//! A JSON value as a request's body. It must not know the request's type.

use serde_json::Value as Tree;

use crate::{
    pick::{quote, quote_inside},
    values::{
        Known, Reference, Scope, Skipped, TemplateError,
        slot::{Slot, Takes},
        template::Template,
    },
};

/// A JSON value with references in its strings. Names of members are as they are written, with braces too.
#[derive(Debug, Clone)]
pub struct JsonTemplate {
    root: Node,
}

/// A part of the value.
#[derive(Debug, Clone)]
enum Node {
    /// JSON that has no reference.
    Constant(Box<[u8]>),
    /// A string that is one slot and nothing else: the value with its type and its bytes.
    Value(Box<Slot>),
    /// A string with slots.
    Text(Template),
    /// Members, each with its name as JSON and the colon.
    Object(Vec<(Box<[u8]>, Node)>),
    List(Vec<Node>),
}

impl JsonTemplate {
    /// Parses a JSON value. Its strings may have references.
    ///
    /// # Errors
    /// Fails with every mistake in it. Each message begins with the path to the string, if it is in a member.
    pub fn parse(json: &Tree, known: &Known<'_>) -> Result<Self, Vec<TemplateError>> {
        let mut mistakes = Vec::new();
        let root = Node::parse(json, Takes::Json, "", known, &mut mistakes);
        if mistakes.is_empty() {
            Ok(Self { root })
        } else {
            Err(mistakes)
        }
    }

    /// Appends the value.
    ///
    /// # Errors
    /// Fails if a value is missing, or is no text where one is needed. `out` may then have a part of it.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), Skipped> {
        self.root.write(&[], &mut false, scope, out)
    }

    /// Returns all references in it.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let mut found = Vec::new();
        self.root.collect(&mut found);
        found.into_iter()
    }

    /// Returns true if it has no reference.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.constant().is_some()
    }

    /// Returns the whole value, if it has no reference.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match &self.root {
            Node::Constant(json) => Some(json),
            _ => None,
        }
    }
}

impl Node {
    fn parse(
        json: &Tree,
        takes: Takes,
        path: &str,
        known: &Known<'_>,
        mistakes: &mut Vec<TemplateError>,
    ) -> Self {
        match json {
            Tree::String(text) => match Template::parse(text, takes, known) {
                Ok(template) => Self::string(template),
                Err(wrong) => {
                    let at = if path.is_empty() { "" } else { ": " };
                    let wrong = wrong.into_iter();
                    mistakes.extend(wrong.map(|wrong| TemplateError(format!("{path}{at}{wrong}"))));
                    Self::Constant(Box::default())
                }
            },
            Tree::Array(elements) => {
                let elements = elements.iter().enumerate();
                let mut parse = |(index, element): (usize, &Tree)| {
                    let path = format!("{path}[{index}]");
                    Self::parse(element, Takes::OptionalJson, &path, known, mistakes)
                };
                Self::List(elements.map(&mut parse).collect()).settled()
            }
            Tree::Object(members) => {
                let mut parse = |(name, value): (&String, &Tree)| {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{name}");
                    let mut start = Vec::new();
                    quote(name, &mut start);
                    start.push(b':');
                    let value = Self::parse(value, Takes::OptionalJson, &path, known, mistakes);
                    (start.into(), value)
                };
                Self::Object(members.iter().map(&mut parse).collect()).settled()
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) => {
                Self::Constant(json.to_string().into_bytes().into())
            }
        }
    }

    fn string(template: Template) -> Self {
        if let Some(text) = template.constant() {
            let mut json = Vec::new();
            quote(text, &mut json);
            return Self::Constant(json.into());
        }
        match template.whole() {
            Some(slot) => Self::Value(Box::new(slot.clone())),
            None => Self::Text(template),
        }
    }

    /// Makes the node a constant, if all in it is.
    fn settled(self) -> Self {
        let with_comma = |json: &mut Vec<u8>| {
            if json.len() > 1 {
                json.push(b',');
            }
        };
        let mut json = Vec::new();
        match &self {
            Self::Object(members) => {
                json.push(b'{');
                for (start, node) in members {
                    let Self::Constant(value) = node else {
                        return self;
                    };
                    with_comma(&mut json);
                    json.extend_from_slice(start);
                    json.extend_from_slice(value);
                }
                json.push(b'}');
            }
            Self::List(elements) => {
                json.push(b'[');
                for node in elements {
                    let Self::Constant(value) = node else {
                        return self;
                    };
                    with_comma(&mut json);
                    json.extend_from_slice(value);
                }
                json.push(b']');
            }
            Self::Constant(_) | Self::Value(_) | Self::Text(_) => return self,
        }
        Self::Constant(json.into())
    }

    /// Appends a comma if `follows`, then `start`, then the value. If the value is left out, it appends nothing. It
    /// sets `follows` if it has appended something.
    fn write(
        &self,
        start: &[u8],
        follows: &mut bool,
        scope: &Scope<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Skipped> {
        let value = match self {
            Self::Value(slot) => match slot.value(scope)? {
                None => return Ok(()),
                value => value,
            },
            _ => None,
        };
        if std::mem::replace(follows, true) {
            out.push(b',');
        }
        out.extend_from_slice(start);
        match self {
            Self::Constant(json) => out.extend_from_slice(json),
            Self::Value(_) => value.iter().for_each(|value| value.json(out)),
            Self::Text(template) => {
                out.push(b'"');
                template.each_text(scope, |text| quote_inside(&text, out))?;
                out.push(b'"');
            }
            Self::Object(members) => {
                out.push(b'{');
                let mut follows = false;
                for (start, node) in members {
                    node.write(start, &mut follows, scope, out)?;
                }
                out.push(b'}');
            }
            Self::List(elements) => {
                out.push(b'[');
                let mut follows = false;
                for node in elements {
                    node.write(&[], &mut follows, scope, out)?;
                }
                out.push(b']');
            }
        }
        Ok(())
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Reference>) {
        match self {
            Self::Constant(_) => {}
            Self::Value(slot) => found.push(&slot.reference),
            Self::Text(template) => found.extend(template.references()),
            Self::Object(members) => members.iter().for_each(|(_, node)| node.collect(found)),
            Self::List(elements) => elements.iter().for_each(|node| node.collect(found)),
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
